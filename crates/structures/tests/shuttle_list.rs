//! The sorted list under random and PCT schedules, as a set; and plays with a step left out, which must fail.
//!
//! | left out | found as |
//! |---|---|
//! | the mark before unlinking | a key that is lost, or there twice |
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_list --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod counting;
mod must_fail;

use counting::{Counting, leased};
use must_fail::must_fail;
use stillpoint_reclaim::Scheme;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_structures::List;
use stillpoint_structures::list::Mutation;
use stillpoint_testkit::linearizability::{Set, SetEvent};
use stillpoint_testkit::{Counted, Play};

/// Keys of a play: few, so that neighbours come and go together.
const KEYS: u64 = 4;

fn play<S: Scheme>(scheme: fn() -> S, mutation: Mutation) {
    let make = move || Counting::new(List::with_scheme(scheme()).weakened(mutation));
    Play { executions: 500, ..Play::default() }.check(
        Set::default(),
        make,
        |list: &Counting<List<u64, Counted<u64>, S>>, random, log| {
            let key = random.below(KEYS);
            log.call(|| match random.below(5) {
                0 => SetEvent::Contains(key, list.with(&key, |value| **value) == Some(key)),
                1..=2 => SetEvent::Insert(key, list.insert(key, list.counter.make(key)).is_ok()),
                _ => SetEvent::Remove(key, list.remove(&key)),
            });
        },
    );
}

#[test]
fn list_leased() {
    play(leased, Mutation::None);
}

#[test]
fn list_by_epochs() {
    play(Ebr::new, Mutation::None);
}

#[test]
fn list_by_hazard_pointers() {
    play(Hazard::new, Mutation::None);
}

#[test]
fn nodes_unlinked_without_a_mark_are_caught() {
    // What an unlinked node still leads to may also end twice, whichever comes first.
    let reasons = ["not linearizable", "dropped twice", "left"];
    must_fail("nodes_unlinked_without_a_mark_are_caught", &reasons, || {
        play(leased, Mutation::NoMark);
    });
}
