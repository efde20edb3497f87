//! The sorted list on every scheme: against `BTreeMap`, under stress with counted values, and as recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::List;
use stillpoint_testkit::linearizability::{Map, MapEvent, Recorder, assert_linearizable};
use stillpoint_testkit::{DropCounter, Random};

/// ThreadSanitizer takes many times as long for each step.
const SHARE: u64 = if cfg!(stillpoint_tsan) { 20 } else { 1 };

fn agrees_with_std<S: Scheme>(scheme: S, reclaims: bool) {
    let (counter, mut random) = (DropCounter::new(), Random::new(3));
    let list = List::with_scheme(scheme);
    let mut model = BTreeMap::new();
    for i in 0..20_000 {
        let key = random.below(64);
        match random.below(3) {
            0 => {
                let refused =
                    list.insert(key, counter.make(i)).map_err(|(key, value)| (key, *value));
                let expected = if model.contains_key(&key) { Err((key, i)) } else { Ok(()) };
                assert_eq!(refused, expected);
                model.entry(key).or_insert(i);
            }
            1 => assert_eq!(list.remove(&key), model.remove(&key).is_some()),
            _ => assert_eq!(list.with(&key, |value| **value), model.get(&key).copied()),
        }
        assert_eq!(list.is_empty(), model.is_empty());
    }
    let scheme = list.scheme().clone();
    drop(list);
    if reclaims {
        drop(scheme);
        counter.assert_none_left();
    }
}

/// Keys that stay are seen by every reader, in order, while others come and go beside them.
fn stress<S: Scheme>(scheme: S, reclaims: bool) {
    const KEYS: u64 = 64;
    let counter = DropCounter::new();
    let list = List::with_scheme(scheme);
    for key in (0..KEYS).step_by(8) {
        list.insert(key, counter.make(key)).expect("the first of its key");
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|seed| {
                let (list, counter) = (&list, &counter);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..15_000 / SHARE {
                        let key = random.below(KEYS);
                        if key.is_multiple_of(8) {
                            assert_eq!(list.with(&key, |value| **value), Some(key));
                        } else if random.below(2) == 0 {
                            let _there = list.insert(key, counter.make(key));
                        } else {
                            list.remove(&key);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let guard = list.pin();
                let mut seen = Vec::new();
                for (key, value) in list.iter(&guard) {
                    assert_eq!(*key, **value);
                    seen.push(*key);
                    // Another operation under the same guard may renew its lease, or fail past the longest; the iterator goes on.
                    assert!(!matches!(list.get(&0, &guard), Ok(None)));
                }
                assert!(seen.is_sorted_by(|a, b| a < b));
                assert_eq!(seen.iter().filter(|key| *key % 8 == 0).count() as u64, KEYS / 8);
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    let scheme = list.scheme().clone();
    drop(list);
    if reclaims {
        drop(scheme);
        counter.assert_none_left();
    }
}

fn histories<S: Scheme>(scheme: impl Fn() -> S) {
    for round in 0..40 / SHARE {
        let list = List::with_scheme(scheme());
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, list) = (recorder.log(), &list);
                scope.spawn(move || {
                    let mut random = Random::new(round * 8 + thread);
                    for i in 0..60 {
                        let (key, value) = (random.below(3), thread * 1000 + i);
                        log.call(|| match random.below(3) {
                            0 => {
                                let guard = list.pin();
                                match list.insert(key, value) {
                                    Ok(()) => MapEvent::InsertNew(key, value, Ok(())),
                                    Err(_) => {
                                        MapEvent::Get(key, list.get(&key, &guard).unwrap().copied())
                                    }
                                }
                            }
                            1 => {
                                let guard = list.pin();
                                let removed = list.remove_entry(&key, &guard).unwrap();
                                MapEvent::Remove(key, removed.map(|(_, value)| *value))
                            }
                            _ => MapEvent::Get(key, list.with(&key, |value| *value)),
                        });
                    }
                });
            }
        });
        assert_linearizable(&Map::<u64, u64>::default(), recorder);
    }
}

/// Every guard expires at every tick, and ticks come as fast as they can.
fn hasty() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(1).build()
}

