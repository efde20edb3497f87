//! Leased epochs: [`Leased`], with the settings that are the default, without a longest lease, or without `membarrier`. Its stack is the one that is published.

use super::scheme::{Payload, Scheme, StackScheme};
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned};
use stillpoint_structures::Stack;

pub(crate) struct Leased<S>(Collector, PhantomData<S>);

/// Where a collector comes from.
pub(crate) trait Settings: Send + Sync + 'static {
    fn collector() -> Collector;
}

pub(crate) struct Defaults;
pub(crate) struct Uncapped;
/// As on a host without `membarrier`.
pub(crate) struct Strict;

impl Settings for Defaults {
    fn collector() -> Collector {
        Collector::new()
    }
}
impl Settings for Uncapped {
    fn collector() -> Collector {
        Collector::builder().max_lease_ticks(None).build()
    }
}
impl Settings for Strict {
    fn collector() -> Collector {
        Collector::builder().strict(true).build()
    }
}

impl<P: Payload, S: Settings> Scheme<P> for Leased<S> {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guard<'static>;

    fn new() -> Self {
        Leased(S::collector(), PhantomData)
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
    fn bound(&self, live: u64, goes_on: bool) -> Option<u64> {
        let bound = if goes_on { self.0.bound_at_cap(live) } else { self.0.bound(live) };
        Some(bound).filter(|bound| *bound < u64::MAX)
    }
}

impl<S: Settings> StackScheme for Leased<S> {
    type Stack = Stack<u64>;
    type StackLocal = ();

    fn stack() -> Stack<u64> {
        Stack::with_scheme(S::collector())
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack<u64>, (): &mut (), value: u64) {
        stack.push(value);
    }
    #[inline]
    fn pop(stack: &'static Stack<u64>, (): &mut ()) -> Option<u64> {
        stack.pop()
    }
}
