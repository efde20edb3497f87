//! RCU beside a replacement: a reader that comes online, reads, and is quiescent; a writer that unlinks, retires and flushes.
//!
//! | taken out | refused by |
//! |---|---|
//! | the fence when a thread comes online | `without_the_fence_of_coming_online_a_node_is_lost` |
//! | that a guard forbids a quiescent state | `a_quiescent_state_inside_a_guard_loses_a_node` |
#![cfg(stillpoint_loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::process::Command;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::rcu::{Rcu, Weakened};
use stillpoint_reclaim::{Header, Protect, Scheme};

const NIL: u64 = 9;

/// A root and one node: a cell that reclaiming writes, so a reader that may still read it is a data race for the model.
struct World {
    rcu: Rcu,
    root: AtomicU64,
    node: UnsafeCell<u32>,
}

// SAFETY: the cell is what the model is about.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn read(&self, quiescent_inside: bool) {
        let guard = self.rcu.pin();
        let seen = self.root.load(Ordering::Acquire);
        if quiescent_inside {
            self.rcu.quiescent();
        }
        if seen != NIL {
            // SAFETY: the model reports it if the cell may be reclaimed.
            let value = self.node.with(|value| unsafe { *value });
            assert_eq!(value, 7, "a node was reclaimed under a reader");
        }
        drop(guard);
    }

    fn unlink(&self) {
        unsafe fn reclaim(node: *mut u8) {
            // SAFETY: the world outlives the collector's use of it.
            let node = unsafe { &*node.cast::<UnsafeCell<u32>>() };
            // SAFETY: the model reports it if a reader may still read the cell.
            node.with_mut(|value| unsafe { *value = 0 });
        }
        let guard = self.rcu.pin();
        assert_eq!(self.root.swap(NIL, Ordering::AcqRel), 0);
        let (ptr, header) = ((&raw const self.node).cast_mut().cast(), Header::new(0));
        // SAFETY: unlinked by the swap, retired once.
        unsafe { guard.retire_node(ptr, &header, 8, reclaim) };
        drop(guard);
        self.rcu.flush();
    }
}

fn play(weakened: Weakened, guards: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let (root, node) = (AtomicU64::new(0), UnsafeCell::new(7));
        let world = Arc::new(World { rcu: Rcu::weakened(weakened), root, node });
        let reader = {
            let world = world.clone();
            thread::spawn(move || {
                for _ in 0..guards {
                    world.read(weakened == Weakened::QuiescentInside);
                    world.rcu.quiescent();
                }
            })
        };
        world.unlink();
        reader.join().unwrap();
    });
}

/// A failing model may end in an abort, so it runs in a process of its own: this test's, called again.
fn must_fail(test: &str, weakened: Weakened) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        play(weakened, 1);
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

#[test]
fn a_reader_keeps_what_it_reads() {
    play(Weakened::Nothing, 2);
}

#[test]
fn without_the_fence_of_coming_online_a_node_is_lost() {
    must_fail("without_the_fence_of_coming_online_a_node_is_lost", Weakened::NoOnlineFence);
}

#[test]
fn a_quiescent_state_inside_a_guard_loses_a_node() {
    must_fail("a_quiescent_state_inside_a_guard_loses_a_node", Weakened::QuiescentInside);
}