macro_rules! on_schemes {
    ($($(#[$attribute:meta])* $scheme:ident: $make:expr, reclaims: $reclaims:expr;)*) => {$(
        $(#[$attribute])*
        mod $scheme {
            use super::*;

            #[test]
            fn agrees_with_std() {
                super::agrees_with_std($make, $reclaims);
            }
            #[test]
            fn keys_that_stay_are_always_seen() {
                stress($make, $reclaims);
            }
            #[test]
            fn histories_are_linearizable() {
                histories(|| $make);
            }
            #[test]
            #[should_panic(expected = "the guard is of another collector")]
            fn a_foreign_guard_is_refused() {
                let (list, other) = (List::<u64, u64, _>::with_scheme($make), $make);
                let _refused = list.get(&1, &other.pin());
            }
        }
    )*};
}

on_schemes! {
    leased: Collector::new(), reclaims: true;
    leased_hasty: hasty(), reclaims: true;
    ebr: Ebr::new(), reclaims: true;
    rcu: Rcu::new(), reclaims: true;
    rc: Rc::new(), reclaims: true;
    // It leaks, which a sanitizer would tell.
    #[cfg(not(stillpoint_system_alloc))]
    leak: stillpoint_reclaim::leak::Leak::new(), reclaims: false;
}

/// Without references that outlive an operation: keys that stay are always seen, and nothing is lost.
#[test]
fn hazard_pointers_carry_the_list() {
    agrees_with_std(Hazard::new(), true);
    const KEYS: u64 = 64;
    let counter = DropCounter::new();
    let list = List::with_scheme(Hazard::new());
    for key in (0..KEYS).step_by(8) {
        list.insert(key, counter.make(key)).expect("the first of its key");
    }
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (list, counter) = (&list, &counter);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..15_000 / SHARE {
                    let key = random.below(KEYS);
                    match random.below(3) {
                        _ if key.is_multiple_of(8) => {
                            assert_eq!(list.with(&key, |value| **value), Some(key));
                        }
                        0 => drop(list.insert(key, counter.make(key))),
                        1 => drop(list.remove(&key)),
                        _ => assert!(list.with(&key, |value| **value).is_none_or(|v| v == key)),
                    }
                }
            });
        }
    });
    drop(list);
    counter.assert_none_left();
}

#[test]
fn what_was_removed_is_seen_as_long_as_the_guard() {
    let (counter, list) = (DropCounter::new(), List::with_scheme(hasty()));
    list.insert(1, counter.make(10)).unwrap();
    let guard = list.pin();
    let value = list.get(&1, &guard).unwrap().expect("just inserted");
    let (_, removed) = list.remove_entry(&1, &guard).unwrap().expect("just inserted");
    for _ in 0..10 {
        list.scheme().flush();
        list.insert(2, counter.make(20)).unwrap();
        list.remove(&2);
    }
    assert!(std::ptr::eq(value, removed) && **value == 10);
    drop(guard);
    drop(list);
    counter.assert_none_left();
}

#[test]
fn a_comparison_that_panics_leaves_the_list_as_it_was() {
    #[derive(PartialEq, Eq)]
    struct Touchy(u32);
    impl PartialOrd for Touchy {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Touchy {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            assert!(self.0 != 13 && other.0 != 13, "planted");
            self.0.cmp(&other.0)
        }
    }
    let (counter, list) = (DropCounter::new(), List::new());
    list.insert(Touchy(1), counter.make(1)).ok().unwrap();
    list.insert(Touchy(20), counter.make(20)).ok().unwrap();
    let insert = std::panic::AssertUnwindSafe(|| list.insert(Touchy(13), counter.make(13)).is_ok());
    assert!(std::panic::catch_unwind(insert).is_err());
    assert_eq!(counter.live(), 2);
    assert!(list.contains_key(&Touchy(20)) && list.remove(&Touchy(1)));
    drop(list);
    counter.assert_none_left();
}

/// The guard of a participant is not the one that a pin of its thread would be nested in.
#[test]
fn what_a_participants_guard_found_stays() {
    let counter = DropCounter::new();
    let list = List::with_scheme(hasty());
    let participant = list.scheme().register();
    let guard = participant.pin();
    // Its birth is past the lease of `guard`, which a look has to renew.
    for key in 0..20 {
        assert!(list.insert(key, counter.make(key)).is_ok());
    }
    let found = list.get(&7, &guard).expect("far from the longest lease").expect("inserted");
    assert!(list.remove(&7));
    (0..20).for_each(|_| list.scheme().flush());
    assert_eq!((**found, counter.live()), (7, 20));
    let mut rest = list.iter(&guard);
    let (first, value) = rest.next().expect("inserted");
    assert!((0..20).filter(|key| list.remove(key)).count() == 19);
    (0..20).for_each(|_| list.scheme().flush());
    assert_eq!((*first, **value), (0, 0));
    assert!(rest.next().is_none());
    drop(rest);
    assert!(counter.live() >= 2, "what the guard has given is still there");
    drop(guard);
    drop(participant);
    drop(list);
    counter.assert_none_left();
}
