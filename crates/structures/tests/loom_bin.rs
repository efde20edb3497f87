//! The real index, shrunk (bins of two slots, one bin), under all interleavings of two threads. Each property fails when its step of the protocol
//! is left out.
//!
//! | left out | refused by |
//! |---|---|
//! | the freezing of slots | `without_slot_freeze_an_update_is_lost` |
//! | FROZEN taken off what a CAS expects | `with_frozen_words_expected_a_removal_is_undone` |
//! | the header's version in an insert | `without_the_header_check_both_inserts_succeed` |
//! | the second look at the header | `with_tentative_slots_visible_a_reader_takes_one` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{check, must_fail, quiet};
use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::{Mutation, NewValue, ValueRef, VersionIndex};

type Index = VersionIndex<(), ()>;

/// An index with these keys, of value 0. Three of them fill its bin, so that a further one makes it grow.
fn index(mutation: Mutation, keys: &[&[u8]]) -> Arc<Index> {
    quiet(|| {
        let index = Index::weakened(Collector::new(), Pool::new(), mutation);
        for key in keys {
            let guard = index.collector().pin();
            let new = index.new_version(key, NewValue::Bytes(&[0]), 0, None).unwrap();
            index.install(&guard, index.hash(key), None, new).unwrap();
        }
        Arc::new(index)
    })
}

const FULL: [&[u8]; 3] = [b"1", b"2", b"3"];

