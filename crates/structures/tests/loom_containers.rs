//! Stack, queues and slot, shrunk, under all interleavings of two or three threads. Each structure fails when a step of it is left out.
//!
//! | structure | pairs | left out | refused by |
//! |---|---|---|---|
//! | stack | push/pop, pop/pop, push/push, pop/take all | the retire: a node is freed at once | `a_stack_that_frees_at_once_is_caught` |
//! | queue | push/pop, pop/pop, push/push | the retire | `a_queue_that_frees_at_once_is_caught` |
//! | segment queue | push/pop, pop/pop, push/push over the end of a segment of two | a pop that closes the cell it found empty | `a_cell_left_open_loses_a_value` |
//! | array queue | push/pop over the end of the array, pop/pop, push/push, `is_full`/push and pop | the stamp after the value | `a_stamp_before_its_value_is_a_race` |
//! | slot | load/store, cached load/store, update/update | the retire | `a_slot_that_frees_at_once_is_caught` |
//!
//! Where memory matters, nodes come from [`Arena`]: it never reuses memory, and a node that is read after it was freed is a failure.
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{check, must_fail, quiet};
use std::alloc::Layout;
use std::ptr::NonNull;
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::{AllocError, Collector, NodeAlloc, Scheme};
use stillpoint_structures::{ArrayQueue, Queue, SegmentQueue, Slot, Stack, Weakened};

/// Overwrites what is freed, and keeps it: who reads it afterwards finds a pointer that is none, or [`POISON`].
#[derive(Clone, Default)]
struct Arena;

const POISON: u8 = 0xA5;
const POISONED: u64 = u64::from_ne_bytes([POISON; 8]);

// SAFETY: the system's memory, never given out twice.
unsafe impl NodeAlloc for Arena {
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: a node is not empty.
        let block = unsafe { std::alloc::alloc(layout) };
        NonNull::new(block).ok_or(AllocError { bytes: layout.size() })
    }

    unsafe fn free(block: NonNull<u8>, layout: Layout) {
        // SAFETY: the block is its caller's.
        unsafe { block.write_bytes(POISON, layout.size()) };
    }
}

trait Container: Send + Sync + 'static {
    fn push(&self, value: u64);
    fn pop(&self) -> Option<u64>;
}

macro_rules! container {
    ($name:ident) => {
        impl<S: Scheme, A: NodeAlloc> Container for $name<u64, S, A> {
            fn push(&self, value: u64) {
                $name::push(self, value);
            }
            fn pop(&self) -> Option<u64> {
                let value = $name::pop(self);
                assert_ne!(value, Some(POISONED), "a freed node was read");
                value
            }
        }
    };
}
container!(Stack);
container!(Queue);
container!(SegmentQueue);

impl Container for ArrayQueue<u64> {
    fn push(&self, value: u64) {
        ArrayQueue::push(self, value).expect("the models leave room");
    }
    fn pop(&self) -> Option<u64> {
        ArrayQueue::pop(self)
    }
}

type Steps<C> = fn(&C) -> Vec<u64>;

fn push_10<C: Container>(container: &C) -> Vec<u64> {
    container.push(10);
    Vec::new()
}
fn push_20<C: Container>(container: &C) -> Vec<u64> {
    container.push(20);
    Vec::new()
}
fn pop<C: Container>(container: &C) -> Vec<u64> {
    container.pop().into_iter().collect()
}
fn pop_twice<C: Container>(container: &C) -> Vec<u64> {
    (0..2).filter_map(|_| container.pop()).collect()
}
fn push_10_and_pop<C: Container>(container: &C) -> Vec<u64> {
    container.push(10);
    let popped = container.pop();
    vec![popped.expect("one's own value is there, or another's")]
}

/// `before` values are in; two threads do their steps, which put `pushed` in; in the end every value has come out once.
fn play<C: Container>(make: impl Fn() -> C, before: u64, steps: [Steps<C>; 2], pushed: &[u64]) {
    let container = quiet(|| {
        let container = make();
        (1..=before).for_each(|value| container.push(value));
        Arc::new(container)
    });
    let threads = steps.map(|steps| {
        let container = container.clone();
        thread::spawn(move || steps(&container))
    });
    let mut seen: Vec<u64> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    seen.extend(std::iter::from_fn(|| container.pop()));
    seen.sort_unstable();
    let expected: Vec<u64> = (1..=before).chain(pushed.iter().copied()).collect();
    assert_eq!(seen, expected, "a value is lost or there twice");
    quiet(|| drop(container));
}

macro_rules! pairs {
    ($name:ident, $make:expr, $before:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn push_and_pop() {
                check(2, || play($make, 0, [push_10, pop], &[10]));
            }
            #[test]
            fn push_and_pop_at_the_edge() {
                check(2, || play($make, $before, [push_10, pop_twice], &[10]));
            }
            #[test]
            fn two_pops() {
                check(2, || play($make, $before, [pop, pop], &[]));
            }
            #[test]
            fn two_pushes() {
                check(2, || play($make, $before, [push_10, push_20], &[10, 20]));
            }
            #[test]
            fn a_pop_finds_what_its_thread_has_pushed() {
                check(2, || play($make, 0, [push_10_and_pop, push_20], &[10, 20]));
            }
        }
    };
}

