//! The end of a pool: its last handle may go before its blocks, on any thread, and then the last block takes the memory with it.
//!
//! Under LeakSanitizer (which the AddressSanitizer run includes) a core that stays behind fails these tests; elsewhere `address_space` sees it.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

mod parting;

use parting::{Block, blocks, play};
use stillpoint_pool::{Pool, PoolConfig};

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
