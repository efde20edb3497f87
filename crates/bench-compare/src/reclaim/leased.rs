//! Leased epochs: [`Leased`], with the longest lease that is the default, or (not `CAPPED`) without one.

use super::scheme::{Payload, Scheme, StackScheme};
use std::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned, Shared};

pub(crate) struct Leased<const CAPPED: bool>(Collector);

impl<P: Payload, const CAPPED: bool> Scheme<P> for Leased<CAPPED> {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guard<'static>;

    fn new() -> Self {
        Leased(if CAPPED {
            Collector::new()
        } else {
            Collector::builder().max_lease_ticks(None).build()
        })
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

impl<const CAPPED: bool> StackScheme for Leased<CAPPED> {
    type Stack = Stack;
    type StackLocal = ();

    fn stack() -> Stack {
        Stack { collector: Collector::new(), head: Atomic::null() }
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack, (): &mut (), value: u64) {
        push(&stack.head, &mut stack.collector.pin(), value);
    }
    #[inline]
    fn pop(stack: &'static Stack, (): &mut ()) -> Option<u64> {
        pop(&stack.head, &mut stack.collector.pin())
    }
}

#[inline(always)]
fn push(head: &Atomic<Node>, guard: &mut Guard<'_>, value: u64) {
    let mut new = Some(Owned::new(guard, Node { value, next: Atomic::null() }));
    guard.complete(|guard| {
        loop {
            let top = guard.protect(head)?;
            let node = new.take().expect("given back below");
            node.next.store(top, Ordering::Relaxed);
            match head.compare_exchange_owned(top, node, guard) {
                Ok(_) => return Ok(()),
                Err(refused) => new = Some(refused.new),
            }
        }
    });
}

#[inline(always)]
fn pop(head: &Atomic<Node>, guard: &mut Guard<'_>) -> Option<u64> {
    guard.complete(|guard| {
        loop {
            let top = guard.protect(head)?;
            // SAFETY: protected just now.
            let Some(node) = (unsafe { top.as_ref() }) else { return Ok(None) };
            let next = guard.follow(&node.next)?;
            if head.compare_exchange(top, Shared::clone(&next)).is_ok() {
                let value = node.value;
                // SAFETY: unlinked by us alone.
                unsafe { top.retire(guard) };
                return Ok(Some(value));
            }
        }
    })
}
