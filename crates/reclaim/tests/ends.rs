//! Ends: of threads, of guards in thread-locals, of destructors that panic or retire, of leases, of the collector.
#![cfg(not(stillpoint_loom))]

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use stillpoint_primitive::thread_slot;
use stillpoint_reclaim::{Atomic, Collector, Expired, Guard, Owned};

struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn retire_new(guard: &Guard<'_>, drops: &Arc<AtomicU64>) {
    let node = Box::into_raw(Box::new(Counted(drops.clone())));
    // SAFETY: never published.
    unsafe { guard.retire_box(node, guard.birth()) };
}

fn small() -> Collector {
    Collector::builder().batch_len(8).build()
}

/// The end of a scope does not wait for its threads' thread-locals, so threads post their bags while the last handle goes.
#[test]
fn the_last_handle_reclaims_everything_though_threads_are_just_exiting() {
    for round in 0..500 {
        let drops = Arc::new(AtomicU64::new(0));
        let collector = small();
        thread::scope(|scope| {
            for thread in 0..3 {
                let (collector, drops) = (&collector, &drops);
                scope.spawn(move || {
                    for _ in 0..(round * 7 + thread) % 40 {
                        retire_new(&collector.pin(), drops);
                    }
                });
            }
        });
        let retired = collector.stats().retired;
        drop(collector);
        assert_eq!(drops.load(Ordering::Relaxed), retired, "round {round}");
    }
}

/// Who hands over what it has retired, and retires nothing after it: a flush by another thread gets at it.
#[test]
fn what_is_handed_over_goes_without_its_thread() {
    let collector = Collector::new();
    let drops = Arc::new(AtomicU64::new(0));
    let both = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = collector.pin();
            (0..5).for_each(|_| retire_new(&guard, &drops));
            guard.hand_over();
            drop(guard);
            both.wait();
            both.wait();
        });
        both.wait();
        collector.flush();
        let dropped = drops.load(Ordering::Relaxed);
        both.wait();
        assert_eq!(dropped, 5);
    });
}

/// Large nodes do not wait for hundreds of their kind.
#[test]
fn large_nodes_fill_a_bag_of_their_own() {
    struct Large {
        _bytes: [u8; 300 << 10],
    }
    let collector = Collector::new();
    for round in 0..100 {
        let guard = collector.pin();
        let node = Box::into_raw(Box::new(Large { _bytes: [0; 300 << 10] }));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
        drop(guard);
        assert!(collector.stats().unreclaimed <= 16, "round {round}");
    }
}

/// Nor do nodes of a few kilobytes: a bag is full by its bytes, too.
#[test]
fn nodes_of_kilobytes_hold_back_no_more_than_large_ones() {
    let collector = Collector::new();
    let mut most = 0;
    for _ in 0..4_000 {
        let guard = collector.pin();
        let node = Box::into_raw(Box::new([0u8; 4 << 10]));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
        drop(guard);
        most = most.max(collector.stats().unreclaimed_bytes);
    }
    assert!(most <= 1 << 20, "{most} bytes; 256 nodes a bag would be a megabyte each");
}

/// Who reclaims is told of a node some nodes ahead, so that memory can be asked for; of each once, and never of one that is gone.
#[test]
fn nodes_are_announced_before_they_are_reclaimed() {
    thread_local! {
        static LOG: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
    }
    struct Logged(#[expect(dead_code, reason = "a node has an address of its own")] u64);
    impl Drop for Logged {
        fn drop(&mut self) {
            LOG.with_borrow_mut(|log| log.push((std::ptr::from_ref(self).addr(), true)));
        }
    }
    let collector = Collector::builder()
        .ask_ahead(|node| LOG.with_borrow_mut(|log| log.push((node.addr(), false))))
        .build();
    for n in 0..5_000 {
        let guard = collector.pin();
        let node = Box::into_raw(Box::new(Logged(n)));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
    }
    collector.flush();
    let (mut announced, mut asked, mut gone) = (HashSet::new(), 0, 0);
    for (node, is_end) in LOG.take() {
        if is_end {
            gone += 1;
            announced.remove(&node);
        } else {
            asked += 1;
            assert!(announced.insert(node), "announced twice before its end");
        }
    }
    assert!(announced.is_empty(), "announced and not reclaimed: {}", announced.len());
    assert_eq!(gone, 5_000);
    assert!(asked > 4_500, "{asked} of 5,000 were announced");
}

#[test]
fn nodes_may_refer_to_what_outlives_only_the_collector() {
    for _ in 0..200 {
        let sum = AtomicU64::new(0);
        struct Adds<'a>(&'a AtomicU64);
        impl Drop for Adds<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let collector = small();
        thread::scope(|scope| {
            for _ in 0..2 {
                let (collector, sum) = (&collector, &sum);
                scope.spawn(move || {
                    let guard = collector.pin();
                    for _ in 0..20 {
                        let node = Box::into_raw(Box::new(Adds(sum)));
                        // SAFETY: never published; `sum` outlives the collector.
                        unsafe { guard.retire_box(node, guard.birth()) };
                    }
                });
            }
        });
        drop(collector);
        assert_eq!(sum.load(Ordering::Relaxed), 40);
    }
}

