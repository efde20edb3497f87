//! Blocks from the pool.

use crate::meter::Bench;
use std::hint::black_box;
use std::ptr::NonNull;
use stillpoint_pool::Pool;

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "pool_hit", workload: "allocate and free 104 B at once", make: hit },
    Bench { name: "pool_batch", workload: "allocate 1024 blocks of 104 B, free them", make: batch },
];

const BYTES: usize = 104;

fn alloc(pool: &Pool) -> NonNull<u8> {
    pool.alloc(BYTES).expect("there is memory for a block")
}

fn hit() -> Box<dyn FnMut(u64)> {
    let pool = Pool::new();
    Box::new(move |ops| {
        for _ in 0..ops {
            let block = black_box(alloc(&pool));
            // SAFETY: allocated just now, freed once.
            unsafe { Pool::free(block) };
        }
    })
}

fn batch() -> Box<dyn FnMut(u64)> {
    let pool = Pool::new();
    let mut blocks = Vec::with_capacity(1024);
    Box::new(move |ops| {
        let mut left = ops;
        while left > 0 {
            let now = left.min(1024);
            blocks.extend((0..now).map(|_| alloc(&pool)));
            for block in blocks.drain(..) {
                // SAFETY: allocated above, freed once.
                unsafe { Pool::free(block) };
            }
            left -= now;
        }
    })
}
