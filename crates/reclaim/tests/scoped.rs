//! Collectors whose nodes borrow: everything is dropped before what it borrows, in whatever order things end.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use stillpoint_reclaim::Collector;
use stillpoint_reclaim::leased::Scoped;

/// Springs when something refers to it after its end.
struct Trap {
    alive: AtomicBool,
    visits: AtomicU64,
}

impl Trap {
    fn visit(&self) {
        assert!(self.alive.load(Ordering::Relaxed), "visited after its end");
        self.visits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
    }
}

struct Visits<'a>(&'a Trap);

impl Drop for Visits<'_> {
    fn drop(&mut self) {
        self.0.visit();
    }
}

#[test]
fn nodes_go_before_what_they_borrow() {
    for round in 0..200 {
        let trap = Trap { alive: AtomicBool::new(true), visits: AtomicU64::new(0) };
        let retired = 3 * (round % 40) + 1;
        {
            let scoped = Scoped::from_builder(Collector::builder().batch_len(8));
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..round % 40 {
                            scoped.pin().defer_drop(Visits(&trap));
                        }
                    });
                }
            });
            scoped.pin_classic().defer(|| trap.visit());
            assert_eq!(scoped.stats().retired, retired);
        }
        assert_eq!(trap.visits.load(Ordering::Relaxed), retired, "round {round}");
    }
}

#[test]
fn unlinked_nodes_that_borrow_are_dropped_by_a_flush() {
    let trap = Trap { alive: AtomicBool::new(true), visits: AtomicU64::new(0) };
    let scoped = Scoped::new();
    {
        let guard = scoped.pin();
        let node = Box::into_raw(Box::new(Visits(&trap)));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
        assert!(guard.still_valid().is_ok(), "it is a guard like any other");
    }
    scoped.flush();
    assert_eq!(trap.visits.load(Ordering::Relaxed), 1);
}
