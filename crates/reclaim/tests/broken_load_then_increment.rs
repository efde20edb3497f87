//! A reference count taken after a plain load: between the load of the pointer and the increment the last reference goes.
//!
//! ```text
//! reader: node = place              writer: takes node out, count 1 → 0, frees it
//! reader: count of node + 1: freed
//! ```
//! Repaired: the increment is the load. The place holds pointer and *external* count in one word, so one `fetch_add` does both; who takes the
//! node out of the place adds the external count to the node's own, from which leaving readers subtract.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::sync::Arc;
use loom::thread;
use must_fail::{Memory, NIL, check, must_fail};
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};

/// The external count has the bits below.
const POINTER: usize = 1 << 8;

struct World {
    place: AtomicUsize,
    count: AtomicUsize,
    node: Memory,
}

impl World {
    fn new(place: usize, count: usize) -> Arc<Self> {
        let (place, count) = (AtomicUsize::new(place), AtomicUsize::new(count));
        Arc::new(World { place, count, node: Memory::new() })
    }

    fn release(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.node.free();
        }
    }

    fn load_then_increment(&self) {
        if self.place.load(Ordering::Acquire) != NIL {
            // The count is part of the node.
            self.node.read();
            self.count.fetch_add(1, Ordering::AcqRel);
            self.node.read();
            self.release();
        }
    }

    fn increment_with_the_load(&self) {
        if self.place.fetch_add(1, Ordering::AcqRel) / POINTER != NIL {
            self.node.read();
            self.release();
        }
    }

    fn take_out(&self) {
        let external = self.place.swap(NIL * POINTER, Ordering::AcqRel) % POINTER;
        // Wrapping: readers that have left have taken it below zero.
        let before = self.count.fetch_add(external, Ordering::AcqRel);
        if before.wrapping_add(external) == 0 {
            self.node.free();
        }
    }
}

#[test]
fn an_increment_after_the_load_comes_too_late() {
    must_fail("an_increment_after_the_load_comes_too_late", "used after its end", || {
        let world = World::new(0, 1);
        let reader = world.clone();
        let reader = thread::spawn(move || reader.load_then_increment());
        world.place.store(NIL, Ordering::Release);
        world.release();
        reader.join().unwrap();
    });
}

#[test]
fn an_increment_that_is_the_load_does_not() {
    check(|| {
        let world = World::new(0, 0);
        let readers = [world.clone(), world.clone()]
            .map(|reader| thread::spawn(move || reader.increment_with_the_load()));
        world.take_out();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
