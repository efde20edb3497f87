//! [`Counted`]: a reference to a node that needs no guard: it may be sent to other threads and kept across an `await`.
//!
//! ```text
//! structure ──1──▶ Countable { count, value } ◀──1── Counted ◀──1── Counted
//!                  └ the structure's own reference is given up by the collector, after every guard
//! ```
//! A guard is of its thread, and holds back reclamation; what has to outlive an operation is counted instead, node by node, and only
//! nodes of a type that asks for it pay for the count (8 bytes). This is how the kernel's RCU and its `kref` work together.
//!
//! 1. The count includes one for the structure until the collector's reclaimer runs. So whoever holds a *protected* pointer finds at
//!    least one, and [`promote`](Shared::promote) need not ask whether it came too late.
//! 2. Whoever brings the count to zero drops the value and frees the node: the collector if no `Counted` is left, else the last of them.
//!
//! Tags: `[count]` Relaxed increment (1 says that it is not from zero) / AcqRel decrement in `rc::release`: all uses of the value come before
//! its drop.

use crate::atomic::{Atomic, Shared};
use crate::node::{Block, Heap, NodeAlloc};
use crate::rc;
use crate::scheme::Protect;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// References that one node may have: far from overflow even if every thread adds one past it.
const MAX_COUNT: u64 = 1 << 62;

/// A value with a count of its references beside it, for nodes whose values are to outlive guards.
///
/// The drop of a structure may take such a node back ([`Atomic::take_owned`](crate::Atomic::take_owned)) only if no [`Counted`] of it is left; else it
/// [retires](Shared::retire_counted) it like any other.
pub struct Countable<T> {
    count: AtomicU64,
    value: T,
}

impl<T> Countable<T> {
    /// A value with one reference: the structure's.
    pub fn new(value: T) -> Self {
        Countable { count: AtomicU64::new(1), value }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Countable<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Countable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Countable").field(&self.value).finish()
    }
}

/// Gives one reference up.
///
/// # Safety
/// `ptr` is a `Block<Countable<T>>` from an `A`, and the caller has a reference, which it does not use any more.
unsafe fn release<T, A: NodeAlloc>(ptr: *mut u8) {
    // SAFETY: the caller's reference keeps the node.
    let count = unsafe { &(*ptr.cast::<Block<Countable<T>>>()).value.count };
    if rc::release(count) {
        // SAFETY: it was the last reference, so nobody else can reach the node.
        unsafe { Block::<Countable<T>>::reclaim::<A>(ptr) };
    }
}

impl<'g, T> Shared<'g, Countable<T>> {
    /// A reference that outlives the guard.
    ///
    /// # Progress
    /// Wait-free: one addition.
    ///
    /// # Panics
    /// When a node has 2^62 references.
    ///
    /// # Safety
    /// Not null, still protected, made from an `A`, and retired (now or later) by [`retire_counted`](Shared::retire_counted) only.
    pub unsafe fn promote<A: NodeAlloc>(self) -> Counted<T, A> {
        // SAFETY: protected, by the caller's promise.
        let count = unsafe { &self.deref().count };
        // Relaxed [count]: it is not zero, since the structure's reference goes only after our guard.
        let before = count.fetch_add(1, Ordering::Relaxed);
        debug_assert!(before > 0, "promoted a node that is gone");
        assert!(before < MAX_COUNT, "{before} references to one node");
        let node = NonNull::new(self.untagged()).expect("the caller promises a node");
        Counted { node, owns: PhantomData }
    }

    /// As [`retire_in`](Shared::retire_in): the structure's reference is given up once no guard can hold the node, and the value is
    /// dropped with the last reference.
    ///
    /// # Safety
    /// As [`retire_in`](Shared::retire_in).
    pub unsafe fn retire_counted<A: NodeAlloc, G: Protect>(self, guard: &G) {
        // SAFETY: the caller's promise; `release` gives up the reference that the structure had.
        unsafe { self.retire_with(guard, release::<T, A>) };
    }
}

/// A counted reference to a node's value. Its clones, and the collector, keep the node together; the last one drops it, where it is.
pub struct Counted<T, A: NodeAlloc = Heap> {
    node: NonNull<Block<Countable<T>>>,
    owns: PhantomData<(Countable<T>, A)>,
}

// SAFETY: as `Arc`: gives out `&T` on every thread, and drops the value on any.
unsafe impl<T: Send + Sync, A: NodeAlloc> Send for Counted<T, A> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync, A: NodeAlloc> Sync for Counted<T, A> {}

impl<T, A: NodeAlloc> Counted<T, A> {
    /// Whether `place` holds this node. While this reference lives no other node can lie at its address, so `true` means this one.
    ///
    /// # Progress
    /// Wait-free: one load.
    #[inline]
    pub fn is_in(&self, place: &Atomic<Countable<T>>) -> bool {
        core::ptr::eq(place.load_acquire().untagged(), self.node.as_ptr())
    }
}

impl<T, A: NodeAlloc> Deref for Counted<T, A> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: our reference keeps the node.
        let block = unsafe { self.node.as_ref() };
        &block.value.value
    }
}

impl<T, A: NodeAlloc> Clone for Counted<T, A> {
    fn clone(&self) -> Self {
        // SAFETY: our reference keeps the node.
        let block = unsafe { self.node.as_ref() };
        // Relaxed [count]: from one that we have.
        let before = block.value.count.fetch_add(1, Ordering::Relaxed);
        assert!(before < MAX_COUNT, "{before} references to one node");
        Counted { node: self.node, owns: PhantomData }
    }
}

impl<T, A: NodeAlloc> Drop for Counted<T, A> {
    fn drop(&mut self) {
        // SAFETY: we have a reference, and go.
        unsafe { release::<T, A>(self.node.as_ptr().cast()) };
    }
}

impl<T: fmt::Debug, A: NodeAlloc> fmt::Debug for Counted<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&**self).finish()
    }
}
