//! Loads: [`Load`], what the peer's benchmark, or `redis-benchmark`, is told to do and what it says; [`Mix`], reads and writes of our own; [`fill`], every key once.

use super::wire::{Wire, push};
use crate::Outcome;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Instant;

const CONNECTIONS: usize = 50;

/// The cores of whoever puts the load on; the server has the first.
fn client_cores() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 { format!("1-{}", cores - 1) } else { "0".to_owned() }
}

/// Keeps this process, from now on, off the core that the servers have.
pub(crate) fn leave_first_core() -> Outcome {
    let own = process::id().to_string();
    let output =
        process::Command::new("taskset").args(["-a", "-c", "-p", &client_cores(), &own]).output();
    output.map(drop).map_err(|error| format!("starting taskset: {error}"))
}

#[derive(Clone, Copy)]
pub(crate) enum Command {
    Set,
    Get,
}

impl Command {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Command::Set => "set",
            Command::Get => "get",
        }
    }
}

/// A load of one command.
pub(crate) struct Load {
    pub(crate) command: Command,
    pub(crate) pipeline: u64,
    pub(crate) ops: u64,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
}

impl Load {
    /// Has `benchmark` run the load; operations a second.
    pub(crate) fn run(&self, benchmark: &Path, port: u16) -> Outcome<f64> {
        let output = process::Command::new("taskset")
            .args(["-c", &client_cores()])
            .arg(benchmark)
            .arg("--csv")
            .args(["-p", &port.to_string(), "-t", self.command.word()])
            .args(["-c", &CONNECTIONS.to_string()])
            .args(["-d", &self.value_bytes.to_string(), "-P", &self.pipeline.to_string()])
            .args(["-n", &self.ops.to_string(), "-r", &self.keys.to_string()])
            .output()
            .map_err(|error| format!("starting {}: {error}", benchmark.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let row = format!("\"{}\",\"", self.command.word().to_uppercase());
        let rate = text.lines().find_map(|line| line.strip_prefix(&row));
        let rate = rate.and_then(|rest| rest.split('"').next()?.parse().ok());
        rate.ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            format!("{} said {text:?} {complaint:?}", benchmark.display())
        })
    }
}

/// A load of GETs and SETs.
pub(crate) struct Mix {
    pub(crate) get_percent: u64,
    pub(crate) pipeline: u64,
    pub(crate) ops: u64,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
}

impl Mix {
    /// Runs the load over so many connections: to each its next pipeline as soon as the one before is answered, so that the server always has some to
    /// serve; operations done, and operations a second.
    pub(crate) fn run(&self, port: u16) -> Outcome<(u64, f64)> {
        let mut wires =
            (0..CONNECTIONS).map(|_| Wire::connect(port)).collect::<Outcome<Vec<_>>>()?;
        let value = "x".repeat(self.value_bytes);
        let (mut random, mut requests) = (1u64, Vec::new());
        let rounds = self.ops.div_ceil(self.pipeline * CONNECTIONS as u64);
        let begun = Instant::now();
        for round in 0..rounds {
            for wire in &mut wires {
                requests.clear();
                for _ in 0..self.pipeline {
                    self.push_next(&mut random, &value, &mut requests);
                }
                if round > 0 {
                    wire.skip(self.pipeline as usize)?;
                }
                wire.send(&requests)?;
            }
        }
        for wire in &mut wires {
            wire.skip(self.pipeline as usize)?;
        }
        let done = rounds * self.pipeline * CONNECTIONS as u64;
        Ok((done, done as f64 / begun.elapsed().as_secs_f64()))
    }

    fn push_next(&self, random: &mut u64, value: &str, requests: &mut Vec<u8>) {
        *random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = format!("key:{:012}", (*random >> 33) % self.keys);
        match (*random >> 24) % 100 < self.get_percent {
            true => push(requests, &["GET", &key]),
            false => push(requests, &["SET", &key, value]),
        }
    }
}

/// Sets the keys that the loads draw from, once each; `expire_s`: to live so long.
pub(crate) fn fill(port: u16, keys: u64, value_bytes: usize, expire_s: Option<u64>) -> Outcome {
    const BATCH: u64 = 1000;
    let mut wire = Wire::connect(port)?;
    let (value, expire_s) = ("x".repeat(value_bytes), expire_s.map(|seconds| seconds.to_string()));
    for first in (0..keys).step_by(BATCH as usize) {
        let batch = first..keys.min(first + BATCH);
        let mut requests = Vec::new();
        for number in batch.clone() {
            let key = format!("key:{number:012}");
            match &expire_s {
                None => push(&mut requests, &["SET", &key, &value]),
                Some(seconds) => push(&mut requests, &["SET", &key, &value, "EX", seconds]),
            }
        }
        wire.send(&requests)?;
        wire.skip((batch.end - batch.start) as usize)?;
    }
    Ok(())
}
