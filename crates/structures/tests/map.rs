//! The hash map on every scheme: against `std`'s, under stress with counted values and growth, and as recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections;
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Collector, Restart, Scheme};
use stillpoint_structures::map::{Compute, Operation};
use stillpoint_structures::{HashMap, HashSet};
use stillpoint_testkit::linearizability::{Map, MapEvent, Recorder, assert_linearizable};
use stillpoint_testkit::{Counted, DropCounter, Random};

/// ThreadSanitizer takes many times as long for each step.
const SHARE: u64 = if cfg!(stillpoint_tsan) { 20 } else { 1 };

type Numbers<S> = HashMap<u64, Counted<u64>, stillpoint_structures::map::DefaultHasher, S>;

/// What runs on every scheme.
fn agrees_with_std<S: Scheme>(scheme: S, reclaims: bool) {
    let (counter, mut random) = (DropCounter::new(), Random::new(5));
    let map: Numbers<S> = HashMap::with_scheme(scheme);
    let mut model = collections::HashMap::new();
    for i in 0..30_000 {
        let key = random.below(3_000);
        match random.below(5) {
            0..=1 => assert_eq!(map.set(key, counter.make(i)), model.insert(key, i).is_some()),
            2 => assert_eq!(map.unset(&key), model.remove(&key).is_some()),
            3 => assert_eq!(map.has(&key), model.contains_key(&key)),
            _ => assert_eq!(map.with(&key, |value| **value), model.get(&key).copied()),
        }
        assert_eq!(map.len(), model.len());
    }
    assert!(model.iter().all(|(key, i)| map.with(key, |value| **value) == Some(*i)));
    let scheme = map.scheme().clone();
    drop(map);
    drop(scheme);
    if reclaims {
        counter.assert_none_left();
    }
}

/// Each thread has keys of its own, whose values it knows, and fights for others; the map grows meanwhile.
fn stress<S: Scheme>(scheme: S, reclaims: bool) {
    const THREADS: u64 = 4;
    let counter = DropCounter::new();
    let map: Numbers<S> = HashMap::with_scheme(scheme);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (map, counter) = (&map, &counter);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                let mut own = collections::HashMap::new();
                for i in 0..15_000 / SHARE {
                    let key = random.below(2_000) * THREADS + thread;
                    match random.below(6) {
                        0..=2 => {
                            assert_eq!(map.set(key, counter.make(i)), own.insert(key, i).is_some());
                        }
                        3 => assert_eq!(map.unset(&key), own.remove(&key).is_some()),
                        _ => {
                            let found = map.with(&key, |value| **value);
                            assert_eq!(found, own.get(&key).copied());
                        }
                    }
                    let shared = 1_000_000 + random.below(16);
                    match random.below(3) {
                        0 => drop(map.set(shared, counter.make(shared))),
                        1 => drop(map.unset(&shared)),
                        _ => assert!(map.with(&shared, |v| **v).is_none_or(|v| v == shared)),
                    }
                }
                assert!(own.iter().all(|(key, i)| map.with(key, |value| **value) == Some(*i)));
            });
        }
    });
    let scheme = map.scheme().clone();
    drop(map);
    drop(scheme);
    if reclaims {
        counter.assert_none_left();
    }
}

