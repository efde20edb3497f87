//! [`Stack`]: a last-in-first-out stack (Treiber's).
//!
//! ```text
//! head ─▶ Node c ─▶ Node b ─▶ Node a ─▶ null
//!         push: link the new node to the head, CAS the head
//!         pop:  CAS the head to its node's next, take the value, retire the node
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`push`](Stack::push) | lock-free | an allocation, a CAS |
//! | [`pop`](Stack::pop), [`peek`](Stack::peek) | lock-free; `peek` wait-free | a CAS; a load |
//! | [`take_all`](Stack::take_all) | wait-free, then a step an element | a swap |
//! | [`is_empty`](Stack::is_empty) | wait-free | a load |
//!
//! # Invariants
//! 1. A node's link is set before the node is published and does not change while the head can lead to it.
//! 2. A pop holds its top node protected from the load of the head to the CAS. So the node's address is not used again meanwhile: when
//!    the CAS succeeds, the head is the same node still, and by 1 its link is the one that was read. (Without that: the ABA problem.)
//! 3. Whoever's CAS or swap unlinks a node is the only one to take its value, and retires it.
//!
//! Runs on every scheme: nothing but the head is ever followed, and that is a root. Protects slot 0.
//!
//! # Orderings
//! Those of [`Atomic`]: a publishing CAS is Release, a load of the head Acquire. `[link]`: a link of one's own, published with its node;
//! `[unlink]`: the swap that takes the whole chain is Acquire, for the nodes' contents.
//!
//! Source: R. K. Treiber, *Systems programming: coping with parallelism* (1986).

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

/// A last-in-first-out stack for any number of threads; see the [module's page](self).
///
/// Values need not be `'static`: a popped node has no value any more, so what a collector reclaims later runs no code of `T`.
///
/// # Examples
/// ```
/// use stillpoint_structures::Stack;
///
/// let stack = Stack::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| stack.push("a"));
/// });
/// stack.push("b");
/// assert_eq!((stack.pop(), stack.pop(), stack.pop()), (Some("b"), Some("a"), None));
/// ```
pub struct Stack<T, S: Scheme = Collector, A: NodeAlloc = Heap> {
    head: CachePadded<Atomic<Node<T>>>,
    scheme: S,
    alloc: A,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: crate::weakened::Weakened,
    values: PhantomData<T>,
}

// SAFETY: values are moved from thread to thread, and never looked at by two.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Send for Stack<T, S, A> {}
// SAFETY: as above; `peek` copies, and needs `T: Copy`.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Sync for Stack<T, S, A> {}

impl<T> Stack<T> {
    /// An empty stack with a collector of its own.
    ///
    /// # Cost
    /// 256 bytes beside the collector's.
    pub fn new() -> Self {
        Stack::with_scheme(Collector::new())
    }
}

container!(Stack, "stack", "nodes");

impl<T, S: Scheme, A: NodeAlloc> Stack<T, S, A> {
    /// An empty stack whose nodes come from `alloc` and are reclaimed by `scheme`.
    pub fn in_alloc(scheme: S, alloc: A) -> Self {
        Stack {
            head: CachePadded::new(Atomic::null()),
            scheme,
            alloc,
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
            values: PhantomData,
        }
    }

