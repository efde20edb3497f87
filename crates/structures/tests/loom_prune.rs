//! Chains under all interleavings: pruners against each other, against a reader, against a removal; what was cut out is reclaimed meanwhile.
//! Objects write a cell when they are dropped, and readers read it, so a version that is reclaimed under a reader is a race for the model.
//!
//! | left out | refused by |
//! |---|---|
//! | the mark | `without_marks_a_pruned_version_stays_linked` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{Alive, check, must_fail, quiet};
use std::sync::atomic::{AtomicI64, Ordering};
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::{Mutation, NewValue, ValueRef, VersionIndex, VersionRef};

struct Counted {
    number: u8,
    live: std::sync::Arc<AtomicI64>,
    alive: Alive,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        self.alive.end();
    }
}

type Index = VersionIndex<Counted, ()>;

struct World {
    index: Arc<Index>,
    live: std::sync::Arc<AtomicI64>,
    /// The cells outlive the objects, so that also a reader of a dropped one reads a cell.
    _cells: Vec<Alive>,
}

impl World {
    /// An index with one key whose versions are `newest`, …, 1, 0.
    fn new(collector: Collector, mutation: Mutation, newest: u8) -> Self {
        let live = std::sync::Arc::new(AtomicI64::new(0));
        let cells: Vec<_> = (0..=newest).map(|_| Alive::new()).collect();
        let index = quiet(|| {
            let index = Index::weakened(collector, Pool::new(), mutation);
            for (number, alive) in (0..).zip(&cells) {
                live.fetch_add(1, Ordering::Relaxed);
                let (live, alive) = (live.clone(), alive.clone());
                let object = std::sync::Arc::new(Counted { number, live, alive });
                let new = index.new_version(b"k", NewValue::Object(object), 0, None).unwrap();
                let guard = index.collector().pin();
                let head = index.find(&guard, index.hash(b"k"), b"k").unwrap();
                index.install(&guard, index.hash(b"k"), head.as_ref(), new).unwrap();
            }
            index
        });
        World { index: Arc::new(index), live, _cells: cells }
    }

    /// Everything is over: each version must have been dropped once.
    fn end(self) {
        let World { index, live, _cells } = self;
        quiet(|| drop(Arc::try_unwrap(index).ok().expect("the threads are gone")));
        assert_eq!(live.load(Ordering::Relaxed), 0, "each version is dropped once");
    }
}

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

fn number(version: VersionRef<'_, Counted, ()>) -> u8 {
    let ValueRef::Object(object) = version.value() else { panic!("objects were put") };
    object.alive.test();
    object.number
}

/// Cuts out the versions in `gone`, if the key is still there.
fn prune(index: &Index, guard: &Guard<'_>, gone: &[u8]) -> usize {
    let Some(head) = index.find(guard, index.hash(b"k"), b"k").unwrap() else { return 0 };
    index.prune(head.version(), |version| !gone.contains(&number(version))).versions
}

/// Cuts out the version below the head, if it is this one.
fn prune_next(index: &Index, guard: &Guard<'_>, gone: u8) -> usize {
    let head = index.find(guard, index.hash(b"k"), b"k").unwrap().expect("it stays");
    let older = head.version().older().filter(|older| number(*older) == gone);
    let pruned = older.and_then(|older| index.prune_next(head.version(), older));
    pruned.map_or(0, |pruned| pruned.versions)
}

fn walk(index: &Index, guard: &Guard<'_>) -> Vec<u8> {
    let head = index.find(guard, index.hash(b"k"), b"k").unwrap();
    let versions = std::iter::successors(head.map(|head| head.version()), VersionRef::older);
    versions.map(number).collect()
}

fn walk_in_the_end(index: &Index) -> Vec<u8> {
    quiet(|| walk(index, &index.collector().pin()))
}

/// Two pruners of neighbours (2 and 1), and a reader in the second form; 0 and the head must stay, and what was cut out is retired once.
fn pruners(mutation: Mutation, with_reader: bool) {
    let world = World::new(Collector::new(), mutation, 3);
    let index = &world.index;
    let reader = with_reader.then(|| {
        spawn(index, |index, guard| {
            let numbers = walk(index, guard);
            assert!(numbers.first() == Some(&3) && numbers.last() == Some(&0), "{numbers:?}");
            assert!(numbers.is_sorted_by(|newer, older| newer > older), "{numbers:?}");
        })
    });
    let other = spawn(index, |index, guard| prune(index, guard, &[2]));
    let mut pruned = pinned(index, |guard| prune(index, guard, &[1]));
    pruned += other.join().unwrap();
    if let Some(reader) = reader {
        reader.join().unwrap();
    }
    let left = walk_in_the_end(index);
    assert_eq!(left.len() + pruned, 4, "a pruned version stays: {left:?} and {pruned} gone");
    quiet(|| prune(index, &index.collector().pin(), &[1, 2]));
    assert_eq!(walk_in_the_end(index), [3, 0], "nothing pruned comes back, nothing else is gone");
    world.end();
}

#[test]
fn two_pruners_cut_each_version_once() {
    check(3, || pruners(Mutation::None, false));
}

