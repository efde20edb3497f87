//! [`Queue`]: a first-in-first-out queue (Michael and Scott's), one node a value.
//!
//! ```text
//! head ─▶ Node (empty) ─▶ Node a ─▶ Node b ─▶ null
//!                                    ▲
//!                              tail ─┘ (or one behind)
//!         push: CAS the last node's link to the new node, then the tail to it
//!         pop:  CAS the head to the next node, take that one's value, retire the old head
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`push`](Queue::push) | lock-free | an allocation, two CAS |
//! | [`pop`](Queue::pop) | lock-free | a CAS |
//! | [`is_empty`](Queue::is_empty) | wait-free; lock-free on a scheme that protects per pointer | two loads |
//!
//! [`SegmentQueue`](crate::SegmentQueue) does the same with one allocation for many values, and is the faster of the two; this one holds
//! no memory beyond its values.
//!
//! # Invariants
//! 1. The node under the head is empty; all after it have their value. A link goes from null to a node once, and never changes again.
//! 2. The tail is the last node or one before; it is never behind the head when a node is retired: whoever moves the head off a node
//!    first moves the tail off it. So what the tail names is not retired while the tail names it, and the tail is a root.
//! 3. Whoever's CAS moves the head onto a node is the only one to take its value, and the one who retires the node before.
//! 4. A node after the head is retired only after the head has gone past it. So a pop that has protected head and next, and then finds the
//!    head where it was, knows that next was not retired when it was protected: that is what a scheme that protects per pointer needs.
//!
//! Runs on every scheme. Protects slots 0 and 1.
//!
//! # Orderings
//! Those of [`Atomic`]: a publishing CAS is Release, a load Acquire. Why 2 holds: the link after `n` was set by a push that had seen the tail
//! at `n`, so whoever has followed that link sees the tail at `n` or further. `[link]`: links of one's own.
//!
//! Source: M. M. Michael and M. L. Scott, *Simple, fast, and practical non-blocking and blocking concurrent queue algorithms*
//! (PODC 1996); for hazard pointers: M. M. Michael (TPDS 2004), §4.

use crate::backoff::Backoff;
use crate::container::container;
use crate::linked::{Chain, Node};
use crate::returned::Returned;
use std::fmt;
use std::marker::PhantomData;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{
    Atomic, Collector, Heap, NodeAlloc, Owned, Protect, Restart, Scheme, Shared,
};

/// A first-in-first-out queue for any number of threads; see the [module's page](self).
///
/// Values need not be `'static`: a retired node has no value any more, so what a collector reclaims later runs no code of `T`.
///
/// # Examples
/// ```
/// use stillpoint_structures::Queue;
///
/// let queue = Queue::new();
/// queue.push(1);
/// queue.push(2);
/// let guard = queue.pin(); // several operations under one guard
/// assert_eq!(queue.pop_with(&guard), Ok(Some(1)));
/// assert_eq!(queue.pop_with(&guard), Ok(Some(2)));
/// assert!(queue.is_empty());
/// ```
pub struct Queue<T, S: Scheme = Collector, A: NodeAlloc = Heap> {
    head: CachePadded<Atomic<Node<T>>>,
    tail: CachePadded<Atomic<Node<T>>>,
    scheme: S,
    alloc: A,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: crate::weakened::Weakened,
    values: PhantomData<T>,
}

// SAFETY: values are moved from thread to thread, and never looked at by two.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Send for Queue<T, S, A> {}
// SAFETY: as above.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Sync for Queue<T, S, A> {}

impl<T> Queue<T> {
    /// An empty queue with a collector of its own.
    ///
    /// # Cost
    /// 384 bytes and a node, beside the collector's.
    pub fn new() -> Self {
        Queue::with_scheme(Collector::new())
    }
}

container!(Queue, "queue", "nodes");

impl<T, S: Scheme, A: NodeAlloc> Queue<T, S, A> {
    /// An empty queue whose nodes come from `alloc` and are reclaimed by `scheme`.
    pub fn in_alloc(scheme: S, alloc: A) -> Self {
        const { assert!(S::SLOTS >= 2, "a queue needs two slots of protection") };
        let mut head = Atomic::new(Owned::new_in(&scheme.pin(), Node::empty(), &alloc));
        let tail = Atomic::null();
        // Relaxed [link]: nobody else has the queue yet.
        tail.store(head.load_exclusive(), Ordering::Relaxed);
        Queue {
            head: CachePadded::new(head),
            tail: CachePadded::new(tail),
            scheme,
            alloc,
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
            values: PhantomData,
        }
    }

