//! Random allocation and freeing against a model, across threads, with quarantine, and after trimming.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

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
    // A sanitizer's allocator is slow.
    run(PoolConfig::default(), if cfg!(stillpoint_system_alloc) { 1_000 } else { 20_000 });
}

#[test]
fn blocks_in_quarantine_are_checked_when_they_leave_it() {
    run(PoolConfig { quarantine_blocks: 64, ..PoolConfig::default() }, 5_000);
}

#[test]
fn every_block_may_come_from_the_system() {
    run(PoolConfig { system: true, ..PoolConfig::default() }, 500);
}

/// What a pool that quarantines `blocks` blocks says to `misuse`.
fn complaint(blocks: usize, misuse: impl FnOnce(&Pool)) -> String {
    let pool = Pool::with_config(PoolConfig { quarantine_blocks: blocks, ..PoolConfig::default() });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| misuse(&pool)));
    let payload = caught.expect_err("nobody noticed");
    payload.downcast_ref::<String>().expect("a message with values").clone()
}

#[test]
#[cfg(not(stillpoint_system_alloc))] // the block is lost, which is a leak then
fn a_write_after_free_is_found_when_the_block_leaves_the_quarantine() {
    for bytes in [8, 100, 5_000, 31_000, 100_000] {
        let said = complaint(1, |pool| {
            let victim = pool.alloc(bytes).unwrap();
            // SAFETY: ours, once.
            unsafe { Pool::free(victim) };
            // SAFETY: on purpose not sound as a use of the pool; the memory is in quarantine, so nobody else's.
            unsafe { victim.as_ptr().wrapping_add(bytes - 3).write(1) };
            Owned::new(pool, 100, 8).free();
            Owned::new(pool, 100, 9).free();
        });
        let offset = format!("at offset {} after it was freed", bytes - 3);
        assert!(said.contains(&offset) && said.contains(" bytes)"), "{said}");
    }
}

#[test]
#[cfg(not(stillpoint_system_alloc))]
fn a_write_after_free_is_found_when_the_block_is_allocated_again() {
    let said = complaint(1, |pool| {
        let victim = pool.alloc(100).unwrap();
        // SAFETY: ours, once.
        unsafe { Pool::free(victim) };
        // Leaves the quarantine unharmed, and is the next block to be allocated.
        Owned::new(pool, 50, 8).free();
        // SAFETY: on purpose not sound as a use of the pool; the memory lies in a magazine of this thread.
        unsafe { victim.as_ptr().write(1) };
        assert_eq!(pool.alloc(100).unwrap(), victim);
    });
    assert!(said.contains("(class of 104 bytes) was written to at offset 0"), "{said}");
}

#[test]
fn a_second_free_is_found() {
    for bytes in [8, 100, 31_000, 100_000] {
        let said = complaint(2, |pool| {
            let victim = pool.alloc(bytes).unwrap();
            // SAFETY: ours, once.
            unsafe { Pool::free(victim) };
            // SAFETY: on purpose not: a double free, of a block in quarantine.
            unsafe { Pool::free(victim) };
        });
        assert!(said.contains("was freed twice"), "{said}");
    }
}

#[test]
fn batches_of_all_classes_come_back() {
    for config in [
        PoolConfig::default(),
        PoolConfig { quarantine_blocks: 7, ..PoolConfig::default() },
        PoolConfig { system: true, ..PoolConfig::default() },
    ] {
        let pool = Pool::with_config(config);
        for round in 0..6 {
            let sizes = (0..1_000).map(|i| if round % 2 == 0 { 64 } else { i * i % 40_000 });
            let blocks: Vec<_> = sizes.map(|bytes| pool.alloc(bytes).unwrap()).collect();
            let distinct: std::collections::HashSet<_> = blocks.iter().collect();
            assert_eq!(distinct.len(), blocks.len());
            let free = || {
                // SAFETY: allocated above, freed once.
                unsafe { Pool::free_batch(&blocks) };
            };
            if round % 3 == 0 {
                struct Anywhere<F>(F);
                // SAFETY: blocks may change threads.
                unsafe impl<F> Send for Anywhere<F> {}
                let free = Anywhere(free);
                std::thread::scope(|scope| {
                    scope.spawn(move || {
                        let Anywhere(free) = { free };
                        free();
                    });
                });
            } else {
                free();
            }
            assert_eq!(pool.stats().blocks, 0);
        }
    }
}

