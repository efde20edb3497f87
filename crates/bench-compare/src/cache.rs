//! The suite `cache`: a cache under load, the store beside maps that applications use for one.
//!
//! Workload: 100 K keys of 16 bytes (`--keys`), values of 64 bytes, all present; keys drawn by Zipf 0.99, the popular ones scattered;
//! `--writes` per cent set a key to a new value, the others read a key and copy its value out. Equal for all subjects: keys and values are
//! byte strings of any length (for the maps `Box<[u8]>`), the hash is foldhash, 1 in 16 operations looks at the clock if it is a read.
//!
//! | subject | get | set |
//! |---|---|---|
//! | `stillpoint` | `Store::get_with` | `Store::set`; background collection runs |
//! | `dashmap-64` | `get` under a shard's read lock, 64 shards | `get_mut`, then a new box for the value: no new key |
//! | `papaya` | `pin().get` | `pin().insert`, with a new key as its interface demands |
//!
//! `bytes_per_key` is the growth of resident memory by the fill, `bytes_per_key_after` by the end of the run, what the
//! threads themselves hold included.

mod dashmap;
mod papaya;
mod stillpoint;
mod subject;

use crate::Outcome;
use crate::crew::Crew;
use crate::options::Options;
use crate::plan::{Case, Figure, Sample};
use std::hint::black_box;
use std::time::Instant;
use stillpoint_testkit::{Histogram, Random, Zipf, key, rss_bytes};
use subject::CacheSubject;

const EXPONENT: f64 = 0.99;
const DRAWS: usize = 1 << 18;
/// One operation in so many is timed if it is a read.
const TIMED: u64 = 16;
const MAX_VALUE_BYTES: u64 = 4096;

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.writes > 100 || options.value_bytes > MAX_VALUE_BYTES || options.value_bytes < 8 {
        return Err(format!("--writes is 0 to 100, --value-bytes 8 to {MAX_VALUE_BYTES}"));
    }
    for &threads in options.threads(&[2, 8, 96]) {
        for &keys in if options.keys.is_empty() { &[100_000][..] } else { &options.keys } {
            let case = Case {
                name: format!("writes{}", options.writes),
                threads,
                subjects: vec!["stillpoint", "dashmap-64", "papaya"],
                settings: vec![
                    ("millis", options.millis(2000, 150)),
                    ("writes", options.writes),
                    ("keys", keys),
                    ("value_bytes", options.value_bytes),
                ],
                rounds: options.rounds(),
            };
            case.run("cache", options)?;
        }
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let load = Load {
        threads: sample.setting("threads")?,
        millis: sample.setting("millis")?,
        writes: sample.setting("writes")?,
        keys: sample.setting("keys")?,
        value_bytes: sample.setting("value_bytes")? as usize,
    };
    match sample.subject.as_str() {
        "stillpoint" => Ok(load.run::<stillpoint::Stillpoint>()),
        "dashmap-64" => Ok(load.run::<dashmap::Sharded>()),
        "papaya" => Ok(load.run::<papaya::Papaya>()),
        other => Err(format!("there is no cache {other:?}")),
    }
}

struct Load {
    threads: u64,
    millis: u64,
    writes: u64,
    keys: u64,
    value_bytes: usize,
}

/// A worker.
struct Worker<'a, S> {
    cache: &'a S,
    zipf: &'a Zipf,
    position: usize,
    random: Random,
    value: Vec<u8>,
    writes: u64,
    reads: Histogram,
}

impl Load {
    fn run<S: CacheSubject>(&self) -> Vec<Figure> {
        let before = rss_bytes();
        let cache = S::new();
        let value = [7; MAX_VALUE_BYTES as usize];
        (0..self.keys).for_each(|number| cache.set(&key(number), &value[..self.value_bytes]));
        let per_key = |rss: u64| rss.saturating_sub(before) as f64 / self.keys as f64;
        let filled = per_key(rss_bytes());
        let zipf = Zipf::new(self.keys as u32, EXPONENT, DRAWS, &mut Random::new(1));
        let beside = rss_bytes();
        let crew = Crew::work(self.threads, self.millis, |thread, gate| {
            let mut random = Random::new(thread);
            let position = random.below(zipf.period() as u64) as usize;
            let mut worker = Worker {
                cache: &cache,
                zipf: &zipf,
                position,
                random,
                value: vec![0; self.value_bytes],
                writes: self.writes,
                reads: Histogram::new(),
            };
            let mut ops = 0;
            gate.start();
            while gate.open() {
                worker.batch();
                ops += TIMED;
            }
            (ops, worker.reads)
        });
        let grown = filled + rss_bytes().saturating_sub(beside) as f64 / self.keys as f64;
        let mut reads = Histogram::new();
        crew.results.iter().for_each(|(_, theirs)| reads.merge(theirs));
        let ops = crew.results.iter().map(|(ops, _)| ops).sum::<u64>().max(1) as f64;
        let latency = |metric, quantile| Figure::new(metric, "ns", reads.at(quantile) as f64);
        vec![
            Figure::new("ops_per_s", "1/s", ops / crew.wall.as_secs_f64()),
            latency("read_p50_ns", 0.5),
            latency("read_p99_ns", 0.99),
            latency("read_p999_ns", 0.999),
            Figure::new("read_max_ns", "ns", reads.max() as f64),
            Figure::new("cpu_ns_per_op", "ns", crew.cpu.as_nanos() as f64 / ops),
            Figure::new("bytes_per_key", "bytes", filled),
            Figure::new("bytes_per_key_after", "bytes", grown),
        ]
    }
}

impl<S: CacheSubject> Worker<'_, S> {
    /// `TIMED` operations, the first of them timed if it is a read.
    #[inline(always)]
    fn batch(&mut self) {
        for turn in 0..TIMED {
            let key = key(u64::from(self.zipf.key(self.position)));
            self.position += 1;
            if self.random.percent(self.writes) {
                self.value[..8].copy_from_slice(&(self.position as u64).to_le_bytes());
                self.cache.set(&key, &self.value);
            } else if turn == 0 {
                let started = Instant::now();
                black_box(self.cache.get(&key, &mut self.value));
                self.reads.record_duration(started.elapsed());
            } else {
                black_box(self.cache.get(&key, &mut self.value));
            }
        }
    }
}
