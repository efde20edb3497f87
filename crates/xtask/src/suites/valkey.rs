//! Valkey's own Tcl suite, in external mode, unit by unit.

use super::server::{Server, output_of};
use super::{Failure, Outcome, Unit};
use std::iter::Peekable;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Units that make sense against one server that runs already.
pub(crate) const UNITS: &[&str] = &[
    "unit/type/string",
    "unit/type/incr",
    "unit/keyspace",
    "unit/expire",
    "unit/type/hash",
    "unit/multi",
    "unit/scan",
    "unit/protocol",
    "unit/other",
    "unit/info",
    "unit/info-command",
    "unit/dump",
    "unit/auth",
    "unit/quit",
    "unit/querybuf",
    "unit/type/list",
    "unit/type/list-2",
    "unit/type/list-3",
    "unit/type/set",
    "unit/type/zset",
    "unit/sort",
    "unit/geo",
    "unit/bitops",
    "unit/bitfield",
    "unit/hyperloglog",
    "unit/type/stream",
    "unit/type/stream-cgroups",
    "unit/scripting",
    "unit/functions",
    "unit/pubsub",
    "unit/pubsubshard",
    "unit/tracking",
    "unit/introspection",
    "unit/introspection-2",
    "unit/slowlog",
    "unit/commandlog",
    "unit/networking",
    "unit/hashexpire",
    "unit/latency-monitor",
    "unit/pause",
    "unit/maxmemory",
    "unit/lazyfree",
    "unit/limits",
    "unit/acl",
    "unit/acl-v2",
    "unit/obuf-limits",
    "unit/violations",
    "unit/client-eviction",
    "unit/memefficiency",
    "unit/replybufsize",
    "unit/shutdown",
    "unit/wait",
    "unit/io-threads",
    "unit/tls",
    "unit/fuzzer",
];

const LIMIT: Duration = Duration::from_secs(420);
/// Seconds that a test may take: the suite names one that takes longer.
const TEST_SECONDS: &str = "150";

/// Whether this version of the suite has the unit.
pub(crate) fn has(suite: &Path, unit: &str) -> bool {
    suite.join("tests").join(format!("{unit}.tcl")).exists()
}

pub(crate) fn run(suite: &Path, unit: &str, binary: &Path) -> Outcome<Unit> {
    let mut server = Server::start(binary)?;
    // The suite listens itself: on ports of its own, so that two runs do not meet.
    let base = 22_000 + server.port % 400 * 64;
    let mut command = Command::new("./runtest");
    command
        .current_dir(suite)
        .args(["--host", "127.0.0.1", "--port", &server.port.to_string()])
        .args(["--baseport", &base.to_string()])
        .args(["--timeout", TEST_SECONDS])
        .args(["--tags", "-slow", "--durable", "--single", unit]);
    let text = output_of(command, LIMIT)?;
    let mut result = read(unit, &text);
    if server.has_ended() {
        result.failed.push(Failure::named("(the server ended)"));
    } else if !text.contains("Execution time of different units") {
        result.failed.push(Failure::named("(the unit did not come to its end)"));
    }
    Ok(result)
}

fn read(unit: &str, text: &str) -> Unit {
    let lines = |mark: &'static str| text.lines().filter_map(move |line| line.strip_prefix(mark));
    let mut failed = Vec::new();
    let mut following = text.lines().peekable();
    while let Some(line) = following.next() {
        if let Some(rest) = line.strip_prefix("[err]: ") {
            failed
                .push(Failure { name: name_of(rest).to_owned(), message: message(&mut following) });
        } else if let Some(rest) = line.strip_prefix("*** [TIMEOUT]: ") {
            failed.push(Failure::named(name_of(rest)));
        } else if let Some(rest) = line.strip_prefix("[exception]: ") {
            failed
                .push(Failure { name: "(exception)".to_owned(), message: rest.trim().to_owned() });
        }
    }
    Unit {
        suite: "valkey",
        name: unit.to_owned(),
        passed: lines("[ok]: ").count(),
        ignored: lines("[ignore]: ").count() + lines("[skip]: ").count(),
        failed,
    }
}

/// The lines up to the next result, a few at most.
fn message<'t>(lines: &mut Peekable<impl Iterator<Item = &'t str>>) -> String {
    let mut message: Vec<&str> = Vec::new();
    while let Some(line) = lines.next_if(|line| !line.starts_with('[')) {
        if message.len() < 4 {
            message.push(line.trim());
        }
    }
    message.join(" ")
}

/// `NAME in tests/unit/x.tcl`
fn name_of(rest: &str) -> &str {
    rest.rsplit_once(" in tests/").map_or(rest, |(name, _)| name).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_and_failures_named() {
        let text = "[ok]: one (0 ms)\n[ok]: two (1 ms)\n[err]: three in four in tests/unit/x.tcl\nExpected 1\n[ignore]: five\n*** [TIMEOUT]: six in tests/unit/x.tcl\n";
        let unit = read("unit/x", text);
        assert_eq!((unit.passed, unit.ignored), (2, 1));
        assert_eq!(unit.failed[0].name, "three in four");
        assert_eq!(unit.failed[0].message, "Expected 1");
        assert_eq!(unit.failed[1].name, "six");
    }
}
