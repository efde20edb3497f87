//! kovan 0.2.0: one domain a process; its 40-byte header stands first in every node.

use super::scheme::{Payload, Scheme, StackScheme};
use kovan::{Atomic, Guard, RetiredNode, Shared, pin, retire};
use std::ptr;
use std::sync::atomic::Ordering;

pub(crate) struct Kovan;

#[repr(C)]
pub(crate) struct Node<P> {
    header: RetiredNode,
    payload: P,
}

impl<P> Node<P> {
    #[inline(always)]
    fn boxed(payload: P) -> *mut Node<P> {
        Box::into_raw(Box::new(Node { header: RetiredNode::new(), payload }))
    }
}

impl<P: Payload> Scheme<P> for Kovan {
    type Slot = Atomic<Node<P>>;
    type Local = ();
    type Guard<'l> = Guard;

    fn new() -> Self {
        Kovan
    }
    fn slot(&'static self, payload: P) -> Atomic<Node<P>> {
        Atomic::new(Node::boxed(payload))
    }
    fn local(&'static self) {}
    #[inline(always)]
    fn pin(&'static self, (): &mut ()) -> Guard {
        pin()
    }
    #[inline(always)]
    fn read(guard: &mut Guard, slot: &Atomic<Node<P>>) -> u64 {
        let node = slot.load(Ordering::Acquire, guard);
        // SAFETY: loaded under the guard; places are never empty, and replaced nodes are retired.
        unsafe { node.deref() }.payload.value()
    }
    #[inline(always)]
    fn replace(guard: &mut Guard, slot: &Atomic<Node<P>>, payload: P) {
        // SAFETY: a new node, valid until it is retired.
        let node = unsafe { Shared::from_raw(Node::boxed(payload)) };
        let old = slot.swap(node, Ordering::AcqRel, guard).as_raw();
        // SAFETY: the swap unlinked it from its only place, for us alone; its header stands first.
        unsafe { retire(old) };
    }
}

pub(crate) struct Link {
    value: u64,
    next: *mut Node<Link>,
}

/// The head, of nodes that any thread may free.
pub(crate) struct Stack(Atomic<Node<Link>>);

// SAFETY: nodes are followed under a guard only and do not change once published.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

impl StackScheme for Kovan {
    type Stack = Stack;
    type StackLocal = ();

    fn stack() -> Stack {
        Stack(Atomic::null())
    }
    fn stack_local() {}
    #[inline]
    fn push(stack: &'static Stack, (): &mut (), value: u64) {
        let guard = &pin();
        let node = Node::boxed(Link { value, next: ptr::null_mut() });
        // SAFETY: a new node, valid until it is retired.
        let shared = unsafe { Shared::from_raw(node) };
        loop {
            let top = stack.0.load(Ordering::Acquire, guard);
            // SAFETY: our own until it is published below.
            unsafe { (*node).payload.next = top.as_raw() };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            if stack.0.compare_exchange(top, shared, success, failure, guard).is_ok() {
                return;
            }
        }
    }
    #[inline]
    fn pop(stack: &'static Stack, (): &mut ()) -> Option<u64> {
        let guard = &pin();
        loop {
            let top = stack.0.load(Ordering::Acquire, guard);
            // SAFETY: loaded under the guard.
            let node = unsafe { top.as_ref() }?;
            // SAFETY: null or a node that was linked below `top`.
            let next = unsafe { Shared::from_raw(node.payload.next) };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            if stack.0.compare_exchange(top, next, success, failure, guard).is_ok() {
                let value = node.payload.value;
                // SAFETY: unlinked by us alone; its header stands first.
                unsafe { retire(top.as_raw()) };
                return Some(value);
            }
        }
    }
}
