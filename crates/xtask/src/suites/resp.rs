//! resp-compatibility: 352 checks of replies up to version 7.2.0.

use super::server::{Server, output_of};
use super::{Failure, Outcome, Unit};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn run(suite: &Path, binary: &Path) -> Outcome<Unit> {
    let server = Server::start(binary)?;
    let mut command = Command::new("python3");
    command
        .current_dir(suite)
        .args(["resp_compatibility.py", "--host", "127.0.0.1"])
        .args(["--port", &server.port.to_string(), "--testfile", "cts.json"])
        .args(["--specific-version", "7.2.0", "--show-failed"]);
    let text = output_of(command, LIMIT)?;
    if !text.contains("test: ") {
        return Err(format!("resp-compatibility did not run:\n{text}"));
    }
    Ok(read(&text))
}

fn read(text: &str) -> Unit {
    let results = || text.lines().filter_map(|line| line.strip_prefix("test: "));
    let failed = results().filter_map(|line| line.strip_suffix(" failed")).map(Failure::named);
    Unit {
        suite: "resp-compatibility",
        name: "7.2.0".to_owned(),
        passed: results().filter(|line| line.ends_with(" passed")).count(),
        ignored: results().filter(|line| line.ends_with(" skipped")).count(),
        failed: failed.collect(),
    }
}
