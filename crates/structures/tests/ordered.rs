//! The ordered map against `BTreeMap`, and under threads: nothing lost, nothing twice, every object dropped once.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Collector, Restart, Scheme};
use stillpoint_structures::OrderedMap;
use stillpoint_structures::ordered::{Compute, Operation};
use stillpoint_testkit::linearizability::{self, MapEvent, Recorder, assert_linearizable};
use stillpoint_testkit::{DropCounter, Random};

/// ThreadSanitizer takes many times as long for each step.
const SHARE: u64 = if cfg!(stillpoint_tsan) { 20 } else { 1 };

/// Leases that run out at every tick, and ticks at every other node.
fn at_every_tick() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(2).build()
}

fn random_operations<S: Scheme>(scheme: S, fanout: usize, keys: u64, steps: usize, seed: u64) {
    let map = OrderedMap::<u64, u64, S>::with_scheme(scheme).with_fanout(fanout);
    let mut model = BTreeMap::new();
    let mut random = Random::new(seed);
    // Phases of growth and of shrinking.
    for step in 0..steps {
        let pinned = map.pin();
        let key = random.below(keys);
        let shrinks = step / (steps / 6 + 1) % 2 == 1;
        match random.below(100) {
            0..40 if !shrinks => {
                assert_eq!(
                    pinned.insert(key, step as u64).copied(),
                    model.insert(key, step as u64)
                );
            }
            0..50 => assert_eq!(pinned.remove(&key).copied(), model.remove(&key)),
            50..55 => {
                let there = model.get(&key).copied();
                let result = pinned.try_insert(key, 7).copied().map_err(|there| *there.current);
                assert_eq!(result.err(), there);
                model.entry(key).or_insert(7);
            }
            55..60 => {
                let after = pinned.update(key, |value| value + 1).copied();
                assert_eq!(after, model.get(&key).map(|value| value + 1));
                model.entry(key).and_modify(|value| *value += 1);
            }
            60..65 => {
                let there = model.get(&key).copied();
                let done = pinned.compute(key, |seen| match seen {
                    Some((_, value)) if value % 2 == 0 => Operation::Remove,
                    Some(_) => Operation::Abort(()),
                    None => Operation::Insert(2),
                });
                match done {
                    Compute::Inserted(_, 2) => assert_eq!(model.insert(key, 2), None),
                    Compute::Removed(_, value) => assert_eq!(model.remove(&key), Some(*value)),
                    Compute::Aborted(()) => assert!(there.is_some_and(|there| there % 2 == 1)),
                    other => panic!("{other:?} where {there:?} was"),
                }
            }
            65 => assert_eq!(owned(pinned.pop_first()), model.pop_first()),
            66 => assert_eq!(owned(pinned.pop_last()), model.pop_last()),
            67 => assert_eq!(owned(pinned.first_key_value()), owned(model.first_key_value())),
            68 => assert_eq!(owned(pinned.last_key_value()), owned(model.last_key_value())),
            69..75 => same_ranges(&map, &model, &mut random, keys),
            _ => assert_eq!(pinned.get(&key), model.get(&key)),
        }
        assert_eq!(map.len(), model.len());
    }
    assert!(map.pin().iter().eq(model.iter()));
    map.pin().clear();
    assert_eq!((map.len(), map.pin().iter().count()), (0, 0));
}

fn owned(entry: Option<(&u64, &u64)>) -> Option<(u64, u64)> {
    entry.map(|(key, value)| (*key, *value))
}

/// A random range, met from the front, from the back, and from both ends at random.
fn same_ranges<S: Scheme>(
    map: &OrderedMap<u64, u64, S>,
    model: &BTreeMap<u64, u64>,
    random: &mut Random,
    keys: u64,
) {
    let (low, len) = (random.below(keys), random.below(keys / 2));
    let mut bound = |key| match random.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Excluded(key),
        _ => Bound::Included(key),
    };
    let range = (bound(low), bound(low + 1 + len));
    let pinned = map.pin();
    assert!(pinned.range(range).eq(model.range(range)), "{range:?}");
    assert!(pinned.range(range).rev().eq(model.range(range).rev()), "{range:?} reversed");
    let (mut entries, mut expected) = (pinned.range(range), model.range(range));
    loop {
        let (ours, theirs) = match random.below(2) {
            0 => (entries.next(), expected.next()),
            _ => (entries.next_back(), expected.next_back()),
        };
        assert_eq!(ours, theirs);
        if ours.is_none() {
            break;
        }
    }
}

