//! One suite for every scheme: what is retired is dropped exactly once, at the right time, however threads, guards and destructors end.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use stillpoint_reclaim::{Atomic, Heap, Owned, Protect, Restart, Scheme};

const ALIVE: u64 = 0x5eed_5eed;

/// A value that says when it is dropped, and whose memory tells.
struct Value {
    alive: u64,
    drops: Arc<AtomicU64>,
}

impl Value {
    fn new(drops: &Arc<AtomicU64>) -> Self {
        Value { alive: ALIVE, drops: drops.clone() }
    }
    fn check(&self) {
        assert_eq!(self.alive, ALIVE, "a node was reclaimed under a guard");
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.check();
        self.alive = 0;
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

fn count(drops: &AtomicU64) -> u64 {
    drops.load(Ordering::Relaxed)
}

/// Puts a new value into `cell` and retires the old one.
fn replace<S: Scheme>(cell: &Atomic<Value>, guard: &S::Guard<'_>, drops: &Arc<AtomicU64>) {
    let old = cell.swap(Owned::new(guard, Value::new(drops)), Ordering::AcqRel);
    // SAFETY: unlinked just now, by us alone.
    unsafe { old.retire(guard) };
}

/// Retires a value that nobody ever saw.
fn retire_new<S: Scheme, T>(guard: &S::Guard<'_>, value: T) {
    let cell = Atomic::new(Owned::new(guard, value));
    // SAFETY: nobody else ever saw it.
    unsafe { cell.take(Ordering::AcqRel).retire(guard) };
}

fn empty(mut cell: Atomic<Value>) {
    // SAFETY: ours alone, and not retired.
    drop(unsafe { cell.take_owned::<Heap>() });
}

fn read<G: Protect>(guard: &G, cell: &Atomic<Value>) -> Result<(), Restart> {
    let node = guard.protect_root(0, cell)?;
    // SAFETY: protected by slot 0.
    unsafe { node.deref() }.check();
    Ok(())
}

fn swapped_slots_drop_every_value_once<S: Scheme>(scheme: S) {
    let drops = Arc::new(AtomicU64::new(0));
    let cells: Vec<_> =
        (0..4).map(|_| Atomic::new(Owned::new(&scheme.pin(), Value::new(&drops)))).collect();
    let (threads, rounds) = (4, 5_000);
    thread::scope(|scope| {
        for thread in 0..threads {
            let (scheme, cells, drops) = (&scheme, &cells, &drops);
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut guard = scheme.pin();
                    guard.complete(|guard| read(guard, &cells[(round + thread) % 4]));
                    replace::<S>(&cells[round % 4], &guard, drops);
                }
            });
        }
    });
    drop(scheme);
    assert_eq!(count(&drops), (threads * rounds) as u64);
    cells.into_iter().for_each(empty);
    assert_eq!(count(&drops), (threads * rounds + 4) as u64);
}

struct Node {
    value: Value,
    next: Atomic<Node>,
}

fn push<S: Scheme>(head: &Atomic<Node>, scheme: &S, value: Value) {
    let mut guard = scheme.pin();
    let mut node = Some(Owned::new(&guard, Node { value, next: Atomic::null() }));
    guard.complete(|guard| {
        loop {
            let top = guard.protect_root(0, head)?;
            let new = node.take().expect("given back by every failed attempt");
            new.next.store(top, Ordering::Relaxed);
            match head.compare_exchange_owned(top, new, guard) {
                Ok(_) => return Ok(()),
                Err(refused) => node = Some(refused.new),
            }
        }
    });
}

fn pop<S: Scheme>(head: &Atomic<Node>, scheme: &S) -> bool {
    scheme.pin().complete(|guard| {
        loop {
            let top = guard.protect_root(0, head)?;
            // SAFETY: protected by slot 0.
            let Some(node) = (unsafe { top.as_ref() }) else { return Ok(false) };
            node.value.check();
            let next = node.next.load_unprotected();
            if head.compare_exchange_unprotected(top, next).is_ok() {
                // SAFETY: unlinked just now, by us alone.
                unsafe { top.retire(guard) };
                return Ok(true);
            }
        }
    })
}

fn a_stack_drops_every_node_once<S: Scheme>(scheme: S) {
    let drops = Arc::new(AtomicU64::new(0));
    let head = Atomic::null();
    let (threads, rounds) = (4u64, 5_000u64);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (scheme, head, drops) = (&scheme, &head, &drops);
            scope.spawn(move || {
                for _ in 0..rounds {
                    push(head, scheme, Value::new(drops));
                    pop(head, scheme);
                }
            });
        }
    });
    while pop(&head, &scheme) {}
    drop(scheme);
    assert_eq!(count(&drops), threads * rounds);
}

