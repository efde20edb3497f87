//! How many reads find their key in a cache that holds a tenth of the keys, under each policy, for reads by Zipf's law.
#![cfg(not(stillpoint_loom))]

use stillpoint_store::{At, Config, Eviction, EvictionPolicy, Store};

const KEYS: usize = 20_000;
const OPERATIONS: u64 = 200_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Keys' ranks by Zipf's law with exponent 0.99.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new() -> Self {
        let mut sum = 0.0;
        Zipf(
            (1..=KEYS)
                .map(|rank| {
                    sum += (rank as f64).powf(-0.99);
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut Random) -> u64 {
        let at = random.next() as f64 / u64::MAX as f64 * self.0[KEYS - 1];
        self.0.partition_point(|sum| *sum < at) as u64
    }
}

/// The share of reads that hit in the second half. One key in `once` is asked for only once (0: none).
fn hit_ratio(policy: EvictionPolicy, zipf: &Zipf, once: u64) -> f64 {
    let store: Store = Store::new(Config {
        spaces: 1,
        max_bytes: Some(340_000),
        eviction: Eviction { policy, ..Eviction::default() },
        ..Config::default()
    });
    let mut random = Random(0x9e37_79b9);
    let (mut hits, mut reads) = (0, 0);
    for operation in 0..OPERATIONS {
        let at = At { space: 0, now_ms: 1_000_000 + operation * 5 };
        let number = match once > 0 && operation % once == 0 {
            true => 1 << 40 | operation,
            false => zipf.draw(&mut random),
        };
        let key = number.to_le_bytes();
        let hit = store.get_with(at, &key, |entry| entry.is_some());
        if !hit {
            store.set(at, &key, 0, &[0; 100], Some(at.now_ms + 86_400_000)).unwrap();
        }
        if operation > OPERATIONS / 2 && number < 1 << 40 {
            reads += 1;
            hits += u64::from(hit);
        }
    }
    hits as f64 / f64::from(reads)
}

#[test]
fn frequency_is_at_least_as_good_as_recency_and_recency_better_than_chance() {
    let zipf = Zipf::new();
    for once in [0, 4] {
        let [random, lru, lfu, s3] = [
            EvictionPolicy::Random,
            EvictionPolicy::Lru,
            EvictionPolicy::Lfu,
            EvictionPolicy::S3Fifo,
        ]
        .map(|policy| hit_ratio(policy, &zipf, once));
        println!(
            "{}: random {random:.3}, LRU {lru:.3}, S3-FIFO {s3:.3}, LFU {lfu:.3}",
            if once == 0 { "Zipf 0.99" } else { "the same, a quarter asked for once" }
        );
        assert!(lru > random + 0.02, "LRU {lru} against chance {random}");
        assert!(s3 > lru && lfu > lru, "S3-FIFO {s3}, LFU {lfu} against LRU {lru}");
    }
}
