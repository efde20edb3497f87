//! A real fork of a process whose other threads are pinned, retiring, exiting: the child pins, retires, flushes and ends well.
#![cfg(all(unix, not(any(stillpoint_loom, stillpoint_shuttle))))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned};

/// One fork at a time: they are of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `in_child` in a child of this process; fails the test if the child panics, or takes longer than 20 s.
fn forked(in_child: impl FnOnce()) {
    // SAFETY: the child calls nothing but this crate and the allocator, which glibc and musl keep usable, and `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let code = if catch_unwind(AssertUnwindSafe(in_child)).is_ok() { 0 } else { 1 };
        // SAFETY: ends the process at once, without the parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let (mut status, began) = (0, Instant::now());
    loop {
        // SAFETY: our child, and a place for its status.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            break;
        }
        if began.elapsed() > Duration::from_secs(20) {
            // SAFETY: our child, not waited for yet.
            unsafe { libc::kill(child, libc::SIGKILL) };
            panic!("the child hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(status, 0, "the child's status");
}

fn retire(guard: &Guard<'_>, drops: &Arc<AtomicU64>, nodes: u64) {
    for _ in 0..nodes {
        let counted = drops.clone();
        guard.retire_fn(move || _ = counted.fetch_add(1, Ordering::Relaxed));
    }
}

/// What a child does with a collector that other threads were using.
fn use_in_child(collector: &Collector, cell: &Atomic<u64>) {
    assert_eq!(collector.stats().pinned, 0, "threads that do not exist hold nothing back");
    let drops = Arc::new(AtomicU64::new(0));
    for value in 0..5_000 {
        let guard = collector.pin();
        // SAFETY: protected.
        let _ = unsafe { *guard.insisting(|guard| guard.protect(cell)).deref() };
        let old = cell.swap(Owned::new(&guard, value), Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { old.retire(&guard) };
        retire(&guard, &drops, 1);
    }
    collector.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 5_000);
    let stats = collector.stats();
    assert_eq!(stats.unreclaimed, 0, "{stats:?}");
}

/// Runs `play` while one thread is pinned for good, one retires all the time and others come and go.
fn amid_threads(collector: &Collector, play: impl FnOnce(&Atomic<u64>)) {
    let cell = Atomic::new(Owned::new(&collector.pin(), 0));
    let stop = AtomicBool::new(false);
    let drops = Arc::new(AtomicU64::new(0));
    let (pinned, is_pinned) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = collector.pin_named("stalled");
            pinned.send(()).unwrap();
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            drop(guard);
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                retire(&collector.pin(), &drops, 10);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                thread::scope(|inner| _ = inner.spawn(|| retire(&collector.pin(), &drops, 1)));
            }
        });
        is_pinned.recv().unwrap();
        // Should an assertion fail, the threads are to end all the same.
        let outcome = catch_unwind(AssertUnwindSafe(|| play(&cell)));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&collector.pin()) };
}

#[test]
fn a_child_goes_on_by_the_handler() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().batch_len(16).survive_fork(true).build();
    amid_threads(&collector, |cell| {
        for _ in 0..20 {
            forked(|| {
                use_in_child(&collector, cell);
                // New threads take and give back numbers.
                thread::scope(|scope| _ = scope.spawn(|| drop(collector.pin())));
            });
        }
    });
}

#[test]
fn a_child_goes_on_when_told_by_hand() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().batch_len(16).build();
    amid_threads(&collector, |cell| {
        forked(|| {
            // SAFETY: just forked.
            unsafe { collector.after_fork_in_child() };
            use_in_child(&collector, cell);
        });
    });
}

/// What the forking thread holds itself stays as it was.
#[test]
fn a_guard_of_the_forking_thread_goes_on_in_both() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().batch_len(4).survive_fork(true).build();
    let drops = Arc::new(AtomicU64::new(0));
    let guard = collector.pin_classic();
    retire(&guard, &drops, 100);
    forked(|| {
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        let stats = collector.stats();
        assert_eq!((stats.unreclaimed, stats.abandoned, stats.pinned), (100, 0, 1));
        guard.flush();
        assert_eq!(drops.load(Ordering::Relaxed), 0, "the guard holds them back");
    });
    drop(guard);
    collector.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 100);
}

#[test]
fn a_background_thread_is_not_waited_for_in_a_child() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().reclaim_on_retire(false).survive_fork(true).build();
    let mut background = Some(collector.background().start().unwrap());
    forked(|| {
        drop(background.take());
        let fresh = collector.background().interval(Duration::from_millis(1)).start().unwrap();
        let drops = Arc::new(AtomicU64::new(0));
        retire(&collector.pin(), &drops, 100);
        collector.hand_over();
        let began = Instant::now();
        while drops.load(Ordering::Relaxed) < 100 {
            assert!(began.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(1));
        }
        drop(fresh);
    });
}
