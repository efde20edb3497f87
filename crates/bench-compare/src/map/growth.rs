//! Growth: one thread inserts new keys up to the end, another puts to keys that are there; how long each had to wait at worst.

use super::subject::MapSubject;
use crate::plan::Figure;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::{Random, rss_bytes};

pub(crate) fn run<M: MapSubject>(keys: u64) -> Vec<Figure> {
    let before = rss_bytes();
    let map = &M::new();
    let present = &AtomicU64::new(0);
    let started = Instant::now();
    let (inserter, other) = thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut random = Random::new(1);
            let mut worst = Duration::ZERO;
            loop {
                match present.load(Ordering::Relaxed) {
                    0 => thread::yield_now(),
                    all if all == keys => return worst,
                    some => {
                        let key = random.below(some);
                        let begun = Instant::now();
                        map.put(key, [key; 8]);
                        worst = worst.max(begun.elapsed());
                    }
                }
            }
        });
        let mut worst = Duration::ZERO;
        for key in 0..keys {
            let begun = Instant::now();
            map.put(key, [key; 8]);
            worst = worst.max(begun.elapsed());
            present.store(key + 1, Ordering::Relaxed);
        }
        (worst, other.join().unwrap_or(Duration::MAX))
    });
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    vec![
        Figure::new("inserter_worst_ms", "ms", millis(inserter)),
        Figure::new("other_worst_ms", "ms", millis(other)),
        Figure::new("seconds", "s", started.elapsed().as_secs_f64()),
        Figure::new("rss_bytes", "bytes", rss_bytes().saturating_sub(before) as f64),
    ]
}
