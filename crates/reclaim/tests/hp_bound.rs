//! Hazard pointers hold back what is in their slots, and the formula's rest: with many guards, all slots in use, and threads that come and go.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::Ordering;
use std::thread;
use stillpoint_reclaim::hp::{Guard, Hazard};
use stillpoint_reclaim::{Atomic, Heap, Owned, Protect, Scheme};

const GUARDS: usize = 20;
const SLOTS: usize = Hazard::SLOTS;

fn replace(cell: &Atomic<usize>, value: usize, guard: &Guard<'_>) {
    let old = cell.swap(Owned::new(guard, value), Ordering::AcqRel);
    // SAFETY: unlinked just now, by us alone.
    unsafe { old.retire(guard) };
}

#[test]
fn full_slots_keep_their_nodes_and_no_more_than_the_bound() {
    let scheme = Hazard::with_threshold(1);
    let new = |value| Atomic::new(Owned::new(&scheme.pin(), value));
    let mut cells: Vec<_> = (0..GUARDS * SLOTS).map(new).collect();
    let guards: Vec<_> = (0..GUARDS).map(|_| scheme.pin()).collect();
    let held: Vec<_> = (0..GUARDS * SLOTS)
        .map(|at| guards[at / SLOTS].protect_root(at % SLOTS, &cells[at]).expect("nobody writes"))
        .collect();
    let mut peak = 0;
    for _ in 0..10 {
        let retire = || {
            for round in 0..5_000 {
                replace(&cells[round % cells.len()], usize::MAX, &scheme.pin());
            }
        };
        thread::scope(|scope| {
            let retirers: Vec<_> = (0..3).map(|_| scope.spawn(retire)).collect();
            retirers.into_iter().for_each(|retirer| retirer.join().expect("no panic"));
        });
        peak = peak.max(scheme.unreclaimed());
        assert!(peak <= scheme.bound(), "{peak} unreclaimed, {} allowed", scheme.bound());
    }
    for (at, node) in held.iter().enumerate() {
        // SAFETY: each in a slot of its own.
        assert_eq!(unsafe { *node.deref() }, at, "reclaimed while it was in a slot");
    }
    scheme.flush();
    assert_eq!(scheme.unreclaimed(), (GUARDS * SLOTS) as u64, "what is in slots, and nothing else");
    drop(guards);
    scheme.flush();
    assert_eq!(scheme.unreclaimed(), 0);
    for cell in &mut cells {
        // SAFETY: ours alone, not retired.
        drop(unsafe { cell.take_owned::<Heap>() });
    }
}

/// A thread a request, which retires a little and exits before it ever scans.
#[test]
fn short_lived_threads_do_not_pile_up_garbage() {
    let scheme = Hazard::with_threshold(64);
    let mut cell = Atomic::new(Owned::new(&scheme.pin(), 0));
    let mut peak = 0;
    for _ in 0..500 {
        let request = || (0..10).for_each(|value| replace(&cell, value, &scheme.pin()));
        thread::scope(|scope| scope.spawn(request).join()).expect("no panic");
        peak = peak.max(scheme.unreclaimed());
    }
    assert!(peak <= scheme.bound(), "{peak} unreclaimed, {} allowed", scheme.bound());
    // SAFETY: ours alone, not retired.
    drop(unsafe { cell.take_owned::<Heap>() });
}
