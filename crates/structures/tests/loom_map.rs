//! Pairs of the hash map's operations in every interleaving; its bins are shrunk (two slots, one line of one, one bin at first). Each
//! property fails when its step of the protocol is left out.
//!
//! | left out | refused by |
//! |---|---|
//! | the freezing of slots | `without_slot_freeze_a_removal_is_undone` |
//! | the second look when the header has changed | `without_the_header_check_a_key_is_there_twice` |
//! | retiring instead of freeing | `a_value_freed_at_once_is_read_after_its_end` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{Alive, check, must_fail, quiet};
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::HashMap;
use stillpoint_structures::map::{DefaultHasher, Mutation};

type Numbers<V = u32> = HashMap<u32, V, DefaultHasher, Collector>;

/// A map with these keys, of value 0. A third one starts a growth, which the fourth carries on.
fn map(mutation: Mutation, keys: &[u32]) -> Arc<Numbers> {
    quiet(|| {
        let map = HashMap::with_scheme(Collector::new()).weakened(mutation);
        for &key in keys {
            map.set(key, 0);
        }
        Arc::new(map)
    })
}

const FULL: [u32; 3] = [1, 2, 3];

/// Runs `f` under a guard; pinning is no part of the models.
fn pinned<V: Send + Sync + 'static, R>(
    map: &Numbers<V>,
    f: impl FnOnce(&Numbers<V>, &Guard<'_>) -> R,
) -> R {
    let guard = quiet(|| map.scheme().pin());
    let result = f(map, &guard);
    quiet(|| drop(guard));
    result
}

/// Runs `f` under a guard in a thread of its own.
fn spawn<V: Send + Sync + 'static, R: 'static>(
    map: &Arc<Numbers<V>>,
    f: impl FnOnce(&Numbers<V>, &Guard<'_>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let map = map.clone();
    thread::spawn(move || pinned(&map, f))
}

fn insert(map: &Numbers, guard: &Guard<'_>, key: u32, value: u32) -> Option<u32> {
    map.insert(key, value, guard).unwrap().copied()
}

fn get(map: &Numbers, guard: &Guard<'_>, key: u32) -> Option<u32> {
    map.get(&key, guard).unwrap().copied()
}

fn entries(map: &Numbers) -> Vec<(u32, u32)> {
    quiet(|| {
        let mut entries: Vec<_> = map.pin().iter().map(|(k, v)| (*k, *v)).collect();
        entries.sort_unstable();
        entries
    })
}

fn two_inserts(mutation: Mutation) {
    let map = map(mutation, &[]);
    let other = spawn(&map, |map, guard| insert(map, guard, 1, 10));
    let own = pinned(&map, |map, guard| insert(map, guard, 1, 20));
    let last = match (own, other.join().unwrap()) {
        (None, Some(20)) => 10,
        (Some(10), None) => 20,
        both => panic!("a key is there twice: {both:?}"),
    };
    assert_eq!((entries(&map), map.len()), (vec![(1, last)], 1));
}

#[test]
fn of_two_inserts_of_a_key_one_replaces_the_other() {
    check(2, || two_inserts(Mutation::None));
}

#[test]
fn without_the_header_check_a_key_is_there_twice() {
    must_fail("without_the_header_check_a_key_is_there_twice", 2, "a key is there twice", || {
        two_inserts(Mutation::NoHeaderCheck)
    });
}

#[test]
fn an_insert_beside_a_remove_comes_before_or_after_it() {
    check(2, || {
        let map = map(Mutation::None, &[1]);
        let other = spawn(&map, |map, guard| map.remove(&1, guard).unwrap().map(|(_, v)| *v));
        let own = pinned(&map, |map, guard| insert(map, guard, 1, 10));
        match (own, other.join().unwrap()) {
            (Some(0), Some(10)) => assert_eq!(entries(&map), []),
            (None, Some(0)) => assert_eq!(entries(&map), [(1, 10)]),
            both => panic!("neither order: {both:?}"),
        }
    });
}

#[test]
fn of_two_removes_of_a_key_one_succeeds() {
    check(2, || {
        let map = map(Mutation::None, &[1]);
        let other = spawn(&map, |map, guard| map.remove(&1, guard).unwrap().is_some());
        let own = pinned(&map, |map, guard| map.remove(&1, guard).unwrap().is_some());
        assert!(own ^ other.join().unwrap());
        assert_eq!((entries(&map), map.len()), (vec![], 0));
    });
}

#[test]
fn a_get_beside_a_remove_and_an_insert_sees_one_of_their_states() {
    check(2, || {
        let map = map(Mutation::None, &[1, 2]);
        let reader = spawn(&map, |map, guard| (get(map, guard, 1), get(map, guard, 2)));
        pinned(&map, |map, guard| {
            map.remove(&1, guard).unwrap();
            insert(map, guard, 1, 10);
        });
        let (first, second) = reader.join().unwrap();
        assert!(matches!(first, Some(0) | None | Some(10)) && second == Some(0));
    });
}

/// The growth begins beside the update, which would help if it were under way.
#[test]
fn an_update_beside_growth_is_not_lost() {
    check(1, || {
        let map = map(Mutation::None, &[1, 2]);
        let other = spawn(&map, |map, guard| {
            insert(map, guard, 3, 0);
            insert(map, guard, 4, 0);
        });
        let old = pinned(&map, |map, guard| insert(map, guard, 1, 10));
        other.join().unwrap();
        assert_eq!(old, Some(0));
        assert_eq!(entries(&map), [(1, 10), (2, 0), (3, 0), (4, 0)], "an update is lost");
    });
}

fn remove_beside_growth(mutation: Mutation) {
    let map = map(mutation, &FULL);
    let other = spawn(&map, |map, guard| insert(map, guard, 4, 0));
    let removed = pinned(&map, |map, guard| map.remove(&1, guard).unwrap().is_some());
    assert!(removed && other.join().unwrap().is_none());
    assert_eq!(entries(&map), [(2, 0), (3, 0), (4, 0)], "a removal is undone");
}

#[test]
fn a_remove_beside_growth_holds() {
    check(1, || remove_beside_growth(Mutation::None));
}

#[test]
fn without_slot_freeze_a_removal_is_undone() {
    must_fail("without_slot_freeze_a_removal_is_undone", 2, "a removal is undone", || {
        remove_beside_growth(Mutation::NoSlotFreeze)
    });
}

#[test]
fn a_get_beside_growth_finds_what_is_there() {
    check(2, || {
        let map = map(Mutation::None, &FULL);
        let reader = spawn(&map, |map, guard| get(map, guard, 1));
        pinned(&map, |map, guard| insert(map, guard, 4, 0));
        assert_eq!(reader.join().unwrap(), Some(0));
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
    let map: Arc<Numbers<Mortal>> = quiet(|| {
        let map = HashMap::with_scheme(Collector::new()).weakened(mutation);
        map.set(1, Mortal(Alive::new()));
        Arc::new(map)
    });
    let reader = spawn(&map, |map, guard| {
        let found = map.get(&1, guard).unwrap().expect("it is there all the time");
        found.0.test();
    });
    pinned(&map, |map, guard| {
        map.insert(1, Mortal(quiet(Alive::new)), guard).unwrap();
    });
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
