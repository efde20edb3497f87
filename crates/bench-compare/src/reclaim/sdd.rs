//! sdd with its process-wide collector. Its stack is its own, with counted pointers.

use super::scheme::{Payload, Scheme, StackScheme};
use sdd::{AtomicOwned, Guard, Owned, Stack, Tag};
use std::sync::atomic::Ordering;

pub(crate) struct Sdd;

impl<P: Payload> Scheme<P> for Sdd {
    type Slot = AtomicOwned<P>;
    type Local = ();
    type Guard<'l> = Guard;

    fn new() -> Self {
        Sdd
    }
    fn slot(&'static self, payload: P) -> AtomicOwned<P> {
        AtomicOwned::new(payload)
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guard {
        Guard::new()
    }
    #[inline(always)]
    fn read(guard: &mut Guard, slot: &AtomicOwned<P>) -> u64 {
        slot.load(Ordering::Acquire, guard).as_ref().map_or(0, P::value)
    }
    #[inline(always)]
    fn replace(_guard: &mut Guard, slot: &AtomicOwned<P>, payload: P) {
        // Dropping what was there retires it.
        drop(slot.swap((Some(Owned::new(payload)), Tag::None), Ordering::AcqRel));
    }
}

impl StackScheme for Sdd {
    type Stack = Stack<u64>;
    type StackLocal = ();

    fn stack() -> Stack<u64> {
        Stack::new()
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack<u64>, (): &mut (), value: u64) {
        drop(stack.push(value));
    }
    #[inline]
    fn pop(stack: &'static Stack<u64>, (): &mut ()) -> Option<u64> {
        stack.pop().map(|entry| **entry)
    }
}
