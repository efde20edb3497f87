//! The end of a pool: its last handle may go before its blocks, on any thread, and then the last block takes the memory with it.
//!
//! Under LeakSanitizer (which the AddressSanitizer run includes) a core that stays behind fails these tests; elsewhere they check that
//! the memory mapped for pools does not grow.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::ptr::NonNull;
use std::sync::Barrier;
use stillpoint_pool::{Pool, PoolConfig};

struct Block(NonNull<u8>);
// SAFETY: blocks may change threads.
unsafe impl Send for Block {}

impl Block {
    fn free(self) {
        // SAFETY: allocated by a test below, freed once.
        unsafe { Pool::free(self.0) };
    }
}

fn blocks(pool: &Pool, count: usize) -> Vec<Block> {
    (0..count).map(|i| Block(pool.alloc(if i % 17 == 0 { 50_000 } else { 64 }).unwrap())).collect()
}

/// The handle goes on one thread while two others free the last blocks.
fn play(config: PoolConfig) {
    let pool = Pool::with_config(config);
    let (mut mine, mut theirs) = (blocks(&pool, 20), blocks(&pool, 20));
    let start = Barrier::new(3);
    std::thread::scope(|scope| {
        for blocks in [&mut mine, &mut theirs] {
            let start = &start;
            scope.spawn(move || {
                // Used before the race, or new to the pool in its middle.
                if blocks.len() % 2 == 0 {
                    blocks.pop().unwrap().free();
                }
                start.wait();
                blocks.drain(..).for_each(Block::free);
            });
        }
        start.wait();
        drop(pool);
    });
}

#[cfg(target_os = "linux")]
fn mapped_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
#[cfg(target_os = "linux")]
fn a_pool_whose_handle_goes_first_leaves_nothing_behind() {
    (0..20).for_each(|_| play(PoolConfig::default()));
    let before = mapped_bytes();
    (0..300).for_each(|_| play(PoolConfig::default()));
    // 300 cores left behind would be 600 MiB of address space. (A sanitizer's own does not count.)
    let grown = mapped_bytes().saturating_sub(before);
    assert!(cfg!(stillpoint_system_alloc) || grown < 100 << 20, "{grown} bytes more are mapped");
}

/// From slabs in every build, so that ThreadSanitizer sees magazines change hands: nothing but the depot orders one thread's use of a block
/// before another's.
#[test]
fn blocks_that_go_through_the_depot_are_one_threads_at_a_time() {
    let pool = Pool::with_config(PoolConfig { system: false, ..PoolConfig::default() });
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..50 {
                    let blocks: Vec<_> = (0..200).map(|_| pool.alloc(64).unwrap()).collect();
                    for block in &blocks {
                        // SAFETY: ours, and so long.
                        unsafe { block.cast::<u64>().write(thread << 32 | round) };
                    }
                    for block in &blocks {
                        // SAFETY: ours, written above.
                        let word = unsafe { block.cast::<u64>().read() };
                        assert_eq!(word, thread << 32 | round, "somebody else wrote here");
                    }
                    // SAFETY: allocated above, freed once.
                    unsafe { Pool::free_batch(&blocks) };
                    if round % 16 == 0 {
                        pool.trim();
                    }
                }
            });
        }
    });
    assert_eq!(pool.stats().blocks, 0);
}

#[test]
fn a_pool_in_quarantine_mode_ends_as_well() {
    (0..20).for_each(|_| play(PoolConfig { quarantine_blocks: 3, ..PoolConfig::default() }));
}

#[test]
fn blocks_freed_by_a_thread_that_never_met_the_pool_end_it() {
    let pool = Pool::new();
    let blocks = blocks(&pool, 5);
    drop(pool);
    std::thread::spawn(move || blocks.into_iter().for_each(Block::free)).join().unwrap();
}

#[test]
fn a_batch_may_be_the_last_of_its_pools() {
    let pools = [Pool::new(), Pool::new()];
    let all: Vec<_> = (0..300).map(|i| pools[i % 2].alloc(8 + i % 3 * 40_000).unwrap()).collect();
    drop(pools);
    // SAFETY: allocated above, freed once.
    unsafe { Pool::free_batch(&all) };
}

#[test]
fn a_thread_past_its_exit_may_allocate_and_free() {
    struct Last(Pool, Option<Block>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.take().into_iter().for_each(Block::free);
            Block(self.0.alloc(64).unwrap()).free();
            self.1 = Some(Block(self.0.alloc(64).unwrap()));
            self.1.take().into_iter().for_each(Block::free);
        }
    }
    std::thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let pool = Pool::new();
    let (for_thread, pool) = (pool.clone(), pool);
    std::thread::spawn(move || {
        // Registered before the pool's own exit hook, hence destroyed after it.
        LAST.with(|last| {
            let block = Block(for_thread.alloc(64).unwrap());
            *last.borrow_mut() = Some(Last(for_thread, Some(block)));
        });
    })
    .join()
    .unwrap();
    assert_eq!(pool.stats().blocks, 0);
}
