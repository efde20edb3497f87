//! [`Source`]: one Rust file as tidy looks at it: lines, where its tests begin, which crate it belongs to.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file of the workspace.
pub(crate) struct Source {
    /// Path below the root.
    pub(crate) path: PathBuf,
    /// The crate's folder name.
    pub(crate) krate: String,
    pub(crate) lines: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: impl Into<PathBuf>, text: &str) -> Source {
        let path = path.into();
        let krate = path.iter().nth(1).map_or(String::new(), |c| c.to_string_lossy().into_owned());
        Source { path, krate, lines: text.lines().map(str::to_owned).collect() }
    }

    /// Whether the file is part of a library or binary, not of tests, benches or examples.
    pub(crate) fn is_product(&self) -> bool {
        self.path.iter().nth(2).is_some_and(|folder| folder == "src")
            && !self.path.iter().any(|part| part == "tests" || part == "tests.rs")
    }

    /// The product's lines with their numbers: up to the first `#[cfg(test)]` or `#[cfg(all(test` before a module.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .lines
            .windows(2)
            .position(|pair| {
                let cfg = pair[0].trim_start();
                (cfg.starts_with("#[cfg(test)]") || cfg.starts_with("#[cfg(all(test"))
                    && pair[1].trim_start().starts_with("mod ")
                    && pair[1].trim_end().ends_with('{')
            })
            .unwrap_or(self.lines.len());
        self.lines[..end].iter().enumerate().map(|(i, line)| (i + 1, line.as_str()))
    }

    /// The file's header: its `//!` lines.
    pub(crate) fn header(&self) -> String {
        let lines = self.lines.iter().filter(|line| line.trim_start().starts_with("//!"));
        lines.map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// All Rust files below `root/crates`.
pub(crate) fn all(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        Source::new(path.strip_prefix(root).unwrap_or(&path), &text)
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
