//! One stalled or slow guard: how much it holds back, against the documented formula.
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
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

/// Loads one slot after the other under one guard, with a pause before each, and pins anew where the longest lease is over: `refused` counts that.
fn load_slowly(
    c: &Collector,
    slots: &[Atomic<Counted<'_>>],
    pause: Duration,
    done: &AtomicBool,
    refused: &AtomicU64,
) {
    let mut guard = c.pin();
    for slot in slots.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(pause);
        if guard.protect(slot).is_err() {
            refused.fetch_add(1, Ordering::Relaxed);
            assert!(guard.repin(), "the only guard of its thread");
        }
    }
}

/// The other picture: a reader that never lets go of its guard, and goes on loading.
#[test]
fn a_slow_reader_that_keeps_loading_holds_back_no_more_than_the_formula_says() {
    with_live_nodes(Collector::new(), |c, slots, drops| {
        let (done, refused) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|s| {
            s.spawn(|| load_slowly(c, slots, Duration::from_micros(50), &done, &refused));
            let mut peaks = [0; 4];
            for peak in &mut peaks {
                *peak = churn(c, slots, drops, churn_rounds() / 4);
            }
            done.store(true, Ordering::Relaxed);
            let bound = c.bound_at_cap(LIVE as u64);
            println!(
                "peaks {peaks:?}, formula {bound}, {} repins",
                refused.load(Ordering::Relaxed)
            );
            assert!(peaks.iter().all(|&peak| peak <= bound), "{peaks:?} > {bound}");
        });
        assert!(refused.load(Ordering::Relaxed) > 0, "the longest lease was met");
        assert_eq!(c.stats().overdrafts, 0);
        c.flush();
        c.flush();
        assert_eq!(c.stats().unreclaimed, 0);
    });
}

/// As above, beside two writers at full speed: what the reader has let go of goes as fast as more comes, though sweeps of the two overlap.
/// When its guard is renewed, what it held until then is still on its way, so twice the formula is what may be seen.
#[test]
fn beside_two_writers_a_slow_reader_holds_back_no_more_either() {
    with_live_nodes(Collector::new(), |c, slots, drops| {
        let (done, refused) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|s| {
            s.spawn(|| load_slowly(c, slots, Duration::from_micros(200), &done, &refused));
            let churn = || churn(c, slots, drops, churn_rounds() * 2);
            let writers = [s.spawn(churn), s.spawn(churn)];
            let peaks = writers.map(|writer| writer.join().unwrap());
            done.store(true, Ordering::Relaxed);
            let bound = c.bound_at_cap(LIVE as u64);
            println!("peaks {peaks:?}, formula {bound}");
            assert!(peaks.iter().all(|&peak| peak <= 2 * bound), "{peaks:?} > 2 * {bound}");
        });
        c.flush();
        c.flush();
        assert_eq!(c.stats().unreclaimed, 0);
    });
}

/// Operations that cannot fail, longer than the longest lease: they end, and the guard that they leave behind is a fresh one.
#[test]
fn an_operation_longer_than_the_longest_lease_ends() {
    let c = Collector::builder().lease_ticks(0).max_lease_ticks(Some(8)).batch_len(1).build();
    let cell = Atomic::new(Owned::new(&c.pin(), 0u64));
    let others = |n| {
        for value in 0..n {
            let guard = c.pin();
            // SAFETY: unlinked by the swap.
            unsafe { cell.swap(Owned::new(&guard, value), Ordering::AcqRel).retire(&guard) };
        }
    };
    // `join`, unlike the end of the scope, waits for the thread-locals to be destroyed.
    let elsewhere = |n| std::thread::scope(|s| s.spawn(|| others(n)).join()).unwrap();
    let mut guard = c.pin();
    let mut attempts = 0;
    let seen = guard.complete(|guard| {
        attempts += 1;
        let _first = guard.protect(&cell)?;
        elsewhere(20);
        guard.still_valid()?;
        let last = guard.protect(&cell)?;
        // SAFETY: protected, and not null.
        Ok(*unsafe { last.deref() })
    });
    assert_eq!((seen, attempts, c.stats().overdrafts), (19, 3, 1));
    assert_eq!(guard.span().0, 0, "a fresh reservation");
    // What borrows cannot begin afresh: it goes on at once.
    let first = guard.insisting(|guard| guard.protect(&cell));
    elsewhere(20);
    let second = guard.insisting(|guard| guard.protect(&cell));
    assert_ne!(first, second);
    assert_eq!((c.stats().overdrafts, c.stats().classic), (2, 1));
    // A guard inside need not be told twice.
    let inner = c.pin();
    assert_eq!(inner.renew(), Ok(()));
    elsewhere(20);
    assert_eq!(inner.protect(&cell), Ok(inner.insisting(|guard| guard.protect(&cell))));
    assert_eq!(c.stats().overdrafts, 2);
    drop(inner);
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
    drop(guard);
    c.flush();
    assert_eq!(c.stats().unreclaimed, 0);
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
