//! crossbeam-epoch with its process-wide collector.

use super::scheme::{Payload, Scheme, StackScheme};
use crossbeam_epoch::{Atomic, Guard, Owned, pin};
use std::sync::atomic::Ordering;

pub(crate) struct Crossbeam;

impl<P: Payload> Scheme<P> for Crossbeam {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guard;

    fn new() -> Self {
        Crossbeam
    }
    fn slot(&'static self, payload: P) -> Atomic<P> {
        Atomic::new(payload)
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guard {
        pin()
    }
    #[inline(always)]
    fn read(guard: &mut Guard, slot: &Atomic<P>) -> u64 {
        let node = slot.load(Ordering::Acquire, guard);
        // SAFETY: loaded under the guard; places are never empty, and replaced nodes are retired.
        unsafe { node.deref() }.value()
    }
    #[inline(always)]
    fn replace(guard: &mut Guard, slot: &Atomic<P>, payload: P) {
        let old = slot.swap(Owned::new(payload), Ordering::AcqRel, guard);
        // SAFETY: the swap unlinked it from its only place, for us alone.
        unsafe { guard.defer_destroy(old) };
    }
}

pub(crate) struct Node {
    value: u64,
    next: Atomic<Node>,
}

impl StackScheme for Crossbeam {
    type Stack = Atomic<Node>;
    type StackLocal = ();

    fn stack() -> Atomic<Node> {
        Atomic::null()
    }
    fn stack_local() {}
    #[inline]
    fn push(head: &'static Atomic<Node>, (): &mut (), value: u64) {
        let guard = &pin();
        let mut node = Owned::new(Node { value, next: Atomic::null() });
        loop {
            let top = head.load(Ordering::Acquire, guard);
            node.next.store(top, Ordering::Relaxed);
            let done = head.compare_exchange(top, node, Ordering::AcqRel, Ordering::Acquire, guard);
            match done {
                Ok(_) => return,
                Err(error) => node = error.new,
            }
        }
    }
    #[inline]
    fn pop(head: &'static Atomic<Node>, (): &mut ()) -> Option<u64> {
        let guard = &pin();
        loop {
            let top = head.load(Ordering::Acquire, guard);
            // SAFETY: loaded under the guard.
            let node = unsafe { top.as_ref() }?;
            let next = node.next.load(Ordering::Acquire, guard);
            let done = head.compare_exchange(top, next, Ordering::AcqRel, Ordering::Acquire, guard);
            if done.is_ok() {
                let value = node.value;
                // SAFETY: unlinked by us alone.
                unsafe { guard.defer_destroy(top) };
                return Some(value);
            }
        }
    }
}