/// The operations of the facade, those of schemes that protect all that is loaded.
fn facade_agrees_with_std<S: Scheme>(scheme: S) {
    let map = HashMap::with_scheme(scheme);
    let mut model = collections::HashMap::new();
    let mut random = Random::new(9);
    for i in 0..20_000u64 {
        let (map, key) = (map.pin(), random.below(500));
        match random.below(9) {
            0 => assert_eq!(map.insert(key, i).copied(), model.insert(key, i)),
            1 => assert_eq!(map.remove(&key).copied(), model.remove(&key)),
            2 => match map.try_insert(key, i) {
                Ok(value) => assert!(*value == i && model.insert(key, i).is_none()),
                Err(there) => {
                    assert_eq!((Some(there.current), there.refused), (model.get(&key), i))
                }
            },
            3 => assert_eq!(
                map.update(key, |v| v + 1).copied(),
                model.get_mut(&key).map(|v| {
                    *v += 1;
                    *v
                })
            ),
            4 => {
                let expected = *model.entry(key).and_modify(|v| *v += 1).or_insert(i);
                assert_eq!(*map.update_or_insert_with(key, |v| v + 1, || i), expected);
            }
            5 => assert_eq!(map.get_or_insert_with(key, || i), model.entry(key).or_insert(i)),
            6 => match map.compute(key, |old| match old {
                Some((_, v)) if v % 2 == 0 => Operation::Remove,
                Some((_, v)) => Operation::Insert(v + 1),
                None => Operation::Abort("nothing there"),
            }) {
                Compute::Removed(_, v) => assert_eq!(model.remove(&key), Some(*v)),
                Compute::Updated { old, new } => {
                    assert_eq!(model.insert(key, *new.1), Some(*old.1));
                }
                done => {
                    assert!(done == Compute::Aborted("nothing there") && !model.contains_key(&key))
                }
            },
            7 => assert_eq!(map.remove_if(&key, |_, v| v % 3 == 0).is_some(), {
                let goes = model.get(&key).is_some_and(|v| v % 3 == 0);
                if goes {
                    model.remove(&key);
                }
                goes
            }),
            _ => assert_eq!(map.get_key_value(&key), model.get_key_value(&key)),
        }
        if i % 1024 == 0 {
            let all: collections::HashMap<_, _> = map.iter().map(|(k, v)| (*k, *v)).collect();
            assert_eq!(all, model);
            assert_eq!((map.keys().count(), map.values().count()), (all.len(), all.len()));
            map.retain(|key, _| key % 2 == 0);
            model.retain(|key, _| key % 2 == 0);
        }
        assert_eq!(map.len(), model.len());
    }
    map.pin().clear();
    assert!(map.is_empty() && map.pin().iter().next().is_none());
}

/// An iteration meets what is there all the time once, whatever comes and goes and however the map grows.
fn iterates<S: Scheme>(scheme: S) {
    let map = HashMap::with_scheme(scheme);
    for key in 0..100u64 {
        map.set(key, key);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in 100..100 + 19_900 / SHARE {
                map.set(key, key);
                map.unset(&(key - 50).max(100));
                map.set(key % 100, key % 100);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let map = map.pin();
            let mut seen = collections::HashSet::new();
            for (key, value) in &map {
                assert_eq!(key, value);
                assert!(seen.insert(*key), "{key} is met twice");
                // Another operation under the same guard may renew its lease; the iteration goes on.
                assert!(map.contains_key(&(key % 100)));
            }
            assert!((0..100).all(|key| seen.contains(&key)));
        }
    });
}

