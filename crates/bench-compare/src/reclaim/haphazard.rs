//! haphazard with its process-wide domain. A thread keeps one hazard pointer; the end of a guard clears it.

use super::scheme::{Payload, Scheme, StackScheme};
use haphazard::{AtomicPtr, Domain, HazardPointer};
use std::ptr;

pub(crate) struct Haphazard;

/// Clears the hazard pointer when the guard goes.
pub(crate) struct Hazard<'l>(&'l mut HazardPointer<'static>);

impl Drop for Hazard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.reset_protection();
    }
}

impl<P: Payload> Scheme<P> for Haphazard {
    type Slot = AtomicPtr<P>;
    type Local = HazardPointer<'static>;
    type Guard<'l> = Hazard<'l>;

    fn new() -> Self {
        Haphazard
    }
    fn slot(&'static self, payload: P) -> AtomicPtr<P> {
        AtomicPtr::from(Box::new(payload))
    }
    fn local(&'static self) -> HazardPointer<'static> {
        HazardPointer::new()
    }
    #[inline(always)]
    fn pin<'l>(&'static self, local: &'l mut HazardPointer<'static>) -> Hazard<'l> {
        Hazard(local)
    }
    #[inline(always)]
    fn read(guard: &mut Hazard<'_>, slot: &AtomicPtr<P>) -> u64 {
        slot.safe_load(guard.0).map_or(0, P::value)
    }
    #[inline(always)]
    fn replace(_guard: &mut Hazard<'_>, slot: &AtomicPtr<P>, payload: P) {
        if let Some(old) = slot.swap(Box::new(payload)) {
            // SAFETY: the swap unlinked it from its only place, for us alone.
            unsafe { old.retire() };
        }
    }

    #[inline(always)]
    fn enter_and_leave(&'static self, _local: &mut HazardPointer<'static>) {
        drop(HazardPointer::new());
    }
}

pub(crate) struct Node {
    value: u64,
    next: *mut Node,
}

// SAFETY: `next` is read only while the node is protected or owned.
unsafe impl Send for Node {}
// SAFETY: as above; nodes do not change once published.
unsafe impl Sync for Node {}

impl StackScheme for Haphazard {
    type Stack = AtomicPtr<Node>;
    type StackLocal = HazardPointer<'static>;

    fn stack() -> AtomicPtr<Node> {
        // SAFETY: null is a pointer that nobody follows.
        unsafe { AtomicPtr::new(ptr::null_mut()) }
    }
    fn stack_local() -> HazardPointer<'static> {
        HazardPointer::new()
    }
    #[inline]
    fn push(head: &'static AtomicPtr<Node>, _local: &mut HazardPointer<'static>, value: u64) {
        let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut() }));
        loop {
            let top = head.load_ptr();
            // SAFETY: our own until it is published below.
            unsafe { (*node).next = top };
            // SAFETY: a valid node made by `Box`, dropped only through retirement.
            if unsafe { head.compare_exchange_weak_ptr(top, node) }.is_ok() {
                return;
            }
        }
    }
    #[inline]
    fn pop(head: &'static AtomicPtr<Node>, local: &mut HazardPointer<'static>) -> Option<u64> {
        loop {
            // SAFETY: nodes are retired to the global domain, which the hazard pointer is of.
            let node = unsafe { head.load(local) }?;
            let (top, value, next) = (ptr::from_ref(node).cast_mut(), node.value, node.next);
            // SAFETY: `next` stays linked while `top`, which we protect, is the head: no head is pushed twice while it is protected.
            let done = unsafe { head.compare_exchange_weak_ptr(top, next) };
            if done.is_ok() {
                local.reset_protection();
                // SAFETY: unlinked by us alone; made by `Box`.
                unsafe { Domain::global().retire_ptr::<Node, Box<Node>>(top) };
                return Some(value);
            }
        }
    }
}