/// Inserters and removers of keys of their own, of which each knows what must be there; and readers.
fn threads_of_their_own<S: Scheme>(scheme: S, fanout: usize, rounds: u64) {
    const THREADS: u64 = 4;
    const KEYS: u64 = 200;
    let drops = DropCounter::new();
    let map = OrderedMap::with_scheme(scheme.clone()).with_fanout(fanout);
    let (barrier, over) = (Barrier::new(THREADS as usize), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (map, drops, barrier) = (&map, &drops, &barrier);
                scope.spawn(move || {
                    let mut mine = BTreeMap::new();
                    let mut random = Random::new(thread);
                    barrier.wait();
                    for round in 0..rounds / SHARE {
                        let key = random.below(KEYS) * THREADS + thread;
                        let pinned = map.pin();
                        if random.percent(if round / 500 % 2 == 0 { 70 } else { 20 }) {
                            let key = drops.make(key);
                            let before = pinned.insert(key.clone(), drops.make(round));
                            assert_eq!(before.map(|value| **value), mine.insert(*key, round));
                        } else {
                            let before = pinned.remove(&drops.make(key));
                            assert_eq!(before.map(|value| **value), mine.remove(&key));
                        }
                        let key = random.below(KEYS) * THREADS + thread;
                        let found = pinned.get(&drops.make(key)).map(|value| **value);
                        assert_eq!(found, mine.get(&key).copied());
                    }
                    mine
                })
            })
            .collect();
        let (map, over) = (&map, &over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let pinned = map.pin();
                assert!(pinned.iter().map(|(key, _)| **key).is_sorted_by(|a, b| a < b));
                assert!(pinned.iter().rev().map(|(key, _)| **key).is_sorted_by(|a, b| a > b));
            }
        });
        let mut all = BTreeMap::new();
        for writer in writers {
            all.extend(writer.join().unwrap());
        }
        over.store(true, Ordering::Relaxed);
        let pinned = map.pin();
        assert!(pinned.iter().map(|(key, value)| (**key, **value)).eq(all));
    });
    drop(map);
    scheme.flush();
    if S::NAME != "leak" {
        drop(scheme);
        drops.assert_none_left();
    }
}

/// Keys that stay are met by every range, however much the keys between them change.
fn ranges_meet_what_stays<S: Scheme>(scheme: S, fanout: usize) {
    const KEYS: u64 = 120;
    let map = OrderedMap::<u64, u64, S>::with_scheme(scheme).with_fanout(fanout);
    for key in (0..KEYS).step_by(3) {
        map.pin().insert(key, key);
    }
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let map = &map;
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for _ in 0..4_000 / SHARE {
                    let key = random.below(KEYS / 3) * 3 + 1 + thread;
                    match random.percent(50) {
                        true => drop(map.pin().insert(key, key).copied()),
                        false => drop(map.pin().remove(&key).copied()),
                    }
                }
            });
        }
        for round in 0..300 / SHARE {
            let pinned = map.pin();
            let stay = |(key, value): (&u64, &u64)| {
                assert_eq!(key, value);
                (key % 3 == 0).then_some(*key)
            };
            let from = round % KEYS;
            let expected = (from..KEYS).filter(|key| key % 3 == 0);
            assert!(pinned.range(from..).filter_map(stay).eq(expected.clone()));
            assert!(pinned.range(from..).rev().filter_map(stay).eq(expected.rev()));
        }
    });
}

fn linearizable<S: Scheme>(make: impl Fn() -> S, fanout: usize) {
    for seed in 0..20 / SHARE {
        let map = OrderedMap::<u64, u64, S>::with_scheme(make()).with_fanout(fanout);
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, map) = (recorder.log(), &map);
                scope.spawn(move || {
                    let mut random = Random::new(seed * 3 + thread);
                    for round in 0..200 {
                        let (key, new) = (random.below(12), thread * 1_000 + round);
                        let pinned = map.pin();
                        log.call(|| match random.below(4) {
                            0 => MapEvent::Insert(key, new, pinned.insert(key, new).copied()),
                            1 => MapEvent::Remove(key, pinned.remove(&key).copied()),
                            2 => MapEvent::Get(key, pinned.get(&key).copied()),
                            _ => {
                                let result = pinned.try_insert(key, new).map(|_| ());
                                MapEvent::InsertNew(
                                    key,
                                    new,
                                    result.map_err(|there| *there.current),
                                )
                            }
                        });
                    }
                });
            }
        });
        assert_linearizable(&linearizability::Map::default(), recorder);
    }
}

