//! Leased epochs: [`Leased`] with `CAP` as the longest lease in ticks (0: none).

use super::scheme::{Payload, Scheme, StackScheme};
use std::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned, Shared};

pub(crate) struct Leased<const CAP: u64>(Collector);

impl<P: Payload, const CAP: u64> Scheme<P> for Leased<CAP> {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guard<'static>;

    fn new() -> Self {
        Leased(Collector::builder().max_lease_ticks((CAP > 0).then_some(CAP)).build())
    }
    fn slot(&'static self, payload: P) -> Atomic<P> {
        Atomic::new(Owned::new(&self.0.pin(), payload))
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guard<'static> {
        self.0.pin()
    }
    #[inline(always)]
    fn read(guard: &mut Guard<'static>, slot: &Atomic<P>) -> u64 {
        loop {
            if let Ok(node) = guard.protect(slot) {
                // SAFETY: protected just now; places are never empty, and replaced nodes are retired.
                return unsafe { node.deref() }.value();
            }
            // Past the longest lease: give up what was loaded before.
            guard.repin();
        }
    }
    #[inline(always)]
    fn replace(guard: &mut Guard<'static>, slot: &Atomic<P>, payload: P) {
        let old = slot.swap(Owned::new(guard, payload), Ordering::AcqRel);
        // SAFETY: the swap unlinked it from its only place, for us alone.
        unsafe { old.retire(guard) };
    }
}

pub(crate) struct Node {
    value: u64,
    next: Atomic<Node>,
}

pub(crate) struct Stack {
    collector: Collector,
    head: Atomic<Node>,
}

impl<const CAP: u64> StackScheme for Leased<CAP> {
    type Stack = Stack;
    type StackLocal = ();

    fn stack() -> Stack {
        Stack { collector: Collector::new(), head: Atomic::null() }
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack, (): &mut (), value: u64) {
        push(&stack.head, &stack.collector.pin(), value);
    }
    #[inline]
    fn pop(stack: &'static Stack, (): &mut ()) -> Option<u64> {
        pop(&stack.head, &stack.collector.pin())
    }
}

/// As the guard is without a longest lease, every root load succeeds.
#[inline(always)]
pub(crate) fn push(head: &Atomic<Node>, guard: &Guard<'_>, value: u64) {
    let mut node = Owned::new(guard, Node { value, next: Atomic::null() });
    loop {
        let Ok(top) = guard.protect(head) else { continue };
        node.next.store(top, Ordering::Relaxed);
        match head.compare_exchange_owned(top, node, guard) {
            Ok(_) => return,
            Err(refused) => node = refused.new,
        }
    }
}

#[inline(always)]
pub(crate) fn pop(head: &Atomic<Node>, guard: &Guard<'_>) -> Option<u64> {
    loop {
        let Ok(top) = guard.protect(head) else { continue };
        // SAFETY: protected just now.
        let node = unsafe { top.as_ref() }?;
        let Ok(next) = guard.follow(&node.next) else {
            let _ = guard.renew();
            continue;
        };
        if head.compare_exchange(top, Shared::clone(&next)).is_ok() {
            let value = node.value;
            // SAFETY: unlinked by us alone.
            unsafe { top.retire(guard) };
            return Some(value);
        }
    }
}
