//! The suite `server`: our server beside another one (`--peer`: redis-server, valkey-server).
//!
//! | case | server on | metric |
//! |---|---|---|
//! | `memory_64`, `memory_64_ttl`, `memory_1024` | first core | `bytes_per_key`: growth of resident memory by the keys |
//! | `set_p1` … `get_p64_1k` | first core | `cpu_us_per_op`: user and system time of the process an operation; `ops_per_s` by the peer's benchmark, if that lies beside it (valkey-benchmark), else by redis-benchmark |
//! | `mix70_p16`, `mix95_p16` | first core | the same, reads and writes mixed, by a load of our own |
//! | `threads_p16` | one core, two cores | our server's time an operation with one thread and with two |
//! | `heavy_…` | all | see `heavy` |
//! | `due` | all | see `due` |
//! | `saving` | all | see `saving` |
//!
//! 50 connections, keys of 16 bytes drawn evenly. Both servers run at the same time on ports of their own (`saving`: one after the other), in turns, each alone
//! under load; the load is on the other cores.

mod due;
mod heavy;
mod load;
mod process;
mod saving;
mod wire;

use crate::Outcome;
use crate::options::Options;
use crate::plan::Figure;
use crate::report::Report;
use load::{Command, Load, Mix};
use process::{Cores, Server};
use std::path::{Path, PathBuf};

const OURS: &str = "stillpoint";

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let keys = match options.keys.first() {
        Some(&keys) => keys,
        None if options.quick => 20_000,
        None => 1_000_000,
    };
    let ours = options.ours.clone().map_or_else(beside_us, Ok)?;
    load::leave_first_core()?;
    let bench = Bench {
        options,
        ours,
        peer: options.peer.clone(),
        peer_name: peer_name(&options.peer),
        benchmark: benchmark_of(&options.peer),
        keys,
    };
    bench.memory()?;
    bench.throughput()?;
    bench.threads()?;
    bench.beside_others()?;
    bench.saving()
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

/// `valkey` of `…/valkey-server`. Lives as long as the process does.
fn peer_name(peer: &Path) -> &'static str {
    let name = peer.file_stem().map_or_else(|| "peer".into(), |name| name.to_string_lossy());
    name.split('-').next().unwrap_or("peer").to_owned().leak()
}

/// What comes with the peer keeps a server busy that is as fast as the peer.
fn benchmark_of(peer: &Path) -> PathBuf {
    let beside = peer.with_file_name(format!("{}-benchmark", peer_name(peer)));
    if beside.exists() { beside } else { "redis-benchmark".into() }
}

struct Bench<'o> {
    options: &'o Options,
    ours: PathBuf,
    peer: PathBuf,
    peer_name: &'static str,
    benchmark: PathBuf,
    keys: u64,
}

