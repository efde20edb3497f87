//! Random allocation and freeing against a model, across threads, with quarantine, and after trimming.
#![cfg(not(stillpoint_loom))]

use std::collections::HashMap;
use std::ptr::NonNull;
use stillpoint_pool::{Pool, PoolConfig};

/// A block that the test owns, filled with a pattern of its own.
struct Owned {
    block: NonNull<u8>,
    bytes: usize,
    pattern: u8,
}
// SAFETY: blocks may change threads.
unsafe impl Send for Owned {}

impl Owned {
    fn new(pool: &Pool, bytes: usize, pattern: u8) -> Owned {
        let block = pool.alloc(bytes).unwrap();
        assert_eq!(block.as_ptr() as usize % 8, 0);
        // SAFETY: ours, `bytes` long.
        unsafe { block.as_ptr().write_bytes(pattern, bytes) };
        // SAFETY: in use.
        unsafe { Pool::set_birth(block, 1_000 + u64::from(pattern)) };
        Owned { block, bytes, pattern }
    }
    fn free(self) {
        // SAFETY: ours, `bytes` long.
        let contents = unsafe { std::slice::from_raw_parts(self.block.as_ptr(), self.bytes) };
        assert!(contents.iter().all(|byte| *byte == self.pattern), "somebody else wrote here");
        // SAFETY: in use.
        let birth = unsafe { Pool::birth(self.block) };
        assert_eq!(birth, 1_000 + u64::from(self.pattern));
        // SAFETY: ours, once.
        unsafe { Pool::free(self.block) };
    }
}

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn churn(pool: &Pool, seed: u64, steps: usize, keep: &mut HashMap<u64, Owned>) {
    let mut random = Random(seed);
    for _ in 0..steps {
        let key = random.below(300);
        if let Some(owned) = keep.remove(&key) {
            owned.free();
        } else {
            let bytes = match random.below(20) {
                0 => random.below(200_000),
                1..4 => random.below(40_000),
                _ => random.below(600),
            };
            keep.insert(key, Owned::new(pool, bytes as usize, key as u8));
        }
    }
}

fn run(config: PoolConfig, steps: usize) {
    let pool = Pool::with_config(config);
    let mut kept: Vec<HashMap<u64, Owned>> = std::thread::scope(|s| {
        let threads: Vec<_> = (1..5)
            .map(|seed| {
                let pool = &pool;
                s.spawn(move || {
                    let mut keep = HashMap::new();
                    churn(pool, seed * 77, steps, &mut keep);
                    keep
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    // What other threads allocated is freed here.
    kept.drain(..).flatten().for_each(|(_, owned)| owned.free());
    let stats = pool.stats();
    assert_eq!((stats.blocks, stats.bytes, stats.large_bytes), (0, 0, 0));
}

#[test]
fn blocks_never_overlap_and_all_come_back() {
    run(PoolConfig::default(), 20_000);
}

#[test]
fn blocks_in_quarantine_are_checked_when_they_leave_it() {
    run(PoolConfig { quarantine_blocks: 64, ..PoolConfig::default() }, 5_000);
}

#[test]
fn every_block_may_come_from_the_system() {
    run(PoolConfig { system: true, ..PoolConfig::default() }, 500);
}

#[test]
#[cfg(not(stillpoint_system_alloc))]
fn a_write_after_free_is_found() {
    let pool = Pool::with_config(PoolConfig { quarantine_blocks: 1, ..PoolConfig::default() });
    let victim = Owned::new(&pool, 100, 7);
    let address = victim.block;
    victim.free();
    // SAFETY: on purpose not sound as a use of the pool; the memory is mapped and in quarantine, so nobody else's.
    unsafe { address.as_ptr().write(1) };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Owned::new(&pool, 100, 8).free();
        Owned::new(&pool, 100, 9).free();
    }));
    assert!(caught.is_err(), "the poison was overwritten and nobody noticed");
}

#[test]
#[cfg(not(stillpoint_system_alloc))]
fn trimming_gives_back_a_spike_and_the_pool_goes_on() {
    let pool = Pool::new();
    for _ in 0..3 {
        let spike: Vec<_> = (0..100_000).map(|i| Owned::new(&pool, 104, i as u8)).collect();
        assert!(pool.stats().slab_bytes >= 10_400_000);
        spike.into_iter().for_each(Owned::free);
        let back = pool.trim();
        assert!(back > 9_000_000, "only {back} bytes came back");
        assert!(pool.stats().slab_bytes < 1_000_000, "{:?}", pool.stats());
    }
}

#[test]
fn absurd_sizes_are_refused() {
    let pool = Pool::new();
    for bytes in [usize::MAX, isize::MAX as usize, 1 << 62] {
        assert_eq!(pool.alloc(bytes).unwrap_err().bytes, bytes);
    }
}
