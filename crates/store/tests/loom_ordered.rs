//! Keys that come into the ordered index and leave it, under all interleavings of two threads: the real store, in small.
#![cfg(stillpoint_loom)]

#[path = "loom_models/explore.rs"]
mod explore;

use explore::{Outcome, explore, made, must, must_fail};
use loom::sync::Arc;
use loom::thread;
use stillpoint_store::{At, Config, Mutation, SpaceSet, Store};

const AT: At = At { space: 0, now_ms: 1 };

fn store(mutation: Mutation) -> Arc<Store> {
    made(Config { spaces: 1, ordered: SpaceSet::ALL, ..Config::default() }, mutation)
}

fn is_there(store: &Store) -> bool {
    store.get_with(AT, b"a", |entry| entry.is_some())
}

fn is_in_range(store: &Store) -> bool {
    store.range(AT, ..).next_with(|_| ()).is_some()
}

/// One sets a key that is not there; the other sets and removes it. What the store has in the end, the range has, and nothing else is left.
fn set_and_remove(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let setter = {
        let store = store.clone();
        thread::spawn(move || store.set(AT, b"a", 0, &[1], None).unwrap())
    };
    store.set(AT, b"a", 0, &[2], None).unwrap();
    let removed = store.remove(AT, b"a").unwrap();
    setter.join().unwrap();
    must(removed, "a key was lost")?;
    must(is_there(&store) == is_in_range(&store), "a key is not in its place in the order")?;
    let in_order = store.stats().ordered_keys;
    must(in_order == store.len(0), "a key was left in the order")
}

/// One sets a new key; who finds it finds it in the range.
fn found_and_ranged(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let setter = {
        let store = store.clone();
        thread::spawn(move || store.set(AT, b"a", 0, &[1], None).unwrap())
    };
    let found = is_there(&store);
    let ranged = is_in_range(&store);
    setter.join().unwrap();
    must(ranged || !found, "a range misses a key")?;
    must(is_in_range(&store), "a key is not in its place in the order")
}

#[test]
fn a_key_that_comes_and_goes_is_in_order_while_it_is_there() {
    explore(set_and_remove, Mutation::None);
}

#[test]
fn a_key_that_is_found_is_found_in_order() {
    explore(found_and_ranged, Mutation::None);
}

#[test]
fn a_writer_that_leaves_before_it_installs_is_noticed() {
    must_fail(
        "a_writer_that_leaves_before_it_installs_is_noticed",
        set_and_remove,
        Mutation::LeaveEarly,
    );
}

#[test]
fn a_key_that_enters_late_is_noticed() {
    must_fail("a_key_that_enters_late_is_noticed", found_and_ranged, Mutation::EnterLate);
}