    /// Puts `value` on top.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn push(&self, value: T) {
        let mut guard = self.scheme.pin();
        let mut node = Some(self.node(value, &guard));
        guard.complete(|guard| self.try_push(&mut node, guard));
    }

    /// As [`push`](Stack::push), under a guard of this stack's scheme.
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
        let mut node = Some(self.node(value, guard));
        match guard.retrying(|guard| self.try_push(&mut node, guard)) {
            Ok(()) => Ok(()),
            Err(Restart) => {
                let node = node.expect("a push that failed leaves the node");
                // SAFETY: never published; taken once.
                Err(Returned(unsafe { node.take() }))
            }
        }
    }

    /// Takes the value on top.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.scheme.pin().complete(|guard| self.try_pop(guard))
    }

    /// As [`pop`](Stack::pop), under a guard of this stack's scheme.
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

    /// A copy of the value on top. Only for `T: Copy`: anything else may be moved out and dropped by a pop while one looks at it.
    ///
    /// # Progress
    /// Wait-free; lock-free on a scheme that protects per pointer.
    pub fn peek(&self) -> Option<T>
    where
        T: Copy,
    {
        self.scheme.pin().complete(|guard| {
            let top = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0.
            let node = unsafe { top.as_ref() };
            // SAFETY: a node under the head was made with a value; a pop of a `Copy` value leaves it as it is.
            Ok(node.map(|node| unsafe { node.take() }))
        })
    }

    /// Takes everything off at once, as an iterator from the top down. What is not iterated over is dropped with the iterator.
    ///
    /// # Progress
    /// Wait-free; an element of the iterator too.
    pub fn take_all(&self) -> TakeAll<'_, T, S, A> {
        // Acquire [unlink]: the whole chain, with its contents, is ours now.
        TakeAll { next: self.head.take(Ordering::Acquire), stack: self }
    }

    /// Whether there is nothing in it at this moment.
    ///
    /// # Progress
    /// Wait-free.
    pub fn is_empty(&self) -> bool {
        self.head.load_unprotected().is_null()
    }

    fn node(&self, value: T, guard: &S::Guard<'_>) -> Owned<Node<T>, A> {
        Owned::new_in(guard, Node::new(value), &self.alloc)
    }

    /// On success, and only then, `node` has become `None`.
    fn try_push(
        &self,
        node: &mut Option<Owned<Node<T>, A>>,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        let mut backoff = Backoff::default();
        loop {
            let top = guard.protect_root(0, &self.head)?;
            let new = node.take().expect("a node that was not published yet");
            // Relaxed [link]: published with the node by the CAS.
            new.next.store(top, Ordering::Relaxed);
            match self.head.compare_exchange_owned(top, new, guard) {
                Ok(_) => return Ok(()),
                Err(refused) => *node = Some(refused.new),
            }
            backoff.spin();
        }
    }

    fn try_pop(&self, guard: &S::Guard<'_>) -> Result<Option<T>, Restart> {
        let mut backoff = Backoff::default();
        loop {
            let top = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0.
            let Some(node) = (unsafe { top.as_ref() }) else { return Ok(None) };
            let next = node.next.load_unprotected();
            if self.head.compare_exchange_unprotected(top, next).is_ok() {
                // SAFETY: invariant 3.
                let value = unsafe { node.take() };
                // SAFETY: unlinked just now, by us alone; the node is empty.
                unsafe { self.retire(top, guard) };
                return Ok(Some(value));
            }
            backoff.spin();
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

impl<T, S: Scheme, A: NodeAlloc> Drop for Stack<T, S, A> {
    fn drop(&mut self) {
        // SAFETY: exclusive; nodes that were unlinked are not reached from the head.
        let first = unsafe { self.head.take_owned::<A>() };
        // SAFETY: as above; what the head leads to has not been popped.
        drop_all(unsafe { Chain::new(first) });
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for Stack<T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}

/// What [`Stack::take_all`] took off, from the top down.
pub struct TakeAll<'s, T, S: Scheme, A: NodeAlloc> {
    next: Shared<'s, Node<T>>,
    stack: &'s Stack<T, S, A>,
}

// SAFETY: the nodes and their values are the iterator's alone; guards are pinned where it is used.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Send for TakeAll<'_, T, S, A> {}

impl<T, S: Scheme, A: NodeAlloc> Iterator for TakeAll<'_, T, S, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let node = self.next;
        // SAFETY: unlinked by the swap, and retired by nobody but us, below.
        let contents = unsafe { node.as_ref() }?;
        // Relaxed [link]: the chain is ours. A pop that still holds the node may read the empty link; its CAS fails.
        self.next = contents.next.take(Ordering::Relaxed);
        // SAFETY: invariant 3; the iterator has gone on.
        let value = unsafe { contents.take() };
        let guard = self.stack.scheme.pin();
        // SAFETY: unlinked, and each node is come by once.
        unsafe { self.stack.retire(node, &guard) };
        Some(value)
    }
}

impl<T, S: Scheme, A: NodeAlloc> Drop for TakeAll<'_, T, S, A> {
    fn drop(&mut self) {
        drop_all(self);
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for TakeAll<'_, T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeAll").field("is_empty", &self.next.is_null()).finish_non_exhaustive()
    }
}
