//! A crate uses only crates to its left in `primitive ← reclaim ← pool ← structures ← store ← wal ← server`; versions stand in the root.

use super::Offence;
use std::fs;
use std::path::{Path, PathBuf};

const LINE: [&str; 7] = ["primitive", "reclaim", "pool", "structures", "store", "wal", "server"];

pub(crate) fn check(root: &Path) -> Vec<Offence> {
    LINE.iter().enumerate().flat_map(|(place, name)| manifest(root, place, name)).collect()
}

fn manifest(root: &Path, place: usize, name: &str) -> Vec<Offence> {
    let path = PathBuf::from("crates").join(name).join("Cargo.toml");
    let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
    let mut offences = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        }
        let product = section.contains("dependencies]") && !section.contains("dev-dependencies");
        let right = LINE[place..].iter().find(|other| {
            line.starts_with(&format!("stillpoint-{other}."))
                || line.starts_with(&format!("stillpoint-{other} "))
        });
        if let (true, Some(other)) = (product, right) {
            let what = format!("`{name}` must not use `{other}`, which stands to its right");
            offences.push(Offence { path: path.clone(), line: index + 1, what });
        }
        if section.contains("dependencies") && line.contains("version =") {
            let what = "versions stand in the root manifest only".to_owned();
            offences.push(Offence { path: path.clone(), line: index + 1, what });
        }
    }
    offences
}
