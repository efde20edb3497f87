//! RCU: grace periods wait for those who are online and hold something, and for nobody else.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use stillpoint_reclaim::rcu::{QUIESCENT_EVERY, Rcu};
use stillpoint_reclaim::{Atomic, Owned, Protect, Scheme};

struct Dropped(Arc<AtomicU64>, u64);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1 = u64::MAX;
    }
}

fn replace(rcu: &Rcu, cell: &Atomic<Dropped>, drops: &Arc<AtomicU64>, value: u64) {
    let guard = rcu.pin();
    let old = cell.swap(Owned::new(&guard, Dropped(drops.clone(), value)), Ordering::AcqRel);
    // SAFETY: unlinked by the swap.
    unsafe { old.retire(&guard) };
}

fn cell(rcu: &Rcu, drops: &Arc<AtomicU64>) -> Atomic<Dropped> {
    Atomic::new(Owned::new(&rcu.pin(), Dropped(drops.clone(), 0)))
}

fn end(rcu: Rcu, cell: Atomic<Dropped>) {
    let guard = rcu.pin();
    // SAFETY: the cell is about to go.
    unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
}

#[test]
fn every_node_is_dropped_once_beside_readers() {
    const WRITES: u64 = 50_000;
    let (rcu, drops) = (Rcu::new(), Arc::new(AtomicU64::new(0)));
    let place = cell(&rcu, &drops);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let guard = rcu.pin();
                    let inner = rcu.pin();
                    let seen = guard.protect_root(0, &place).unwrap();
                    drop(inner);
                    // SAFETY: protected by `guard`.
                    assert!(unsafe { seen.deref() }.1 <= WRITES);
                }
            })
        });
        for write in 0..WRITES {
            replace(&rcu, &place, &drops, write);
        }
        stop.store(true, Ordering::Relaxed);
        // Joined, so that they have left the collector too: the end of the scope alone does not wait for that.
        readers.into_iter().for_each(|reader| reader.join().expect("a reader ends well"));
    });
    rcu.flush();
    assert_eq!(drops.load(Ordering::Relaxed), WRITES, "nobody holds anything back any more");
    end(rcu, place);
    assert_eq!(drops.load(Ordering::Relaxed), WRITES + 1);
}

#[test]
fn synchronize_waits_for_a_guard_and_not_for_idle_offline_threads() {
    let rcu = Rcu::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (say, said) = channel::<()>();
        let (go, gone) = channel::<()>();
        let reader = rcu.clone();
        let done = &done;
        scope.spawn(move || {
            let guard = reader.pin();
            say.send(()).unwrap();
            gone.recv().unwrap();
            assert!(!done.load(Ordering::SeqCst), "synchronize returned beside a guard");
            drop(guard);
            reader.offline();
            // Alive, and in nobody's way.
            gone.recv().unwrap();
        });
        said.recv().unwrap();
        let waiter = scope.spawn(|| {
            rcu.synchronize();
            done.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(30));
        assert!(!done.load(Ordering::SeqCst));
        go.send(()).unwrap();
        waiter.join().unwrap();
        rcu.synchronize();
        go.send(()).unwrap();
    });
}

#[test]
fn an_idle_online_thread_holds_back_everything_until_it_is_offline() {
    let (rcu, drops) = (Rcu::new(), Arc::new(AtomicU64::new(0)));
    let place = cell(&rcu, &drops);
    let (ready, steps) = (Barrier::new(2), channel::<()>());
    thread::scope(|scope| {
        let (reader, ready, gone) = (rcu.clone(), &ready, steps.1);
        scope.spawn(move || {
            drop(reader.pin());
            ready.wait();
            gone.recv().unwrap();
            reader.offline();
            ready.wait();
        });
        ready.wait();
        (0..10_000).for_each(|write| replace(&rcu, &place, &drops, write));
        rcu.flush();
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        assert_eq!(rcu.unreclaimed(), 10_000);
        steps.0.send(()).unwrap();
        ready.wait();
        rcu.flush();
        assert_eq!((drops.load(Ordering::Relaxed), rcu.unreclaimed()), (10_000, 0));
    });
    end(rcu, place);
}

#[test]
fn a_thread_at_work_needs_to_say_nothing() {
    let (rcu, drops) = (Rcu::new(), Arc::new(AtomicU64::new(0)));
    let place = cell(&rcu, &drops);
    (0..10_000).for_each(|write| replace(&rcu, &place, &drops, write));
    assert!(rcu.unreclaimed() < 1_000, "{}", rcu.unreclaimed());
    const { assert!(QUIESCENT_EVERY < 256) };
    end(rcu, place);
}

#[test]
fn calls_run_after_a_grace_period_and_exited_threads_leave_nothing() {
    let (rcu, runs) = (Rcu::new(), Arc::new(AtomicU64::new(0)));
    thread::scope(|scope| {
        let (rcu, runs) = (rcu.clone(), runs.clone());
        let worker = scope.spawn(move || {
            for _ in 0..100 {
                let runs = runs.clone();
                rcu.call(move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        // `join`, unlike the end of the scope, waits for the thread-locals to be destroyed.
        worker.join().unwrap();
    });
    rcu.flush();
    assert_eq!(runs.load(Ordering::Relaxed), 100);
}

#[test]
#[should_panic(expected = "waits for itself")]
fn synchronize_inside_a_guard_is_refused() {
    let rcu = Rcu::new();
    let _guard = rcu.pin();
    rcu.synchronize();
}

#[test]
fn destructors_may_retire_and_panic() {
    struct Chain(Rcu, Arc<AtomicU64>, u64);
    impl Drop for Chain {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
            if self.2 > 0 {
                let next = Chain(self.0.clone(), self.1.clone(), self.2 - 1);
                self.0.call(move || drop(next));
            }
            assert!(self.2 != 3, "planted");
        }
    }
    let (rcu, runs) = (Rcu::new(), Arc::new(AtomicU64::new(0)));
    let chain = Chain(rcu.clone(), runs.clone(), 8);
    rcu.call(move || drop(chain));
    (0..12).for_each(|_| rcu.flush());
    assert_eq!(runs.load(Ordering::Relaxed), 9);
}

thread_local! {
    static LATE: Late = const { Late };
}
struct Late;
static LATE_RCU: std::sync::OnceLock<Rcu> = std::sync::OnceLock::new();
static LATE_RUNS: AtomicU64 = AtomicU64::new(0);
impl Drop for Late {
    fn drop(&mut self) {
        let rcu = LATE_RCU.get().unwrap();
        let guard = rcu.pin();
        rcu.call(|| {
            LATE_RUNS.fetch_add(1, Ordering::Relaxed);
        });
        drop(guard);
    }
}

#[test]
fn a_thread_may_pin_while_its_locals_are_destroyed() {
    let rcu = LATE_RCU.get_or_init(Rcu::new);
    // In both orders: our own thread-locals made before, and after.
    thread::spawn(|| {
        LATE.with(|_| ());
        drop(LATE_RCU.get().unwrap().pin());
    })
    .join()
    .unwrap();
    thread::spawn(|| {
        drop(LATE_RCU.get().unwrap().pin());
        LATE.with(|_| ());
    })
    .join()
    .unwrap();
    rcu.flush();
    assert_eq!(LATE_RUNS.load(Ordering::Relaxed), 2);
}
