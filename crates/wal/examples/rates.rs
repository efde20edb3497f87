//! What durability costs on this machine: commits a second in each mode, a checkpoint, recovery.
//!
//! `cargo run --release -p stillpoint-wal --example rates [directory]`; the directory decides which device is measured.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::At;
use stillpoint_wal::{Durability, DurableStore, Options};

const AT: At = At { space: 0, now_ms: 0 };
const KEYS: u64 = 1_000_000;
const VALUE: [u8; 100] = [0x5a; 100];

fn options(durability: Durability) -> Options {
    Options { durability, checkpoint_bytes: None, ..Options::default() }
}

fn open(directory: &Path, durability: Durability) -> DurableStore {
    DurableStore::open(directory, options(durability)).expect("the directory can be opened")
}

/// Sets of one key by so many threads in a second.
fn sets(store: &DurableStore, threads: u64, time: Duration) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                let mut count = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    let key = (thread * 1_000_003 + count) % KEYS;
                    store.set(AT, &key.to_le_bytes(), 0, &VALUE, None).expect("the log is well");
                    count += 1;
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn modes(directory: &Path) {
    println!("{:<16} {:>8} {:>14} {:>16}", "mode", "threads", "commits/s", "log bytes/commit");
    let millisecond = Duration::from_millis(1);
    let modes = [
        ("none", Durability::None),
        ("buffered", Durability::Buffered),
        ("group 1 ms", Durability::Group { every: millisecond }),
        ("group 10 ms", Durability::Group { every: 10 * millisecond }),
        ("always", Durability::Always),
    ];
    for (name, durability) in modes {
        for threads in [1, 8, 64] {
            let path = directory.join("modes");
            let store = open(&path, durability);
            let rate = sets(&store, threads, Duration::from_secs(2));
            store.sync().expect("the log is well");
            let bytes = store.log_bytes() as f64 / (rate * 2.0);
            println!("{name:<16} {threads:>8} {rate:>14.0} {bytes:>16.0}");
            drop(store);
            std::fs::remove_dir_all(path).expect("it is ours");
        }
    }
}

fn recovery(directory: &Path) {
    let path = directory.join("recovery");
    let store = open(&path, Durability::None);
    for key in 0..KEYS {
        store.set(AT, &key.to_le_bytes(), 0, &VALUE, None).expect("the log is well");
    }
    store.close().expect("the log is well");
    drop(store);
    let megabytes = size(&path) / 1e6;
    let started = Instant::now();
    let store = open(&path, Durability::None);
    report("replay of the log", started.elapsed(), megabytes);
    assert_eq!(store.len(0), KEYS);

    let quiet = sets(&store, 1, Duration::from_secs(1));
    let started = Instant::now();
    let made = thread::scope(|scope| {
        let writer = scope.spawn(|| sets(&store, 1, Duration::from_secs(1)));
        let made = store.checkpoint().expect("the log is well");
        report("checkpoint beside a writer", started.elapsed(), megabytes);
        let beside = writer.join().expect("it does not panic");
        println!(
            "  the writer: {beside:.0} sets/s beside it, {quiet:.0} before; the file has {} MB",
            made.bytes / 1_000_000
        );
        made
    });
    store.close().expect("the log is well");
    drop(store);
    let started = Instant::now();
    let store = open(&path, Durability::None);
    assert_eq!(store.recovery().checkpoint_records, made.records);
    report("load of the checkpoint", started.elapsed(), megabytes);
    drop(store);
    std::fs::remove_dir_all(path).expect("it is ours");
}

fn report(what: &str, time: Duration, megabytes: f64) {
    let seconds = time.as_secs_f64();
    println!(
        "{what}: {seconds:.2} s for {KEYS} keys, {:.0} MB/s of records, {:.2} M keys/s",
        megabytes / seconds,
        KEYS as f64 / seconds / 1e6
    );
}

fn size(directory: &Path) -> f64 {
    let files = std::fs::read_dir(directory).expect("it is there");
    files
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len()) as f64)
        .sum()
}

fn main() {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("stillpoint-rates-{}", std::process::id()));
    modes(&directory);
    recovery(&directory);
    std::fs::remove_dir_all(directory).expect("it is ours");
}