/// All of it on a scheme.
macro_rules! on_scheme {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn does_as_a_btreemap_does() {
                for (fanout, seed) in [(3, 1), (4, 2), (5, 3), (32, 4)] {
                    random_operations($make, fanout, 60, 2_000, seed);
                    random_operations($make, fanout, 1_000, 4_000, seed + 10);
                }
            }

            #[test]
            fn threads_lose_nothing_and_drop_everything_once() {
                threads_of_their_own($make, 3, 1_000);
                threads_of_their_own($make, 4, 1_000);
                threads_of_their_own($make, 32, 2_000);
            }

            #[test]
            fn ranges_meet_what_stays() {
                super::ranges_meet_what_stays($make, 3);
                super::ranges_meet_what_stays($make, 32);
            }

            #[test]
            fn single_keys_are_linearizable() {
                linearizable(|| $make, 3);
                linearizable(|| $make, 32);
            }
        }
    };
}

on_scheme!(leased, Collector::new());
on_scheme!(leased_at_every_tick, at_every_tick());
// It leaks, which a sanitizer would tell.
#[cfg(not(stillpoint_system_alloc))]
on_scheme!(leak, stillpoint_reclaim::leak::Leak::new());
on_scheme!(ebr, Ebr::new());
on_scheme!(rcu, Rcu::new());
on_scheme!(rc, Rc::new());

#[test]
fn a_queue_of_rising_keys_keeps_no_empty_leaves() {
    let collector = Collector::builder().batch_len(4).build();
    for backwards in [false, true] {
        let map = OrderedMap::<u64, u64>::with_scheme(collector.clone());
        for key in 0..20_000 {
            let pinned = map.pin();
            pinned.insert(if backwards { 20_000 - key } else { key }, key);
            if key >= 100 {
                let oldest = if backwards { pinned.pop_last() } else { pinned.pop_first() };
                assert_eq!(owned(oldest).unwrap().1, key - 100);
            }
        }
        assert_eq!(map.len(), 100);
        // A search for all that is there goes through few leaves: else this would take for ever.
        for _ in 0..1_000 {
            assert_eq!(map.pin().iter().count(), 100);
        }
    }
}

