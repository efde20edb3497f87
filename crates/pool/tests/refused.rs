//! A system that gives no memory for magazines: the pool goes on without.
#![cfg(all(
    target_os = "linux",
    not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_system_alloc))
))]

#[path = "../../reclaim/tests/forked/mod.rs"]
mod forked;

use forked::{forked, on_a_thread};
use std::collections::BTreeSet;
use std::ptr::NonNull;
use stillpoint_pool::{Pool, PoolConfig};

/// Sets how much address space this process may have; returns what it was.
fn set_limit(bytes: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place for the limits.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }, 0);
    let before = std::mem::replace(&mut limit.rlim_cur, bytes);
    // SAFETY: reads the limits.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    before
}

fn alloc(pool: &Pool, bytes: usize, count: usize) -> BTreeSet<NonNull<u8>> {
    let block = |at: usize| {
        let block = pool.alloc(bytes).unwrap();
        // SAFETY: ours, and so long.
        unsafe { block.write_bytes(at as u8, bytes) };
        block
    };
    let blocks: BTreeSet<_> = (0..count).map(block).collect();
    assert_eq!(blocks.len(), count, "each is given out once");
    blocks
}

fn free(blocks: BTreeSet<NonNull<u8>>) {
    for block in blocks {
        // SAFETY: allocated by the test, freed once.
        unsafe { Pool::free(block) };
    }
}

#[test]
fn blocks_come_and_go_without_magazines() {
    let pool = Pool::with_config(PoolConfig { system: false, ..PoolConfig::default() });
    // Brings a segment, of which most is left.
    free(alloc(&pool, 64, 1));
    forked(|| {
        let before = set_limit(1);
        let blocks = alloc(&pool, 1_000, 300);
        assert_eq!(pool.stats().blocks, 300);
        free(blocks.clone());
        assert_eq!(pool.stats().blocks, 0);
        assert_eq!(alloc(&pool, 1_000, 300), blocks, "what was freed comes again");
        let halves: Vec<_> = blocks.iter().copied().collect();
        let (stay, go) = halves.split_at(150);
        // SAFETY: allocated above, freed once.
        unsafe { Pool::free_batch(go) };
        pool.trim();
        assert_eq!(pool.stats().blocks, 150);
        // What another thread has been given finds its way too.
        set_limit(before);
        // It is over, so its magazines are back.
        on_a_thread(|| free(alloc(&pool, 1_000, 10)));
        free(stay.iter().copied().collect());
        assert!(pool.trim() > 0);
        assert_eq!((pool.stats().blocks, pool.stats().slab_bytes), (0, 0));
    });
}
