//! The sorted list under random and PCT schedules, as a set; and plays with a step left out, which must fail.
//!
//! | left out | found as |
//! |---|---|
//! | the mark before unlinking | a key that is lost, or there twice |
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_list --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod must_fail;

use must_fail::must_fail;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::List;
use stillpoint_structures::list::Mutation;
use stillpoint_testkit::linearizability::{Set, SetEvent};
use stillpoint_testkit::{Counted, DropCounter, Play};

/// A collector that has something to do in so short a play.
fn leased() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(2).build()
}

/// Every value made is dropped by the end of a play.
struct Counting<S: Scheme>(Option<List<u64, Counted<u64>, S>>, DropCounter);

impl<S: Scheme> Drop for Counting<S> {
    fn drop(&mut self) {
        let scheme = self.0.take().map(|list| list.scheme().clone());
        drop(scheme);
        if !std::thread::panicking() {
            self.1.assert_none_left();
        }
    }
}

/// Keys of a play: few, so that neighbours come and go together.
const KEYS: u64 = 4;

fn play<S: Scheme>(scheme: fn() -> S, mutation: Mutation) {
    let make =
        move || Counting(Some(List::with_scheme(scheme()).weakened(mutation)), DropCounter::new());
    Play { executions: 500, ..Play::default() }.check(
        Set::default(),
        make,
        |Counting(list, counter), random, log| {
            let (key, list) = (random.below(KEYS), list.as_ref().expect("there until the end"));
            log.call(|| match random.below(5) {
                0 => SetEvent::Contains(key, list.with(&key, |value| **value) == Some(key)),
                1..=2 => SetEvent::Insert(key, list.insert(key, counter.make(key)).is_ok()),
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
