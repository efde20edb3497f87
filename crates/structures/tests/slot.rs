//! The slot on every scheme that can carry the form: what readers see, counted values, recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::Slot;
use stillpoint_testkit::DropCounter;
use stillpoint_testkit::linearizability::{Recorder, Register, RegisterEvent, assert_linearizable};

/// ThreadSanitizer takes many times as long for each step.
const SHARE: u64 = if cfg!(stillpoint_tsan) { 20 } else { 1 };

fn hasty() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(1).build()
}

#[test]
fn a_reference_outlives_the_replacement_but_not_the_guard() {
    let counter = DropCounter::new();
    let slot = Slot::with_scheme(counter.make(1), hasty());
    let guard = slot.pin();
    let seen = slot.load(&guard);
    for i in 2..100 {
        slot.store(counter.make(i));
    }
    assert_eq!((**seen, **slot.swap(counter.make(100))), (1, 99));
    drop(guard);
    for _ in 0..4 {
        slot.scheme().flush();
    }
    assert_eq!(counter.live(), 1);
    drop(slot);
    counter.assert_none_left();
}

#[test]
fn a_counted_value_outlives_guard_collector_and_slot() {
    let counter = DropCounter::new();
    let slot = Slot::with_scheme(counter.make(1), hasty());
    let kept = slot.load_full();
    let swapped = slot.swap(counter.make(2));
    let last = std::thread::scope(|scope| scope.spawn(|| slot.load_full()).join().unwrap());
    drop(slot);
    assert_eq!((**kept, **swapped, **last), (1, 1, 2));
    assert_eq!(counter.live(), 2);
    drop((kept, last));
    assert_eq!(counter.live(), 1);
    drop(swapped);
    counter.assert_balanced(2);
}

#[test]
fn a_cached_reader_keeps_one_value_and_sees_each_that_was_stored_before_it_looks() {
    let counter = DropCounter::new();
    let slot = Slot::with_scheme(counter.make(0), hasty());
    let mut cached = slot.cached();
    let other = cached.clone();
    for i in 1..100 {
        slot.store(counter.make(i));
        assert_eq!((**cached.seen(), **cached.load()), (i - 1, i));
        assert_eq!((**cached.load(), **other.seen()), (i, 0));
    }
    for _ in 0..4 {
        slot.scheme().flush();
    }
    // The slot's and `cached`'s, and `other`'s.
    assert_eq!(counter.live(), 2);
    drop((cached, other));
    drop(slot);
    counter.assert_none_left();
}

fn cached_readers_never_go_back<S: Scheme>(scheme: S) {
    let stores = 20_000 / SHARE;
    let (slot, done) = (&Slot::with_scheme((0, 0), scheme), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                let (mut cached, mut last) = (slot.cached(), 0);
                while !done.load(Ordering::Acquire) {
                    let (low, high) = *cached.load();
                    assert!(low == high && low >= last, "{low} {high} after {last}");
                    last = low;
                }
                assert_eq!(cached.load().0, stores);
            });
        }
        (1..=stores).for_each(|i| slot.store((i, i)));
        done.store(true, Ordering::Release);
    });
}

#[test]
fn cached_readers_never_go_back_on_any_scheme() {
    cached_readers_never_go_back(hasty());
    cached_readers_never_go_back(Ebr::default());
    cached_readers_never_go_back(Hazard::default());
    cached_readers_never_go_back(Rcu::default());
}

