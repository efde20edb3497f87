//! The hash map, with bins of three slots so that it grows in every play, under random and PCT schedules; and plays with a step left out,
//! which must fail.
//!
//! | left out | found as |
//! |---|---|
//! | the look for the key when the header has changed | a key that is there twice |
//! | the freeze of slots that are moved | an update that is lost |
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_map --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod counting;
mod must_fail;

use counting::{Counting, leased};
use must_fail::must_fail;
use stillpoint_reclaim::Scheme;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_structures::HashMap;
use stillpoint_structures::map::{Compute, DefaultHasher, Mutation, Operation};
use stillpoint_testkit::linearizability::{Map, MapEvent, Set, SetEvent};
use stillpoint_testkit::{Counted, Play};

type Numbers<S> = HashMap<u64, Counted<u64>, DefaultHasher, S>;

/// Keys of a play: more than a bin's slots.
const KEYS: u64 = 5;

/// All operations by value, of any scheme without protection per pointer.
fn play<S: Scheme>(scheme: fn() -> S, mutation: Mutation) {
    let make = move || Counting::new(Numbers::with_scheme(scheme()).weakened(mutation));
    Play { executions: 600, ..Play::default() }.check(
        Map::default(),
        make,
        |structure, random, log| {
            let (key, value) = (random.below(KEYS), random.next_u64());
            let (map, counter) = (structure.pin(), &structure.counter);
            let counted = counter.make(value);
            let plain = |value: Option<&Counted<u64>>| value.map(|value| **value);
            log.call(|| match random.below(10) {
                0..=3 => MapEvent::Insert(key, value, plain(map.insert(key, counted))),
                4 => MapEvent::Remove(key, plain(map.remove(&key))),
                5 => MapEvent::InsertNew(
                    key,
                    value,
                    map.try_insert(key, counted).map(|_| ()).map_err(|there| **there.current),
                ),
                6..=7 => match map.compute(key, |old| match old {
                    Some((_, old)) => Operation::Insert(counter.make(**old + 1)),
                    None => Operation::Abort(()),
                }) {
                    Compute::Updated { old, new } => {
                        MapEvent::Update(key, Some(**old.1), Some(**new.1))
                    }
                    _ => MapEvent::Update(key, None, None),
                },
                _ => MapEvent::Get(key, plain(map.get(&key))),
            });
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

#[test]
fn set_by_hazard_pointers() {
    let make = || Counting::new(Numbers::with_scheme(Hazard::new()));
    Play { executions: 600, ..Play::default() }.check(Set::default(), make, |map, random, log| {
        let key = random.below(KEYS);
        match random.below(5) {
            0 => log.call(|| SetEvent::Contains(key, map.has(&key))),
            1..=3 => log.call(|| SetEvent::Insert(key, !map.set(key, map.counter.make(0)))),
            _ => log.call(|| SetEvent::Remove(key, map.unset(&key))),
        };
    });
}

#[test]
fn an_insert_that_does_not_look_again_is_caught() {
    must_fail("an_insert_that_does_not_look_again_is_caught", &["not linearizable"], || {
        play(leased, Mutation::NoHeaderCheck);
    });
}

#[test]
fn slots_that_are_not_frozen_are_caught() {
    // A removal that is undone shows in the history, or by its value's second end, whichever comes first.
    let reasons = ["not linearizable", "dropped twice"];
    must_fail("slots_that_are_not_frozen_are_caught", &reasons, || {
        play(leased, Mutation::NoSlotFreeze);
    });
}
