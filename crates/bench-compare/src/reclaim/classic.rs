//! Stillpoint's collector with guards that never expire: plain epochs.

use super::leased::{self, Leased, Node};
use super::scheme::{Payload, Scheme, StackScheme};
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned};

pub(crate) struct Classic(Collector);

impl<P: Payload> Scheme<P> for Classic {
    type Slot = Atomic<P>;
    type Local = ();
    type Guard<'l> = Guard<'static>;

    fn new() -> Self {
        Classic(Collector::new())
    }
    fn slot(&'static self, payload: P) -> Atomic<P> {
        Atomic::new(Owned::new(&self.0.pin(), payload))
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guard<'static> {
        self.0.pin_classic()
    }
    #[inline(always)]
    fn read(guard: &mut Guard<'static>, slot: &Atomic<P>) -> u64 {
        <Leased<0> as Scheme<P>>::read(guard, slot)
    }
    #[inline(always)]
    fn replace(guard: &mut Guard<'static>, slot: &Atomic<P>, payload: P) {
        <Leased<0> as Scheme<P>>::replace(guard, slot, payload);
    }
}

pub(crate) struct Stack {
    collector: Collector,
    head: Atomic<Node>,
}

impl StackScheme for Classic {
    type Stack = Stack;
    type StackLocal = ();

    fn stack() -> Stack {
        Stack { collector: Collector::new(), head: Atomic::null() }
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack, (): &mut (), value: u64) {
        leased::push(&stack.head, &stack.collector.pin_classic(), value);
    }
    #[inline]
    fn pop(stack: &'static Stack, (): &mut ()) -> Option<u64> {
        leased::pop(&stack.head, &stack.collector.pin_classic())
    }
}
