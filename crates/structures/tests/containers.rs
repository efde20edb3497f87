//! Stack and queues on every scheme: against `std`'s collections, under stress with counted values, and as recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::rc::Rc;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Collector, Protect, Scheme};
use stillpoint_structures::{Queue, SegmentQueue, Stack};
use stillpoint_testkit::linearizability::{self, PoolEvent, Recorder, assert_linearizable};
use stillpoint_testkit::{Counted, DropCounter, Random};

/// What the tests ask of a container, so that each test is written once.
trait Container<T, S: Scheme>: Send + Sync {
    const FIFO: bool;
    fn with_scheme(scheme: S) -> Self;
    fn push(&self, value: T);
    fn pop(&self) -> Option<T>;
    fn pop_under_one_guard(&self, times: usize) -> Vec<T>;
    fn is_empty(&self) -> bool;
    fn scheme(&self) -> &S;
}

macro_rules! container {
    ($name:ident, $fifo:expr) => {
        impl<T: Send, S: Scheme> Container<T, S> for $name<T, S> {
            const FIFO: bool = $fifo;
            fn with_scheme(scheme: S) -> Self {
                $name::with_scheme(scheme)
            }
            fn push(&self, value: T) {
                $name::push(self, value);
            }
            fn pop(&self) -> Option<T> {
                $name::pop(self)
            }
            fn pop_under_one_guard(&self, times: usize) -> Vec<T> {
                let mut guard = self.pin();
                let pop = |_| {
                    if let Ok(popped) = self.pop_with(&guard) {
                        return popped;
                    }
                    // Past the longest lease.
                    guard.repin();
                    self.pop_with(&guard).ok().flatten()
                };
                (0..times).map_while(pop).collect()
            }
            fn is_empty(&self) -> bool {
                $name::is_empty(self)
            }
            fn scheme(&self) -> &S {
                $name::scheme(self)
            }
        }
    };
}

container!(Stack, false);
container!(Queue, true);
container!(SegmentQueue, true);

fn agrees_with_std<S: Scheme, C: Container<Counted<u64>, S>>(scheme: S) {
    let (counter, mut random) = (DropCounter::new(), Random::new(7));
    let container = C::with_scheme(scheme);
    let mut model = VecDeque::new();
    for i in 0..20_000 {
        match random.below(5) {
            0..=2 if i % 4096 < 2048 => {
                container.push(counter.make(i));
                model.push_back(i);
            }
            4 => {
                let popped: Vec<u64> =
                    container.pop_under_one_guard(3).iter().map(|value| **value).collect();
                let expected: Vec<u64> = (0..3).map_while(|_| next::<S, C>(&mut model)).collect();
                assert_eq!(popped, expected);
            }
            _ => assert_eq!(container.pop().map(|value| *value), next::<S, C>(&mut model)),
        }
        assert_eq!(container.is_empty(), model.is_empty());
        assert_eq!(counter.live(), model.len() as u64);
    }
    container.push(counter.make(0));
    drop(container);
    counter.assert_none_left();
}

fn next<S: Scheme, C: Container<Counted<u64>, S>>(model: &mut VecDeque<u64>) -> Option<u64> {
    if C::FIFO { model.pop_front() } else { model.pop_back() }
}

/// Every value comes out once; on a FIFO container the values of one pusher come out in order for each popper.
fn stress<S: Scheme, C: Container<Counted<(u64, u64)>, S>>(scheme: S) {
    const THREADS: u64 = 4;
    const EACH: u64 = 10_000;
    let (counter, sum) = (DropCounter::new(), AtomicU64::new(0));
    let container = C::with_scheme(scheme);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (container, counter, sum) = (&container, &counter, &sum);
            scope.spawn(move || {
                let mut last = [0; THREADS as usize];
                for i in 1..=EACH {
                    container.push(counter.make((thread, i)));
                    if i % 8 == 0 {
                        for value in container.pop_under_one_guard(7) {
                            see::<S, C>(&value, &mut last, sum);
                        }
                    }
                }
            });
        }
    });
    let mut last = [0; THREADS as usize];
    while let Some(value) = container.pop() {
        see::<S, C>(&value, &mut last, &sum);
    }
    assert_eq!(sum.load(Ordering::SeqCst), THREADS * EACH * (EACH + 1) / 2);
    counter.assert_balanced(THREADS * EACH);
}

fn see<S: Scheme, C: Container<Counted<(u64, u64)>, S>>(
    value: &(u64, u64),
    last: &mut [u64],
    sum: &AtomicU64,
) {
    sum.fetch_add(value.1, Ordering::SeqCst);
    let last = &mut last[value.0 as usize];
    assert!(!C::FIFO || *last < value.1, "values of one thread overtake each other");
    *last = value.1;
}

fn histories<S: Scheme, C: Container<u64, S>>(scheme: impl Fn() -> S) {
    for round in 0..40 {
        let container = C::with_scheme(scheme());
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, container) = (recorder.log(), &container);
                scope.spawn(move || {
                    let mut random = Random::new(round * 8 + thread);
                    for i in 0..60 {
                        let value = thread * 1000 + i;
                        if random.below(2) == 0 {
                            log.call(|| {
                                container.push(value);
                                PoolEvent::Push(value)
                            });
                        } else {
                            log.call(|| PoolEvent::Pop(container.pop()));
                        }
                    }
                });
            }
        });
        if C::FIFO {
            assert_linearizable(&linearizability::Queue::default(), recorder);
        } else {
            assert_linearizable(&linearizability::Stack::default(), recorder);
        }
    }
}

