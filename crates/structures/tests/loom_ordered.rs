//! Pairs of the ordered map's operations in every interleaving, with nodes of three slots and three children. Each property fails when its step of
//! the protocol is left out.
//!
//! | left out | refused by |
//! |---|---|
//! | the second look at a leaf whose lock was taken | `without_the_second_look_an_update_is_lost` |
//! | the lock of a leaf that is copied | `without_the_leafs_lock_an_update_is_lost` |
//! | the cut at a leaf's lower end | `without_the_cut_a_backward_range_repeats_a_key` |
//! | retiring instead of freeing | `a_value_freed_at_once_is_read_after_its_end` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{Alive, check, must_fail, quiet};
use stillpoint_reclaim::leak::{Guard, Leak};
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::OrderedMap;
use stillpoint_structures::ordered::Mutation;

/// Nothing is reclaimed: reclamation has models of its own.
type Map = OrderedMap<u32, u32, Leak>;

/// A map with these keys, each its own value.
fn map(mutation: Mutation, keys: &[u32]) -> Arc<Map> {
    quiet(|| {
        let map = Map::with_scheme(Leak::new()).weakened(mutation);
        for &key in keys {
            map.set(key, key);
        }
        Arc::new(map)
    })
}

/// Runs `f` in a thread of its own.
fn spawn<R: 'static>(map: &Arc<Map>, f: impl FnOnce(&Map) -> R + 'static) -> thread::JoinHandle<R> {
    let map = map.clone();
    thread::spawn(move || f(&map))
}

fn pin(map: &Map) -> Guard<'_> {
    quiet(|| map.scheme().pin())
}

fn insert(map: &Map, key: u32) -> bool {
    map.insert(key, key, &pin(map)).unwrap().is_none()
}

fn remove(map: &Map, key: u32) -> bool {
    map.remove(&key, &pin(map)).unwrap().is_some()
}

fn get(map: &Map, key: u32) -> Option<u32> {
    map.get(&key, &pin(map)).unwrap().copied()
}

/// Adds one to a value.
fn update(map: &Map, key: u32) {
    let new = get(map, key).unwrap() + 1;
    map.insert(key, new, &pin(map)).unwrap().unwrap();
}

fn content(map: &Map) -> Vec<(u32, u32)> {
    quiet(|| {
        let forward: Vec<_> = map.pin().iter().map(|(key, value)| (*key, *value)).collect();
        let backward =
            map.pin().iter().rev().map(|(key, value)| (*key, *value)).collect::<Vec<_>>();
        assert!(backward.iter().rev().eq(&forward));
        forward
    })
}

fn keys(map: &Map) -> Vec<u32> {
    content(map).iter().map(|(key, _)| *key).collect()
}

/// A leaf that is full: the next key splits it, and the root above it is replaced.
const FULL: [u32; 3] = [10, 20, 30];

#[test]
fn two_insertions_that_split_both_stay() {
    check(2, || {
        let map = map(Mutation::None, &FULL);
        let other = spawn(&map, |map| insert(map, 15));
        assert!(insert(&map, 25) && other.join().unwrap());
        assert_eq!(keys(&map), [10, 15, 20, 25, 30]);
    });
}

#[test]
fn two_insertions_into_one_leaf_both_stay() {
    check(2, || {
        let map = map(Mutation::None, &[10]);
        let other = spawn(&map, |map| insert(map, 15));
        assert!(insert(&map, 25) && other.join().unwrap());
        assert_eq!(keys(&map), [10, 15, 25]);
    });
}

#[test]
fn of_two_insertions_of_a_key_one_is_first() {
    check(2, || {
        let map = map(Mutation::None, &[10]);
        let other = spawn(&map, |map| insert(map, 15));
        assert!(insert(&map, 15) != other.join().unwrap());
        assert_eq!((keys(&map), map.len()), (vec![10, 15], 2));
    });
}

fn update_beside_split(mutation: Mutation) {
    let map = map(mutation, &FULL);
    let other = spawn(&map, |map| update(map, 20));
    assert!(insert(&map, 15));
    other.join().unwrap();
    let expected = [(10, 10), (15, 15), (20, 21), (30, 30)];
    assert_eq!(content(&map), expected, "an update is lost");
}

#[test]
fn an_update_beside_a_split_holds() {
    check(2, || update_beside_split(Mutation::None));
}

#[test]
fn without_the_second_look_an_update_is_lost() {
    must_fail("without_the_second_look_an_update_is_lost", 2, "an update is lost", || {
        update_beside_split(Mutation::NoSecondLook)
    });
}

#[test]
fn without_the_leafs_lock_an_update_is_lost() {
    must_fail("without_the_leafs_lock_an_update_is_lost", 2, "an update is lost", || {
        update_beside_split(Mutation::LeafNotLocked)
    });
}

#[test]
fn a_removal_beside_a_split_holds() {
    check(2, || {
        let map = map(Mutation::None, &FULL);
        let other = spawn(&map, |map| remove(map, 20));
        assert!(insert(&map, 15) && other.join().unwrap());
        assert_eq!(keys(&map), [10, 15, 30]);
    });
}

