//! Model checks of the real collector: pin, guarded load, renewal, interior links, tick, sweep, exit.
//!
//! Nodes are cells of an arena; reclaiming one writes its cell, so a reader that may still read it is a data race for the model.
//! Each protocol step has a twin with that step taken out ([`Mutation`]), which the model must refuse; and each passing model must
//! have reclaimed something in some execution while a reader was at it, or it would prove nothing.
//!
//! | taken out | refused by |
//! |---|---|
//! | the light fence at pin | `without_the_fence_at_pin_a_node_is_lost`, `without_the_fence_at_pin_an_adopted_node_is_lost` |
//! | the light fence at renewal | `without_the_fence_at_renewal_a_node_is_lost` |
//! | the test of the epoch after a load | `without_the_test_of_the_lease_a_node_is_lost` |
//! | the restart of an interior load | `extending_in_place_on_a_frozen_link_loses_a_node` |
//! | the fence before a bag's epoch is read | `without_the_fence_before_sealing_a_node_is_lost` |
//! | every fence of the reclaimer | `without_the_heavy_fence_a_node_is_lost` |
//!
//! A model knows no `membarrier`: what is checked is the strict protocol.
#![cfg(stillpoint_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::process::Command;
use std::sync::atomic::AtomicUsize;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::{Collector, Epoch, Expired, Guard, Mutation};

const NIL: u64 = 9;
const NODES: usize = 2;

struct Node {
    value: UnsafeCell<u32>,
    next: AtomicU64,
}

struct World {
    collector: Collector,
    root: AtomicU64,
    nodes: Vec<Node>,
}

// SAFETY: the cells are what the model is about.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new(lease: u64, mutation: Mutation) -> Self {
        let collector =
            Collector::builder().lease_ticks(lease).batch_len(1).mutation(mutation).build();
        let nodes = (0..NODES)
            .map(|_| Node { value: UnsafeCell::new(7), next: AtomicU64::new(NIL) })
            .collect();
        World { collector, root: AtomicU64::new(0), nodes }
    }

    fn read(&self, node: u64) {
        self.nodes[node as usize].value.with(|value| {
            // SAFETY: the model reports it if the cell may be reclaimed.
            assert_eq!(unsafe { *value }, 7, "node {node} was reclaimed under a reader");
        });
    }

    fn retire(&self, guard: &Guard<'_>, node: u64, birth: Epoch) {
        unsafe fn reclaim(node: *mut u8) {
            // SAFETY: the arena outlives the collector's use of it.
            let node = unsafe { &*node.cast::<Node>() };
            // SAFETY: the model reports it if a reader may still read the cell.
            node.value.with_mut(|value| unsafe { *value = 0 });
        }
        let ptr = (&raw const self.nodes[node as usize]).cast_mut().cast::<u8>();
        // SAFETY: unlinked by the caller, retired once.
        unsafe { guard.retire(ptr, birth, 8, reclaim) };
    }

    /// How many nodes have been reclaimed by now.
    fn reclaimed(&self) -> u64 {
        let stats = self.collector.stats();
        stats.retired - stats.unreclaimed
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The collector drains into the arena.
        self.collector = Collector::new();
    }
}

/// Runs `execution` in every interleaving with up to `preemptions` preemptions (more with `LOOM_MAX_PREEMPTIONS`); returns the most that any of them returned.
fn check(preemptions: usize, execution: impl Fn() -> u64 + Send + Sync + 'static) -> usize {
    let most = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.max(Some(preemptions));
    model.check(move || {
        let reclaimed = execution() as usize;
        seen.fetch_max(reclaimed, std::sync::atomic::Ordering::Relaxed);
    });
    most.load(std::sync::atomic::Ordering::Relaxed)
}