/// What is retired is reclaimed: nothing is left once the threads have flushed.
fn reclaims<S: Scheme, C: Container<u64, S>>(scheme: S) {
    let container = C::with_scheme(scheme);
    for i in 0..10_000 {
        container.push(i);
        container.pop();
    }
    for _ in 0..4 {
        container.scheme().flush();
    }
    assert_eq!(container.scheme().unreclaimed(), 0);
}

/// Values that borrow, and a destructor that panics: the others still run.
fn ends<S: Scheme>(scheme: S, fill: impl FnOnce(S, Vec<Explosive<'_>>)) {
    let dropped = AtomicU64::new(0);
    let values = (0..10).map(|i| Explosive { explodes: i == 4, dropped: &dropped }).collect();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fill(scheme, values)));
    assert!(caught.is_err(), "one of the destructors panics");
    assert_eq!(dropped.load(Ordering::SeqCst), 10);
}

struct Explosive<'a> {
    explodes: bool,
    dropped: &'a AtomicU64,
}

impl Drop for Explosive<'_> {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        assert!(!self.explodes, "planted");
    }
}

/// Every guard expires at every tick, and ticks come as fast as they can.
fn hasty() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(1).build()
}

macro_rules! on_schemes {
    ($($scheme:ident: $make:expr, reclaims: $reclaims:expr;)*) => {$(
        mod $scheme {
            use super::*;
            on_schemes!(@container stack, Stack, $make, $reclaims);
            on_schemes!(@container queue, Queue, $make, $reclaims);
            on_schemes!(@container segment_queue, SegmentQueue, $make, $reclaims);
        }
    )*};
    (@container $module:ident, $container:ident, $make:expr, $reclaims:expr) => {
        mod $module {
            use super::*;

            #[test]
            fn agrees_with_std() {
                super::agrees_with_std::<_, $container<_, _>>($make);
            }
            #[test]
            fn every_value_comes_out_once() {
                stress::<_, $container<_, _>>($make);
            }
            #[test]
            fn histories_are_linearizable() {
                histories::<_, $container<_, _>>(|| $make);
            }
            #[test]
            fn what_is_popped_is_reclaimed() {
                if $reclaims {
                    reclaims::<_, $container<_, _>>($make);
                }
            }
            #[test]
            fn a_panicking_destructor_stops_no_other() {
                ends($make, |scheme, values| {
                    let mut container = $container::with_scheme(scheme);
                    container.extend(values);
                });
            }
            #[test]
            #[should_panic(expected = "the guard is of another collector")]
            fn a_foreign_guard_is_refused() {
                let (container, other) = ($container::<u64, _>::with_scheme($make), $make);
                let _refused = container.pop_with(&other.pin());
            }
        }
    };
}

on_schemes! {
    leased: Collector::new(), reclaims: true;
    leased_hasty: hasty(), reclaims: true;
    ebr: Ebr::new(), reclaims: true;
    hp: Hazard::new(), reclaims: true;
    rcu: Rcu::new(), reclaims: true;
    rc: Rc::new(), reclaims: true;
}

// A leak checker would not like it.
#[cfg(not(stillpoint_system_alloc))]
on_schemes! {
    leak: stillpoint_reclaim::leak::Leak::new(), reclaims: false;
}

#[test]
fn take_all_gives_the_stack_from_the_top_and_drops_what_is_not_taken() {
    let counter = DropCounter::new();
    let stack: Stack<_> = (0..10).map(|i| counter.make(i)).collect();
    let mut all = stack.take_all();
    assert!(stack.is_empty());
    assert_eq!(all.by_ref().take(3).map(|value| *value).collect::<Vec<_>>(), [9, 8, 7]);
    assert_eq!(counter.live(), 7);
    drop(all);
    counter.assert_balanced(10);
    assert_eq!(stack.scheme().unreclaimed(), 10);
}

#[test]
fn peek_copies_the_top() {
    let stack = Stack::new();
    assert_eq!(stack.peek(), None);
    stack.push(1);
    assert_eq!((stack.peek(), stack.pop(), stack.peek()), (Some(1), Some(1), None));
}

#[test]
fn a_guard_past_its_cap_gives_the_value_back() {
    let collector =
        Collector::builder().lease_ticks(0).max_lease_ticks(Some(0)).batch_len(1).build();
    let (stack, queue) = (Stack::with_scheme(collector.clone()), Queue::with_scheme(collector));
    let guard = stack.pin();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..100 {
                stack.push(i);
            }
        });
    });
    let refused = stack.push_with(7, &guard).expect_err("the epoch has moved past the cap");
    assert_eq!(refused.0, 7);
    assert!(queue.push_with(8, &guard).is_err() && queue.pop_with(&guard).is_err());
    // What cannot fail pins for itself, and goes on past the cap inside the guard.
    queue.push(9);
    assert_eq!((stack.pop(), queue.pop()), (Some(99), Some(9)));
}