#[test]
fn long_scans_go_past_caps_and_stop_when_told() {
    let capped = Collector::builder().lease_ticks(0).max_lease_ticks(Some(1)).batch_len(2).build();
    let map = OrderedMap::<u64, u64>::with_scheme(capped.clone());
    for key in 0..5_000 {
        assert!(!map.set(key, key));
    }
    let mut seen = Vec::new();
    let all = map.for_each_in(.., |key, _| {
        seen.push(*key);
        ControlFlow::<()>::Continue(())
    });
    assert!(all.is_continue() && seen.iter().copied().eq(0..5_000));
    let stopped = map.for_each_in(10..2_000, |key, _| match *key {
        1_500 => ControlFlow::Break(*key),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(stopped, ControlFlow::Break(1_500));
    let guard = capped.pin();
    let keys: Vec<u64> = map.range(7..9, &guard).map(|entry| *entry.unwrap().0).collect();
    assert_eq!(keys, [7, 8]);
    assert_eq!(map.get(&7, &guard), Ok(Some(&7)));
    assert_eq!(map.remove(&7, &guard), Ok(Some((&7, &7))));
    let done = map.compute(7, |_| Operation::<u64, ()>::Insert(1), &guard);
    assert_eq!(done, Ok(Compute::Inserted(&7, &1)));
    assert!(map.has(&7) && map.unset(&7) && !map.unset(&7));
}

/// A key whose comparisons take a tick each.
#[derive(Clone, PartialEq, Eq)]
struct Slow(u64);

thread_local! {
    static CLOCK: std::cell::RefCell<Option<Collector>> = const { std::cell::RefCell::new(None) };
}

impl Ord for Slow {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        CLOCK.with_borrow(|clock| clock.iter().for_each(|collector| _ = collector.birth()));
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Slow {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[test]
fn a_scan_ends_though_each_search_outlasts_the_longest_lease() {
    let capped = Collector::builder().lease_ticks(0).max_lease_ticks(Some(1)).batch_len(1).build();
    let map = OrderedMap::<Slow, u64>::with_scheme(capped.clone());
    (0..3_000).for_each(|key| _ = map.set(Slow(key), key));
    let overdrafts = || capped.stats().overdrafts;
    CLOCK.set(Some(capped.clone()));
    let before = overdrafts();
    let mut seen = Vec::new();
    let all = map.for_each_in(Slow(5)..Slow(2_995), |key, _| {
        seen.push(key.0);
        ControlFlow::<()>::Continue(())
    });
    CLOCK.set(None);
    assert!(all.is_continue() && seen.iter().copied().eq(5..2_995));
    assert!(overdrafts() > before);
    let guard = capped.pin();
    assert!(guard.span().0 < u64::MAX / 2 && capped.stats().classic == 0, "it pinned anew");
}

#[test]
fn past_the_cap_a_guard_says_so_and_the_facade_goes_on() {
    let collector = Collector::builder().lease_ticks(0).max_lease_ticks(Some(8)).batch_len(1);
    let map = OrderedMap::<u64, u64>::with_scheme(collector.build());
    let overdrafts = || map.scheme().stats().overdrafts;
    let other_thread = || {
        let set = || (0..100).for_each(|i| _ = map.set(1, i));
        std::thread::scope(|scope| scope.spawn(set).join()).expect("sets");
    };
    map.set(1, 0);
    let guard = map.scheme().pin();
    assert_eq!(map.get(&1, &guard), Ok(Some(&0)));
    other_thread();
    assert_eq!(map.get(&1, &guard), Err(Restart));
    assert_eq!(map.insert(1, 0, &guard), Err(Restart));
    assert_eq!(map.range::<u64, _>(.., &guard).next(), Some(Err(Restart)));
    drop(guard);
    let pinned = map.pin();
    let first = pinned.get(&1).unwrap();
    other_thread();
    assert_eq!((first, overdrafts()), (&99, 0));
    assert_eq!(pinned.iter().collect::<Vec<_>>(), [(&1, &99)]);
    assert_eq!((pinned.insert(1, 7), pinned.remove(&1), overdrafts()), (Some(&99), Some(&7), 1));
}

#[test]
#[should_panic(expected = "another collector")]
fn foreign_guards_are_refused() {
    let map = OrderedMap::<u64, u64>::new();
    let _ = map.get(&1, &Collector::new().pin());
}

/// Says anything.
#[derive(Clone, PartialEq, Eq)]
struct Erratic(u64);

impl PartialOrd for Erratic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Erratic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        use std::cmp::Ordering::{Equal, Greater, Less};
        thread_local!(static RANDOM: std::cell::RefCell<Random> = Random::new(1).into());
        match RANDOM.with_borrow_mut(|random| random.below(8)) {
            0 => Less,
            1 => Greater,
            2 => Equal,
            _ => self.0.cmp(&other.0),
        }
    }
}

#[test]
fn a_wrong_order_of_keys_spoils_no_memory() {
    let drops = DropCounter::new();
    for fanout in [3, 5, 32] {
        let collector = at_every_tick();
        let map = OrderedMap::with_scheme(collector.clone()).with_fanout(fanout);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (map, drops) = (&map, &drops);
                scope.spawn(move || {
                    let mut random = Random::new(thread);
                    for _ in 0..2_000 {
                        let (pinned, key) = (map.pin(), Erratic(random.below(300)));
                        match random.below(4) {
                            0 | 1 => drop(pinned.insert(key, drops.make(1)).map(|value| **value)),
                            2 => drop(pinned.remove(&key).map(|value| **value)),
                            _ => assert!(pinned.get(&key).is_none_or(|value| **value == 1)),
                        }
                        assert!(
                            pinned.range(Erratic(random.below(300))..).take(9).all(|e| **e.1 == 1)
                        );
                    }
                });
            }
        });
    }
    drops.assert_none_left();
}

