//! Every atomic operation has a comment `Ordering [tag]: why`, whose word is the ordering in the code, and whose tag the header lists.

use super::Offence;
use crate::source::Source;

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
const UNSAFE_CRATES: [&str; 6] = ["primitive", "reclaim", "pool", "structures", "store", "server"];
/// How far above the code its comment may begin.
const REACH: usize = 12;

pub(crate) fn check(source: &Source) -> Vec<Offence> {
    if !UNSAFE_CRATES.contains(&source.krate.as_str()) || !source.is_product() {
        return Vec::new();
    }
    let header = source.header();
    let mut offences = Vec::new();
    let lines: Vec<(usize, &str)> = source.product_lines().collect();
    for (at, (number, line)) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let before = at.checked_sub(1).map_or("", |above| lines[above].1.trim());
        for ordering in used(code).filter(|ordering| !is_failure_ordering(ordering, code, before)) {
            match comment_for(&lines, at, ordering) {
                Some(tags) => offences.extend(tags.into_iter().filter_map(|tag| {
                    let missing = !header.contains(&format!("[{tag}]"));
                    missing.then(|| {
                        Offence::new(source, *number, format!("the header does not list [{tag}]"))
                    })
                })),
                None => {
                    let what =
                        format!("no comment `{ordering} [tag]: why` for Ordering::{ordering}");
                    offences.push(Offence::new(source, *number, what));
                }
            }
        }
    }
    offences
}

/// Whether this is the Relaxed of a compare-and-swap's failure, of which there is nothing to say.
fn is_failure_ordering(ordering: &str, code: &str, before: &str) -> bool {
    let others = |text: &str| text.contains("Ordering::") && !text.contains("Ordering::Relaxed");
    let head = code.split("Ordering::Relaxed").next().unwrap_or("");
    ordering == "Relaxed"
        && (others(head) || head.trim().is_empty() && before.starts_with("Ordering::"))
}

/// The orderings that a line of code names.
fn used(code: &str) -> impl Iterator<Item = &'static str> {
    let found: Vec<_> = ORDERINGS
        .into_iter()
        .filter(|ordering| {
            let name = format!("Ordering::{ordering}");
            code.match_indices(&name)
                .any(|(at, _)| !code[at + name.len()..].starts_with(|c: char| c.is_alphanumeric()))
        })
        .collect();
    found.into_iter()
}

/// The tags of the nearest comment above (or beside) line `at` that speaks of `ordering`.
fn comment_for(lines: &[(usize, &str)], at: usize, ordering: &str) -> Option<Vec<String>> {
    (at.saturating_sub(REACH)..=at).rev().find_map(|i| {
        let comment = lines[i].1.split_once("//")?.1;
        let start = comment.find(&format!("{ordering} ["))? + ordering.len() + 1;
        let tags: Vec<_> = comment[start..]
            .split_terminator(']')
            .map_while(|part| part.trim_start().strip_prefix('['))
            .map(str::to_owned)
            .collect();
        (!tags.is_empty()).then_some(tags)
    })
}
