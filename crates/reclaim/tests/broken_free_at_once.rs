//! A stack whose `pop` frees what it has popped at once: the other popper has loaded the same top and now reads its link.
//!
//! ```text
//! A: top = 0            B: top = 0, next = 1, head 0 → 1, frees 0
//! A: reads the link of 0: freed
//! ```
//! Repaired: `pop` retires to the collector, under whose guard the other one reads.
#![cfg(stillpoint_loom)]

mod must_fail;

use loom::sync::Arc;
use loom::thread;
use must_fail::{Memory, NIL, check, must_fail};
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::{Collector, Epoch};

struct Stack {
    collector: Option<Collector>,
    head: AtomicU64,
    nodes: [(Memory, u64); 2],
}

impl Stack {
    fn new(collector: Option<Collector>) -> Self {
        let nodes = [(Memory::new(), 1), (Memory::new(), NIL as u64)];
        Stack { collector, head: AtomicU64::new(0), nodes }
    }

    /// Reads the top's link and takes the top off; what it took.
    fn take(&self, top: u64) -> Option<&Memory> {
        let (memory, next) = self.nodes.get(top as usize)?;
        memory.read();
        let won = self.head.compare_exchange(top, *next, Ordering::AcqRel, Ordering::Relaxed);
        won.ok().map(|_| memory)
    }

    fn pop_and_free(&self) {
        if let Some(memory) = self.take(self.head.load(Ordering::Acquire)) {
            memory.free();
        }
    }

    fn pop_and_retire(&self) {
        unsafe fn reclaim(memory: *mut u8) {
            // SAFETY: the nodes outlive the collector's use of them.
            unsafe { &*memory.cast::<Memory>() }.free();
        }
        let collector = self.collector.as_ref().expect("the repaired stack has one");
        let guard = collector.pin();
        let top = guard.protect_word(&self.head).unwrap();
        if let Some(memory) = self.take(top) {
            let ptr = (&raw const *memory).cast_mut().cast();
            // SAFETY: the exchange unlinked it, once.
            unsafe { guard.retire(ptr, Epoch::from_raw(1), 4, reclaim) };
        }
        drop(guard);
        collector.flush();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Before the nodes go.
        self.collector = None;
    }
}

#[test]
fn a_popper_that_frees_at_once_pulls_the_node_from_under_another() {
    must_fail(
        "a_popper_that_frees_at_once_pulls_the_node_from_under_another",
        "used after its end",
        || {
            let stack = Arc::new(Stack::new(None));
            let other = stack.clone();
            let other = thread::spawn(move || other.pop_and_free());
            stack.pop_and_free();
            other.join().unwrap();
        },
    );
}

#[test]
fn a_popper_that_retires_does_not() {
    check(|| {
        let collector = Collector::builder().batch_len(1).build();
        let stack = Arc::new(Stack::new(Some(collector)));
        let other = stack.clone();
        let other = thread::spawn(move || other.pop_and_retire());
        stack.pop_and_retire();
        other.join().unwrap();
    });
}
