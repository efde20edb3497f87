//! Bringing a store back from its log: how much of it one core goes through in a second.
//!
//! The CPU time is the process's, so what reads and checks a segment beside the worker counts too; the wall clock is shown beside it. The files come from the
//! page cache: no device is measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stillpoint_store::At;
use stillpoint_testkit::{key, process_cpu};
use stillpoint_wal::{Durability, DurableStore, Options};

const AT: At = At { space: 0, now_ms: 0 };
const VALUE: [u8; 100] = [0x5a; 100];
const LOG_BYTES: u64 = 512 << 20;
const QUICK_LOG_BYTES: u64 = 64 << 20;
const RUNS: usize = 5;

/// A log to bring back.
pub(crate) struct Replay {
    pub(crate) name: &'static str,
    workload: &'static str,
    /// Times that each key is written.
    writes_a_key: u64,
}

pub(crate) const REPLAYS: &[Replay] = &[
    Replay { name: "replay_new", workload: "each key once, 16 B + 100 B", writes_a_key: 1 },
    Replay {
        name: "replay_again",
        workload: "each key eight times, 16 B + 100 B",
        writes_a_key: 8,
    },
];

/// What opening took.
struct Opened {
    cpu: Duration,
    wall: Duration,
    log_bytes: u64,
    records: u64,
}

fn options() -> Options {
    Options {
        durability: Durability::None,
        checkpoint_bytes: None,
        recovery_threads: 1,
        ..Options::default()
    }
}

fn write_log(path: &Path, replay: &Replay, records: Option<u64>, bytes: u64) {
    let store = DurableStore::open(path, options()).expect("the directory is new");
    // The logger is behind, so how long a log will be is known of its first records.
    let mut count = records.unwrap_or(u64::MAX);
    let keys = |count: u64| (count / replay.writes_a_key).max(1);
    let mut n = 0;
    while n < count {
        store.set(AT, &key(n % keys(count)), 0, &VALUE, None).expect("the log is well");
        n += 1;
        if records.is_none() && n == 100_000 {
            store.sync().expect("the log is well");
            count = bytes / (store.log_bytes() / n);
        }
    }
    store.close().expect("the log is well");
}

fn open(path: &Path) -> Opened {
    let (cpu, wall) = (process_cpu(), Instant::now());
    let store = DurableStore::open(path, options()).expect("the log is whole");
    let (cpu, wall) = (process_cpu() - cpu, wall.elapsed());
    let recovery = store.recovery();
    Opened { cpu, wall, log_bytes: recovery.log_bytes, records: recovery.log_records }
}

/// Writes a log, and brings it back a few times; with `ops`, one of so many records, once.
pub(crate) fn run(replay: &Replay, quick: bool, ops: Option<u64>) {
    let path: PathBuf = std::env::temp_dir().join(format!(
        "stillpoint-bench-{}-{}",
        replay.name,
        std::process::id()
    ));
    write_log(&path, replay, ops, if quick { QUICK_LOG_BYTES } else { LOG_BYTES });
    if let Some(ops) = ops {
        // Without a clock: what asks the kernel for one does not run under callgrind.
        drop(DurableStore::open(&path, options()).expect("the log is whole"));
        std::fs::remove_dir_all(&path).expect("it is ours");
        println!("{:20} {ops} records  {}", replay.name, replay.workload);
        return;
    }
    let mut opened: Vec<Opened> = (0..RUNS).map(|_| open(&path)).collect();
    std::fs::remove_dir_all(&path).expect("it is ours");
    opened.sort_by_key(|opened| opened.cpu);
    let (least, median, most) = (&opened[0], &opened[RUNS / 2], &opened[RUNS - 1]);
    let megabytes = |of: &Opened| of.log_bytes as f64 / 1e6 / of.cpu.as_secs_f64();
    println!(
        "{:20} {:8.0} MB/s a core ({:.0} … {:.0})  {:7.2} M records/s a core  {:.0} MB/s by the wall  {:.0} MB, {}",
        replay.name,
        megabytes(median),
        megabytes(most),
        megabytes(least),
        median.records as f64 / 1e6 / median.cpu.as_secs_f64(),
        median.log_bytes as f64 / 1e6 / median.wall.as_secs_f64(),
        median.log_bytes as f64 / 1e6,
        replay.workload,
    );
}
