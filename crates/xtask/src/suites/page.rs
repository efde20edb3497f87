//! The page: a table, and each failure with its reason.

use super::Unit;
use super::known::Known;
use std::fmt::Write;

/// Of what a suite says.
const MESSAGE_CHARS: usize = 160;

const HEAD: &str = "# Compatibility with Redis and Valkey

Suites that nobody here wrote, run by `cargo xtask suites` (see `crates/xtask/src/suites.rs`) against a server that each unit gets fresh.

| suite | where from | how |
|---|---|---|
| valkey | Valkey's Tcl suite | external mode, without tests tagged slow |
| resp-compatibility | tair-opensource/resp-compatibility | replies up to version 7.2.0 |
| redis-py | redis-py's own tests that talk to a server | RESP2 and RESP3 |

";

pub(crate) fn of(units: &[Unit], known: &Known) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| suite | unit | passed | failed | ignored |\n|---|---|---:|---:|---:|\n");
    let mut sums = (0, 0, 0);
    for unit in units {
        let failed = unit.failed.len();
        sums = (sums.0 + unit.passed, sums.1 + failed, sums.2 + unit.ignored);
        line(&mut page, unit.suite, &unit.name, (unit.passed, failed, unit.ignored));
    }
    line(&mut page, "all", "", sums);
    page.push_str("\n## What fails, and why\n");
    for unit in units.iter().filter(|unit| !unit.failed.is_empty()) {
        push(&mut page, format_args!("\n### {} · {}\n\n", unit.suite, unit.name));
        for failure in &unit.failed {
            let said: String = failure.message.chars().take(MESSAGE_CHARS).collect();
            let reason = match known.reason(unit, failure) {
                Some(reason) => reason.to_owned(),
                None if said.is_empty() => "not looked into yet".to_owned(),
                None => {
                    format!("not looked into yet; the suite says: `{}`", said.replace('`', "'"))
                }
            };
            push(&mut page, format_args!("- `{}`: {reason}\n", failure.name));
        }
    }
    page
}

fn line(
    page: &mut String,
    suite: &str,
    unit: &str,
    (passed, failed, ignored): (usize, usize, usize),
) {
    push(page, format_args!("| {suite} | {unit} | {passed} | {failed} | {ignored} |\n"));
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes everything");
}
