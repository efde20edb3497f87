//! The checks, each in a file of its own, and what they report.

mod atomics;
mod graph;
mod licences;
mod text;

use crate::source::{self, Source};
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that the house style does not allow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offence {
    pub(crate) path: PathBuf,
    /// 0: the file as a whole.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Offence {
    pub(crate) fn new(source: &Source, line: usize, what: impl Into<String>) -> Offence {
        Offence { path: source.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Runs every check on the tree at `root`.
pub(crate) fn run(root: &Path) -> Vec<Offence> {
    let sources = source::all(root);
    let mut offences: Vec<Offence> = sources.iter().flat_map(file).collect();
    offences.extend(graph::check(root));
    offences.extend(licences::check(root));
    offences
}

/// The checks of one file.
fn file(source: &Source) -> Vec<Offence> {
    let mut offences = text::check(source);
    offences.extend(atomics::check(source));
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        file(&Source::new(path, text)).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn a_clean_file_passes() {
        let text = "//! A thing. Tags: `[publish]` here.\nuse stillpoint_primitive::sync::atomic::Ordering;\nfn f() {\n    // Release [publish]: why.\n    x.store(1, Ordering::Release);\n}\n";
        assert_eq!(complaints("crates/pool/src/thing.rs", text), Vec::<String>::new());
    }

    #[test]
    fn planted_offenders_are_found() {
        let cases = [
            ("crates/store/src/lib.rs", "//! Store.\nmod a;\n", "forbid(unsafe_code)"),
            ("crates/server/src/x.rs", "//! X.\nfn f() { unsafe { g() } }\n", "unsafe"),
            (
                "crates/pool/src/x.rs",
                "//! X.\nuse std::sync::atomic::AtomicU64;\n",
                "std::sync::atomic",
            ),
            ("crates/pool/src/x.rs", "//! X.\nfn f() { std::thread::spawn(g); }\n", "std::thread"),
            ("crates/pool/src/x.rs", "//! X.\nfn f() { todo!() }\n", "todo!"),
            ("crates/pool/src/x.rs", "fn f() {}\n", "header"),
            ("crates/pool/src/utils.rs", "//! X.\n", "utils"),
            (
                "crates/pool/src/x.rs",
                "//! X.\nfn f() { a.load(Ordering::Acquire); }\n",
                "no comment",
            ),
            (
                "crates/pool/src/x.rs",
                "//! X: `[tag]`.\nfn f() {\n    // Acquire [tag]: why.\n    a.store(1, Ordering::Release);\n}\n",
                "Release",
            ),
            (
                "crates/pool/src/x.rs",
                "//! X.\nfn f() {\n    // Release [tag]: why.\n    a.store(1, Ordering::Release);\n}\n",
                "header",
            ),
        ];
        for (path, text, expected) in cases {
            let found = complaints(path, text);
            assert!(
                found.iter().any(|what| what.contains(expected)),
                "{path} {expected}: {found:?}"
            );
        }
        let long = format!("//! X.\n{}", "\n".repeat(701));
        assert!(complaints("crates/pool/src/x.rs", &long)[0].contains("700"));
    }
}
