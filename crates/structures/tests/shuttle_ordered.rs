//! The ordered map, with nodes of three slots and three children so that it splits and joins in every play, under random and PCT schedules; and
//! plays with a step left out, which must fail.
//!
//! | left out | found as |
//! |---|---|
//! | the second look at a leaf whose lock was taken | a key put into a leaf that is full or replaced; an update that is lost |
//! | the lock of a leaf that is copied | an update that is lost |
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_ordered --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod counting;
mod must_fail;

use counting::{Counting, leased};
use must_fail::must_fail;
use stillpoint_reclaim::Scheme;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_structures::OrderedMap;
use stillpoint_structures::ordered::{Compute, Mutation, Operation};
use stillpoint_testkit::linearizability::{Map, MapEvent};
use stillpoint_testkit::{Counted, Play};

type Numbers<S> = OrderedMap<u64, Counted<u64>, S>;

/// The keys are in order, from both ends, and as many as are said.
fn check<S: Scheme>(map: &Numbers<S>) {
    let map = map.pin();
    let keys: Vec<_> = map.keys().copied().collect();
    let backward: Vec<_> = map.keys().rev().copied().collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "not in order: {keys:?}");
    assert!(backward.iter().rev().eq(&keys), "not the same backwards: {backward:?}");
    assert_eq!(map.len(), keys.len(), "not the same count");
}

/// Keys of a play: those of three leaves.
const KEYS: u64 = 8;

/// All operations on one key, and walks, which are checked for their order only.
fn call<S: Scheme>(
    structure: &Counting<Numbers<S>>,
    (kind, key, value): (u64, u64, u64),
) -> MapEvent<u64, u64> {
    let (map, counter) = (structure.pin(), &structure.counter);
    let counted = counter.make(value);
    let plain = |value: Option<&Counted<u64>>| value.map(|value| **value);
    match kind {
        0..=3 => MapEvent::Insert(key, value, plain(map.insert(key, counted))),
        4..=6 => MapEvent::Remove(key, plain(map.remove(&key))),
        7 => MapEvent::InsertNew(
            key,
            value,
            map.try_insert(key, counted).map(|_| ()).map_err(|there| **there.current),
        ),
        8..=9 => match map.compute(key, |old| match old {
            Some((_, old)) => Operation::Insert(counter.make(**old + 1)),
            None => Operation::Abort(()),
        }) {
            Compute::Updated { old, new } => MapEvent::Update(key, Some(**old.1), Some(**new.1)),
            _ => MapEvent::Update(key, None, None),
        },
        10 => {
            let seen: Vec<_> = map.range(key..).map(|(key, _)| *key).collect();
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "not in order: {seen:?}");
            MapEvent::Get(key, plain(map.get(&key)))
        }
        _ => MapEvent::Get(key, plain(map.get(&key))),
    }
}

fn play<S: Scheme>(scheme: fn() -> S, mutation: Mutation) {
    let make = move || Counting::checked(Numbers::with_scheme(scheme()).weakened(mutation), check);
    Play { executions: 600, ..Play::default() }.check(
        Map::default(),
        make,
        |structure, random, log| {
            let what = (random.below(13), random.below(KEYS), random.next_u64());
            log.call(|| call(structure, what));
        },
    );
}

#[test]
fn map_leased() {
    play(leased, Mutation::None);
}

#[test]
fn map_by_epochs() {
    play(Ebr::new, Mutation::None);
}

/// Where a lost step may show first: in a leaf's order, which refuses what does not fit; in the keys' order, their count or the history; by a
/// value's second end.
const SHOWN: [&str; 6] = [
    "ordered/order.rs",
    "not in order",
    "not the same backwards",
    "not the same count",
    "not linearizable",
    "dropped twice",
];

#[test]
fn a_writer_that_does_not_look_again_is_caught() {
    must_fail("a_writer_that_does_not_look_again_is_caught", &SHOWN, || {
        play(leased, Mutation::NoSecondLook);
    });
}

#[test]
fn a_leaf_copied_without_its_lock_is_caught() {
    must_fail("a_leaf_copied_without_its_lock_is_caught", &SHOWN, || {
        play(leased, Mutation::LeafNotLocked);
    });
}
