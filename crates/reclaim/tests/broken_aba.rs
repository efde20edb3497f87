//! A free list whose head is a bare index: between one taker's load of the link and its exchange the same block is taken and comes back, and the
//! exchange, which sees the same index, installs the old link.
//!
//! ```text
//! head ──▶ 0 ──▶ 1 ──▶ 2          A: top = 0, next = 1
//!                                 B: takes 0, takes 1, gives 0 back        head ──▶ 0 ──▶ 2
//! A: head 0 → 1                   1 is B's, and will be handed out again
//! ```
//! Repaired: a tag beside the index, one more at every exchange, as in the pool's depot.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::sync::Arc;
use loom::thread;
use must_fail::{NIL, check, must_fail};
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BLOCKS: usize = 3;
/// The index has the bits below.
const TAG: usize = 1 << 8;

struct FreeList {
    head: AtomicUsize,
    next: [AtomicUsize; BLOCKS],
    taken: [AtomicBool; BLOCKS],
    /// What an exchange adds to the tag.
    step: usize,
}

impl FreeList {
    fn new(step: usize) -> Arc<Self> {
        Arc::new(FreeList {
            head: AtomicUsize::new(0),
            next: [1, 2, NIL].map(AtomicUsize::new),
            taken: [(); BLOCKS].map(|()| AtomicBool::new(false)),
            step,
        })
    }

    fn replace(&self, old: usize, index: usize) -> bool {
        let new = (old - old % TAG + self.step) + index;
        self.head.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn take(&self) -> Option<usize> {
        let head = self.head.load(Ordering::Acquire);
        let top = head % TAG;
        let next = self.next.get(top)?.load(Ordering::Relaxed);
        if !self.replace(head, next) {
            return None;
        }
        assert!(!self.taken[top].swap(true, Ordering::AcqRel), "handed out twice");
        Some(top)
    }

    fn give_back(&self, block: usize) {
        self.taken[block].store(false, Ordering::Release);
        let head = self.head.load(Ordering::Acquire);
        self.next[block].store(head % TAG, Ordering::Relaxed);
        // Whoever loses the race keeps the block: enough for the model.
        self.replace(head, block);
    }
}

fn play(step: usize) {
    let list = FreeList::new(step);
    let other = list.clone();
    let other = thread::spawn(move || {
        let first = other.take();
        let _second = other.take();
        first.into_iter().for_each(|block| other.give_back(block));
    });
    // What the stale link names is the other's; the second taking hands it out again.
    list.take();
    list.take();
    other.join().unwrap();
}

#[test]
fn a_bare_index_that_comes_back_hands_a_block_out_twice() {
    let test = "a_bare_index_that_comes_back_hands_a_block_out_twice";
    must_fail(test, "handed out twice", || play(0));
}

#[test]
fn a_tagged_index_does_not_come_back() {
    check(|| play(TAG));
}