#[test]
fn a_reader_walks_on_while_two_prune() {
    check(2, || pruners(Mutation::None, true));
}

#[test]
fn without_marks_a_pruned_version_stays_linked() {
    let model = || pruners(Mutation::NoMark, false);
    must_fail("without_marks_a_pruned_version_stays_linked", 3, "a pruned version stays", model);
}

/// Neighbours: 2 is cut out by who looks no further, 1 by another.
fn neighbours(mutation: Mutation) {
    let world = World::new(Collector::new(), mutation, 3);
    let index = &world.index;
    let other = spawn(index, |index, guard| prune(index, guard, &[1]));
    let mut pruned = pinned(index, |guard| prune_next(index, guard, 2));
    pruned += other.join().unwrap();
    let left = walk_in_the_end(index);
    assert_eq!(left.len() + pruned, 4, "a pruned version stays: {left:?} and {pruned} gone");
    world.end();
}

#[test]
fn who_looks_no_further_does_not_bring_a_neighbour_back() {
    check(3, || neighbours(Mutation::None));
}

#[test]
fn without_marks_who_looks_no_further_brings_a_neighbour_back() {
    let model = || neighbours(Mutation::NoMark);
    let name = "without_marks_who_looks_no_further_brings_a_neighbour_back";
    must_fail(name, 3, "a pruned version stays", model);
}

/// The version below the head is cut out by who looks no further and by who looks further, while a reader walks.
#[test]
fn one_version_is_cut_out_once_beside_a_pruner_of_it_and_a_reader() {
    check(2, || {
        let world = World::new(Collector::new(), Mutation::None, 2);
        let reader = spawn(&world.index, |index, guard| {
            let numbers = walk(index, guard);
            assert!(numbers.first() == Some(&2) && numbers.last() == Some(&0), "{numbers:?}");
        });
        let other = spawn(&world.index, |index, guard| prune(index, guard, &[1]));
        let mut pruned = pinned(&world.index, |guard| prune_next(&world.index, guard, 1));
        pruned += other.join().unwrap();
        reader.join().unwrap();
        assert_eq!((pruned, walk_in_the_end(&world.index)), (1, vec![2, 0]));
        world.end();
    });
}

#[test]
fn removal_against_prune_retires_and_counts_each_version_once() {
    check(3, || {
        let world = World::new(Collector::new(), Mutation::None, 2);
        let pruner = spawn(&world.index, |index, guard| prune(index, guard, &[0, 1]));
        let removed = pinned(&world.index, |guard| {
            let head = world.index.find(guard, world.index.hash(b"k"), b"k").unwrap();
            world.index.remove(&head.expect("nobody else removes it")).unwrap().unwrap()
        });
        let pruned = pruner.join().unwrap();
        assert_eq!(removed.versions + pruned, 3, "{removed:?} and {pruned} pruned");
        world.end();
    });
}

/// A head is kept while its guard renews, and its chain is cut and reclaimed as far as can be: what the head leads to is still there.
/// Returns how many versions were reclaimed while the reader was at it.
fn kept_head() -> i64 {
    let collector = Collector::builder().lease_ticks(0).batch_len(1).build();
    let world = World::new(collector, Mutation::None, 2);
    let reader = spawn(&world.index, |index, guard| {
        let head = index.find(guard, index.hash(b"k"), b"k").unwrap().expect("the key stays");
        // As a find of another key would, when the lease has run out.
        guard.renew().unwrap();
        let below = head.version().older();
        if let Some(version) = below {
            number(version);
            version.older().map(number);
        }
        number(head.version());
    });
    pinned(&world.index, |guard| prune(&world.index, guard, &[0, 1]));
    world.index.collector().flush();
    let reclaimed = 3 - world.live.load(Ordering::Relaxed);
    reader.join().unwrap();
    world.end();
    reclaimed
}

#[test]
fn a_kept_head_leads_down_its_chain_after_a_renewal() {
    let most = std::sync::Arc::new(AtomicI64::new(0));
    let seen = most.clone();
    check(3, move || {
        seen.fetch_max(kept_head(), Ordering::Relaxed);
    });
    assert_eq!(most.load(Ordering::Relaxed), 2, "what was cut out is reclaimed in some execution");
}

/// The newest version and the one below are used while that below is cut out by another: nothing stays linked, and what was told of the newest stays.
#[test]
fn a_use_neither_keeps_what_is_cut_out_nor_brings_it_back() {
    check(3, || {
        let world = World::new(Collector::new(), Mutation::None, 2);
        let user = spawn(&world.index, |index, guard| {
            let head = index.find(guard, index.hash(b"k"), b"k").unwrap().expect("the key stays");
            head.version().set_usage(7);
            if let Some(older) = head.version().older() {
                older.set_usage(8);
            }
        });
        let pruned = pinned(&world.index, |guard| prune(&world.index, guard, &[0, 1]));
        user.join().unwrap();
        assert_eq!(pruned, 2, "a use does not hold a pruner up");
        assert_eq!(walk_in_the_end(&world.index), [2]);
        world.end();
    });
}