/// Pins, retires and reads in the destructor of a thread-local, before or after the thread has given back its number.
struct Late {
    collector: Collector,
    drops: Arc<AtomicU64>,
    told: mpsc::Sender<(u64, bool)>,
}

impl Drop for Late {
    fn drop(&mut self) {
        let cell = {
            let guard = self.collector.pin();
            Atomic::new(Owned::new(&guard, 5u64))
        };
        let guard = self.collector.pin_named("late");
        let inner = self.collector.pin();
        retire_new(&inner, &self.drops);
        drop(inner);
        let seen = guard.insisting(|guard| guard.protect(&cell));
        // SAFETY: protected.
        let seen = unsafe { *seen.deref() };
        // SAFETY: unlinked by the take.
        unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
        let numbered = thread_slot::current().is_some();
        self.told.send((seen, numbered)).expect("the test waits for it");
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

#[test]
fn a_thread_past_its_exit_pins_and_retires() {
    let collector = small();
    let drops = Arc::new(AtomicU64::new(0));
    let mut met = HashSet::new();
    for first_pin_early in [true, false] {
        let (told, tells) = mpsc::channel();
        let late = Late { collector: collector.clone(), drops: drops.clone(), told };
        let exits = thread::spawn(move || {
            // Thread-locals go in the reverse order of their first use on some systems, in that order on others: try both.
            if first_pin_early {
                drop(late.collector.pin());
            }
            let collector = late.collector.clone();
            LATE.with(|slot| *slot.borrow_mut() = Some(late));
            drop(collector.pin());
        });
        let (seen, numbered) = tells.recv().expect("told by the destructor");
        assert_eq!(seen, 5);
        met.insert(numbered);
        exits.join().expect("the thread ends well");
    }
    assert_eq!(met.len(), 2, "both before and after the thread's number went");
    collector.flush();
    assert_eq!(collector.stats().unreclaimed, 0, "what was retired past the exit is not lost");
    assert_eq!(collector.stats().pinned, 0, "and nothing stays pinned");
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn a_guard_that_outlives_its_thread_number_still_protects() {
    thread_local! {
        static KEPT: RefCell<Option<Guard<'static>>> = const { RefCell::new(None) };
    }
    static COLLECTOR: LazyLock<Collector> = LazyLock::new(small);
    let collector = &*COLLECTOR;
    thread::spawn(|| KEPT.with(|kept| *kept.borrow_mut() = Some(collector.pin_named("kept"))))
        .join()
        .unwrap();
    let drops = Arc::new(AtomicU64::new(0));
    for _ in 0..100 {
        retire_new(&collector.pin(), &drops);
    }
    collector.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 100, "its end, late as it was, let go of everything");
}

#[test]
fn a_destructor_that_panics_takes_nothing_else_down() {
    struct Panics(Arc<AtomicU64>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::panic::resume_unwind(Box::new(()));
        }
    }
    let drops = Arc::new(AtomicU64::new(0));
    let collector = small();
    for at in 0..100 {
        let guard = collector.pin();
        if at % 3 == 0 {
            let node = Box::into_raw(Box::new(Panics(drops.clone())));
            // SAFETY: never published.
            unsafe { guard.retire_box(node, guard.birth()) };
        } else {
            retire_new(&guard, &drops);
        }
    }
    collector.flush();
    assert_eq!((drops.load(Ordering::Relaxed), collector.stats().unreclaimed), (100, 0));
    let node = Box::into_raw(Box::new(Panics(drops.clone())));
    // SAFETY: never published.
    unsafe { collector.pin().retire_box(node, collector.birth()) };
    drop(collector);
    assert_eq!(drops.load(Ordering::Relaxed), 101, "also when the collector goes");
}

#[test]
fn a_destructor_may_pin_and_retire() {
    struct Chain(Option<Box<Chain>>, Collector, Arc<AtomicU64>);
    impl Drop for Chain {
        fn drop(&mut self) {
            self.2.fetch_add(1, Ordering::Relaxed);
            if let Some(rest) = self.0.take() {
                let guard = self.1.pin();
                // SAFETY: only this node led to it.
                unsafe { guard.retire_box(Box::into_raw(rest), guard.birth()) };
            }
        }
    }
    let drops = Arc::new(AtomicU64::new(0));
    let collector = small();
    let chain = (0..100)
        .fold(None, |rest, _| Some(Box::new(Chain(rest, collector.clone(), drops.clone()))));
    {
        let guard = collector.pin();
        let chain = Box::into_raw(chain.expect("not empty"));
        // SAFETY: never published.
        unsafe { guard.retire_box(chain, guard.birth()) };
    }
    collector.flush();
    assert_eq!(drops.load(Ordering::Relaxed), 100, "a flush goes on until nothing is left");
    assert_eq!(collector.stats().unreclaimed, 0);
}

/// A reader that goes on loading under one guard, and never unpins: without a cap it would hold back all that it may have met.
#[test]
fn a_slow_reader_is_bounded_by_the_cap_and_repins() {
    let cap = 16;
    let collector = Collector::builder().batch_len(32).max_lease_ticks(Some(cap)).build();
    let drops = Arc::new(AtomicU64::new(0));
    let cell = Atomic::new(Owned::new(&collector.pin(), Counted(drops.clone())));
    let mut reader = collector.pin();
    let (mut peak, mut expired) = (0, 0u64);
    for _ in 0..50 {
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let guard = collector.pin();
                    let new = Owned::new(&guard, Counted(drops.clone()));
                    // SAFETY: unlinked by the swap.
                    unsafe { cell.swap(new, Ordering::AcqRel).retire(&guard) };
                }
            });
        });
        peak = peak.max(collector.stats().unreclaimed);
        match reader.protect(&cell).map(|_| ()) {
            Ok(()) => {}
            Err(Expired) => {
                expired += 1;
                assert!(reader.repin(), "the only guard of its thread");
                assert!(reader.protect(&cell).is_ok(), "a fresh lease");
            }
        }
        let (span, _) = reader.span();
        assert!(span <= cap, "a lease of {span} ticks");
    }
    assert!(expired > 0, "the cap was met");
    let bound = collector.bound_for_span(1, cap);
    assert!(peak <= bound, "{peak} unreclaimed, {bound} allowed");
    drop(reader);
    // SAFETY: unlinked by the take.
    unsafe { cell.take(Ordering::AcqRel).retire(&collector.pin()) };
    let retired = collector.stats().retired;
    drop(collector);
    assert_eq!(drops.load(Ordering::Relaxed), retired);
}

/// A node's maker need not have pinned: its births count all the same, or the bound would not hold.
#[test]
fn births_of_a_thread_that_never_pinned_move_the_epoch_on() {
    let collector = small();
    thread::scope(|scope| {
        scope.spawn(|| {
            let before = collector.birth();
            (0..80).for_each(|_| _ = collector.birth());
            assert_eq!(collector.birth().get(), before.get() + 10);
        });
    });
}

#[test]
fn any_batch_len_will_do() {
    for len in [0, usize::MAX] {
        let collector = Collector::builder().batch_len(len).build();
        let guard = collector.pin();
        guard.retire_fn(|| {});
        drop(guard);
        collector.flush();
        assert_eq!(collector.stats().unreclaimed, 0);
    }
}
