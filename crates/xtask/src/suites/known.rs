//! [`Known`]: the failures whose reason is known.
//!
//! ```text
//! # suite · unit
//! name of the test
//!     the reason
//! ```
//! A name that ends in `*` stands for all that begin so.

use super::Outcome;
use std::path::Path;

struct Entry {
    place: String,
    name: String,
    reason: String,
}

/// What known_failures.txt says.
pub(crate) struct Known(Vec<Entry>);

impl Known {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Outcome<Self> {
        let (mut entries, mut place, mut name) = (Vec::new(), None, None);
        for (number, line) in text.lines().enumerate() {
            let fail = |what: &str| format!("known_failures.txt, line {}: {what}", number + 1);
            if line.trim().is_empty() {
                continue;
            } else if let Some(heading) = line.strip_prefix("# ") {
                place = Some(heading.trim().to_owned());
            } else if line.starts_with(' ') {
                let name: String = name.take().ok_or_else(|| fail("a reason without a test"))?;
                let place = place.clone().ok_or_else(|| fail("a test outside any unit"))?;
                entries.push(Entry { place, name, reason: line.trim().to_owned() });
            } else if name.replace(line.trim().to_owned()).is_some() {
                return Err(fail("the test before has no reason"));
            }
        }
        match name {
            Some(name) => Err(format!("known_failures.txt: {name:?} has no reason")),
            None => Ok(Known(entries)),
        }
    }

    pub(crate) fn reason(&self, suite: &str, unit: &str, name: &str) -> Option<&str> {
        let place = format!("{suite} · {unit}");
        let found = self.0.iter().find(|entry| {
            entry.place == place
                && match entry.name.strip_suffix('*') {
                    Some(beginning) => name.starts_with(beginning),
                    None => entry.name == name,
                }
        });
        found.map(|entry| entry.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_by_place_and_name() {
        let known = Known::parse("# a · b\none\n    because\ntwo *\n    so\n").unwrap();
        assert_eq!(known.reason("a", "b", "one"), Some("because"));
        assert_eq!(known.reason("a", "b", "two three"), Some("so"));
        assert_eq!(known.reason("a", "c", "one"), None);
        assert!(Known::parse("# a · b\none\ntwo\n    so\n").is_err());
    }
}
