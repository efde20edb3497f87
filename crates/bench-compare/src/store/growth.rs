//! Growth: one thread inserts new keys up to the end, another puts to keys that are there; how long each had to wait at worst.
//!
//! Two clocks: by the wall, which counts what the scheduler takes away too, and by the thread's CPU clock, which counts only what the operation did
//! itself. A store whose writers wait for each other shows it in the first, one whose writers help with the growth in both.

use super::subject::Subject;
use crate::plan::Figure;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::{Random, key, rss_bytes, thread_cpu};

/// The longest operation of a thread by both clocks.
#[derive(Clone, Copy, Default)]
struct Worst {
    wall: Duration,
    cpu: Duration,
}

impl Worst {
    fn time(&mut self, operation: impl FnOnce()) {
        let (wall, cpu) = (Instant::now(), thread_cpu());
        operation();
        self.cpu = self.cpu.max(thread_cpu() - cpu);
        self.wall = self.wall.max(wall.elapsed());
    }
}

pub(crate) fn run<S: Subject>(keys: u64, value: &[u8]) -> Vec<Figure> {
    let before = rss_bytes();
    // Never dropped: that would take longer than the growth.
    let store: &S = Box::leak(Box::new(S::new()));
    let present = &AtomicU64::new(0);
    let started = Instant::now();
    let (inserter, other) = thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut random = Random::new(1);
            let mut worst = Worst::default();
            loop {
                match present.load(Ordering::Relaxed) {
                    0 => thread::yield_now(),
                    all if all == keys => return worst,
                    some => {
                        let key = key(random.below(some));
                        worst.time(|| store.put(&key, value));
                    }
                }
            }
        });
        let mut worst = Worst::default();
        for number in 0..keys {
            worst.time(|| store.put(&key(number), value));
            present.store(number + 1, Ordering::Relaxed);
        }
        (worst, other.join().unwrap_or_default())
    });
    let millis = |metric, time: Duration| Figure::new(metric, "ms", time.as_secs_f64() * 1e3);
    vec![
        millis("other_worst_ms", other.wall),
        millis("other_worst_cpu_ms", other.cpu),
        millis("inserter_worst_ms", inserter.wall),
        millis("inserter_worst_cpu_ms", inserter.cpu),
        Figure::new("seconds", "s", started.elapsed().as_secs_f64()),
        Figure::new(
            "bytes_per_key",
            "bytes",
            rss_bytes().saturating_sub(before) as f64 / keys as f64,
        ),
    ]
}