/// The model with something taken out must find a node reclaimed under a reader. A failing model may end in an abort (it unwinds
/// through objects that are none of it any more), so it runs in a process of its own: this test's, called again.
fn must_fail(test: &str, preemptions: usize, execution: impl Fn() -> u64 + Send + Sync + 'static) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        check(preemptions, execution);
        return;
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let output = inner.args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the model does not notice what has been taken out");
    assert!(
        said.contains("Causality violation") || said.contains("reclaimed under a reader"),
        "it fails for another reason: {said}"
    );
}

/// The writer unlinks `node` (born at `birth`) from the root and does all it can to reclaim it.
fn unlink(world: &World, node: u64, birth: Epoch) {
    let guard = world.collector.pin();
    assert_eq!(world.root.swap(NIL, Ordering::AcqRel), node);
    world.retire(&guard, node, birth);
    drop(guard);
    world.collector.flush();
}

/// A reader's `loads` loads of the root under one guard, each of them read.
fn read_root(world: &World, loads: usize) {
    let guard = world.collector.pin();
    for _ in 0..loads {
        let node = guard.protect_word(&world.root).unwrap();
        if node != NIL {
            world.read(node);
        }
    }
}

/// A reader pins and loads while a writer unlinks and reclaims.
fn pin_against_reclaim(lease: u64, mutation: Mutation) -> u64 {
    let world = Arc::new(World::new(lease, mutation));
    let reader = {
        let world = world.clone();
        thread::spawn(move || read_root(&world, 2))
    };
    unlink(&world, 0, Epoch::from_raw(1));
    let reclaimed = world.reclaimed();
    reader.join().unwrap();
    reclaimed
}

#[test]
fn a_pinned_reader_is_seen_or_sees_the_unlink() {
    assert!(check(3, || pin_against_reclaim(0, Mutation::None)) > 0, "nothing was ever reclaimed");
    assert!(check(3, || pin_against_reclaim(1, Mutation::None)) > 0, "nothing was ever reclaimed");
}

#[test]
fn without_the_fence_at_pin_a_node_is_lost() {
    let model = || pin_against_reclaim(1, Mutation::NoPinFence);
    must_fail("without_the_fence_at_pin_a_node_is_lost", 3, model);
}

#[test]
fn without_the_heavy_fence_a_node_is_lost() {
    let model = || pin_against_reclaim(1, Mutation::NoHeavyFence);
    must_fail("without_the_heavy_fence_a_node_is_lost", 3, model);
}

/// The reader's pin is older than a node it meets: the epoch has moved past its lease, the node is born there, and while a writer
/// unlinks and reclaims it the reader loads it.
fn born_after_the_lease(mutation: Mutation) -> u64 {
    let world = Arc::new(World::new(0, mutation));
    let guard = world.collector.pin();
    world.collector.birth(); // ticks
    let birth = world.collector.birth();
    assert!(birth.get() > 1 && guard.still_valid_under(guard.lease()).is_err());
    world.root.store(1, Ordering::Release);
    let writer = {
        let world = world.clone();
        thread::spawn(move || {
            unlink(&world, 1, birth);
            world.reclaimed()
        })
    };
    for _ in 0..2 {
        let node = guard.protect_word(&world.root).unwrap();
        if node != NIL {
            world.read(node);
        }
    }
    let reclaimed = writer.join().unwrap();
    drop(guard);
    reclaimed
}

#[test]
fn a_load_past_the_lease_renews_it_first() {
    assert!(check(3, || born_after_the_lease(Mutation::None)) > 0, "nothing was ever reclaimed");
}

#[test]
fn without_the_fence_at_renewal_a_node_is_lost() {
    let model = || born_after_the_lease(Mutation::NoRenewFence);
    must_fail("without_the_fence_at_renewal_a_node_is_lost", 3, model);
}

#[test]
fn without_the_test_of_the_lease_a_node_is_lost() {
    let model = || born_after_the_lease(Mutation::NoLoadTest);
    must_fail("without_the_test_of_the_lease_a_node_is_lost", 3, model);
}