fn nested_guards_protect_on_their_own<S: Scheme>(scheme: S) {
    let drops = Arc::new(AtomicU64::new(0));
    let cell = Atomic::new(Owned::new(&scheme.pin(), Value::new(&drops)));
    let outer = scheme.pin();
    let (first, second) = (scheme.pin(), scheme.pin());
    let Ok(held) = second.protect_root(0, &cell) else { panic!("nobody writes") };
    let work = || {
        let guard = scheme.pin();
        for _ in 0..3_000 {
            replace::<S>(&cell, &guard, &drops);
            read(&guard, &cell).expect("nobody else writes");
        }
        drop(guard);
        scheme.flush();
    };
    thread::scope(|scope| scope.spawn(work).join()).expect("no panic");
    // SAFETY: protected by slot 0 of `second`.
    unsafe { held.deref() }.check();
    // Not in the order of their making; the next one must not take over what `second` uses.
    drop(outer);
    drop(first);
    let third = scheme.pin();
    read(&third, &cell).expect("nobody writes");
    work();
    // SAFETY: as above.
    unsafe { held.deref() }.check();
    drop(third);
    drop(second);
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), count(&drops)), (0, 6_000));
    empty(cell);
}

fn what_an_exited_thread_left_is_adopted<S: Scheme>(scheme: S) {
    let drops = Arc::new(AtomicU64::new(0));
    for _ in 0..20 {
        let (scheme, drops) = (scheme.clone(), drops.clone());
        let exits = thread::spawn(move || {
            for _ in 0..50 {
                retire_new::<S, _>(&scheme.pin(), Value::new(&drops));
            }
        });
        exits.join().expect("the thread ends well");
    }
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), count(&drops)), (0, 1_000));
}

/// Pins, reads and retires in the destructor of a thread-local that may run after the thread gave back its number.
struct Late<S: Scheme>(S, Arc<AtomicU64>, mpsc::Sender<()>);

impl<S: Scheme> Drop for Late<S> {
    fn drop(&mut self) {
        let Late(scheme, drops, told) = self;
        let cell = Atomic::new(Owned::new(&scheme.pin(), Value::new(drops)));
        let guard = scheme.pin();
        let inner = scheme.pin();
        retire_new::<S, _>(&inner, Value::new(drops));
        drop(inner);
        read(&guard, &cell).expect("nobody writes");
        // SAFETY: unlinked by the take.
        unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
        told.send(()).expect("the test waits for it");
    }
}

fn a_thread_past_its_exit_pins_and_retires<S: Scheme>(scheme: S) {
    thread_local! {
        static LATE: RefCell<Option<Box<dyn std::any::Any>>> = const { RefCell::new(None) };
    }
    let drops = Arc::new(AtomicU64::new(0));
    for first_pin_early in [true, false] {
        let (told, tells) = mpsc::channel();
        let late = Late(scheme.clone(), drops.clone(), told);
        let exits = thread::spawn(move || {
            if first_pin_early {
                drop(late.0.pin());
            }
            let scheme = late.0.clone();
            LATE.with(|slot| *slot.borrow_mut() = Some(Box::new(late)));
            drop(scheme.pin());
        });
        assert_eq!(tells.recv(), Ok(()));
        exits.join().expect("the thread ends well");
    }
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), count(&drops)), (0, 4));
}

fn a_destructor_may_panic<S: Scheme>(scheme: S) {
    struct Panics(Value);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.check();
            std::panic::resume_unwind(Box::new(()));
        }
    }
    let drops = Arc::new(AtomicU64::new(0));
    for at in 0..3_000 {
        let guard = scheme.pin();
        if at % 3 == 0 {
            retire_new::<S, _>(&guard, Panics(Value::new(&drops)));
        } else {
            retire_new::<S, _>(&guard, Value::new(&drops));
        }
    }
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), count(&drops)), (0, 3_000));
    retire_new::<S, _>(&scheme.pin(), Panics(Value::new(&drops)));
    drop(scheme);
    assert_eq!(count(&drops), 3_001, "also when the collector goes");
}

/// Each destructor retires the next of a chain. (It borrows the scheme: one that owned it would keep it.)
struct Chain<S: Scheme> {
    rest: u64,
    scheme: S,
    value: Value,
}

impl<S: Scheme> Drop for Chain<S> {
    fn drop(&mut self) {
        self.value.check();
        if self.rest > 0 {
            let (scheme, value) = (self.scheme.clone(), Value::new(&self.value.drops));
            let next = Chain { rest: self.rest - 1, scheme, value };
            retire_new::<S, _>(&self.scheme.pin(), next);
        }
    }
}

fn a_destructor_may_pin_and_retire<S: Scheme>(scheme: S) {
    let drops = Arc::new(AtomicU64::new(0));
    let value = Value::new(&drops);
    retire_new::<S, _>(&scheme.pin(), Chain { rest: 300, scheme: scheme.clone(), value });
    scheme.flush();
    assert_eq!((scheme.unreclaimed(), count(&drops)), (0, 301), "a flush goes on to the end");
}

/// The end of a scope does not wait for its threads' thread-locals: they leave their bags while the last handle goes.
fn the_last_handle_reclaims_all_though_threads_are_just_exiting<S: Scheme>(new: fn() -> S) {
    for round in 0..100 {
        let drops = Arc::new(AtomicU64::new(0));
        let scheme = new();
        thread::scope(|scope| {
            for thread in 0..3 {
                let (scheme, drops) = (&scheme, &drops);
                scope.spawn(move || {
                    for _ in 0..(round * 7 + thread) % 40 {
                        retire_new::<S, _>(&scheme.pin(), Value::new(drops));
                    }
                });
            }
        });
        drop(scheme);
        let retired = (0..3).map(|thread| (round * 7 + thread) % 40).sum::<u64>();
        assert_eq!(count(&drops), retired, "round {round}");
    }
}

