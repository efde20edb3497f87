//! A thread stopped before every single step that it takes (atomic access or fence), in pinning, loading, renewing, retiring, sealing, ticking, the heavy
//! fence, sweeping, reclaiming, unpinning and flushing: two others go on replacing nodes, 100,000 times for each step, and what is unreclaimed stays
//! within the formula. What the stopped thread holds is alive when it goes on, and in the end every node has been dropped once.
//!
//! `RUSTFLAGS="--cfg stillpoint_steps" cargo test -p stillpoint-reclaim --test stopped --target-dir target/steps`. Steps of a thread's exit are those
//! of a seal and a post, which a flush takes too.
#![cfg(stillpoint_steps)]

use std::sync::atomic::{AtomicU64, Ordering as Plain};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use stillpoint_primitive::counted::disturbed;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Owned};
use stillpoint_testkit::{Counted, DropCounter};

const R: usize = 8;
const LIVE: usize = 64;
const WORKERS: usize = 2;
/// Replacements while the thread is stopped, by all workers together.
const MEANWHILE: u64 = 100_000;
/// Four bags: the next retirement that fills one looks for a heavy fence.
const RETIRED_BEFORE: usize = 5 * R - 1;

struct World {
    collector: Collector,
    counter: DropCounter,
    places: Vec<Atomic<Counted<usize>>>,
}

impl World {
    fn new(lease_ticks: u64) -> Self {
        let collector = Collector::builder().batch_len(R).lease_ticks(lease_ticks).build();
        let counter = DropCounter::new();
        let guard = collector.pin();
        let place = |i| Atomic::new(Owned::new(&guard, counter.make(i)));
        let places = (0..LIVE).map(place).collect();
        drop(guard);
        World { collector, counter, places }
    }

    fn replace(&self, place: usize) {
        let guard = self.collector.pin();
        let new = Owned::new(&guard, self.counter.make(place));
        let old = self.places[place].swap(new, Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { old.retire(&guard) };
    }

    /// Everything that a thread does with a collector.
    fn visit(&self) {
        let mut guard = self.collector.pin();
        let seen = guard.insisting(|guard| guard.protect(&self.places[0]));
        // SAFETY: protected by `guard`.
        let held = unsafe { seen.deref() };
        // Refused when the thread was stopped for longer than the longest lease.
        let _renewed = guard.renew();
        assert_eq!(**held, 0);
        self.replace(1);
        assert_eq!(**held, 0);
        guard.repin();
        drop(guard);
        self.collector.flush();
    }

    #[track_caller]
    fn check_bound(&self, step: u64) {
        let stats = self.collector.stats();
        let bound = self.collector.bound_for_span(LIVE as u64, stats.widest_span_ticks);
        let unreclaimed = stats.unreclaimed;
        assert!(unreclaimed <= bound, "stopped before step {step}: {unreclaimed} > {bound}");
    }

    /// Takes the places apart; every node must have been dropped.
    fn end(self) {
        let guard = self.collector.pin();
        for place in &self.places {
            // SAFETY: unlinked by the take.
            unsafe { place.take(Ordering::AcqRel).retire(&guard) };
        }
        drop(guard);
        self.collector.flush();
        assert_eq!(self.collector.stats().unreclaimed, 0, "nothing is held back any more");
        self.counter.assert_none_left();
    }
}

/// The thread that is stopped before step number `step` of a visit, until `go`. `stopped` hears `true` there, `false` if there is no such step.
fn visitor(world: &World, step: u64, stopped: &Sender<bool>, go: Receiver<()>) {
    (0..RETIRED_BEFORE).for_each(|i| world.replace(i % LIVE));
    let (tell, mut steps) = (stopped.clone(), 0);
    let stop = move || {
        if steps == step {
            tell.send(true).expect("the main thread waits");
            go.recv().expect("the main thread lets go");
        }
        steps += 1;
    };
    disturbed(stop, || world.visit());
    let _ = stopped.send(false);
}

/// Whether the visit has such a step.
fn stopped_before(step: u64, lease_ticks: u64, meanwhile: u64) -> bool {
    let world = World::new(lease_ticks);
    let left = AtomicU64::new(meanwhile);
    let (tell, stopped) = channel();
    let (let_go, go) = channel();
    let there = thread::scope(|scope| {
        let world = &world;
        let visiting = scope.spawn(move || visitor(world, step, &tell, go));
        let there = stopped.recv().expect("the visitor tells");
        let workers: Vec<_> = (0..if there { WORKERS } else { 0 })
            .map(|worker| {
                let left = &left;
                scope.spawn(move || {
                    let mut done = worker;
                    while left.fetch_sub(1, Plain::Relaxed) as i64 > 0 {
                        world.replace(done % LIVE);
                        done += WORKERS;
                        if done % 4_096 == worker {
                            world.check_bound(step);
                        }
                    }
                    world.check_bound(step);
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let _ = let_go.send(());
        visiting.join().unwrap();
        there
    });
    world.end();
    there
}

fn stopped_before_every_step(lease_ticks: u64, meanwhile: u64) {
    let steps = (0..10_000).take_while(|&step| stopped_before(step, lease_ticks, meanwhile));
    let steps = steps.count();
    println!("lease of {lease_ticks}: stopped before each of {steps} steps");
    assert!((40..10_000).contains(&steps), "a visit has {steps} steps");
}

#[test]
fn others_go_on_within_the_bound_wherever_a_thread_is_stopped() {
    stopped_before_every_step(4, MEANWHILE);
}

#[test]
fn also_where_every_tick_ends_the_lease() {
    stopped_before_every_step(0, MEANWHILE / 5);
}