fn histories<S: Scheme>(scheme: impl Fn() -> S) {
    for round in 0..30 / SHARE {
        let map = HashMap::with_scheme(scheme());
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, map) = (recorder.log(), &map);
                scope.spawn(move || {
                    let mut random = Random::new(round * 8 + thread);
                    for i in 0..60 {
                        let (key, value) = (random.below(4), thread * 1000 + i);
                        // Others make it grow.
                        map.set(1000 + thread * 1000 + i, 0);
                        let (map, choice) = (map.pin(), random.below(5));
                        log.call(|| match choice {
                            0 => MapEvent::Insert(key, value, map.insert(key, value).copied()),
                            1 => MapEvent::Remove(key, map.remove(&key).copied()),
                            2 => {
                                let put = map.try_insert(key, value);
                                MapEvent::InsertNew(
                                    key,
                                    value,
                                    put.map(|_| ()).map_err(|o| *o.current),
                                )
                            }
                            3 => match map.compute(key, |old| match old {
                                Some((_, v)) => Operation::Insert(v + 1),
                                None => Operation::Abort(()),
                            }) {
                                Compute::Updated { old, new } => {
                                    MapEvent::Update(key, Some(*old.1), Some(*new.1))
                                }
                                _ => MapEvent::Update(key, None, None),
                            },
                            _ => MapEvent::Get(key, map.get(&key).copied()),
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
    ($($(#[$attribute:meta])* $scheme:ident: $make:expr, reclaims: $reclaims:expr, facade: $facade:ident;)*) => {$(
        $(#[$attribute])*
        mod $scheme {
            use super::*;

            #[test]
            fn agrees_with_std() {
                super::agrees_with_std($make, $reclaims);
            }
            #[test]
            fn nothing_is_lost_under_stress_and_growth() {
                stress($make, $reclaims);
            }
            on_schemes!(@facade $facade, $make);
        }
    )*};
    (@facade no, $make:expr) => {};
    (@facade yes, $make:expr) => {
        #[test]
        fn facade_agrees_with_std() {
            super::facade_agrees_with_std($make);
        }
        #[test]
        fn iterations_meet_what_stays_once() {
            iterates($make);
        }
        #[test]
        fn histories_are_linearizable() {
            histories(|| $make);
        }
        #[test]
        #[should_panic(expected = "the guard is of another collector")]
        fn a_foreign_guard_is_refused() {
            let (map, other) = (HashMap::<u64, u64, _, _>::with_scheme($make), $make);
            let _refused = map.get(&1, &other.pin());
        }
    };
}

on_schemes! {
    leased: Collector::new(), reclaims: true, facade: yes;
    leased_hasty: hasty(), reclaims: true, facade: yes;
    ebr: Ebr::new(), reclaims: true, facade: yes;
    rcu: Rcu::new(), reclaims: true, facade: yes;
    rc: Rc::new(), reclaims: true, facade: yes;
    // It leaks, which a sanitizer would tell.
    #[cfg(not(stillpoint_system_alloc))]
    leak: stillpoint_reclaim::leak::Leak::new(), reclaims: false, facade: yes;
    hp: Hazard::new(), reclaims: true, facade: no;
}

#[test]
fn past_the_cap_a_guard_says_so_and_the_facade_goes_on() {
    let collector = Collector::builder().lease_ticks(0).max_lease_ticks(Some(8)).batch_len(1);
    let map = HashMap::with_scheme(collector.build());
    let overdrafts = || map.scheme().stats().overdrafts;
    let other_thread = || {
        let set = || (0..100).for_each(|i| _ = map.set(1, i));
        // `join`, unlike the end of the scope, waits for the thread-locals to be destroyed.
        std::thread::scope(|scope| scope.spawn(set).join()).expect("sets");
    };
    map.set(1, 0);
    let mut guard = map.scheme().pin();
    assert_eq!(map.get(&1, &guard), Ok(Some(&0)));
    other_thread();
    assert_eq!(map.get(&1, &guard), Err(Restart));
    assert_eq!(map.insert(1, 0, &guard), Err(Restart));
    assert_eq!(map.remove(&1, &guard), Err(Restart));
    assert!(guard.repin());
    assert_eq!((map.get(&1, &guard), overdrafts()), (Ok(Some(&99)), 0));
    drop(guard);

    let mut pinned = map.pin();
    let first = pinned.get(&1).unwrap();
    other_thread();
    assert_eq!((first, pinned.get(&1), overdrafts()), (&99, Some(&99), 1));
    assert_eq!(pinned.iter().collect::<Vec<_>>(), [(&1, &99)]);
    other_thread();
    assert_eq!((pinned.insert(1, 7), pinned.remove(&1), overdrafts()), (Some(&99), Some(&7), 1));
    pinned.repin();
    map.scheme().flush();
    assert!(map.scheme().stats().unreclaimed <= 1, "what was retired in the epoch of the new pin");
}

#[test]
fn what_was_replaced_is_seen_as_long_as_the_guard() {
    let (counter, map) = (DropCounter::new(), HashMap::with_scheme(hasty()));
    let pinned = map.pin();
    pinned.insert(1, counter.make(10));
    let first = pinned.get(&1).expect("just inserted");
    for i in 0..100 {
        map.set(1, counter.make(i));
        map.set(i + 2, counter.make(i));
        map.scheme().flush();
    }
    assert_eq!(**first, 10);
    drop(pinned);
    drop(map);
    counter.assert_none_left();
}

#[test]
fn panics_leave_the_map_as_it_was() {
    #[derive(PartialEq, Eq)]
    struct Touchy(u32);
    impl std::hash::Hash for Touchy {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            assert!(self.0 != 13, "planted");
            self.0.hash(state);
        }
    }
    let (counter, map) = (DropCounter::new(), HashMap::new());
    map.set(Touchy(1), counter.make(1));
    let caught = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    assert!(caught(&|| {
        map.set(Touchy(13), counter.make(13));
    }));
    assert!(caught(&|| {
        map.pin().update(Touchy(1), |_| panic!("planted"));
    }));
    assert!(caught(&|| {
        map.pin().update_or_insert_with(Touchy(2), |_| counter.make(0), || panic!("planted"));
    }));
    assert!(caught(&|| {
        map.with(&Touchy(1), |_| -> () { panic!("planted") });
    }));
    assert_eq!((counter.live(), map.len()), (1, 1));
    assert!(map.set(Touchy(1), counter.make(2)) && map.unset(&Touchy(1)));
    drop(map);
    counter.assert_none_left();
}

#[test]
fn destructors_that_panic_stop_no_other() {
    struct Explosive(bool, #[allow(dead_code, reason = "counts")] Counted<u32>);
    impl Drop for Explosive {
        fn drop(&mut self) {
            assert!(!self.0, "planted");
        }
    }
    let (counter, map) = (DropCounter::new(), HashMap::new());
    for key in 0..50 {
        map.set(key, Explosive(key == 25, counter.make(key)));
    }
    let dropped = std::panic::AssertUnwindSafe(|| drop(map));
    assert!(std::panic::catch_unwind(dropped).is_err());
    counter.assert_none_left();
}

#[test]
fn a_map_is_what_a_map_of_std_is() {
    let map: HashMap<String, u32> =
        [("a", 1), ("b", 2)].map(|(k, v)| (k.to_owned(), v)).into_iter().collect();
    let clone = map.clone();
    assert_eq!(map, clone);
    clone.pin().insert("a".to_owned(), 3);
    assert_ne!(map, clone);
    map.pin().remove("b");
    assert_eq!(format!("{map:?} {:?}", map.pin()), r#"{"a": 1} {"a": 1}"#);
    map.reserve(10_000);
    assert_eq!(map.pin().get("a"), Some(&1));
    let roomy = HashMap::<u32, u32>::with_capacity(1000);
    assert!(roomy.is_empty() && HashMap::<u32, u32>::default().is_empty());
    let set: HashSet<u32> = (0..10).chain(5..15).collect();
    set.pin().retain(|value| value % 2 == 0);
    assert_eq!((set.len(), set.pin().take(&4), set.contains(&4)), (8, Some(&4), false));
}

/// A hasher without any quality: all is left to the mixing, and to lines.
#[test]
fn a_poor_hasher_works_as_long_as_hashes_differ() {
    #[derive(Clone, Default)]
    struct Identity(u64);
    impl std::hash::Hasher for Identity {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, _: &[u8]) {
            panic!("only for u64")
        }
        fn write_u64(&mut self, value: u64) {
            self.0 = value;
        }
    }
    let map = HashMap::with_hasher(std::hash::BuildHasherDefault::<Identity>::default());
    for key in 0..5_000u64 {
        map.set(key << 32, key);
    }
    assert!((0..5_000).all(|key| map.with(&(key << 32), |v| *v) == Some(key)));
}

#[test]
#[should_panic(expected = "the same hash")]
fn a_hasher_that_is_a_constant_is_found_out() {
    #[derive(Clone, Default)]
    struct Constant;
    impl std::hash::Hasher for Constant {
        fn finish(&self) -> u64 {
            7
        }
        fn write(&mut self, _: &[u8]) {}
    }
    let map = HashMap::with_hasher(std::hash::BuildHasherDefault::<Constant>::default());
    for key in 0..100u64 {
        map.set(key, key);
    }
}
