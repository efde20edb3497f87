//! Pruners of one chain against each other and against a reader, under all interleavings. Objects count how often they are dropped, and readers
//! notice a dropped one.
#![cfg(stillpoint_loom)]

use loom::sync::Arc;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{Mutation, NewValue, ValueRef, VersionIndex};

struct Counted(u8, std::sync::Arc<AtomicI64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

type Index = VersionIndex<Counted, ()>;

/// An index with one key whose versions are `count`, …, 1, 0 (newest first).
fn chain(mutation: Mutation, count: u8, live: &std::sync::Arc<AtomicI64>) -> Arc<Index> {
    let index = Index::weakened(Collector::new(), Pool::new(), mutation);
    let guard = index.collector().pin();
    let hash = index.hash(b"k");
    for n in 0..=count {
        live.fetch_add(1, Ordering::Relaxed);
        let object = std::sync::Arc::new(Counted(n, live.clone()));
        let new = index.new_version(b"k", NewValue::Object(object), 0, None).unwrap();
        let head = index.find(&guard, hash, b"k").unwrap();
        index.install(&guard, hash, head.as_ref(), new).unwrap();
    }
    drop(guard);
    Arc::new(index)
}

fn prune(index: &Index, gone: &[u8]) -> usize {
    let guard = index.collector().pin();
    let head = index.find(&guard, index.hash(b"k"), b"k").unwrap().expect("the key stays");
    let number = |value: ValueRef<'_, Counted>| match value {
        ValueRef::Object(object) => object.0,
        _ => panic!("objects were put"),
    };
    index.prune(head.version(), |version| !gone.contains(&number(version.value()))).versions
}

fn walk(index: &Index) -> Vec<u8> {
    let guard = index.collector().pin();
    let head = index.find(&guard, index.hash(b"k"), b"k").unwrap();
    let mut numbers = Vec::new();
    let mut at = head.map(|head| head.version());
    while let Some(version) = at {
        let ValueRef::Object(object) = version.value() else { panic!("objects were put") };
        assert!(object.1.load(Ordering::Relaxed) > 0);
        numbers.push(object.0);
        at = version.older();
    }
    numbers
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Two pruners of neighbours (2 and 1), and a reader in the second form; 0 and the head must stay, and what was cut out is retired once.
fn pruners(mutation: Mutation, with_reader: bool) {
    let live = std::sync::Arc::new(AtomicI64::new(0));
    let index = chain(mutation, 3, &live);
    let other = {
        let index = index.clone();
        thread::spawn(move || prune(&index, &[2]))
    };
    let reader = with_reader.then(|| {
        let index = index.clone();
        thread::spawn(move || {
            let numbers = walk(&index);
            assert!(numbers.first() == Some(&3) && numbers.last() == Some(&0), "{numbers:?}");
            assert!(numbers.is_sorted_by(|newer, older| newer > older), "{numbers:?}");
        })
    });
    let mut pruned = prune(&index, &[1]);
    pruned += other.join().unwrap();
    if let Some(reader) = reader {
        reader.join().unwrap();
    }
    let left = walk(&index);
    assert_eq!(left.len() + pruned, 4, "what is gone was cut out once: {left:?} and {pruned} gone");
    prune(&index, &[1, 2]);
    assert_eq!(walk(&index), [3, 0], "nothing pruned comes back, nothing else is gone");
    drop(Arc::try_unwrap(index).ok().expect("the threads are gone"));
    assert_eq!(live.load(Ordering::Relaxed), 0, "each version is dropped once");
}

#[test]
fn two_pruners_cut_each_version_once() {
    check(|| pruners(Mutation::None, false));
}

#[test]
fn a_reader_walks_on_while_two_prune() {
    check(|| pruners(Mutation::None, true));
}

#[test]
fn without_marks_a_pruned_version_stays_linked() {
    let weakened = catch_unwind(AssertUnwindSafe(|| check(|| pruners(Mutation::NoMark, false))));
    assert!(weakened.is_err(), "the weakened protocol passed");
}

#[test]
fn removal_against_prune_retires_each_version_once() {
    check(|| {
        let live = std::sync::Arc::new(AtomicI64::new(0));
        let index = chain(Mutation::None, 2, &live);
        let other = {
            let index = index.clone();
            thread::spawn(move || {
                let guard = index.collector().pin();
                let head = index
                    .find(&guard, index.hash(b"k"), b"k")
                    .unwrap()
                    .expect("nobody else removes it");
                index.prune(head.version(), |_| false);
            })
        };
        {
            let guard = index.collector().pin();
            let head = index
                .find(&guard, index.hash(b"k"), b"k")
                .unwrap()
                .expect("nobody else removes it");
            assert!(index.remove(&head).unwrap());
        }
        other.join().unwrap();
        drop(Arc::try_unwrap(index).ok().expect("the threads are gone"));
        assert_eq!(live.load(Ordering::Relaxed), 0, "each version is dropped once");
    });
}
