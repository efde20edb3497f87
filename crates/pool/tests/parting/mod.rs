//! A pool whose handle goes while others free its last blocks.

use std::ptr::NonNull;
use std::sync::Barrier;
use stillpoint_pool::{Pool, PoolConfig};

/// A block of some pool.
pub(crate) struct Block(pub(crate) NonNull<u8>);
// SAFETY: blocks may change threads.
unsafe impl Send for Block {}

impl Block {
    pub(crate) fn free(self) {
        // SAFETY: allocated by a test, freed once.
        unsafe { Pool::free(self.0) };
    }
}

/// So many blocks, some of them large.
pub(crate) fn blocks(pool: &Pool, count: usize) -> Vec<Block> {
    (0..count).map(|i| Block(pool.alloc(if i % 17 == 0 { 50_000 } else { 64 }).unwrap())).collect()
}

/// The handle goes on one thread while two others free the last blocks.
pub(crate) fn play(config: PoolConfig) {
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
