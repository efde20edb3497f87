//! Counted handles of `rc`'s nodes.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::{Atomic, Owned, Scheme, leased, rc};

struct Value(u64, Arc<AtomicU64>);

impl Drop for Value {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0 = 0;
    }
}

/// Readers promote what a writer replaces, and hand it to a thread that checks and drops it.
#[test]
fn promoted_values_live_until_their_last_handle() {
    let scheme = Rc::new();
    let drops = Arc::new(AtomicU64::new(0));
    let new = |guard: &rc::Guard<'_>| Owned::new(guard, Value(7, drops.clone()));
    let cell = Atomic::new(new(&scheme.pin()));
    let (send, receive) = mpsc::channel::<rc::Counted<Value>>();
    let rounds = 5_000;
    thread::scope(|scope| {
        let checker = scope.spawn(move || {
            for handle in receive {
                let other = handle.clone();
                assert!(handle.ptr_eq(&other));
                drop(handle);
                assert_eq!(other.0, 7);
            }
        });
        for _ in 0..2 {
            let (send, scheme, cell) = (send.clone(), &scheme, &cell);
            scope.spawn(move || {
                for _ in 0..rounds {
                    let guard = scheme.pin();
                    // SAFETY: loaded under the guard, from the heap, retired by `retire` alone.
                    let handle: rc::Counted<Value> = unsafe { guard.promote(guard.load(cell)) };
                    drop(guard);
                    assert_eq!(handle.0, 7);
                    send.send(handle).expect("the checker goes on");
                }
            });
        }
        for _ in 0..rounds {
            let guard = scheme.pin();
            let old = cell.swap(new(&guard), Ordering::AcqRel);
            // SAFETY: unlinked just now, by us alone.
            unsafe { old.retire(&guard) };
        }
        drop(send);
        checker.join().expect("no value was dropped under a handle");
    });
    // SAFETY: unlinked by the take, by us alone.
    unsafe { cell.take(Ordering::AcqRel).retire(&scheme.pin()) };
    drop(scheme);
    assert_eq!(drops.load(Ordering::Relaxed), rounds + 1);
}

#[test]
fn a_handle_of_rc_outlives_guard_thread_and_collector() {
    let drops = Arc::new(AtomicU64::new(0));
    let scheme = Rc::new();
    let cell = Atomic::new(Owned::new(&scheme.pin(), Value(7, drops.clone())));
    let handle: rc::Counted<Value> = {
        let guard = scheme.pin();
        // SAFETY: loaded under the guard, from the heap.
        unsafe { guard.promote(guard.load(&cell)) }
    };
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&scheme.pin()) };
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), drops.load(Ordering::Relaxed)), (0, 0), "the handle's now");
    drop(scheme);
    let other = handle.clone();
    thread::spawn(move || assert_eq!(handle.0, 7)).join().expect("no panic");
    assert_eq!((other.0, drops.load(Ordering::Relaxed)), (7, 0));
    drop(other);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn handles_dropped_before_the_retirement_leave_the_node_to_the_collector() {
    let drops = Arc::new(AtomicU64::new(0));
    let scheme = Rc::new();
    let cell = Atomic::new(Owned::new(&scheme.pin(), Value(7, drops.clone())));
    for _ in 0..3 {
        let guard = scheme.pin();
        // SAFETY: loaded under the guard, from the heap.
        drop::<rc::Counted<Value>>(unsafe { guard.promote(guard.load(&cell)) });
    }
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&scheme.pin()) };
    scheme.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

fn is_send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn handles_may_cross_an_await() {
    is_send_and_sync::<rc::Counted<String>>();
}

/// A bag that some reader covers is looked at and kept, and what it knows of its nodes' counts must not be lost by that.
#[test]
fn a_value_with_a_handle_survives_a_retirement_that_a_reader_held_back() {
    let scheme = Rc::from_builder(leased::Builder::default().batch_len(4));
    let drops = Arc::new(AtomicU64::new(0));
    let reader = scheme.pin();
    let cell = Atomic::new(Owned::new(&reader, Value(7, drops.clone())));
    // SAFETY: loaded under the guard, from the heap, retired by `retire` alone.
    let handle: rc::Counted<Value> = unsafe { reader.promote(reader.load(&cell)) };
    // SAFETY: unlinked by the take, by us alone.
    unsafe { cell.take(Ordering::AcqRel).retire(&reader) };
    for _ in 0..100 {
        let node = Atomic::new(Owned::new(&reader, Value(1, drops.clone())));
        // SAFETY: as above.
        unsafe { node.take(Ordering::AcqRel).retire(&reader) };
    }
    drop(reader);
    scheme.flush();
    assert_eq!(scheme.unreclaimed(), 0);
    assert_eq!(drops.load(Ordering::Relaxed), 100, "all but the one with a handle");
    assert_eq!(handle.0, 7);
    drop(handle);
    assert_eq!(drops.load(Ordering::Relaxed), 101);
}