/// Runs `f` under a guard; pinning is no part of the models.
fn pinned<R>(index: &Index, f: impl FnOnce(&Guard<'_>) -> R) -> R {
    let guard = quiet(|| index.collector().pin());
    let result = f(&guard);
    quiet(|| drop(guard));
    result
}

/// Runs `f` under a guard in a thread of its own.
fn spawn<R: 'static>(
    index: &Arc<Index>,
    f: impl FnOnce(&Index, &Guard<'_>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let index = index.clone();
    thread::spawn(move || pinned(&index, |guard| f(&index, guard)))
}

fn get(index: &Index, guard: &Guard<'_>, key: &[u8]) -> Option<u8> {
    let head = index.find(guard, index.hash(key), key).unwrap()?;
    assert_eq!(head.version().key(), key);
    match head.version().value() {
        ValueRef::Bytes(bytes) => Some(bytes[0]),
        other => panic!("{other:?}"),
    }
}

/// What is there when all threads are done.
fn in_the_end(index: &Index, key: &[u8]) -> Option<u8> {
    quiet(|| get(index, &index.collector().pin(), key))
}

/// Inserts a key that is not there; false if it is.
fn insert(index: &Index, guard: &Guard<'_>, key: &[u8], value: u8) -> bool {
    let new = quiet(|| index.new_version(key, NewValue::Bytes(&[value]), 0, None).unwrap());
    let installed = index.install(guard, index.hash(key), None, new);
    quiet(|| installed.is_ok())
}

/// Adds one to a key that is there.
fn increment(index: &Index, guard: &Guard<'_>, key: &[u8]) {
    let hash = index.hash(key);
    loop {
        let head = index.find(guard, hash, key).unwrap().expect("the key stays");
        let ValueRef::Bytes(bytes) = head.version().value() else { panic!("bytes were put") };
        let new = NewValue::Bytes(&[bytes[0] + 1]);
        let new = quiet(|| index.new_version(key, new, 0, None).unwrap());
        if index.install(guard, hash, Some(&head), new).is_ok() {
            return;
        }
    }
}

/// Removes a key that is there and that nobody else changes.
fn remove(index: &Index, guard: &Guard<'_>, key: &[u8]) {
    let head = index.find(guard, index.hash(key), key).unwrap().expect("nobody else removes it");
    assert!(index.remove(&head).unwrap().is_some(), "nobody else changes it");
}

fn growth_against_replace(mutation: Mutation) {
    let index = index(mutation, &FULL);
    let writer = spawn(&index, |index, guard| increment(index, guard, b"2"));
    assert!(pinned(&index, |guard| insert(&index, guard, b"4", 1)), "the key was not there");
    writer.join().unwrap();
    assert_eq!(in_the_end(&index, b"2"), Some(1), "an update was lost in the move");
    assert_eq!(in_the_end(&index, b"4"), Some(1));
}

#[test]
fn growth_against_replace_loses_no_update() {
    check(2, || growth_against_replace(Mutation::None));
}

#[test]
fn without_slot_freeze_an_update_is_lost() {
    let model = || growth_against_replace(Mutation::NoSlotFreeze);
    must_fail("without_slot_freeze_an_update_is_lost", 3, "an update was lost", model);
}

fn growth_against_removal(mutation: Mutation) {
    let index = index(mutation, &FULL);
    let remover = spawn(&index, |index, guard| remove(index, guard, b"2"));
    assert!(pinned(&index, |guard| insert(&index, guard, b"4", 1)));
    remover.join().unwrap();
    assert_eq!(in_the_end(&index, b"2"), None, "a removal was undone");
    assert_eq!(in_the_end(&index, b"1"), Some(0));
    assert_eq!(in_the_end(&index, b"4"), Some(1));
}

#[test]
fn growth_against_removal_undoes_nothing() {
    check(2, || growth_against_removal(Mutation::None));
}

#[test]
fn with_frozen_words_expected_a_removal_is_undone() {
    let model = || growth_against_removal(Mutation::FrozenExpected);
    must_fail("with_frozen_words_expected_a_removal_is_undone", 3, "a removal was undone", model);
}

#[test]
fn growth_against_find_hides_no_key() {
    let met = std::sync::Arc::new(AtomicU64::new(0));
    let seen = met.clone();
    check(3, move || {
        let index = index(Mutation::None, &FULL);
        let reader = spawn(&index, |index, guard| {
            let new = get(index, guard, b"4");
            assert_eq!(get(index, guard, b"2"), Some(0), "a key that stays is always found");
            assert!(new.is_none() || get(index, guard, b"4") == new, "and so is one that was seen");
            new
        });
        assert!(pinned(&index, |guard| insert(&index, guard, b"4", 1)));
        seen.fetch_or(1 << u8::from(reader.join().unwrap().is_some()), Ordering::Relaxed);
        assert!(quiet(|| index.stats().bins > 1), "the model grows");
    });
    assert_eq!(met.load(Ordering::Relaxed), 3, "the reader meets the index before and after");
}

#[test]
fn two_growths_of_one_bin_agree() {
    check(2, || {
        let index = index(Mutation::None, &FULL);
        let other = spawn(&index, |index, guard| assert!(insert(index, guard, b"4", 1)));
        pinned(&index, |guard| assert!(insert(&index, guard, b"5", 1)));
        other.join().unwrap();
        for key in [b"1", b"2", b"3"] {
            assert_eq!(in_the_end(&index, key), Some(0));
        }
        for key in [b"4", b"5"] {
            assert_eq!(in_the_end(&index, key), Some(1));
        }
    });
}

fn insert_against_insert(mutation: Mutation) {
    let index = index(mutation, &[]);
    let other = spawn(&index, |index, guard| insert(index, guard, b"k", 1));
    let here = pinned(&index, |guard| insert(&index, guard, b"k", 2));
    let there = other.join().unwrap();
    assert!(here != there, "of two inserts of a key not one succeeds: {here} {there}");
    assert_eq!(in_the_end(&index, b"k"), Some(if here { 2 } else { 1 }));
}

#[test]
fn one_of_two_inserts_of_a_key_succeeds() {
    check(3, || insert_against_insert(Mutation::None));
}

#[test]
fn without_the_header_check_both_inserts_succeed() {
    let model = || insert_against_insert(Mutation::NoHeaderCheck);
    must_fail("without_the_header_check_both_inserts_succeed", 3, "not one succeeds", model);
}

/// The key is removed and inserted again, in the same slot; a reader that comes with the header from before sees the new version
/// only when it is there to stay. Returns what the reader saw first, as a bit.
fn tentative_against_find(mutation: Mutation) -> u64 {
    let index = index(mutation, &[b"k"]);
    let reader = spawn(&index, |index, guard| (get(index, guard, b"k"), get(index, guard, b"k")));
    pinned(&index, |guard| {
        remove(&index, guard, b"k");
        assert!(insert(&index, guard, b"k", 1));
    });
    let (first, second) = reader.join().unwrap();
    assert!(first != Some(1) || second == Some(1), "the new version was seen too early");
    assert!(first == Some(0) || second != Some(0), "the old version came back");
    assert_eq!(in_the_end(&index, b"k"), Some(1));
    1 << first.unwrap_or(2)
}

#[test]
fn a_reader_takes_no_unpublished_version() {
    let met = std::sync::Arc::new(AtomicU64::new(0));
    let seen = met.clone();
    check(3, move || {
        seen.fetch_or(tentative_against_find(Mutation::None), Ordering::Relaxed);
    });
    assert_eq!(met.load(Ordering::Relaxed), 7, "the reader meets the old version, none, the new");
}

#[test]
fn with_tentative_slots_visible_a_reader_takes_one() {
    let model = || {
        tentative_against_find(Mutation::TentativeVisible);
    };
    must_fail("with_tentative_slots_visible_a_reader_takes_one", 3, "seen too early", model);
}

#[test]
fn removal_against_insert_leaves_the_key_there_or_not() {
    check(3, || {
        let index = index(Mutation::None, &[b"k"]);
        let remover = spawn(&index, |index, guard| remove(index, guard, b"k"));
        let inserted = pinned(&index, |guard| insert(&index, guard, b"k", 2));
        remover.join().unwrap();
        assert_eq!(in_the_end(&index, b"k"), inserted.then_some(2));
    });
}