pairs!(stack, || Stack::<u64, Leak>::with_scheme(Leak::new()), 1);
pairs!(queue, || Queue::<u64, Leak>::with_scheme(Leak::new()), 1);
pairs!(segment_queue, || SegmentQueue::<u64, Leak>::with_scheme(Leak::new()), 2);
pairs!(array_queue, || ArrayQueue::<u64>::new(3), 1);

/// Everything is reclaimed as soon as the default scheme allows it.
fn hasty() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(1).build()
}

#[test]
fn two_pops_of_a_stack_that_reclaims() {
    check(1, || play(|| Stack::in_alloc(hasty(), Arena), 2, [pop, pop], &[]));
}

#[test]
fn a_push_and_a_pop_of_a_queue_that_reclaims() {
    check(1, || play(|| Queue::in_alloc(hasty(), Arena), 1, [push_10, pop], &[10]));
}

#[test]
fn a_pop_and_a_take_all_share_the_stack() {
    check(2, || {
        play(
            || Stack::<u64, Leak>::with_scheme(Leak::new()),
            2,
            [pop_twice, |stack: &Stack<u64, Leak>| stack.take_all().collect()],
            &[],
        );
    });
}

#[test]
fn a_stack_that_frees_at_once_is_caught() {
    must_fail("a_stack_that_frees_at_once_is_caught", 2, &POISONED.to_string(), || {
        let make = || Stack::in_alloc(Leak::new(), Arena).weakened(Weakened::FreeAtOnce);
        play(make, 2, [pop, pop], &[]);
    });
}

#[test]
fn a_queue_that_frees_at_once_is_caught() {
    must_fail("a_queue_that_frees_at_once_is_caught", 2, &POISONED.to_string(), || {
        let make = || Queue::in_alloc(Leak::new(), Arena).weakened(Weakened::FreeAtOnce);
        play(make, 2, [pop, pop], &[]);
    });
}

#[test]
fn a_cell_left_open_loses_a_value() {
    must_fail("a_cell_left_open_loses_a_value", 2, "a value is lost or there twice", || {
        let make =
            || SegmentQueue::<u64, Leak>::with_scheme(Leak::new()).weakened(Weakened::CellLeftOpen);
        play(make, 0, [push_10, pop], &[10]);
    });
}

#[test]
fn a_stamp_before_its_value_is_a_race() {
    must_fail("a_stamp_before_its_value_is_a_race", 2, "Causality violation", || {
        play(|| ArrayQueue::new(3).weakened(Weakened::StampFirst), 0, [push_10, pop], &[10]);
    });
}

#[test]
fn an_array_queue_that_never_is_full_is_not_called_so() {
    check(2, || {
        let queue = quiet(|| {
            let queue = ArrayQueue::new(2);
            queue.push(1).unwrap();
            Arc::new(queue)
        });
        let looks = {
            let queue = queue.clone();
            thread::spawn(move || assert!(!queue.is_full(), "it held one value at the most"))
        };
        for value in 2..4 {
            assert_eq!(queue.pop(), Some(value - 1));
            queue.push(value).unwrap();
        }
        looks.join().unwrap();
    });
}

fn slot_of_updates(slot: impl Fn() -> Slot<u64, Leak, Arena>) {
    let slot = quiet(|| Arc::new(slot()));
    let threads = [1, 10].map(|step| {
        let slot = slot.clone();
        thread::spawn(move || slot.update(|old| old + step))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(slot.get_cloned(), 11, "an update is lost");
    quiet(|| drop(slot));
}

#[test]
fn updates_of_a_slot_add_up() {
    check(3, || slot_of_updates(|| Slot::in_alloc(0, Leak::new(), Arena)));
}

#[test]
fn a_slot_is_read_whole_while_it_is_stored_to() {
    check(2, || {
        let slot = quiet(|| Arc::new(Slot::in_alloc((0u64, 0u64), hasty(), Arena)));
        let reader = {
            let slot = slot.clone();
            thread::spawn(move || slot.read(|value| assert_eq!(value.0, value.1)))
        };
        slot.store((1, 1));
        reader.join().unwrap();
        quiet(|| drop(slot));
    });
}

#[test]
fn a_cached_value_is_whole_and_in_the_end_the_newest() {
    check(2, || {
        let slot = quiet(|| Arc::new(Slot::in_alloc((0u64, 0u64), hasty(), Arena)));
        let reader = {
            let slot = slot.clone();
            thread::spawn(move || {
                let mut cached = slot.cached();
                let seen = *cached.seen();
                let newest = *cached.load();
                assert!(
                    newest.0 == newest.1 && newest.0 >= seen.0,
                    "back from {seen:?} to {newest:?}"
                );
            })
        };
        let mut own = slot.cached();
        slot.store((1, 1));
        assert_eq!(*own.load(), (1, 1));
        reader.join().unwrap();
        drop(own);
        quiet(|| drop(slot));
    });
}

#[test]
fn a_slot_that_frees_at_once_is_caught() {
    must_fail("a_slot_that_frees_at_once_is_caught", 2, "was freed under a reader", || {
        let slot = quiet(|| {
            let slot = Slot::in_alloc(7u64, Leak::new(), Arena);
            Arc::new(slot.weakened(Weakened::FreeAtOnce))
        });
        let reader = {
            let slot = slot.clone();
            thread::spawn(move || {
                slot.read(|value| {
                    thread::yield_now();
                    assert!(*value < 100, "was freed under a reader");
                });
            })
        };
        slot.store(8);
        reader.join().unwrap();
    });
}
