//! A real fork of a process whose other threads allocate, free and trim: the child goes on, and so does the parent.
#![cfg(all(unix, not(any(stillpoint_loom, stillpoint_shuttle))))]

#[path = "../../reclaim/tests/forked/mod.rs"]
mod forked;

use forked::{forked, on_a_thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_pool::{Pool, PoolConfig};

struct Block(NonNull<u8>, usize);
// SAFETY: blocks may change threads.
unsafe impl Send for Block {}

impl Block {
    fn new(pool: &Pool, bytes: usize) -> Block {
        let block = pool.alloc(bytes).unwrap();
        // SAFETY: ours, and so long.
        unsafe { block.write_bytes(bytes as u8, bytes) };
        Block(block, bytes)
    }
    fn free(self) {
        // SAFETY: ours, and so long.
        let contents = unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.1) };
        assert!(contents.iter().all(|byte| *byte == self.1 as u8), "somebody else wrote here");
        // SAFETY: allocated above, freed once.
        unsafe { Pool::free(self.0) };
    }
}

fn churn(pool: &Pool, count: usize) {
    let sizes = [8, 64, 1_000, 20_000, 40_000];
    let blocks: Vec<_> = (0..count).map(|i| Block::new(pool, sizes[i % sizes.len()])).collect();
    blocks.into_iter().for_each(Block::free);
}

fn play(config: PoolConfig) {
    let pool = Pool::with_config(PoolConfig { survive_fork: true, ..config });
    let (stop, passed) = (AtomicBool::new(false), Mutex::new(None));
    thread::scope(|scope| {
        for thread in 0..3 {
            let (pool, stop, passed) = (&pool, &stop, &passed);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    churn(pool, 30);
                    if thread == 0 {
                        pool.trim();
                    }
                    let block = Block::new(pool, 64);
                    let before = passed.lock().unwrap().replace(block);
                    before.into_iter().for_each(Block::free);
                }
            });
        }
        // Threads that come and go hold the locks of joining and leaving.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                thread::scope(|inner| _ = inner.spawn(|| churn(&pool, 5)));
            }
        });
        // Should an assertion fail, the threads are to end all the same.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..6 {
                let (mut mine, pool) = (Some(Block::new(&pool, 64)), pool.clone());
                forked(|| {
                    churn(&pool, 100);
                    pool.trim();
                    on_a_thread(|| churn(&pool, 100));
                    mine.take().into_iter().for_each(Block::free);
                });
                mine.take().into_iter().for_each(Block::free);
            }
        }));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    passed.into_inner().unwrap().into_iter().for_each(Block::free);
}

#[test]
fn a_child_goes_on_whatever_others_were_at() {
    play(PoolConfig::default());
}

#[test]
fn a_child_goes_on_in_quarantine_mode() {
    play(PoolConfig { quarantine_blocks: 5, ..PoolConfig::default() });
}

/// A thread that has met the pool, and has no handle of it, does not exist when the last handle goes.
#[test]
fn a_child_may_end_the_pool() {
    let pool = Pool::with_config(PoolConfig { survive_fork: true, ..PoolConfig::default() });
    let (theirs, mine) = (Block::new(&pool, 64), Block::new(&pool, 64));
    let (stop, met) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            theirs.free();
            met.store(true, Ordering::Release);
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
        });
        while !met.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let (mut pool, mut mine) = (Some(pool), Some(mine));
        forked(|| {
            drop(pool.take());
            mine.take().into_iter().for_each(Block::free);
        });
        stop.store(true, Ordering::Relaxed);
        drop(pool.take());
        mine.take().into_iter().for_each(Block::free);
    });
}

/// Blocks outlive the last handle; so does what makes the pool usable in children. Threads that have not met the pool before it ended take a
/// lock of it with each free.
#[test]
fn a_child_may_free_blocks_of_a_pool_that_has_ended() {
    // From slabs under a sanitizer too: so many blocks of the system's allocator, each aligned to 64 KiB, take minutes.
    let config = PoolConfig { survive_fork: true, system: false, ..PoolConfig::default() };
    let pool = Pool::with_config(config);
    let blocks = |count| (0..count).map(|_| Block::new(&pool, 8)).collect::<Vec<_>>();
    let (theirs, mut mine) = ([(); 2].map(|()| blocks(200_000)), blocks(21));
    drop(pool);
    thread::scope(|scope| {
        for blocks in theirs {
            scope.spawn(|| blocks.into_iter().for_each(Block::free));
        }
        for _ in 0..20 {
            let mut block = mine.pop();
            forked(|| {
                let block = block.take();
                on_a_thread(|| block.into_iter().for_each(Block::free));
            });
            block.into_iter().for_each(Block::free);
        }
    });
    // The last block takes the pool's memory with it, and forks do not find it any more.
    mine.into_iter().for_each(Block::free);
    forked(|| {});
}