#[test]
fn blocks_freed_by_size_come_back_on_any_thread() {
    for config in [
        PoolConfig::default(),
        PoolConfig { quarantine_blocks: 7, ..PoolConfig::default() },
        PoolConfig { system: true, ..PoolConfig::default() },
    ] {
        let pool = Pool::with_config(config);
        let made: Vec<_> = (0..3_000)
            .map(|i: usize| Owned::new(&pool, [64, 1_000, 40_000, i % 300][i % 4], i as u8))
            .collect();
        let used = pool.stats().blocks;
        assert_eq!(used, 3_000);
        let halves = std::sync::Mutex::new(made);
        let free = || {
            for _ in 0..1_500 {
                let Owned { block, bytes, .. } = halves.lock().unwrap().pop().unwrap();
                // SAFETY: allocated by this pool, with this size, freed once.
                unsafe { pool.free_sized(block, bytes) };
            }
        };
        std::thread::scope(|scope| _ = scope.spawn(free));
        free();
        assert_eq!((pool.stats().blocks, pool.stats().bytes), (0, 0));
    }
}

#[test]
fn blocks_are_aligned_to_what_divides_their_size() {
    let pool = Pool::new();
    for align in [8, 16, 32, 64] {
        for bytes in (align..3_000).step_by(align).chain([32_000, 64_000]) {
            let owned = Owned::new(&pool, bytes, 1);
            assert_eq!(owned.block.as_ptr() as usize % align, 0, "{bytes} bytes");
            owned.free();
        }
    }
}

#[test]
#[cfg(not(stillpoint_system_alloc))]
fn idle_slabs_go_after_their_delay_and_serve_any_class_again() {
    let config = PoolConfig { decommit_after_ns: 100, ..PoolConfig::default() };
    let pool = Pool::with_config(config);
    let spike: Vec<_> = (0..10_000).map(|i| Owned::new(&pool, 200, i as u8)).collect();
    spike.into_iter().for_each(Owned::free);
    assert_eq!(pool.trim_idle(1_000), 0, "seen free for the first time");
    assert_eq!(pool.trim_idle(1_099), 0, "not yet");
    let used = Owned::new(&pool, 200, 1);
    let back = pool.trim_idle(1_100);
    assert!(back > 1_800_000, "only {back} bytes came back");
    used.free();
    // The one slab that was in use begins anew.
    assert_eq!(pool.trim_idle(1_150), 0);
    assert_eq!(pool.trim_idle(1_250), 64 * 1024);
    let mapped = pool.stats().mapped_bytes;
    let other: Vec<_> = (0..19_000).map(|i| Owned::new(&pool, 100, i as u8)).collect();
    assert_eq!(pool.stats().mapped_bytes, mapped, "memory of one class serves another");
    other.into_iter().for_each(Owned::free);
}

#[test]
#[cfg(not(stillpoint_system_alloc))]
fn a_table_shows_the_classes_in_use() {
    let pool = Pool::new();
    let blocks: Vec<_> = (0..1_000).map(|i| Owned::new(&pool, 100, i as u8)).collect();
    let other = Owned::new(&pool, 8, 1);
    let table = pool.class_table();
    let [small, class] = &table.0[..] else { panic!("{table}") };
    assert_eq!((small.block_bytes, small.blocks), (8, 1));
    assert_eq!((class.block_bytes, class.blocks, class.slab_bytes), (104, 1_000, 2 * 65_536));
    blocks.into_iter().for_each(Owned::free);
    let class = &pool.class_table().0[1];
    assert_eq!(class.blocks, 0);
    // All but what is on this thread's shelf: 1,000 blocks are 16 magazines.
    assert!((13..=16).contains(&class.depot_magazines), "{class:?}");
    let text = table.to_string();
    assert!(text.lines().count() == 3 && text.contains("104"), "{text}");
    other.free();
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

#[test]
#[cfg(debug_assertions)]
fn a_block_freed_with_another_size_or_to_another_pool_is_found_out_in_debug_builds() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let (pool, other) = (Pool::new(), Pool::new());
    let block = pool.alloc(64).unwrap();
    for (to, bytes) in [(&pool, 65), (&other, 64)] {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: not as promised, which is the point; the check comes before anything is done.
            unsafe { to.free_sized(block, bytes) };
        }));
        let said = outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains(&format!("is no block of {bytes} bytes of this pool")), "{said}");
    }
    // SAFETY: allocated above, and still in use.
    unsafe { pool.free_sized(block, 64) };
    assert_eq!(pool.stats().blocks, 0);
}
