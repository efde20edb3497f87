//! What can be seen in a file's text: size, header, forbidden words, where `unsafe` and the machine may be named.

use super::Offence;
use crate::source::Source;

/// Lines of a file past which it holds more than one concept.
const MAX_LINES: usize = 700;
const SAFE_CRATES: [&str; 3] = ["store", "wal", "server"];
const DEV_CRATES: [&str; 4] = ["testkit", "bench", "bench-compare", "xtask"];
const BAD_NAMES: [&str; 4] = ["utils", "common", "helpers", "misc"];

pub(crate) fn check(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    if source.lines.len() > MAX_LINES {
        let what =
            format!("{} lines; more than {MAX_LINES} is more than one concept", source.lines.len());
        offences.push(Offence::new(source, 0, what));
    }
    if !source.lines.first().is_some_and(|line| line.starts_with("//!")) {
        offences.push(Offence::new(source, 1, "no `//!` header that says what the file is"));
    }
    let stem = source.path.file_stem().unwrap_or_default().to_string_lossy();
    if BAD_NAMES.contains(&&*stem) {
        offences.push(Offence::new(source, 0, format!("`{stem}` names no concept")));
    }
    let forbids = source.lines.iter().any(|line| line.trim() == "#![forbid(unsafe_code)]");
    if SAFE_CRATES.contains(&source.krate.as_str())
        && source.path.ends_with("src/lib.rs")
        && !forbids
    {
        offences.push(Offence::new(source, 1, "the crate must begin with #![forbid(unsafe_code)]"));
    }
    if source.krate != "xtask" {
        for (number, line) in source.product_lines() {
            offences.extend(words(source, line).map(|what| Offence::new(source, number, what)));
        }
    }
    offences
}

/// What is wrong with the words of one line.
fn words<'a>(source: &'a Source, line: &'a str) -> impl Iterator<Item = String> + 'a {
    let code = line.split("//").next().unwrap_or("");
    let unfinished = ["todo!(", "unimplemented!(", "dbg!("]
        .into_iter()
        .filter(|word| code.contains(word))
        .map(|word| format!("`{word}` does not land"));
    let may_thread = source.krate == "primitive"
        || source.krate == "server"
        || DEV_CRATES.contains(&source.krate.as_str())
        || source.krate == "stillpoint"
        || !source.is_product();
    let machine = ["std::sync::atomic", "std::thread", "loom::", "shuttle::"]
        .into_iter()
        .filter(move |word| !may_thread && names(code, word))
        .map(|word| format!("`{word}` is named in `primitive` only"));
    let safe = SAFE_CRATES.contains(&source.krate.as_str()) && code.contains("unsafe ");
    let danger = safe.then(|| "`unsafe` lives below the store".to_owned());
    let place = ["/root/", "/work/", "/home/"]
        .into_iter()
        .filter(|word| line.contains(word))
        .map(|word| format!("`{word}` is a path of somebody's machine"));
    unfinished.chain(machine).chain(danger).chain(place)
}

/// Whether `code` names `path` itself, not as the end of a longer name such as `stillpoint_loom`.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    }) && !(path == "std::thread"
        && code.contains("std::thread_local")
        && !code.contains("std::thread::"))
        && !(path == "std::thread" && code.contains("std::thread::current"))
}