/// Falls asleep over comparisons and clones: in searches at every node, in writers between reading and locking.
#[derive(Debug, PartialEq, Eq)]
struct Sleepy(u64);

impl Sleepy {
    fn nap() {
        thread_local!(static RANDOM: std::cell::RefCell<Random> = {
            let id = std::thread::current().id();
            Random::new(format!("{id:?}").bytes().map(u64::from).sum()).into()
        });
        match RANDOM.with_borrow_mut(|random| random.below(400)) {
            0 => std::thread::sleep(std::time::Duration::from_micros(50)),
            1..4 => std::thread::yield_now(),
            _ => {}
        }
    }
}

impl Clone for Sleepy {
    fn clone(&self) -> Self {
        Sleepy::nap();
        Sleepy(self.0)
    }
}

impl PartialOrd for Sleepy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleepy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Sleepy::nap();
        self.0.cmp(&other.0)
    }
}

/// Few keys, small nodes: leaves come and go under threads that wake up late. (The first ordered map published a node twice then.)
#[test]
fn who_wakes_up_late_finds_all_in_order() {
    let drops = DropCounter::new();
    for fanout in [3, 4] {
        let collector = at_every_tick();
        let map = OrderedMap::with_scheme(collector.clone()).with_fanout(fanout);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (map, drops) = (&map, &drops);
                scope.spawn(move || {
                    let (mut random, mut mine) = (Random::new(thread), BTreeMap::new());
                    for round in 0..600 / SHARE {
                        let (pinned, key) = (map.pin(), random.below(12) * 4 + thread);
                        let before = if random.percent(50) {
                            let before = pinned.insert(Sleepy(key), drops.make(round));
                            (before.map(|value| **value), mine.insert(key, round))
                        } else {
                            let before = pinned.remove(&Sleepy(key));
                            (before.map(|value| **value), mine.remove(&key))
                        };
                        assert_eq!(before.0, before.1);
                        if round % 8 == 0 {
                            let own =
                                |(key, value): (&Sleepy, &stillpoint_testkit::Counted<u64>)| {
                                    (key.0 % 4 == thread).then_some((key.0, **value))
                                };
                            let expected = mine.iter().map(|(key, value)| (*key, *value));
                            assert!(pinned.iter().filter_map(own).eq(expected.clone()));
                            assert!(pinned.iter().rev().filter_map(own).eq(expected.rev()));
                            assert!(pinned.keys().is_sorted_by(|a, b| a.0 < b.0));
                            assert!(pinned.keys().rev().is_sorted_by(|a, b| a.0 > b.0));
                        }
                    }
                });
            }
        });
    }
    drops.assert_none_left();
}

/// A comparison that renews the lease of the very guard under which the search goes on.
#[test]
fn a_comparison_may_renew_the_searchs_own_lease() {
    use stillpoint_reclaim::{Guard, Protect};
    thread_local!(static GUARD: std::cell::Cell<*const Guard<'static>> = const { std::cell::Cell::new(std::ptr::null()) });

    #[derive(Clone, PartialEq, Eq)]
    struct Renewing(u64);
    impl PartialOrd for Renewing {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Renewing {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            Sleepy::nap();
            // SAFETY: set, and taken away, by the thread that holds the guard.
            if let Some(guard) = unsafe { GUARD.get().as_ref() } {
                let _ = Protect::renew(guard);
            }
            self.0.cmp(&other.0)
        }
    }

    let (collector, drops) = (at_every_tick(), DropCounter::new());
    let map = OrderedMap::with_scheme(collector.clone()).with_fanout(3);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (map, drops) = (&map, &drops);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for _ in 0..3_000 {
                    let key = Renewing(random.below(20));
                    match random.percent(50) {
                        true => map.set(key, drops.make(7)),
                        false => map.unset(&key),
                    };
                }
            });
        }
        for round in 0..1_500 {
            let guard = collector.pin();
            GUARD.set((&raw const guard).cast());
            // Past the longest lease both give up.
            if let Ok(Some(value)) = map.get(&Renewing(round % 20), &guard) {
                assert_eq!(**value, 7);
            }
            let mut entries = map.range::<Renewing, _>(.., &guard).map_while(Result::ok);
            assert!(entries.all(|(_, value)| **value == 7));
            GUARD.set(std::ptr::null());
        }
    });
    drop((map, collector));
    drops.assert_none_left();
}
