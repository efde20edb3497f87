//! Counted references: they outlive guards and threads, the last one drops the value, and a future may keep one.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::{Atomic, Collector, Countable, Counted, Owned, Protect, Scheme};

struct Dropped<'a>(&'a AtomicUsize, u64);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

static DROPS: AtomicUsize = AtomicUsize::new(0);

fn load<S: Scheme, T>(scheme: &S, cell: &Atomic<Countable<T>>) -> Counted<T> {
    scheme.pin().complete(|guard| {
        let shared = guard.protect_root(0, cell)?;
        // SAFETY: protected just now, never null, from the heap, and retired by `retire_counted`.
        Ok(unsafe { shared.promote() })
    })
}

fn replace<S: Scheme, T>(scheme: &S, cell: &Atomic<Countable<T>>, value: T) {
    let guard = scheme.pin();
    let old = cell.swap(Owned::new(&guard, Countable::new(value)), Ordering::AcqRel);
    // SAFETY: unlinked by the swap, by us alone; from the heap.
    unsafe { old.retire_counted::<stillpoint_reclaim::Heap, _>(&guard) };
}

#[test]
fn the_last_reference_drops_the_value() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::new();
    let cell = Atomic::new(Owned::new(&collector.pin(), Countable::new(Dropped(&drops, 1))));
    let first = load(&collector, &cell);
    let second = first.clone();
    replace(&collector, &cell, Dropped(&drops, 2));
    collector.flush();
    assert_eq!((drops.load(Ordering::Relaxed), first.1), (0, 1));
    std::thread::scope(|scope| {
        scope.spawn(move || assert_eq!(second.1, 1));
    });
    assert_eq!(drops.load(Ordering::Relaxed), 0, "the first reference is still there");
    drop(first);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    replace(&collector, &cell, Dropped(&drops, 3));
    collector.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 2, "without references the collector drops it");
    let guard = collector.pin();
    // SAFETY: the cell is about to go, and nobody else has it.
    unsafe { cell.take(Ordering::AcqRel).retire_counted::<stillpoint_reclaim::Heap, _>(&guard) };
    drop(guard);
    drop(collector);
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

#[test]
fn an_unpublished_node_is_dropped_once() {
    let drops = AtomicUsize::new(0);
    let collector = Collector::new();
    drop(Owned::new(&collector.pin(), Countable::new(Dropped(&drops, 1))));
    let value = Owned::new(&collector.pin(), Countable::new(Dropped(&drops, 2))).into_value();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(value.into_inner());
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn references_taken_while_nodes_are_replaced_are_each_dropped_once() {
    const ROUNDS: u64 = 20_000;
    let collector = Collector::builder().batch_len(16).lease_ticks(0).build();
    let cell = Atomic::new(Owned::new(&collector.pin(), Countable::new(Dropped(&DROPS, 0))));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = Vec::new();
                for _ in 0..ROUNDS {
                    let counted = load(&collector, &cell);
                    assert!(counted.1 <= ROUNDS);
                    kept.push(counted);
                    if kept.len() > 32 {
                        kept.clear();
                    }
                }
            });
        }
        scope.spawn(|| (1..=ROUNDS).for_each(|n| replace(&collector, &cell, Dropped(&DROPS, n))));
    });
    let guard = collector.pin();
    // SAFETY: the cell is about to go, and nobody else has it.
    unsafe { cell.take(Ordering::AcqRel).retire_counted::<stillpoint_reclaim::Heap, _>(&guard) };
    drop(guard);
    drop(collector);
    assert_eq!(DROPS.load(Ordering::Relaxed) as u64, ROUNDS + 1);
}

#[test]
fn a_future_keeps_one_across_an_await() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let scheme = Leak::new();
    let cell = Atomic::new(Owned::new(&scheme.pin(), Countable::new(7)));
    let counted = load(&scheme, &cell);
    let mut future = pin!(is_send(async move {
        std::future::ready(()).await;
        *counted
    }));
    let answer = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(answer, Poll::Ready(7));
    let mut cell = cell;
    // SAFETY: nobody else has it.
    drop(unsafe { cell.take_owned::<stillpoint_reclaim::Heap>() });
}
