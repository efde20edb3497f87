//! A hazard pointer without the fence between announcing and looking again: both sides store, then load, and each misses the other's store.
//!
//! ```text
//! reader: hazard = node  (still in its store buffer)      writer: place = nil, fence
//! reader: place is still node, as it sees it              writer: no hazard, frees node
//! reader: reads node: freed
//! ```
//! Repaired: the light fence between the two, to which the writer's heavy one is the other half.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::sync::Arc;
use loom::thread;
use must_fail::{Memory, NIL, check, must_fail};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};

struct World {
    place: AtomicUsize,
    hazard: AtomicUsize,
    node: Memory,
}

/// Which halves of the pair are there.
#[derive(Clone, Copy)]
struct Halves {
    light: bool,
    heavy: bool,
}

impl World {
    fn read(&self, halves: Halves) {
        let node = self.place.load(Ordering::Acquire);
        self.hazard.store(node, Ordering::Release);
        if halves.light {
            Fences::Strict.light();
        }
        if node != NIL && self.place.load(Ordering::Acquire) == node {
            self.node.read();
        }
        self.hazard.store(NIL, Ordering::Release);
    }

    fn take_out(&self, halves: Halves) {
        self.place.store(NIL, Ordering::Release);
        if halves.heavy {
            Fences::Strict.heavy();
        }
        if self.hazard.load(Ordering::Acquire) == NIL {
            self.node.free();
        }
    }
}

fn play(halves: Halves) {
    let (place, hazard) = (AtomicUsize::new(0), AtomicUsize::new(NIL));
    let world = Arc::new(World { place, hazard, node: Memory::new() });
    let reader = world.clone();
    let reader = thread::spawn(move || reader.read(halves));
    world.take_out(halves);
    reader.join().unwrap();
}

#[test]
fn without_the_readers_fence_the_announcement_is_missed() {
    let test = "without_the_readers_fence_the_announcement_is_missed";
    must_fail(test, "used after its end", || play(Halves { light: false, heavy: true }));
}

#[test]
fn without_the_writers_fence_the_announcement_is_missed() {
    let test = "without_the_writers_fence_the_announcement_is_missed";
    must_fail(test, "used after its end", || play(Halves { light: true, heavy: false }));
}

#[test]
fn with_both_fences_one_of_the_two_is_seen() {
    check(|| play(Halves { light: true, heavy: true }));
}