    /// Puts `value` at the end.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn push(&self, value: T) {
        let mut guard = self.scheme.pin();
        let mut node = Some(Owned::new_in(&guard, Node::new(value), &self.alloc));
        guard.complete(|guard| self.try_push(&mut node, guard));
    }

    /// As [`push`](Queue::push), under a guard of this queue's scheme.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// [`Returned`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn push_with(&self, value: T, guard: &S::Guard<'_>) -> Result<(), Returned<T>> {
        self.check(guard);
        let mut node = Some(Owned::new_in(guard, Node::new(value), &self.alloc));
        match guard.retrying(|guard| self.try_push(&mut node, guard)) {
            Ok(()) => Ok(()),
            Err(Restart) => {
                let node = node.expect("a push that failed leaves the node");
                // SAFETY: never published; taken once.
                Err(Returned(unsafe { node.take() }))
            }
        }
    }

    /// Takes the first value.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.scheme.pin().complete(|guard| self.try_pop(guard))
    }

    /// As [`pop`](Queue::pop), under a guard of this queue's scheme.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn pop_with(&self, guard: &S::Guard<'_>) -> Result<Option<T>, Restart> {
        self.check(guard);
        guard.retrying(|guard| self.try_pop(guard))
    }

    /// Whether there is nothing in it at this moment.
    ///
    /// # Progress
    /// Wait-free; lock-free on a scheme that protects per pointer.
    pub fn is_empty(&self) -> bool {
        self.scheme.pin().complete(|guard| {
            let head = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0; the head is never null.
            let head = unsafe { head.deref() };
            Ok(head.next.load_unprotected().is_null())
        })
    }

    /// On success, and only then, `node` has become `None`.
    fn try_push(
        &self,
        node: &mut Option<Owned<Node<T>, A>>,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        let mut backoff = Backoff::default();
        loop {
            let tail = guard.protect_root(0, &self.tail)?;
            // SAFETY: protected by slot 0; the tail is never null.
            let last = unsafe { tail.deref() };
            let next = last.next.load_unprotected();
            if !next.is_null() {
                // The tail is one behind; who moved it is no matter. By invariant 2 `next` is not retired if this succeeds.
                let _moved = self.tail.compare_exchange_unprotected(tail, next);
                continue;
            }
            let new = node.take().expect("a node that was not published yet");
            match last.next.compare_exchange_owned(Shared::null(), new, guard) {
                Ok(new) => {
                    let _moved = self.tail.compare_exchange(tail, new);
                    return Ok(());
                }
                Err(refused) => *node = Some(refused.new),
            }
            backoff.spin();
        }
    }

    fn try_pop(&self, guard: &S::Guard<'_>) -> Result<Option<T>, Restart> {
        let mut backoff = Backoff::default();
        loop {
            let head = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0; the head is never null.
            let first = unsafe { head.deref() };
            let next = guard.protect(1, &first.next)?;
            if S::PER_POINTER && self.head.load_unprotected() != head.unprotected() {
                continue;
            }
            // SAFETY: protected by slot 1, by invariant 4 where that needs an argument.
            let Some(node) = (unsafe { next.as_ref() }) else { return Ok(None) };
            self.move_tail_off(head, next);
            if self.head.compare_exchange(head, next).is_ok() {
                // SAFETY: invariant 3.
                let value = unsafe { node.take() };
                // SAFETY: unlinked just now, by us alone, and by invariant 2 not under the tail; the node is empty.
                unsafe { self.retire(head, guard) };
                return Ok(Some(value));
            }
            backoff.spin();
        }
    }

    /// Invariant 2: before the head leaves `head`, the tail does.
    fn move_tail_off(&self, head: Shared<'_, Node<T>>, next: Shared<'_, Node<T>>) {
        if self.tail.load_unprotected() == head.unprotected() {
            let _moved = self.tail.compare_exchange(head, next);
        }
    }

    /// # Safety
    /// As [`Shared::retire_in`].
    unsafe fn retire(&self, node: Shared<'_, Node<T>>, guard: &S::Guard<'_>) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == crate::weakened::Weakened::FreeAtOnce {
            // SAFETY: none; that is the point.
            drop(unsafe { node.into_owned::<A>() });
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { node.retire_in::<A, _>(guard) };
    }
}

impl<T, S: Scheme, A: NodeAlloc> Drop for Queue<T, S, A> {
    fn drop(&mut self) {
        // SAFETY: exclusive; nodes that were unlinked are not reached from the head.
        let empty = unsafe { self.head.take_owned::<A>() };
        let Some(mut empty) = empty else { return };
        // SAFETY: as above; all after the head have their values.
        let first = unsafe { empty.next.take_owned::<A>() };
        drop(empty);
        // SAFETY: as above.
        drop_all(unsafe { Chain::new(first) });
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for Queue<T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
