//! [`Known`]: the failures whose reason is known.
//!
//! ```text
//! # suite · unit
//! name of the test
//!     the reason
//! ```
//! A name that ends in `*` stands for all that begin so; one that begins with `~` for all failures whose message has the rest in it. A unit `*` stands
//! for all units.

use super::{Failure, Outcome, Unit};
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

    pub(crate) fn reason(&self, unit: &Unit, failure: &Failure) -> Option<&str> {
        let places = [format!("{} · {}", unit.suite, unit.name), format!("{} · *", unit.suite)];
        let found = self.0.iter().find(|entry| {
            places.contains(&entry.place)
                && match (entry.name.strip_prefix('~'), entry.name.strip_suffix('*')) {
                    (Some(part), _) => failure.message.contains(part),
                    (None, Some(beginning)) => failure.name.starts_with(beginning),
                    (None, None) => entry.name == failure.name,
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
        let text = "# a · b\none\n    because\ntwo *\n    so\n# a · *\n~no SYNC\n    later\n";
        let known = Known::parse(text).unwrap();
        let unit = |name: &str| Unit {
            suite: "a",
            name: name.to_owned(),
            passed: 0,
            ignored: 0,
            failed: Vec::new(),
        };
        let reason = |place: &str, name: &str| {
            known.reason(&unit(place), &Failure::named(name)).map(str::to_owned)
        };
        assert_eq!(reason("b", "one").as_deref(), Some("because"));
        assert_eq!(reason("b", "two three").as_deref(), Some("so"));
        assert_eq!(reason("c", "one"), None);
        let failure = Failure { name: "any".to_owned(), message: "there is no SYNC".to_owned() };
        assert_eq!(known.reason(&unit("c"), &failure), Some("later"));
        assert!(Known::parse("# a · b\none\ntwo\n    so\n").is_err());
    }
}