#[test]
fn of_threads_that_take_one_gets_the_value() {
    let (counter, slot) = (DropCounter::new(), Slot::empty());
    for i in 0..200 / SHARE {
        slot.store(Some(counter.make(i)));
        let takes = |_| slot.take().is_some();
        let taken = std::thread::scope(|scope| {
            let threads = [0, 1, 2].map(|n| scope.spawn(move || takes(n)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        assert!(slot.is_empty());
    }
    drop(slot);
    counter.assert_none_left();
}

#[test]
fn compare_and_swap_is_by_identity() {
    let slot = Slot::new(1);
    let guard = slot.pin();
    let (seen, equal) = (slot.load(&guard), 1);
    assert_eq!(slot.compare_and_swap(&equal, 2), Err(2));
    assert_eq!(slot.compare_and_swap(seen, 1), Ok(()));
    assert_eq!(slot.compare_and_swap(seen, 2), Err(2));
}

#[test]
fn an_update_can_decline() {
    let slot = Slot::new(1);
    assert!(!slot.try_update(|_| None));
    assert!(slot.try_update(|old| Some(old + 1)));
    assert_eq!(slot.get_cloned(), 2);
}

#[test]
fn a_panicking_closure_loses_no_value() {
    let counter = DropCounter::new();
    let slot = Slot::new(counter.make(1));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        slot.swap_with(counter.make(2), |_| panic!("planted"))
    }));
    assert!(caught.is_err());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        slot.update(|_| panic!("planted"))
    }));
    assert!(caught.is_err());
    assert_eq!(slot.read(|value| **value), 2);
    drop(slot);
    counter.assert_balanced(2);
}

#[test]
#[should_panic(expected = "the guard is of another collector")]
fn a_foreign_guard_is_refused() {
    let other = Collector::new();
    Slot::new(1).load(&other.pin());
}

#[test]
fn a_capped_guard_says_so() {
    let collector =
        Collector::builder().lease_ticks(0).max_lease_ticks(Some(0)).batch_len(1).build();
    let slot = Slot::with_scheme(0, collector);
    let guard = slot.pin();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=100).for_each(|i| slot.store(i)));
    });
    assert!(slot.try_load(&guard).is_err());
    assert_eq!(slot.get_cloned(), 100);
}

/// Updates add up; readers see whole values that never go back.
fn stress<S: Scheme>(scheme: S) {
    const EACH: u64 = 5_000 / SHARE;
    let counter = DropCounter::new();
    let slot = Slot::with_scheme(counter.make((0, 0)), scheme);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        slot.update(|old| counter.make((old.0 + 1, !(old.0 + 1))));
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let value = slot.read(|value| **value);
                    assert!(value.0 >= last && (value.0 == 0 || value.1 == !value.0));
                    last = value.0;
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(slot.read(|value| value.0), 3 * EACH);
}

fn histories<S: Scheme>(scheme: impl Fn() -> S) {
    for round in 0..40 / SHARE {
        let (slot, recorder) = (Slot::with_scheme(0, scheme()), Recorder::new());
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, slot) = (recorder.log(), &slot);
                scope.spawn(move || {
                    for i in 0..60 {
                        let value = round * 10_000 + thread * 1000 + i + 1;
                        log.call(|| match (i + thread) % 3 {
                            0 => {
                                slot.store(value);
                                RegisterEvent::Write(value)
                            }
                            1 => RegisterEvent::Swap(value, *slot.swap(value)),
                            _ => RegisterEvent::Read(slot.get_cloned()),
                        });
                    }
                });
            }
        });
        assert_linearizable(&Register { initial: 0 }, recorder);
    }
}

macro_rules! on_schemes {
    ($($scheme:ident: $make:expr;)*) => {$(
        mod $scheme {
            use super::*;

            #[test]
            fn updates_add_up() {
                stress($make);
            }
            #[test]
            fn histories_are_linearizable() {
                histories(|| $make);
            }
        }
    )*};
}

on_schemes! {
    leased: Collector::new();
    leased_hasty: hasty();
    ebr: Ebr::new();
    hp: Hazard::new();
    rcu: Rcu::new();
    rc: Rc::new();
}

// A leak checker would not like it.
#[cfg(not(stillpoint_system_alloc))]
on_schemes! {
    leak: stillpoint_reclaim::leak::Leak::new();
}
