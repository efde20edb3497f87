//! Pairs of the list's operations in every interleaving. Each property fails when its step of the protocol is left out.
//!
//! | left out | refused by |
//! |---|---|
//! | the mark before unlinking | `without_the_mark_a_neighbour_is_lost` |
//! | retiring instead of freeing | `a_node_freed_at_once_is_read_after_its_end` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{check, must_fail, quiet};
use stillpoint_reclaim::Collector;
use stillpoint_structures::List;
use stillpoint_structures::list::Mutation;

type Numbers = List<u32, Box<u32>>;

fn list(mutation: Mutation, keys: &[u32]) -> Arc<Numbers> {
    quiet(|| {
        let list = List::with_scheme(Collector::new()).weakened(mutation);
        for &key in keys {
            list.insert(key, Box::new(key)).expect("keys differ");
        }
        Arc::new(list)
    })
}

fn spawn<R: 'static>(
    list: &Arc<Numbers>,
    f: impl FnOnce(&Numbers) -> R + 'static,
) -> thread::JoinHandle<R> {
    let list = list.clone();
    thread::spawn(move || f(&list))
}

fn keys(list: &Numbers) -> Vec<u32> {
    quiet(|| {
        let guard = list.pin();
        list.iter(&guard).map(|(key, _)| *key).collect()
    })
}

#[test]
fn of_two_inserts_of_a_key_one_succeeds() {
    check(2, || {
        let list = list(Mutation::None, &[1]);
        let other = spawn(&list, |list| list.insert(2, Box::new(2)).is_ok());
        let own = list.insert(2, Box::new(2)).is_ok();
        assert!(own ^ other.join().unwrap());
        assert_eq!(keys(&list), [1, 2]);
    });
}

#[test]
fn of_two_removes_of_a_key_one_succeeds() {
    check(2, || {
        let list = list(Mutation::None, &[1, 2]);
        let other = spawn(&list, |list| list.remove(&1));
        let own = list.remove(&1);
        assert!(own ^ other.join().unwrap());
        assert_eq!(keys(&list), [2]);
    });
}

fn remove_beside_insert(mutation: Mutation) {
    let list = list(mutation, &[1, 3]);
    let other = spawn(&list, |list| list.remove(&1));
    assert!(list.insert(2, Box::new(2)).is_ok());
    assert!(other.join().unwrap());
    assert_eq!(keys(&list), [2, 3], "an insert is lost");
}

#[test]
fn an_insert_after_a_node_that_is_removed_is_not_lost() {
    check(2, || remove_beside_insert(Mutation::None));
}

#[test]
fn without_the_mark_a_neighbour_is_lost() {
    must_fail("without_the_mark_a_neighbour_is_lost", 2, "an insert is lost", || {
        remove_beside_insert(Mutation::NoMark)
    });
}

#[test]
fn removes_of_neighbours_both_hold() {
    check(2, || {
        let list = list(Mutation::None, &[1, 2, 3]);
        let other = spawn(&list, |list| list.remove(&1));
        assert!(list.remove(&2) && other.join().unwrap());
        assert_eq!(keys(&list), [3]);
    });
}

fn get_beside_remove(mutation: Mutation) {
    let list = list(mutation, &[1, 2]);
    let reader = spawn(&list, |list| list.with(&2, |value| **value));
    list.remove(&1);
    assert_eq!(reader.join().unwrap(), Some(2));
}

#[test]
fn a_get_passes_a_node_that_is_removed() {
    check(2, || get_beside_remove(Mutation::None));
}

#[test]
fn a_node_freed_at_once_is_read_after_its_end() {
    must_fail("a_node_freed_at_once_is_read_after_its_end", 2, "", || {
        get_beside_remove(Mutation::FreeAtOnce)
    });
}
