//! Every scheme of ours, through the trait that structures use: [`Ours`] is a collector and where its nodes come from.

use super::scheme::{Payload, Scheme, StackScheme};
use std::sync::atomic::Ordering;
use stillpoint_pool::Pool;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::rcu::Rcu;
use stillpoint_reclaim::{Atomic, Collector, Heap, NodeAlloc, Owned, Protect};
use stillpoint_structures::Stack;

/// A collector with its defaults.
pub(crate) trait Made: stillpoint_reclaim::Scheme {
    fn made() -> Self;
}

/// An allocator with its defaults.
pub(crate) trait Source: NodeAlloc {
    fn made() -> Self;
}

macro_rules! made {
    ($what:ident: $($type:ty),*) => {
        $(impl $what for $type {
            fn made() -> Self {
                <$type>::default()
            }
        })*
    };
}
made!(Made: Collector, Ebr, Hazard, Rcu, Leak);
made!(Source: Heap, Pool);

pub(crate) struct Ours<C, A = Heap> {
    collector: C,
    alloc: A,
}

/// A guard, and the allocator for what is made under it.
pub(crate) struct Guarded<C: Made, A: 'static> {
    guard: C::Guard<'static>,
    alloc: &'static A,
}

impl<P: Payload, C: Made, A: Source> Scheme<P> for Ours<C, A> {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guarded<C, A>;

    fn new() -> Self {
        Ours { collector: C::made(), alloc: A::made() }
    }
    fn slot(&'static self, payload: P) -> Atomic<P> {
        Atomic::new(Owned::new_in(&self.collector.pin(), payload, &self.alloc))
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guarded<C, A> {
        Guarded { guard: self.collector.pin(), alloc: &self.alloc }
    }
    #[inline(always)]
    fn read(guarded: &mut Guarded<C, A>, slot: &Atomic<P>) -> u64 {
        guarded.guard.complete(|guard| {
            let node = guard.protect_root(0, slot)?;
            // SAFETY: protected just now; places are never empty, and replaced nodes are retired.
            Ok(unsafe { node.deref() }.value())
        })
    }
    #[inline(always)]
    fn replace(guarded: &mut Guarded<C, A>, slot: &Atomic<P>, payload: P) {
        let node = Owned::new_in(&guarded.guard, payload, guarded.alloc);
        let old = slot.swap(node, Ordering::AcqRel);
        // SAFETY: the swap unlinked it from its only place, for us alone; its memory is from an `A`.
        unsafe { old.retire_in::<A, _>(&guarded.guard) };
    }
}

impl<C: Made, A: Source> StackScheme for Ours<C, A> {
    type Stack = Stack<u64, C, A>;
    type StackLocal = ();

    fn stack() -> Self::Stack {
        Stack::in_alloc(C::made(), A::made())
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Self::Stack, (): &mut (), value: u64) {
        stack.push(value);
    }
    #[inline]
    fn pop(stack: &'static Self::Stack, (): &mut ()) -> Option<u64> {
        stack.pop()
    }
}