/// A guard stalls, holding a node, while others retire: the most that was unreclaimed.
fn peak_behind_a_stalled_guard<S: Scheme>(scheme: &S, retirements: u64) -> u64 {
    let drops = Arc::new(AtomicU64::new(0));
    let cells: Vec<_> =
        (0..2).map(|_| Atomic::new(Owned::new(&scheme.pin(), Value::new(&drops)))).collect();
    let (stalled, done) = (Barrier::new(2), Barrier::new(2));
    let mut peak = 0;
    thread::scope(|scope| {
        let stalls = scope.spawn(|| {
            let guard = scheme.pin();
            let Ok(held) = guard.protect_root(0, &cells[0]) else { panic!("nobody writes") };
            stalled.wait();
            done.wait();
            // SAFETY: protected by slot 0.
            unsafe { held.deref() }.check();
        });
        stalled.wait();
        let (cells, drops) = (&cells, &drops);
        for _ in 0..8 {
            thread::scope(|scope| {
                let retirers = cells.iter().map(|cell| {
                    scope.spawn(move || {
                        for _ in 0..retirements / 16 {
                            replace::<S>(cell, &scheme.pin(), drops);
                        }
                    })
                });
                // Joined: the end of the scope would not wait for what they leave.
                let retirers: Vec<_> = retirers.collect();
                retirers.into_iter().for_each(|retirer| retirer.join().expect("no panic"));
            });
            peak = peak.max(scheme.unreclaimed());
        }
        done.wait();
        stalls.join().expect("no panic");
    });
    scheme.flush();
    assert_eq!(scheme.unreclaimed(), 0, "when the guard has gone, so has all that it held");
    cells.into_iter().for_each(empty);
    peak
}

fn foreign_guards_are_told_apart<S: Scheme>(scheme: S, other: S) {
    assert!(scheme.owns(&scheme.pin()) && scheme.owns(&scheme.clone().pin()));
    assert!(!scheme.owns(&other.pin()));
}

macro_rules! suite {
    ($name:ident, $new:expr) => {
        mod $name {
            macro_rules! case {
                ($case:ident) => {
                    #[test]
                    fn $case() {
                        super::$case($new());
                    }
                };
            }
            case!(swapped_slots_drop_every_value_once);
            case!(a_stack_drops_every_node_once);
            case!(nested_guards_protect_on_their_own);
            case!(what_an_exited_thread_left_is_adopted);
            case!(a_thread_past_its_exit_pins_and_retires);
            case!(a_destructor_may_panic);
            case!(a_destructor_may_pin_and_retire);

            #[test]
            fn the_last_handle_reclaims_all_though_threads_are_just_exiting() {
                super::the_last_handle_reclaims_all_though_threads_are_just_exiting(|| $new());
            }

            #[test]
            fn foreign_guards_are_told_apart() {
                super::foreign_guards_are_told_apart($new(), $new());
            }
        }
    };
}

/// As on a host without `membarrier`.
fn strict() -> stillpoint_reclaim::Collector {
    stillpoint_reclaim::Collector::builder().strict(true).build()
}

suite!(leased, stillpoint_reclaim::Collector::new);
suite!(leased_strict, super::strict);
suite!(hp, stillpoint_reclaim::hp::Hazard::new);
suite!(hp_strict, stillpoint_reclaim::hp::Hazard::strict);
suite!(rc, stillpoint_reclaim::rc::Rc::new);
suite!(ebr, stillpoint_reclaim::ebr::Ebr::new);
suite!(rcu, stillpoint_reclaim::rcu::Rcu::new);

#[test]
fn behind_a_stalled_guard_leased_stays_within_its_bound() {
    let scheme = stillpoint_reclaim::Collector::new();
    let peak = peak_behind_a_stalled_guard(&scheme, 1_000_000);
    assert!(peak <= scheme.bound(2), "{peak} unreclaimed, {} allowed", scheme.bound(2));
}

#[test]
fn behind_a_stalled_guard_hazard_pointers_stay_within_their_bound() {
    let scheme = stillpoint_reclaim::hp::Hazard::with_threshold(64);
    let peak = peak_behind_a_stalled_guard(&scheme, 1_000_000);
    assert!(peak <= scheme.bound(), "{peak} unreclaimed, {} allowed", scheme.bound());
    assert!(scheme.bound() <= 1_000, "three writers or so: {}", scheme.bound());
}

/// Were this to fail, the tests of the bounded schemes would prove nothing.
#[test]
fn behind_a_stalled_guard_ebr_grows_without_limit() {
    let peak = peak_behind_a_stalled_guard(&stillpoint_reclaim::ebr::Ebr::new(), 200_000);
    assert!(peak >= 200_000, "only {peak} unreclaimed");
}
