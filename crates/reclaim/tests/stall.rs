//! One stalled or slow guard: how much it holds back, against the documented formula.
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::{Atomic, Collector, Owned};

const LIVE: usize = 1_024;

fn churn_rounds() -> u64 {
    std::env::var("STILLPOINT_CHURN").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

struct Counted<'a>(&'a AtomicU64);
impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Replaces nodes round robin; returns the largest number of unreclaimed nodes seen after the first `settle` replacements.
fn churn<'a>(c: &Collector, slots: &[Atomic<Counted<'a>>], drops: &'a AtomicU64, n: u64) -> u64 {
    let mut peak = 0;
    for i in 0..n {
        let guard = c.pin();
        let old = slots[i as usize % slots.len()]
            .swap(Owned::new(&guard, Counted(drops)), Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { old.retire(&guard) };
        if i % 1_000 == 0 {
            peak = peak.max(c.stats().unreclaimed);
        }
    }
    peak
}

fn with_live_nodes(
    c: Collector,
    run: impl for<'a> FnOnce(&Collector, &[Atomic<Counted<'a>>], &'a AtomicU64),
) {
    let count = AtomicU64::new(0);
    let drops = &count;
    let slots: Vec<Atomic<Counted<'_>>> = {
        let guard = c.pin();
        (0..LIVE).map(|_| Atomic::new(Owned::new(&guard, Counted(drops)))).collect()
    };
    run(&c, &slots, drops);
    let made = drops.load(Ordering::Relaxed);
    let guard = c.pin();
    for slot in &slots {
        // SAFETY: unlinked by the take.
        unsafe { slot.take(Ordering::AcqRel).retire(&guard) };
    }
    drop(guard);
    let retired = c.stats().retired;
    drop(c);
    assert!(made < retired);
    assert_eq!(drops.load(Ordering::Relaxed), retired, "every node is dropped exactly once");
}

#[test]
fn a_stalled_guard_holds_back_no_more_than_the_formula_says() {
    with_live_nodes(Collector::new(), |c, slots, drops| {
        std::thread::scope(|s| {
            let (tell, told) = std::sync::mpsc::channel::<()>();
            let (ready, is_ready) = std::sync::mpsc::channel::<()>();
            s.spawn(move || {
                let guard = c.pin();
                ready.send(()).unwrap();
                let _ = told.recv();
                drop(guard);
            });
            is_ready.recv().unwrap();
            let peak = churn(c, slots, drops, churn_rounds());
            println!("peak {peak}, formula {}", c.bound(LIVE as u64));
            assert!(peak <= c.bound(LIVE as u64), "{peak} > {}", c.bound(LIVE as u64));
            assert!(peak >= LIVE as u64, "the stalled guard does hold back what was live: {peak}");
            drop(tell);
        });
        c.flush();
        c.flush();
        assert_eq!(c.stats().unreclaimed, 0, "nothing is held back once the guard is gone");
    });
}

#[test]
fn an_idle_thread_holds_back_nothing() {
    with_live_nodes(Collector::new(), |c, slots, drops| {
        std::thread::scope(|s| {
            let (tell, told) = std::sync::mpsc::channel::<()>();
            let (ready, is_ready) = std::sync::mpsc::channel::<()>();
            s.spawn(move || {
                drop(c.pin());
                ready.send(()).unwrap();
                let _ = told.recv();
            });
            is_ready.recv().unwrap();
            let peak = churn(c, slots, drops, 100_000);
            assert!(peak <= 4 * 256, "{peak} nodes behind an idle thread");
            drop(tell);
        });
    });
}

#[test]
fn exited_threads_leave_nothing_behind() {
    with_live_nodes(Collector::new(), |c, slots, drops| {
        std::thread::scope(|s| {
            // `join`, unlike the end of the scope, waits for the thread-locals to be destroyed.
            s.spawn(|| churn(c, slots, drops, 1_000)).join().unwrap();
        });
        c.flush();
        assert_eq!(c.stats().unreclaimed, 0);
    });
}
