//! redis-py's tests that talk to a server, under one protocol.

use super::server::{Server, output_of};
use super::{Failure, Outcome, Unit};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1200);
/// The files with such tests.
const FILES: &[&str] = &[
    "tests/test_commands.py",
    "tests/test_asyncio/test_commands.py",
    "tests/test_pipeline.py",
    "tests/test_asyncio/test_pipeline.py",
    "tests/test_pubsub.py",
    "tests/test_lock.py",
    "tests/test_scripting.py",
    "tests/test_connection_pool.py",
];

pub(crate) fn run(suite: &Path, protocol: u8, binary: &Path) -> Outcome<Unit> {
    let server = Server::start(binary)?;
    let url = format!("redis://127.0.0.1:{}/0?protocol={protocol}", server.port);
    let mut command = Command::new("python3");
    command
        .current_dir(suite)
        .args(["-m", "pytest", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider"])
        .args(["-m", "not onlycluster and not redismod and not ssl", "--redis-url", &url])
        .args(FILES.iter().filter(|file| suite.join(file).exists()));
    let text = output_of(command, LIMIT)?;
    read(protocol, &text).ok_or_else(|| format!("redis-py's tests did not run:\n{text}"))
}

fn read(protocol: u8, text: &str) -> Option<Unit> {
    let summary = text.lines().rev().find(|line| line.contains(" passed"))?;
    let count = |word: &str| {
        let before = summary.split(word).next()?.trim_end();
        before.rsplit([' ', '=']).next()?.parse::<usize>().ok()
    };
    let failed = text.lines().filter_map(|line| line.strip_prefix("FAILED "));
    Some(Unit {
        suite: "redis-py",
        name: format!("RESP{protocol}"),
        passed: count(" passed")?,
        ignored: if summary.contains(" skipped") { count(" skipped")? } else { 0 },
        failed: failed
            .map(|line| {
                let (name, message) = line.split_once(" - ").unwrap_or((line, ""));
                Failure { name: name.to_owned(), message: message.to_owned() }
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let text = "FAILED tests/test_commands.py::T::test_a - Assertion\n1 failed, 20 passed, 3 skipped, 4 deselected in 2s\n";
        let unit = read(2, text).unwrap();
        assert_eq!((unit.passed, unit.ignored), (20, 3));
        assert_eq!(unit.failed[0].name, "tests/test_commands.py::T::test_a");
    }
}