/// The epoch moves on by another thread's birth, and that thread then pins and loads: a retirer that still read the old epoch
/// after its unlink would take its node for retired before the pin.
fn stale_retire_epoch(mutation: Mutation) -> u64 {
    let world = Arc::new(World::new(1, mutation));
    let writer = {
        let world = world.clone();
        thread::spawn(move || {
            unlink(&world, 0, Epoch::from_raw(1));
            world.reclaimed()
        })
    };
    let _ = world.collector.pin().birth(); // ticks
    read_root(&world, 1);
    writer.join().unwrap()
}

#[test]
fn a_retire_epoch_is_not_older_than_the_unlink() {
    assert!(check(3, || stale_retire_epoch(Mutation::None)) > 0, "nothing was ever reclaimed");
}

#[test]
fn without_the_fence_before_sealing_a_node_is_lost() {
    let model = || stale_retire_epoch(Mutation::NoSealFence);
    must_fail("without_the_fence_before_sealing_a_node_is_lost", 3, model);
}

/// A reader walks P → n, where n is born after the reader's lease; then the whole chain is unlinked at P, whose link stays as it was.
fn frozen_link(mutation: Mutation) -> u64 {
    let world = Arc::new(World::new(0, mutation));
    let guard = world.collector.pin();
    let head = guard.protect_word(&world.root).unwrap();
    world.collector.birth(); // ticks
    let birth = world.collector.birth();
    world.nodes[0].next.store(1, Ordering::Release);
    let writer = {
        let world = world.clone();
        thread::spawn(move || {
            let guard = world.collector.pin();
            world.root.swap(NIL, Ordering::AcqRel);
            world.retire(&guard, 0, Epoch::from_raw(1));
            world.retire(&guard, 1, birth);
            drop(guard);
            world.collector.flush();
            world.reclaimed()
        })
    };
    // The operation is under way: its root load came before the epoch moved on.
    let mut head = Some(head);
    let walk = |guard: &Guard<'_>| -> Result<(), Expired> {
        let head = head.take().map_or_else(|| guard.protect_word(&world.root), Ok)?;
        if head != NIL {
            world.read(head);
            let next = guard.follow_word(&world.nodes[head as usize].next)?;
            if next != NIL {
                world.read(next);
            }
        }
        Ok(())
    };
    guard.retrying(walk).unwrap();
    let reclaimed = writer.join().unwrap();
    drop(guard);
    reclaimed
}

#[test]
fn an_interior_load_past_the_lease_restarts_at_the_root() {
    assert!(check(3, || frozen_link(Mutation::None)) > 0, "nothing was ever reclaimed");
}

#[test]
fn extending_in_place_on_a_frozen_link_loses_a_node() {
    let model = || frozen_link(Mutation::ExtendInPlace);
    must_fail("extending_in_place_on_a_frozen_link_loses_a_node", 3, model);
}

/// A thread retires and exits; what it leaves is adopted by a flush, while a reader is at it.
fn exit(mutation: Mutation) -> u64 {
    let world = Arc::new(World::new(1, mutation));
    let reader = {
        let world = world.clone();
        thread::spawn(move || read_root(&world, 1))
    };
    let retirer = {
        let world = world.clone();
        thread::spawn(move || {
            let guard = world.collector.pin();
            let old = world.root.swap(NIL, Ordering::AcqRel);
            world.retire(&guard, old, Epoch::from_raw(1));
        })
    };
    retirer.join().unwrap();
    world.collector.flush();
    let reclaimed = world.reclaimed();
    reader.join().unwrap();
    reclaimed
}

#[test]
fn what_an_exited_thread_leaves_is_adopted_when_nobody_holds_it() {
    assert!(check(2, || exit(Mutation::None)) > 0, "nothing was ever adopted");
}

#[test]
fn without_the_fence_at_pin_an_adopted_node_is_lost() {
    let model = || exit(Mutation::NoPinFence);
    must_fail("without_the_fence_at_pin_an_adopted_node_is_lost", 2, model);
}