#[test]
fn a_get_beside_a_split_finds_what_is_there() {
    check(2, || {
        let map = map(Mutation::None, &FULL);
        let reader = spawn(&map, |map| (get(map, 30), get(map, 15)));
        assert!(insert(&map, 15));
        let (there, new) = reader.join().unwrap();
        assert!(there == Some(30) && matches!(new, None | Some(15)));
    });
}

/// The last key of a leaf goes, and the leaf with it, beside an insertion into it.
#[test]
fn an_insertion_beside_the_end_of_its_leaf_holds() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30, 40]);
        let other = spawn(&map, |map| remove(map, 30) && remove(map, 40));
        assert!(insert(&map, 35) && other.join().unwrap());
        assert_eq!(keys(&map), [10, 20, 35]);
    });
}

#[test]
fn a_get_beside_the_end_of_a_leaf_sees_what_is_put_in_afterwards() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30, 40]);
        let reader = spawn(&map, |map| (get(map, 35), get(map, 35)));
        assert!(remove(&map, 30) && remove(&map, 40) && insert(&map, 35));
        let seen = reader.join().unwrap();
        assert!(matches!(seen, (None, None) | (None, Some(35)) | (Some(35), Some(35))), "{seen:?}");
    });
}

fn range(map: &Map, backward: bool) -> Vec<u32> {
    let guard = pin(map);
    let range = map.range::<u32, _>(.., &guard);
    let keys = |entry: Result<(&u32, &u32), _>| *entry.unwrap().0;
    if backward { range.rev().map(keys).collect() } else { range.map(keys).collect() }
}

#[test]
fn a_range_beside_a_split_meets_all_in_order() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30, 40]);
        let reader = spawn(&map, |map| range(map, false));
        assert!(insert(&map, 15) && insert(&map, 17));
        let mut seen = reader.join().unwrap();
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
        seen.retain(|key| key % 10 == 0);
        assert_eq!(seen, [10, 20, 30, 40]);
    });
}

/// The leaf of 40 goes; then keys from its range are in the leaf at its left.
#[test]
fn a_backward_range_beside_the_end_of_a_leaf_repeats_nothing() {
    check(2, || {
        let map = map(Mutation::None, &[10, 20, 30, 40]);
        let reader = spawn(&map, |map| range(map, true));
        assert!(remove(&map, 30) && remove(&map, 40) && insert(&map, 35));
        let seen = reader.join().unwrap();
        assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
        assert!(seen.ends_with(&[20, 10]), "{seen:?}");
    });
}

/// The leaf of 10 and 20 goes; then the leaf at its right has keys from its range.
fn backward_range_beside_the_end_of_the_leaf_before(mutation: Mutation) {
    let map = map(mutation, &[10, 20, 30, 40]);
    let reader = spawn(&map, |map| range(map, true));
    assert!(remove(&map, 10) && remove(&map, 20) && insert(&map, 25));
    let seen = reader.join().unwrap();
    assert!(seen.is_sorted_by(|a, b| a > b), "a key comes twice: {seen:?}");
    assert!(seen.starts_with(&[40, 30]), "{seen:?}");
}

#[test]
fn a_backward_range_beside_the_end_of_the_leaf_before_repeats_nothing() {
    check(2, || backward_range_beside_the_end_of_the_leaf_before(Mutation::None));
}

#[test]
fn without_the_cut_a_backward_range_repeats_a_key() {
    must_fail("without_the_cut_a_backward_range_repeats_a_key", 2, "a key comes twice", || {
        backward_range_beside_the_end_of_the_leaf_before(Mutation::LowerEndNotCut)
    });
}

/// Whoever reads it touches it; so does its end.
struct Mortal(Alive);

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn get_beside_replace(mutation: Mutation) {
    let map: Arc<OrderedMap<u32, Mortal>> = quiet(|| {
        let map = OrderedMap::with_scheme(Collector::new()).weakened(mutation);
        map.set(1, Mortal(Alive::new()));
        Arc::new(map)
    });
    let readers = map.clone();
    let reader = thread::spawn(move || {
        let guard = quiet(|| readers.scheme().pin());
        readers.get(&1, &guard).unwrap().expect("it is there all the time").0.test();
        quiet(|| drop(guard));
    });
    let guard = quiet(|| map.scheme().pin());
    map.insert(1, Mortal(quiet(Alive::new)), &guard).unwrap();
    quiet(|| drop(guard));
    reader.join().unwrap();
}

#[test]
fn a_get_beside_a_replacement_reads_one_of_the_values() {
    check(2, || get_beside_replace(Mutation::None));
}

#[test]
fn a_value_freed_at_once_is_read_after_its_end() {
    must_fail("a_value_freed_at_once_is_read_after_its_end", 2, "", || {
        get_beside_replace(Mutation::FreeAtOnce)
    });
}
