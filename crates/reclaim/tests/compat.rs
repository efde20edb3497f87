//! crossbeam-epoch's names: code written for it, with the imports changed, does what it did.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::thread;
use stillpoint_reclaim::compat::{self as epoch, Atomic, Collector, Owned, Shared};

struct Counted(Arc<AtomicUsize>, usize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn tags_come_and_go_and_are_cut_to_size() {
    let collector = Collector::new();
    let guard = &collector.pin();
    let cell = Atomic::new(7u32);
    assert_eq!(cell.fetch_or(1, SeqCst, guard).tag(), 0);
    assert_eq!(cell.fetch_xor(3, AcqRel, guard).tag(), 1);
    assert_eq!(cell.fetch_and(2, Release, guard).tag(), 2);
    let held = cell.load(Acquire, guard);
    assert_eq!((held.tag(), held.with_tag(7).tag(), held.with_tag(0).tag()), (2, 3, 0));
    assert_eq!(held.as_raw(), held.with_tag(1).as_raw());
    // SAFETY: not null, loaded under the guard.
    assert_eq!(unsafe { *held.with_tag(1).deref() }, 7);
    let null: Shared<'_, u32> = Shared::null().with_tag(1);
    assert!(null.is_null() && null.tag() == 1);
    // SAFETY: ours alone.
    let owned = unsafe { cell.into_owned() };
    assert_eq!((owned.tag(), *owned), (2, 7));
    assert_eq!(*owned.with_tag(1).into_box(), 7);
}

#[test]
fn a_failed_exchange_gives_both_back() {
    let collector = Collector::new();
    let guard = &collector.pin();
    let cell = Atomic::new(String::from("held"));
    let error = cell
        .compare_exchange(Shared::null(), Owned::new("new".into()), AcqRel, Acquire, guard)
        .unwrap_err();
    // SAFETY: protected by the guard.
    assert_eq!((unsafe { error.current.deref() }.as_str(), error.new.as_str()), ("held", "new"));
    let stored = cell
        .compare_exchange_weak(error.current, error.new, AcqRel, Acquire, guard)
        .expect("nobody else is there");
    // SAFETY: stored just now; as above.
    assert_eq!(unsafe { stored.deref() }, "new");
    // SAFETY: unlinked just now.
    unsafe { guard.defer_destroy(error.current) };
    assert!(cell.fetch_update(AcqRel, Acquire, guard, |_| None).is_err());
    // SAFETY: ours alone.
    assert_eq!(unsafe { cell.try_into_owned() }.as_deref(), Some(&"new".to_owned()));
}

#[test]
fn what_is_deferred_happens_once_after_the_guards_have_gone() {
    let drops = Arc::new(AtomicUsize::new(0));
    let collector = Collector::new();
    let reader = collector.pin();
    {
        let mut guard = collector.pin();
        let node = Owned::new(Counted(drops.clone(), 0)).into_shared(&guard);
        // SAFETY: never published.
        unsafe { guard.defer_destroy(node) };
        let (counted, borrowed) = (drops.clone(), &drops);
        guard.defer(move || counted.fetch_add(10, Relaxed));
        // SAFETY: `drops` outlives the collector.
        unsafe { guard.defer_unchecked(move || borrowed.fetch_add(100, Relaxed)) };
        guard.repin();
        guard.flush();
        assert!(guard.is_from(&collector));
    }
    assert_eq!(drops.load(Relaxed), 0, "a guard from before is still there");
    drop(reader);
    collector.pin().flush();
    assert_eq!(drops.load(Relaxed), 111, "a guard that came later holds nothing back");
    // SAFETY: ours alone.
    let guard = unsafe { epoch::unprotected() };
    let node = Owned::new(Counted(drops.clone(), 0)).into_shared(guard);
    // SAFETY: never published.
    unsafe { guard.defer_destroy(node) };
    assert_eq!(drops.load(Relaxed), 112, "at once");
}

/// A reader that never unpins while a hundred leases' worth of nodes is retired: plain epochs protect what it has seen.
#[test]
fn no_load_expires() {
    let drops = Arc::new(AtomicUsize::new(0));
    let collector = Collector::new();
    let cell = Atomic::new(Counted(drops.clone(), 0));
    let guard = collector.pin();
    let first = cell.load(Acquire, &guard);
    let replace = |value| {
        let guard = collector.pin();
        let old = cell.swap(Owned::new(Counted(drops.clone(), value)), AcqRel, &guard);
        // SAFETY: unlinked by the swap.
        unsafe { guard.defer_destroy(old) };
    };
    thread::scope(|scope| scope.spawn(|| (1..200_000).for_each(replace)).join().unwrap());
    assert_eq!(drops.load(Relaxed), 0);
    // SAFETY: protected since the beginning.
    assert_eq!(unsafe { first.deref() }.1, 0);
    // SAFETY: as above; loaded long after the lease of the pin.
    assert_eq!(unsafe { cell.load(Acquire, &guard).deref() }.1, 199_999);
    drop(guard);
    // SAFETY: ours alone.
    drop(unsafe { cell.into_owned() });
    drop(collector);
    assert_eq!(drops.load(Relaxed), 200_000);
}

#[test]
fn readers_under_guards_never_see_a_dropped_value() {
    let drops = Arc::new(AtomicUsize::new(0));
    let collector = Collector::new();
    let cells: Vec<Atomic<Counted>> =
        (0..16).map(|n| Atomic::new(Counted(drops.clone(), n))).collect();
    let rounds = 20_000;
    thread::scope(|scope| {
        for thread in 0..2 {
            let (collector, cells, drops) = (&collector, &cells, &drops);
            scope.spawn(move || {
                for round in 0..rounds {
                    let guard = collector.pin();
                    let new = Owned::new(Counted(drops.clone(), (round + thread) % 16));
                    let old = cells[(round + thread) % 16].swap(new, AcqRel, &guard);
                    // SAFETY: unlinked by the swap.
                    unsafe { guard.defer_destroy(old) };
                }
            });
            scope.spawn(move || {
                for round in 0..rounds {
                    let guard = collector.pin();
                    let seen = cells[round % 16].load(Acquire, &guard);
                    // SAFETY: loaded under the guard, never null.
                    assert_eq!(unsafe { seen.deref() }.1, round % 16);
                }
            });
        }
    });
    // SAFETY: ours alone.
    cells.into_iter().for_each(|cell| drop(unsafe { cell.into_owned() }));
    drop(collector);
    assert_eq!(drops.load(Relaxed), 2 * rounds + 16);
}
