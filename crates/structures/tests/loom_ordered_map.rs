//! The ordered map, with nodes of three slots, under all interleavings of two threads. Each property fails when its step of the protocol is left
//! out.
//!
//! | left out | refused by |
//! |---|---|
//! | the freezing of a leaf's values before it is copied | `without_frozen_values_an_update_is_lost` |
//! | the second look at the parent's order | `without_the_second_look_a_key_is_missed` |
//! | the look whether the order is frozen | `with_frozen_orders_replaced_an_insertion_is_lost` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{check, must_fail, quiet};
use stillpoint_reclaim::leak::Leak;
use stillpoint_structures::OrderedMap;
use stillpoint_structures::ordered_map::Mutation;

type Map = OrderedMap<u32, u32, Leak>;

/// A map with these keys, each its own value. Nothing is reclaimed: reclamation has models of its own.
fn map(mutation: Mutation, keys: &[u32]) -> Arc<Map> {
    quiet(|| {
        let map = Map::with_scheme(Leak::new()).with_fanout(3).weakened(mutation);
        for &key in keys {
            map.pin().insert(key, key);
        }
        Arc::new(map)
    })
}

fn spawn<R: 'static>(map: &Arc<Map>, f: impl FnOnce(&Map) -> R + 'static) -> thread::JoinHandle<R> {
    let map = map.clone();
    thread::spawn(move || f(&map))
}

fn content(map: &Map) -> Vec<(u32, u32)> {
    quiet(|| map.pin().iter().map(|(key, value)| (*key, *value)).collect())
}

#[test]
fn two_insertions_that_split_both_stay() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30]);
        let other = spawn(&map, |map| map.pin().insert(15, 15).copied());
        assert_eq!(map.pin().insert(25, 25), None);
        assert_eq!(other.join().unwrap(), None);
        assert_eq!(content(&map), [(10, 10), (15, 15), (20, 20), (25, 25), (30, 30)]);
    });
}

#[test]
fn of_two_insertions_of_a_key_one_is_first() {
    check(3, || {
        let map = map(Mutation::None, &[10]);
        let other = spawn(&map, |map| map.pin().try_insert(15, 1).is_ok());
        let ours = map.pin().try_insert(15, 2).is_ok();
        assert!(ours != other.join().unwrap());
    });
}

fn update_against_split(mutation: Mutation) {
    let map = map(mutation, &[10, 20, 30]);
    let other = spawn(&map, |map| map.pin().update(&20, |value| value + 1).copied());
    map.pin().insert(15, 15);
    assert_eq!(other.join().unwrap(), Some(21));
    assert_eq!(content(&map), [(10, 10), (15, 15), (20, 21), (30, 30)], "an update was lost");
}

#[test]
fn an_update_against_a_split_is_not_lost() {
    check(2, || update_against_split(Mutation::None));
}

#[test]
fn without_frozen_values_an_update_is_lost() {
    let model = || update_against_split(Mutation::ValuesNotFrozen);
    must_fail("without_frozen_values_an_update_is_lost", 2, "an update was lost", model);
}

#[test]
fn a_removal_against_a_split_is_not_undone() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30]);
        let other = spawn(&map, |map| map.pin().remove(&20).copied());
        map.pin().insert(15, 15);
        assert_eq!(other.join().unwrap(), Some(20));
        assert_eq!(content(&map), [(10, 10), (15, 15), (30, 30)]);
    });
}

/// The leaf of 30 and the keys behind it is full; its split goes into the root.
fn get_against_split(mutation: Mutation) {
    let map = map(mutation, &[10, 20, 30, 40, 50]);
    let reader = spawn(&map, |map| map.pin().get(&50).copied());
    map.pin().insert(45, 45);
    map.pin().insert(47, 47);
    assert_eq!(reader.join().unwrap(), Some(50), "a key that stays was missed");
}

#[test]
fn without_the_second_look_a_key_is_missed() {
    let model = || get_against_split(Mutation::NoSecondLook);
    must_fail("without_the_second_look_a_key_is_missed", 2, "was missed", model);
}

fn insertion_against_split(mutation: Mutation) {
    let map = map(mutation, &[10, 20]);
    let other = spawn(&map, |map| map.pin().insert(25, 25).copied());
    // Fills the leaf, or finds it full; then it is copied.
    map.pin().insert(15, 15);
    map.pin().insert(17, 17);
    assert_eq!(other.join().unwrap(), None);
    let keys: Vec<u32> = content(&map).iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [10, 15, 17, 20, 25], "an insertion was lost");
}

#[test]
fn with_frozen_orders_replaced_an_insertion_is_lost() {
    let model = || insertion_against_split(Mutation::FrozenOrderReplaced);
    must_fail(
        "with_frozen_orders_replaced_an_insertion_is_lost",
        2,
        "an insertion was lost",
        model,
    );
}
