//! A real fork of a process whose other threads are pinned, retiring, exiting: the child pins, retires, flushes and ends well.
#![cfg(all(unix, not(any(stillpoint_loom, stillpoint_shuttle))))]

mod forked;

use forked::{forked, on_a_thread};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned};

/// One fork at a time: they are of the whole process.
static TURN: Mutex<()> = Mutex::new(());

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

/// As many as a thread retires beside a play: the pinned thread holds them all back, and every child reclaims what there is by then.
const RETIRED: u64 = 50_000;

/// Runs `play` while one thread is pinned for good, one retires and pins all the time and others come and go.
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
            let mut left = RETIRED;
            while !stop.load(Ordering::Relaxed) {
                let nodes = left.min(10);
                retire(&collector.pin(), &drops, nodes);
                left -= nodes;
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
                on_a_thread(|| drop(collector.pin()));
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

/// A participant's bags stay as they were: what is in them is not lost.
#[test]
fn what_a_participant_has_retired_is_not_counted_as_abandoned() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().batch_len(4).survive_fork(true).build();
    let drops = Arc::new(AtomicU64::new(0));
    let mut participant = Some(collector.register());
    retire(&participant.as_ref().unwrap().pin(), &drops, 3);
    // Held back while more is retired: some of it goes to the backlog, and comes back from there later on.
    let holder = collector.pin_classic();
    retire(&participant.as_ref().unwrap().pin(), &drops, 500);
    drop(holder);
    (0..40).for_each(|_| retire(&participant.as_ref().unwrap().pin(), &drops, 1));
    let left = collector.stats().unreclaimed;
    assert!(left > 4, "{left}");
    let (left_behind, is_left_behind) = mpsc::channel();
    thread::scope(|scope| {
        // Goes at the end of this closure, whichever it is.
        let (_stop, is_stopped) = mpsc::channel::<()>();
        let (collector, drops) = (&collector, &drops);
        scope.spawn(move || {
            retire(&collector.pin(), drops, 3);
            left_behind.send(()).unwrap();
            assert!(is_stopped.recv().is_err());
        });
        is_left_behind.recv().unwrap();
        forked(|| {
            let stats = collector.stats();
            assert_eq!((stats.unreclaimed, stats.abandoned), (left, 3));
            participant.as_ref().unwrap().flush();
            drop(participant.take());
            collector.flush();
            let stats = collector.stats();
            assert_eq!((stats.unreclaimed, stats.abandoned), (0, 3));
        });
    });
}

/// Runs a play in its thread's last moments: its thread-locals have gone, those of the fork's among them.
struct AtExit(RefCell<Option<Box<dyn FnOnce()>>>);
impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(play) = self.0.take() {
            play();
        }
    }
}
thread_local!(static AT_EXIT: AtExit = const { AtExit(RefCell::new(None)) });

#[test]
fn a_thread_forks_when_its_thread_locals_have_gone() {
    let _turn = TURN.lock().unwrap();
    let collector = Collector::builder().batch_len(4).survive_fork(true).build();
    let drops = Arc::new(AtomicU64::new(0));
    let stalled = collector.pin_named("stalled");
    let (inside, dropped) = (collector.clone(), drops.clone());
    let play = move || {
        let mut guard = Some(inside.pin());
        let pinned = guard.as_ref().unwrap();
        let guarded = Atomic::new(Owned::new(pinned, 7));
        let seen = pinned.insisting(|guard| guard.protect(&guarded)).as_ptr();
        forked(|| {
            let stats = inside.stats();
            assert_eq!(stats.pinned, 1, "its own guard, and no other: {stats:?}");
            on_a_thread(|| {
                let guard = inside.pin_classic();
                // SAFETY: unlinked by the take.
                unsafe { guarded.take(Ordering::AcqRel).retire(&guard) };
                drop(guard);
                inside.flush();
            });
            assert_eq!(inside.stats().unreclaimed, 1);
            // SAFETY: protected.
            assert_eq!(unsafe { *seen }, 7);
            drop(guard.take());
            retire(&inside.pin(), &dropped, 100);
            inside.flush();
            let stats = inside.stats();
            assert_eq!((stats.pinned, stats.unreclaimed), (0, 0));
        });
        // SAFETY: unlinked by the take.
        unsafe { guarded.take(Ordering::AcqRel).retire(&inside.pin()) };
        drop(guard);
    };
    let own = collector.clone();
    let thread = thread::spawn(move || {
        // First, so that it goes last.
        AT_EXIT.with(|exit| exit.0.replace(Some(Box::new(play))));
        drop(own.pin());
        forked(|| assert_eq!(own.stats().pinned, 0));
    });
    thread.join().unwrap();
    drop(stalled);
}

/// A guard in a thread-local that outlives its thread's exit hooks: the number stays the thread's.
#[test]
fn a_guard_that_outlives_its_threads_exit_goes_on_in_a_child() {
    let _turn = TURN.lock().unwrap();
    // For ever, so that a guard may be in a thread-local.
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    let made = || Collector::builder().batch_len(4).survive_fork(true).build();
    let collector = COLLECTOR.get_or_init(made);
    let thread = thread::spawn(move || {
        AT_EXIT.with(|exit| {
            let mut place = exit.0.borrow_mut();
            let guard = collector.pin();
            *place = Some(Box::new(move || {
                forked(|| assert_eq!(collector.stats().pinned, 1));
                drop(guard);
            }));
        });
    });
    thread.join().unwrap();
}
