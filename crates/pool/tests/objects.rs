//! Boxes in a pool: alignment, types without size, raw round trips, destructors; and nodes of a collector in a pool.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stillpoint_pool::{ObjectPool, Pool, PoolBox};
use stillpoint_reclaim::{Atomic, Collector, Owned};

#[repr(align(64))]
#[derive(Debug, PartialEq, Clone, Copy)]
struct Wide(u8);

#[test]
fn wide_types_are_aligned() {
    let pool = Pool::new();
    let boxes: Vec<_> = (0..100).map(|i| PoolBox::new_in([Wide(i); 3], &pool)).collect();
    for (i, boxed) in boxes.iter().enumerate() {
        assert_eq!(&raw const **boxed as usize % 64, 0);
        assert_eq!(**boxed, [Wide(i as u8); 3]);
    }
}

#[test]
fn types_without_size_take_no_block() {
    struct Counted(#[allow(dead_code)] [u8; 0]);
    std::thread_local! {
        static DROPPED: Cell<u32> = const { Cell::new(0) };
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    let pool = ObjectPool::new();
    let boxed = pool.make(Counted([]));
    assert_eq!(pool.pool().stats().blocks, 0);
    drop(boxed);
    drop(PoolBox::into_inner(pool.make(Counted([]))));
    assert_eq!(DROPPED.get(), 2);
}

#[test]
fn each_value_is_dropped_once_and_each_block_comes_back() {
    let pool = ObjectPool::new();
    let value = Rc::new(());
    let boxed = pool.make(value.clone());
    let raw = PoolBox::into_raw(boxed);
    assert_eq!((Rc::strong_count(&value), pool.len()), (2, 1));
    // SAFETY: taken apart above.
    let boxed = unsafe { PoolBox::from_raw(raw) };
    drop(PoolBox::into_inner(boxed));
    assert_eq!((Rc::strong_count(&value), pool.len()), (1, 0));
    drop(pool.make(value.clone()));
    assert_eq!((Rc::strong_count(&value), pool.is_empty()), (1, true));
}

#[test]
fn a_panicking_destructor_keeps_no_block() {
    struct Bomb(#[allow(dead_code)] u64);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let pool = ObjectPool::new();
    let boxed = pool.make(Bomb(1));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(boxed)));
    assert!(caught.is_err() && pool.is_empty());
}

#[test]
fn boxes_cross_threads_and_outlive_their_pool() {
    let pool = ObjectPool::new();
    let boxes: Vec<_> = (0..1_000u64).map(|i| pool.make(i)).collect();
    drop(pool);
    let sum = std::thread::spawn(move || boxes.into_iter().map(PoolBox::into_inner).sum::<u64>());
    assert_eq!(sum.join().unwrap(), 499_500);
}

#[test]
fn absurd_sizes_are_refused_and_the_value_comes_back() {
    let pool = Pool::new();
    let huge = pool.alloc(usize::MAX / 2);
    assert_eq!(huge.unwrap_err().bytes, usize::MAX / 2);
}

#[test]
fn nodes_of_a_collector_live_in_the_pool() {
    let (collector, pool, alive) = (Collector::new(), Pool::new(), Arc::new(()));
    let guard = collector.pin();
    let cell = Atomic::new(Owned::new_in(&guard, (Wide(0), alive.clone()), &pool));
    for i in 1..1_000 {
        let new = Owned::new_in(&guard, (Wide(i as u8), alive.clone()), &pool);
        let old = cell.swap(new, Ordering::AcqRel);
        assert_eq!(old.as_ptr() as usize % 64, 0);
        // SAFETY: unlinked just now, by us alone, and from this pool.
        unsafe { old.retire_in::<Pool, _>(&guard) };
    }
    let last = cell.take(Ordering::AcqRel);
    // SAFETY: as above.
    unsafe { last.retire_in::<Pool, _>(&guard) };
    drop(guard);
    collector.flush();
    drop(collector);
    assert_eq!((Arc::strong_count(&alive), pool.stats().blocks), (1, 0));
}
