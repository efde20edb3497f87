//! An era extended in place: the reader, inside a node, finds that its reservation ends before the current era, extends it and loads the same link
//! again. The link is frozen (its node was unlinked), and what it names was reclaimed before the extension could be seen.
//!
//! ```text
//! reader  reserved up to era 1, holds parent            writer  era 2, makes child in it, parent ──▶ child
//!                                                                unlinks parent, retires both, scans: nobody covers
//!                                                                era 2, frees child
//! reader  loads parent's link: child, of era 2
//!         extends to 2, loads again: still child, freed
//! ```
//! Repaired: after the extension the reader starts again at the root. The same fault in the collector itself: `loom_lease`.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::sync::Arc;
use loom::thread;
use must_fail::{Memory, NIL, check, must_fail};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};

const CHILD: usize = 1;
const ERA_OF_CHILD: usize = 2;

struct World {
    era: AtomicUsize,
    /// The reader's reservation: everything born up to this era, from the beginning on.
    reserved: AtomicUsize,
    root: AtomicUsize,
    /// The parent's; the parent is covered all the time.
    link: AtomicUsize,
    child: Memory,
}

impl World {
    fn write(&self) {
        self.era.store(ERA_OF_CHILD, Ordering::Release);
        self.link.store(CHILD, Ordering::Release);
        self.root.store(NIL, Ordering::Release);
        Fences::Strict.heavy();
        if self.reserved.load(Ordering::Acquire) < ERA_OF_CHILD {
            self.child.free();
        }
    }

    /// Walks root, parent, child, having loaded the root at `era`.
    fn walk(&self, mut reserved: usize, in_place: bool) {
        for _ in 0..2 {
            let child = self.link.load(Ordering::Acquire);
            let era = self.era.load(Ordering::Acquire);
            if era <= reserved {
                if child != NIL {
                    self.child.read();
                }
                return;
            }
            reserved = era;
            self.reserved.store(era, Ordering::Release);
            Fences::Strict.light();
            if !in_place && self.root.load(Ordering::Acquire) == NIL {
                return;
            }
        }
    }
}

fn play(in_place: bool) {
    let world = Arc::new(World {
        era: AtomicUsize::new(1),
        reserved: AtomicUsize::new(1),
        root: AtomicUsize::new(0),
        link: AtomicUsize::new(NIL),
        child: Memory::new(),
    });
    // The reader is inside the parent already.
    let writer = world.clone();
    let writer = thread::spawn(move || writer.write());
    world.walk(1, in_place);
    writer.join().unwrap();
}

#[test]
fn extended_in_place_the_reservation_comes_too_late() {
    let test = "extended_in_place_the_reservation_comes_too_late";
    must_fail(test, "used after its end", || play(true));
}

#[test]
fn a_restart_at_the_root_finds_the_parent_gone() {
    check(|| play(false));
}
