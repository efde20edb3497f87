//! Steps (atomic accesses and fences) of each operation against the bounds that the guide `steps` states, undisturbed and with another thread
//! doing its worst before every single step: moving the epoch on by many ticks, filling bags, posting backlogs.
//!
//! `RUSTFLAGS="--cfg stillpoint_steps" cargo test -p stillpoint-reclaim --test steps --target-dir target/steps -- --nocapture` prints the figures.
#![cfg(stillpoint_steps)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use stillpoint_primitive::counted::{disturbed, steps_of};
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned};

const R: usize = 8;
/// Debug builds look at each retired node's birth.
const CHECKS: u64 = if cfg!(debug_assertions) { 2 } else { 0 };

const PIN: u64 = 4;
const UNPIN: u64 = 1;
const FOLLOW: u64 = 2;
/// A renewal, the load again, the test again: at most 64 times.
const ROUND: u64 = 6;
const PROTECT: u64 = 2 + 64 * ROUND;
const RETIRE: u64 = CHECKS;
/// Beside what depends on the slots and the nodes: seal 3, fence 6, take backlogs 2, push twice 2 × 9, scan 2, two to spare.
const SWEEP: u64 = 33;
/// Bags whose nodes a sweep may have to ask for their birth.
const BAGS: u64 = 7;

fn sweep_bound(collector: &Collector) -> u64 {
    CHECKS + SWEEP + 2 * collector.stats().threads + BAGS * R as u64
}

/// A thread that, when asked, moves the epoch on by that many ticks and retires bags of its own.
struct Adversary {
    ask: Sender<u64>,
    done: Receiver<()>,
}

impl Adversary {
    fn of(collector: &Collector) -> Self {
        let (ask, asked) = channel();
        let (tell, done) = channel();
        let collector = collector.clone();
        thread::spawn(move || {
            for ticks in asked {
                let goal = collector.birth().get() + ticks;
                while collector.birth().get() < goal {}
                let guard = collector.pin();
                (0..R).for_each(|_| retire_new(&guard));
                drop(guard);
                tell.send(()).expect("who asked waits");
            }
        });
        Adversary { ask, done }
    }

    /// What to do before each step.
    fn at_work(self, ticks: u64) -> impl FnMut() + 'static {
        move || {
            self.ask.send(ticks).expect("it is there");
            self.done.recv().expect("it answers");
        }
    }
}

fn retire_new(guard: &Guard<'_>) {
    let cell = Atomic::new(Owned::new(guard, 7u64));
    let node = cell.take(Ordering::AcqRel);
    // SAFETY: unlinked by the take.
    unsafe { node.retire(guard) };
}

/// The most steps that each operation has taken.
#[derive(Debug, Default)]
struct Most {
    pin: u64,
    unpin: u64,
    protect: u64,
    follow: u64,
    retire: u64,
    sweep: u64,
    expired: u64,
}

/// Runs every operation `rounds` times, `R` to a bag.
fn play(collector: &Collector, rounds: usize) -> Most {
    let mut most = Most::default();
    let cell = Atomic::new(Owned::new(&collector.pin(), 5u64));
    for round in 1..=rounds {
        let (guard, pin) = steps_of(|| collector.pin());
        // First, while the lease is that of the pin.
        let (followed, follow) = steps_of(|| guard.follow(&cell).map(|_| ()));
        let (seen, protect) = steps_of(|| guard.protect(&cell).map(|_| ()));
        seen.expect("no longest lease");
        most.expired += u64::from(followed.is_err());
        let new = Owned::new(&guard, 6);
        let old = cell.swap(new, Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        let ((), retire) = steps_of(|| unsafe { old.retire(&guard) });
        if round % R == 0 {
            most.sweep = most.sweep.max(retire);
        } else {
            most.retire = most.retire.max(retire);
        }
        let ((), unpin) = steps_of(|| drop(guard));
        most.pin = most.pin.max(pin);
        most.protect = most.protect.max(protect);
        most.follow = most.follow.max(follow);
        most.unpin = most.unpin.max(unpin);
    }
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&collector.pin()) };
    most
}

fn check(what: &str, collector: &Collector, most: &Most) {
    println!("{what}: {most:?}, sweep's bound {}", sweep_bound(collector));
    assert!(most.pin <= PIN && most.unpin <= UNPIN && most.follow <= FOLLOW, "{what}: {most:?}");
    assert!(most.protect <= PROTECT && most.retire <= RETIRE, "{what}: {most:?}");
    assert!(most.sweep <= sweep_bound(collector), "{what}: {most:?}");
}

#[test]
fn undisturbed_operations_take_as_many_steps_as_stated() {
    let collector = Collector::builder().max_lease_ticks(None).batch_len(R).build();
    drop(collector.pin());
    let most = play(&collector, 10 * R);
    check("alone", &collector, &most);
    assert_eq!((most.pin, most.unpin, most.protect, most.follow), (4, 1, 2, 2));
}

#[test]
fn no_disturbance_makes_an_operation_take_more_than_its_bound() {
    for ticks in [1, 5, 60, 500] {
        for stalled in [false, true] {
            let collector = Collector::builder().max_lease_ticks(None).batch_len(R).build();
            let reader = collector.clone();
            let (tell, told) = channel::<()>();
            let (pinned, is_pinned) = channel();
            // A guard that holds nodes back, so that there are backlogs to take, sift and post.
            let holder = thread::spawn(move || {
                let guard = stalled.then(|| reader.pin_classic());
                pinned.send(()).expect("the test waits");
                let _ = told.recv();
                drop(guard);
            });
            is_pinned.recv().expect("it pins");
            drop(collector.pin());
            let disturb = Adversary::of(&collector).at_work(ticks);
            let most = disturbed(disturb, || play(&collector, 10 * R));
            check(&format!("{ticks} ticks a step, stalled {stalled}"), &collector, &most);
            // The lease doubles until it outlasts a round.
            let rounds = 2 + u64::from((2 * ROUND * ticks).ilog2());
            assert!(most.protect <= 2 + rounds * ROUND, "{most:?}");
            assert!(ticks < 5 || most.expired > 0, "the adversary has been at work");
            drop(tell);
            holder.join().expect("it ends well");
        }
    }
}
