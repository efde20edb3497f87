//! The suite `server`: our server beside `redis-server`, by `redis-benchmark`.
//!
//! Both run at the same time on ports of their own, pinned to the first core, the load on the others; in turns, each alone under load.
//! 50 connections, keys `key:000000000000` … of 16 bytes drawn evenly, values of 64 bytes, pipelines of 1, 16 and 64.
//!
//! | case | metric |
//! |---|---|
//! | `set_p1` … `get_p64` | `cpu_us_per_op`: user and system time of the server process an operation; `ops_per_s` as the client saw it |
//! | `memory_keysN` | `bytes_per_key`: growth of the server's resident memory by N keys |

mod load;
mod process;

use crate::Outcome;
use crate::options::Options;
use crate::plan::Figure;
use crate::report::Report;
use load::{Command, Load};
use process::Server;
use std::path::PathBuf;

const OURS: &str = "stillpoint";
const PEER: &str = "redis";

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let keys = match options.keys.first() {
        Some(&keys) => keys,
        None if options.quick => 20_000,
        None => 1_000_000,
    };
    let ours = options.ours.clone().map_or_else(beside_us, Ok)?;
    let servers = [
        Server::start(OURS, &ours, &["--save", ""])?,
        Server::start(PEER, &options.peer, &["--save", "", "--appendonly", "no"])?,
    ];
    memory(&servers, keys, options)?;
    for pipeline in [1, 16, 64] {
        for command in [Command::Set, Command::Get] {
            let ops = match (options.quick, pipeline) {
                (true, _) => 20_000,
                (false, 1) => 200_000,
                (false, _) => 2_000_000,
            };
            let load = Load { command, pipeline, ops, keys };
            let case = format!("{}_p{pipeline}", command.word());
            in_rounds(&servers, &case, options, |server| throughput(server, &load))?;
        }
    }
    Ok(())
}

/// The binary that cargo puts beside this one.
fn beside_us() -> Outcome<PathBuf> {
    let us = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let path = us.with_file_name("stillpoint");
    match path.exists() {
        true => Ok(path),
        false => Err(format!(
            "{} is not there: `cargo build --release -p stillpoint` makes it, --ours names another",
            path.display()
        )),
    }
}

/// One case, in rounds whose order rotates.
fn in_rounds(
    servers: &[Server],
    case: &str,
    options: &Options,
    measure: impl Fn(&Server) -> Outcome<Vec<Figure>>,
) -> Outcome {
    if !options.wants(case) {
        return Ok(());
    }
    let mut report = Report::new("server", case, 1, &[OURS, PEER]);
    for round in 0..options.rounds() {
        for turn in 0..servers.len() {
            let server = &servers[(round + turn) % servers.len()];
            report.add(server.name(), measure(server)?);
        }
    }
    report.print(options.json);
    Ok(())
}

fn throughput(server: &Server, load: &Load) -> Outcome<Vec<Figure>> {
    let before = server.cpu()?;
    let ops_per_s = load.run(server.port())?;
    let spent = server.cpu()? - before;
    let per_op = spent.as_secs_f64() * 1e6 / load.ops as f64;
    Ok(vec![Figure::new("cpu_us_per_op", "us", per_op), Figure::new("ops_per_s", "1/s", ops_per_s)])
}

/// Fills both once; the later cases find the keys there.
fn memory(servers: &[Server], keys: u64, options: &Options) -> Outcome {
    let mut report = Report::new("server", &format!("memory_keys{keys}"), 1, &[OURS, PEER]);
    for server in servers {
        let before = server.rss_bytes()?;
        load::fill(server.port(), keys)?;
        let grown = server.rss_bytes()?.saturating_sub(before);
        let per_key = grown as f64 / keys as f64;
        report.add(server.name(), vec![Figure::new("bytes_per_key", "bytes", per_key)]);
    }
    report.print(options.json);
    Ok(())
}
