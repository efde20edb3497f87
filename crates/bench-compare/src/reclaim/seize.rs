//! seize with a collector of its own and local guards.

use super::scheme::{Payload, Scheme, StackScheme};
use seize::{Collector, Guard, LocalGuard, reclaim};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub(crate) struct Seize(Collector);

impl<P: Payload> Scheme<P> for Seize {
    type Slot = AtomicPtr<P>;
    type Local = ();
    type Guard<'l> = LocalGuard<'static>;

    fn new() -> Self {
        Seize(Collector::new())
    }
    fn slot(&'static self, payload: P) -> AtomicPtr<P> {
        AtomicPtr::new(Box::into_raw(Box::new(payload)))
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> LocalGuard<'static> {
        self.0.enter()
    }
    #[inline(always)]
    fn read(guard: &mut LocalGuard<'static>, slot: &AtomicPtr<P>) -> u64 {
        let node = guard.protect(slot, Ordering::Acquire);
        // SAFETY: protected just now; places are never empty, and replaced nodes are retired.
        unsafe { &*node }.value()
    }
    #[inline(always)]
    fn replace(guard: &mut LocalGuard<'static>, slot: &AtomicPtr<P>, payload: P) {
        let old = guard.swap(slot, Box::into_raw(Box::new(payload)), Ordering::AcqRel);
        // SAFETY: the swap unlinked it from its only place, for us alone; made by `Box`.
        unsafe { guard.defer_retire(old, reclaim::boxed) };
    }
}

pub(crate) struct Node {
    value: u64,
    next: *mut Node,
}

pub(crate) struct Stack {
    collector: Collector,
    head: AtomicPtr<Node>,
}

impl StackScheme for Seize {
    type Stack = Stack;
    type StackLocal = ();

    fn stack() -> Stack {
        Stack { collector: Collector::new(), head: AtomicPtr::new(ptr::null_mut()) }
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack, (): &mut (), value: u64) {
        let guard = stack.collector.enter();
        let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut() }));
        loop {
            let top = guard.protect(&stack.head, Ordering::Acquire);
            // SAFETY: our own until it is published below.
            unsafe { (*node).next = top };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            if guard.compare_exchange(&stack.head, top, node, success, failure).is_ok() {
                return;
            }
        }
    }
    #[inline]
    fn pop(stack: &'static Stack, (): &mut ()) -> Option<u64> {
        let guard = stack.collector.enter();
        loop {
            let top = guard.protect(&stack.head, Ordering::Acquire);
            // SAFETY: protected just now.
            let node = unsafe { top.as_ref() }?;
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            if guard.compare_exchange(&stack.head, top, node.next, success, failure).is_ok() {
                let value = node.value;
                // SAFETY: unlinked by us alone; made by `Box`.
                unsafe { guard.defer_retire(top, reclaim::boxed) };
                return Some(value);
            }
        }
    }
}