impl Bench<'_> {
    fn wants_any(&self, cases: &[&str]) -> bool {
        cases.iter().any(|case| self.options.wants(case))
    }

    fn start(&self, cores: Cores) -> Outcome<[Server; 2]> {
        Ok([
            Server::start(OURS, &self.ours, &["--save", ""], cores)?,
            Server::start(self.peer_name, &self.peer, &["--save", ""], cores)?,
        ])
    }

    /// One case, in rounds whose order rotates.
    fn in_rounds(
        &self,
        servers: &[Server],
        case: &str,
        measure: impl Fn(&Server) -> Outcome<Vec<Figure>>,
    ) -> Outcome {
        if !self.options.wants(case) {
            return Ok(());
        }
        let mut report = Report::new("server", case, 1, &[OURS, self.peer_name]);
        for round in 0..self.options.rounds() {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                report.add(server.name(), measure(server)?);
            }
        }
        report.print(self.options.json);
        Ok(())
    }

    /// A new server each time: what one set of keys leaves behind is not the next one's.
    fn memory(&self) -> Outcome {
        let cases = [
            ("memory_64", 64, None),
            ("memory_64_ttl", 64, Some(86_400)),
            ("memory_1024", 1024, None),
        ];
        for (case, value_bytes, expire_s) in cases {
            if !self.options.wants(case) {
                continue;
            }
            let mut report = Report::new("server", case, 1, &[OURS, self.peer_name]);
            for server in self.start(Cores::First)? {
                let before = server.rss_bytes()?;
                load::fill(server.port(), self.keys, value_bytes, expire_s)?;
                let grown = server.rss_bytes()?.saturating_sub(before);
                let per_key = grown as f64 / self.keys as f64;
                report.add(server.name(), vec![Figure::new("bytes_per_key", "bytes", per_key)]);
            }
            report.print(self.options.json);
        }
        Ok(())
    }

    fn ops(&self, pipeline: u64) -> u64 {
        match (self.options.quick, pipeline) {
            (true, _) => 20_000,
            (false, 1) => 200_000,
            (false, _) => 2_000_000,
        }
    }

    fn throughput(&self) -> Outcome {
        for (value_bytes, suffix) in [(64, ""), (1024, "_1k")] {
            let cases =
                [1, 16, 64].map(|p| [format!("set_p{p}{suffix}"), format!("get_p{p}{suffix}")]);
            let mixes = [70, 95].map(|get| format!("mix{get}_p16{suffix}"));
            if !self.wants_any(
                &cases.iter().flatten().chain(&mixes).map(String::as_str).collect::<Vec<_>>(),
            ) {
                continue;
            }
            let servers = self.start(Cores::First)?;
            for server in &servers {
                load::fill(server.port(), self.keys, value_bytes, None)?;
            }
            for pipeline in [1, 16, 64] {
                for command in [Command::Set, Command::Get] {
                    let ops = self.ops(pipeline);
                    let load = Load { command, pipeline, ops, keys: self.keys, value_bytes };
                    let case = format!("{}_p{pipeline}{suffix}", command.word());
                    self.in_rounds(&servers, &case, |server| {
                        under_load(server, &load, &self.benchmark)
                    })?;
                }
            }
            for (get_percent, case) in [70, 95].into_iter().zip(&mixes) {
                let mix = Mix {
                    get_percent,
                    pipeline: 16,
                    ops: self.ops(16),
                    keys: self.keys,
                    value_bytes,
                };
                self.in_rounds(&servers, case, |server| under_mix(server, &mix))?;
            }
        }
        Ok(())
    }

    /// Our server on one core and on two, with as many loops.
    fn threads(&self) -> Outcome {
        const CASE: &str = "threads_p16";
        if !self.options.wants(CASE) {
            return Ok(());
        }
        let start = |name, threads, cores| {
            Server::start(name, &self.ours, &["--save", "", "--io-threads", threads], cores)
        };
        let servers = [start("one", "1", Cores::All)?, start("two", "2", Cores::All)?];
        let mut report = Report::new("server", CASE, 1, &["one", "two"]);
        for server in &servers {
            load::fill(server.port(), self.keys, 64, None)?;
        }
        let mix = Mix {
            get_percent: 70,
            pipeline: 16,
            ops: self.ops(16),
            keys: self.keys,
            value_bytes: 64,
        };
        for round in 0..self.options.rounds() {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                report.add(server.name(), under_mix(server, &mix)?);
            }
        }
        report.print(self.options.json);
        Ok(())
    }

    fn beside_others(&self) -> Outcome {
        if !self.wants_any(&[heavy::CASES, &["due"]].concat()) {
            return Ok(());
        }
        let small = self.options.quick;
        let scale = match small {
            true => heavy::Scale { elements: 5_000, gets: 10_000, sets: 3_000 },
            false => heavy::Scale { elements: 500_000, gets: 1_000_000, sets: 100_000 },
        };
        let servers = self.start(Cores::All)?;
        self.in_rounds(&servers, "due", |server| {
            due::run(server, if small { 10_000 } else { 500_000 })
        })?;
        for case in heavy::CASES {
            // What the last cases removed is there again.
            self.in_rounds(&servers, case, |server| {
                if *case == "heavy_keys" || *case == "heavy_flushall" {
                    load::fill(server.port(), self.keys, 64, None)?;
                }
                heavy::fill_for(server, case, &scale)?;
                heavy::run(server, case, &scale)
            })?;
        }
        Ok(())
    }

    fn saving(&self) -> Outcome {
        if !self.options.wants("saving") {
            return Ok(());
        }
        let keys = if self.options.quick { 20_000 } else { 2_400_000 };
        let mut report = Report::new("server", "saving", 1, &[OURS, self.peer_name]);
        report.add(OURS, saving::run(OURS, &self.ours, keys, 1024)?);
        report.add(self.peer_name, saving::run(self.peer_name, &self.peer, keys, 1024)?);
        report.print(self.options.json);
        Ok(())
    }
}

fn under_load(server: &Server, load: &Load, benchmark: &Path) -> Outcome<Vec<Figure>> {
    let before = server.cpu()?;
    let ops_per_s = load.run(benchmark, server.port())?;
    let spent = server.cpu()? - before;
    let per_op = spent.as_secs_f64() * 1e6 / load.ops as f64;
    Ok(vec![Figure::new("cpu_us_per_op", "us", per_op), Figure::new("ops_per_s", "1/s", ops_per_s)])
}

fn under_mix(server: &Server, mix: &Mix) -> Outcome<Vec<Figure>> {
    let before = server.cpu()?;
    let (ops, ops_per_s) = mix.run(server.port())?;
    let spent = server.cpu()? - before;
    let per_op = spent.as_secs_f64() * 1e6 / ops as f64;
    Ok(vec![Figure::new("cpu_us_per_op", "us", per_op), Figure::new("ops_per_s", "1/s", ops_per_s)])
}
