//! The real index, shrunk (bins of two slots, one bin), under all interleavings of two or three threads. Each property fails when its step of the
//! protocol is left out.
#![cfg(stillpoint_loom)]

use loom::sync::Arc;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::{Mutation, NewValue, ValueRef, VersionIndex};

type Index = VersionIndex<(), ()>;

fn index(mutation: Mutation) -> Arc<Index> {
    Arc::new(Index::weakened(Collector::new(), Pool::new(), mutation))
}

fn get(index: &Index, guard: &Guard<'_>, key: &[u8]) -> Option<u8> {
    let head = index.find(guard, index.hash(key), key).unwrap()?;
    assert_eq!(head.version().key(), key);
    match head.version().value() {
        ValueRef::Bytes(bytes) => Some(bytes[0]),
        other => panic!("{other:?}"),
    }
}

/// Inserts a key that is not there; false if it is.
fn insert(index: &Index, guard: &Guard<'_>, key: &[u8], value: u8) -> bool {
    let new = index.new_version(key, NewValue::Bytes(&[value]), 0, None).unwrap();
    index.install(guard, index.hash(key), None, new).is_ok()
}

/// Adds one to a key that is there.
fn increment(index: &Index, guard: &Guard<'_>, key: &[u8]) {
    let hash = index.hash(key);
    loop {
        let head = index.find(guard, hash, key).unwrap().expect("the key stays");
        let ValueRef::Bytes(bytes) = head.version().value() else { panic!("bytes were put") };
        let new = index.new_version(key, NewValue::Bytes(&[bytes[0] + 1]), 0, None).unwrap();
        if index.install(guard, hash, Some(&head), new).is_ok() {
            return;
        }
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// The model must fail.
fn refute(model: impl Fn() + Send + Sync + 'static) {
    let failed = catch_unwind(AssertUnwindSafe(|| check(model))).is_err();
    assert!(failed, "the weakened protocol passed");
}

/// Fills the bin so that a further key makes it grow.
fn fill(index: &Index, guard: &Guard<'_>) {
    for key in [b"1", b"2", b"3"] {
        assert!(insert(index, guard, key, 1));
    }
}

fn freeze_against_replace(mutation: Mutation) {
    let index = index(mutation);
    fill(&index, &index.collector().pin());
    let writer = {
        let index = index.clone();
        thread::spawn(move || increment(&index, &index.collector().pin(), b"2"))
    };
    {
        let guard = index.collector().pin();
        assert!(insert(&index, &guard, b"4", 1), "the key was not there");
    }
    writer.join().unwrap();
    let guard = index.collector().pin();
    assert_eq!(get(&index, &guard, b"2"), Some(2), "no update is lost in the move");
    assert_eq!(get(&index, &guard, b"4"), Some(1));
}

#[test]
fn growth_against_replace_loses_no_update() {
    check(|| freeze_against_replace(Mutation::None));
}

#[test]
fn without_slot_freeze_an_update_is_lost() {
    refute(|| freeze_against_replace(Mutation::NoSlotFreeze));
}

#[test]
fn growth_against_find_hides_no_key() {
    let grown = std::sync::Arc::new(AtomicBool::new(false));
    let seen = grown.clone();
    check(move || {
        let index = index(Mutation::None);
        fill(&index, &index.collector().pin());
        let reader = {
            let index = index.clone();
            thread::spawn(move || {
                let guard = index.collector().pin();
                assert_eq!(get(&index, &guard, b"2"), Some(1), "a key that stays is always found");
            })
        };
        let guard = index.collector().pin();
        assert!(insert(&index, &guard, b"4", 1));
        seen.fetch_or(index.stats().bins > 1, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert!(grown.load(Ordering::Relaxed), "the model grows");
}

#[test]
fn two_growths_of_one_bin_agree() {
    check(|| {
        let index = index(Mutation::None);
        fill(&index, &index.collector().pin());
        let other = {
            let index = index.clone();
            thread::spawn(move || assert!(insert(&index, &index.collector().pin(), b"4", 1)))
        };
        assert!(insert(&index, &index.collector().pin(), b"5", 1));
        other.join().unwrap();
        let guard = index.collector().pin();
        for key in [b"1", b"2", b"3", b"4", b"5"] {
            assert_eq!(get(&index, &guard, key), Some(1));
        }
    });
}

fn insert_against_insert(mutation: Mutation) {
    let index = index(mutation);
    let other = {
        let index = index.clone();
        thread::spawn(move || insert(&index, &index.collector().pin(), b"k", 1))
    };
    let here = insert(&index, &index.collector().pin(), b"k", 2);
    let there = other.join().unwrap();
    assert!(here != there, "one of two inserts of a key succeeds: {here} {there}");
    let guard = index.collector().pin();
    assert_eq!(get(&index, &guard, b"k"), Some(if here { 2 } else { 1 }));
}

#[test]
fn one_of_two_inserts_of_a_key_succeeds() {
    check(|| insert_against_insert(Mutation::None));
}

#[test]
fn without_the_header_check_both_inserts_succeed() {
    refute(|| insert_against_insert(Mutation::NoHeaderCheck));
}

/// `a` is removed, and two inserts of `k` use slots, one of them possibly `a`'s; a reader with the old header must not take the loser's.
fn tentative_against_find(mutation: Mutation) {
    let index = index(mutation);
    {
        let guard = index.collector().pin();
        assert!(insert(&index, &guard, b"k", 0));
    }
    let writers: Vec<_> = [1, 2]
        .into_iter()
        .map(|value| {
            let index = index.clone();
            thread::spawn(move || {
                let guard = index.collector().pin();
                if value == 1
                    && let Some(head) = index.find(&guard, index.hash(b"k"), b"k").unwrap()
                {
                    let _ = index.remove(&head);
                }
                insert(&index, &guard, b"k", value)
            })
        })
        .collect();
    let seen = get(&index, &index.collector().pin(), b"k");
    let done: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    if let Some(value @ (1 | 2)) = seen {
        assert!(done[usize::from(value) - 1], "read {value}, which was never there: {done:?}");
    }
}

#[test]
fn a_reader_takes_no_unpublished_version() {
    check(|| tentative_against_find(Mutation::None));
}

#[test]
fn with_tentative_slots_visible_a_reader_takes_one() {
    refute(|| tentative_against_find(Mutation::TentativeVisible));
}

#[test]
fn removal_against_insert_leaves_the_key_there_or_not() {
    check(|| {
        let index = index(Mutation::None);
        assert!(insert(&index, &index.collector().pin(), b"k", 1));
        let remover = {
            let index = index.clone();
            thread::spawn(move || {
                let guard = index.collector().pin();
                let head = index
                    .find(&guard, index.hash(b"k"), b"k")
                    .unwrap()
                    .expect("nobody else removes it");
                assert!(index.remove(&head).unwrap(), "nobody else changes it");
            })
        };
        let inserted = insert(&index, &index.collector().pin(), b"k", 2);
        remover.join().unwrap();
        let guard = index.collector().pin();
        assert_eq!(get(&index, &guard, b"k"), inserted.then_some(2));
        assert!(insert(&index, &guard, b"l", 3));
        assert_eq!(get(&index, &guard, b"l"), Some(3));
    });
}

#[test]
fn removal_against_growth_is_kept() {
    check(|| {
        let index = index(Mutation::None);
        fill(&index, &index.collector().pin());
        let remover = {
            let index = index.clone();
            thread::spawn(move || {
                let guard = index.collector().pin();
                let head = index
                    .find(&guard, index.hash(b"2"), b"2")
                    .unwrap()
                    .expect("nobody else removes it");
                assert!(index.remove(&head).unwrap(), "nobody else changes it");
            })
        };
        assert!(insert(&index, &index.collector().pin(), b"4", 1));
        remover.join().unwrap();
        let guard = index.collector().pin();
        assert_eq!(get(&index, &guard, b"2"), None);
        assert_eq!(get(&index, &guard, b"1"), Some(1));
        assert_eq!(get(&index, &guard, b"4"), Some(1));
    });
}
