//! Model checks of the real hazard pointers: set, fence, reload; scan; a thread's exit. And of a counted handle of `rc`.
//!
//! | taken out | refused by |
//! |---|---|
//! | the light fence after a slot is set | `without_the_light_fence_a_node_is_lost` |
//! | the heavy fence before a scan | `without_the_heavy_fence_a_node_is_lost` |
//! | the reload after a slot is set | `without_the_reload_a_node_is_lost` |
//! | the deferral of `rc`'s decrement | `broken_load_then_increment.rs` |
//!
//! A model knows no `membarrier`: what is checked is the strict protocol.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::thread;
use must_fail::{Memory, check, must_fail};
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::hp::{Hazard, Mutation};
use stillpoint_reclaim::rc::{Counted, Rc};
use stillpoint_reclaim::{AllocError, Atomic, Heap, NodeAlloc, Owned, Protect, Restart, Scheme};

/// Memory that stays when it is freed, so that a faulty model reads a dead node and not the allocator's.
#[derive(Clone, Copy)]
struct Kept;

// SAFETY: the heap's memory, never used again.
unsafe impl NodeAlloc for Kept {
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        Heap.alloc(layout)
    }
    unsafe fn free(_block: NonNull<u8>, _layout: Layout) {}
}

/// Its drop is the end of some memory, which is the test's.
struct Node(Arc<Memory>);

impl Drop for Node {
    fn drop(&mut self) {
        self.0.free();
    }
}

struct World<S: Scheme> {
    scheme: S,
    cell: Arc<Atomic<Node>>,
    memory: Arc<Memory>,
}

impl<S: Scheme> Clone for World<S> {
    fn clone(&self) -> Self {
        let World { scheme, cell, memory } = self;
        World { scheme: scheme.clone(), cell: cell.clone(), memory: memory.clone() }
    }
}

impl<S: Scheme> World<S> {
    fn new(scheme: S) -> Self {
        let memory = Arc::new(Memory::new());
        let node = Owned::new_in(&scheme.pin(), Node(memory.clone()), &Kept);
        World { scheme, cell: Arc::new(Atomic::new(node)), memory }
    }

    /// Loads the place under a guard and uses what it finds.
    fn read(&self) {
        let guard = self.scheme.pin();
        let found: Result<_, Restart> = guard.protect_root(0, &self.cell);
        if found.is_ok_and(|node| !node.is_null()) {
            self.memory.read();
        }
    }

    /// Unlinks the node and retires it.
    fn unlink(&self) {
        let guard = self.scheme.pin();
        let old = self.cell.take(Ordering::AcqRel);
        // SAFETY: unlinked by the take, by us alone.
        unsafe { old.retire_in::<Kept, _>(&guard) };
    }
}

/// A reader loads while a writer unlinks and reclaims.
fn read_beside_reclaim(mutation: Mutation, reclaimed: &AtomicBool) {
    let world = World::new(Hazard::mutated(mutation));
    let reader = {
        let world = world.clone();
        thread::spawn(move || world.read())
    };
    world.unlink();
    world.scheme.flush();
    reclaimed.fetch_or(world.scheme.unreclaimed() == 0, std::sync::atomic::Ordering::Relaxed);
    reader.join().unwrap();
}

#[test]
fn a_set_slot_is_seen_or_its_reader_sees_the_unlink() {
    let reclaimed = Arc::new(AtomicBool::new(false));
    let some = reclaimed.clone();
    check(move || read_beside_reclaim(Mutation::None, &some));
    assert!(reclaimed.load(std::sync::atomic::Ordering::Relaxed), "nothing was ever reclaimed");
}

fn broken(test: &str, mutation: Mutation) {
    let reclaimed = AtomicBool::new(false);
    must_fail(test, "used after its end", move || read_beside_reclaim(mutation, &reclaimed));
}

#[test]
fn without_the_light_fence_a_node_is_lost() {
    broken("without_the_light_fence_a_node_is_lost", Mutation::NoLightFence);
}

#[test]
fn without_the_heavy_fence_a_node_is_lost() {
    broken("without_the_heavy_fence_a_node_is_lost", Mutation::NoHeavyFence);
}

#[test]
fn without_the_reload_a_node_is_lost() {
    broken("without_the_reload_a_node_is_lost", Mutation::NoReload);
}

#[test]
fn what_an_exited_thread_leaves_is_adopted_when_no_slot_holds_it() {
    check(|| {
        let world = World::new(Hazard::mutated(Mutation::None));
        let retirer = {
            let world = world.clone();
            thread::spawn(move || world.unlink())
        };
        let reader = {
            let world = world.clone();
            thread::spawn(move || world.read())
        };
        retirer.join().unwrap();
        world.scheme.flush();
        reader.join().unwrap();
    });
}

#[test]
fn a_handle_of_rc_is_read_by_its_holder_and_dropped_by_the_last() {
    check(|| {
        let world = World::new(Rc::new());
        let reader = {
            let world = world.clone();
            thread::spawn(move || {
                let guard = world.scheme.pin();
                let node = guard.load(&world.cell);
                if node.is_null() {
                    return;
                }
                // SAFETY: loaded under the guard, from a `Kept`, retired by `retire_in` alone.
                let handle: Counted<Node, Kept> = unsafe { guard.promote(node) };
                drop(guard);
                handle.0.read();
            })
        };
        world.unlink();
        world.scheme.flush();
        reader.join().unwrap();
    });
}
