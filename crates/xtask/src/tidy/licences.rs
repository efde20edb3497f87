//! Dependencies are MIT, Apache-2.0 or BSD-like.

use super::Offence;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Licences that may be linked. An expression passes when each of its `AND` parts has an allowed alternative.
const ALLOWED: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "BSL-1.0",
    "Unicode-3.0",
    "Unlicense",
];

pub(crate) fn check(root: &Path) -> Vec<Offence> {
    let offence = |what: String| Offence { path: PathBuf::from("Cargo.lock"), line: 0, what };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--workspace",
            "--prefix",
            "none",
            "--format",
            "{p}|{l}",
            "--edges",
            "normal,build",
        ])
        .current_dir(root)
        .output();
    let text = match tree {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => {
            return vec![offence(format!(
                "cargo tree failed: {}",
                String::from_utf8_lossy(&output.stderr)
            ))];
        }
        Err(error) => return vec![offence(format!("cargo tree did not run: {error}"))],
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    let bad = lines.iter().filter_map(|line| {
        let (package, licence) = line.split_once('|')?;
        let licence = licence.trim().trim_end_matches(" (*)");
        (!allowed(licence)).then(|| offence(format!("{package}: licence {licence:?}")))
    });
    bad.collect()
}

fn allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    !plain.is_empty()
        && plain
            .split(" AND ")
            .all(|part| part.split(" OR ").any(|one| ALLOWED.contains(&one.trim())))
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn expressions_are_understood() {
        assert!(allowed("MIT OR Apache-2.0"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!allowed("MPL-2.0+"));
        assert!(!allowed("MIT AND GPL-3.0"));
        assert!(!allowed(""));
    }
}
