//! [`Load`]: what `redis-benchmark` is told to do, and what it says about it; [`fill`]: every key once, by a pipeline of our own.

use crate::Outcome;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process;
use std::thread;

const VALUE_BYTES: usize = 64;
const CONNECTIONS: &str = "50";

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

pub(crate) struct Load {
    pub(crate) command: Command,
    pub(crate) pipeline: u64,
    pub(crate) ops: u64,
    pub(crate) keys: u64,
}

impl Load {
    /// Runs the load; operations a second.
    pub(crate) fn run(&self, port: u16) -> Outcome<f64> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let client_cores = if cores > 1 { format!("1-{}", cores - 1) } else { "0".to_owned() };
        let output = process::Command::new("taskset")
            .args(["-c", &client_cores, "redis-benchmark", "--csv"])
            .args(["-p", &port.to_string(), "-t", self.command.word(), "-c", CONNECTIONS])
            .args(["-d", &VALUE_BYTES.to_string(), "-P", &self.pipeline.to_string()])
            .args(["-n", &self.ops.to_string(), "-r", &self.keys.to_string()])
            .output()
            .map_err(|error| format!("starting redis-benchmark: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let row = format!("\"{}\",\"", self.command.word().to_uppercase());
        let rate = text.lines().find_map(|line| line.strip_prefix(&row));
        let rate = rate.and_then(|rest| rest.split('"').next()?.parse().ok());
        rate.ok_or_else(|| {
            format!("redis-benchmark said {text:?} {:?}", String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// Sets the keys that `redis-benchmark -r` draws from, once each.
pub(crate) fn fill(port: u16, keys: u64) -> Outcome {
    fill_over(port, keys).map_err(|error| format!("filling port {port}: {error}"))
}

fn fill_over(port: u16, keys: u64) -> std::io::Result<()> {
    const BATCH: u64 = 1000;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let value = "x".repeat(VALUE_BYTES);
    for first in (0..keys).step_by(BATCH as usize) {
        let batch = first..keys.min(first + BATCH);
        let mut request = Vec::new();
        for number in batch.clone() {
            write!(
                request,
                "*3\r\n$3\r\nSET\r\n$16\r\nkey:{number:012}\r\n${VALUE_BYTES}\r\n{value}\r\n"
            )?;
        }
        stream.write_all(&request)?;
        for _ in batch {
            let mut answer = String::new();
            replies.read_line(&mut answer)?;
            if answer != "+OK\r\n" {
                return Err(std::io::Error::other(format!("SET answered {answer:?}")));
            }
        }
    }
    Ok(())
}
