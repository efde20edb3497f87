//! Stillpoint's own parts, one at a time, on one thread: pins, blocks, index, store, and what brings a store back from its log.
//!
//! ```text
//! stillpoint-bench [--quick] [--ops N] [NAME…]      names that contain one of the words; all without any
//! ```
//! Prints CPU nanoseconds an operation (median of 5, least … greatest) and operations a second. With `--ops N` each bench does exactly N
//! operations once, for callgrind and the like. What replays a log prints MB and records a second of CPU time instead. Everything allocates from mimalloc, but for what the pool holds.

mod index;
mod meter;
mod ordered;
mod pool;
mod reclaim;
mod replay;
mod store;

use lexopt::prelude::*;
use meter::Meter;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stillpoint-bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), lexopt::Error> {
    let mut meter = Meter::default();
    let mut words: Vec<String> = Vec::new();
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("quick") => meter.quick = true,
            Long("ops") => meter.ops = Some(args.value()?.parse()?),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let wanted =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let benches =
        [reclaim::BENCHES, pool::BENCHES, index::BENCHES, store::BENCHES, ordered::BENCHES];
    benches.into_iter().flatten().filter(|bench| wanted(bench.name)).for_each(|b| meter.run(b));
    let replays = replay::REPLAYS.iter().filter(|replay| wanted(replay.name));
    replays.for_each(|replay| replay::run(replay, meter.quick, meter.ops));
    Ok(())
}
