//! Participants: parts in a collector that are held, not known by their thread. Runs without `std` in the library as well.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned, Protect};

const LIVE: usize = 64;

struct Counted(Arc<AtomicU64>, u64);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    collector: Collector,
    drops: Arc<AtomicU64>,
    places: Vec<Atomic<Counted>>,
}

impl World {
    fn new(collector: Collector) -> Self {
        let drops = Arc::new(AtomicU64::new(0));
        let maker = collector.register();
        let guard = maker.pin();
        let place = |value| Atomic::new(Owned::new(&guard, Counted(drops.clone(), value)));
        let places = (0..LIVE as u64).map(place).collect();
        drop(guard);
        World { collector, drops, places }
    }

    fn replace(&self, guard: &Guard<'_>, turn: u64) {
        let place = turn % LIVE as u64;
        let new = Owned::new(guard, Counted(self.drops.clone(), place));
        let old = self.places[place as usize].swap(new, Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { old.retire(guard) };
    }

    /// All nodes have been dropped once the collector has gone.
    fn end(self) {
        let guard = self.collector.pin();
        for place in &self.places {
            // SAFETY: unlinked by the take.
            unsafe { place.take(Ordering::AcqRel).retire(&guard) };
        }
        drop(guard);
        let retired = self.collector.stats().retired;
        let World { collector, drops, .. } = self;
        drop(collector);
        assert_eq!(drops.load(Ordering::Relaxed), retired);
    }
}

#[test]
fn a_stalled_participant_is_bounded_and_the_others_go_on() {
    let world = World::new(Collector::builder().batch_len(16).build());
    let stalled = world.collector.register();
    let guard = stalled.pin();
    let seen = guard.insisting(|guard| guard.protect(&world.places[7]));
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut writer = world.collector.register();
            let world = &world;
            scope.spawn(move || {
                for turn in 0..20_000 {
                    world.replace(&writer.pin(), turn);
                    if turn % 5_000 == 0 {
                        // A participant ends and another begins, on the same thread.
                        writer = world.collector.register();
                    }
                }
            });
        }
    });
    let (unreclaimed, bound) =
        (world.collector.stats().unreclaimed, world.collector.bound(LIVE as u64));
    assert!(unreclaimed <= bound, "{unreclaimed} > {bound}");
    // SAFETY: protected by `guard`.
    assert_eq!(unsafe { seen.deref() }.1, 7);
    drop(guard);
    stalled.flush();
    assert_eq!(world.collector.stats().unreclaimed, 0, "what others left is anybody's");
    drop(stalled);
    world.end();
}

#[test]
fn guards_of_one_participant_share_a_reservation_and_those_of_two_do_not() {
    let world = World::new(Collector::builder().lease_ticks(0).batch_len(1).build());
    let [one, two] = [(); 2].map(|()| world.collector.register());
    let outer = one.pin();
    (0..10).for_each(|turn| world.replace(&two.pin(), turn));
    // Born after the pin of `outer`: only a renewal covers it.
    let inner = outer.nested();
    let seen = inner.insisting(|guard| guard.protect(&world.places[3]));
    // SAFETY: protected: by the inner guard, and the outer one's reservation with it.
    let seen: &Counted = unsafe { &*seen.as_ptr() };
    drop(inner);
    (0..200).for_each(|turn| world.replace(&two.pin(), turn));
    two.flush();
    assert_eq!(seen.1, 3, "the outer guard holds what the inner one found");
    assert!(world.collector.stats().unreclaimed > 0);
    assert_eq!(world.collector.stats().pinned, 1);
    // Guards of a participant, and of the thread by itself, have nothing to do with each other.
    let by_itself = world.collector.pin();
    assert_eq!(world.collector.stats().pinned, 2);
    drop(outer);
    assert_eq!(world.collector.stats().pinned, 1);
    drop(by_itself);
    two.flush();
    drop((one, two));
    world.end();
}

#[test]
fn a_forgotten_guard_ends_with_its_participant() {
    let world = World::new(Collector::builder().batch_len(4).build());
    let [careless, writer] = [(); 2].map(|()| world.collector.register());
    std::mem::forget(careless.pin());
    std::mem::forget(careless.pin());
    (0..100).for_each(|turn| world.replace(&writer.pin(), turn));
    writer.flush();
    assert!(world.collector.stats().unreclaimed > 0);
    drop(careless);
    writer.flush();
    assert_eq!((world.collector.stats().unreclaimed, world.collector.stats().pinned), (0, 0));
    drop(writer);
    world.end();
}

#[test]
fn a_participant_goes_from_thread_to_thread() {
    let world = World::new(Collector::builder().batch_len(8).build());
    let mut participant = world.collector.register();
    for round in 0..20 {
        let world = &world;
        participant = thread::scope(|scope| {
            let run = move || {
                let guard = participant.pin();
                (0..50).for_each(|turn| world.replace(&guard, round * 50 + turn));
                drop(guard);
                participant
            };
            scope.spawn(run).join().unwrap()
        });
    }
    participant.flush();
    assert_eq!(world.collector.stats().unreclaimed, 0);
    drop(participant);
    world.end();
}

/// Without `std` this is the slow way: a part for each outermost pin.
#[test]
fn pins_without_a_participant_work_too() {
    let world = World::new(Collector::builder().batch_len(8).build());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for turn in 0..1_000 {
                    let mut guard = world.collector.pin();
                    let value = Protect::complete(&mut guard, |guard| {
                        let seen = guard.protect_root(0, &world.places[turn as usize % LIVE])?;
                        // SAFETY: protected, never null.
                        Ok(unsafe { seen.deref() }.1)
                    });
                    assert_eq!(value, turn % LIVE as u64);
                    let inner = guard.nested();
                    world.replace(&inner, turn);
                    drop(guard);
                    world.replace(&inner, turn + 1);
                }
            });
        }
    });
    world.collector.flush();
    world.end();
}

#[test]
fn what_participants_that_come_and_go_have_retired_does_not_become_more_and_more() {
    let world = World::new(Collector::builder().batch_len(8).build());
    for turn in 0..5_000 {
        let participant = world.collector.register();
        world.replace(&participant.pin(), turn);
    }
    let (unreclaimed, bound) = (world.collector.stats().unreclaimed, world.collector.bound(0));
    assert!(unreclaimed <= bound, "{unreclaimed} > {bound}");
    world.collector.flush();
    world.end();
}

/// Without `std` nothing contains a panic: it passes through `flush`, and leaves the participant as it was.
#[test]
fn a_participant_goes_on_reclaiming_after_a_destructor_has_panicked() {
    let collector = Collector::builder().batch_len(4).build();
    let drops = Arc::new(AtomicU64::new(0));
    let participant = collector.register();
    participant.pin().retire_fn(|| panic!("a destructor's"));
    let _ = catch_unwind(AssertUnwindSafe(|| participant.flush()));
    for _ in 0..20 {
        let counted = drops.clone();
        participant.pin().retire_fn(move || _ = counted.fetch_add(1, Ordering::Relaxed));
    }
    participant.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 20);
}
