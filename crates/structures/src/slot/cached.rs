//! [`Cached`]: a reader's own reference to a slot's value.
//!
//! ```text
//! Slot ─▶ Node { count, value } ◀─1─ Cached        load: does the slot still name the node? then nothing else is touched
//! ```
//! 1. The reference keeps the node, so no other node comes to lie at its address while it is held: a slot that names that address holds that
//!    node. A node that was replaced does not come back. So the comparison of addresses is one of values.

use super::Slot;
use std::fmt;
use stillpoint_reclaim::{Collector, Counted, Heap, NodeAlloc, Scheme};

/// A reader that keeps the value which it saw last, and looks for another only when the slot has one: what a loop asks for a configuration
/// that hardly ever changes. Runs on every scheme.
///
/// What it keeps is not dropped before its next [`load`](Cached::load), or its own end: no guard is held, nothing else is held back.
///
/// # Examples
/// ```
/// use stillpoint_structures::Slot;
///
/// let config = Slot::new(1);
/// let mut cached = config.cached();
/// assert_eq!(*cached.load(), 1);
/// config.store(2);
/// assert_eq!((*cached.seen(), *cached.load(), *cached.seen()), (1, 2, 2));
/// ```
pub struct Cached<'s, T: Send + Sync + 'static, S: Scheme = Collector, A: NodeAlloc = Heap> {
    slot: &'s Slot<T, S, A>,
    value: Counted<T, A>,
}

impl<T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Slot<T, S, A> {
    /// A reader that keeps what it sees.
    ///
    /// # Progress
    /// As [`load_full`](Slot::load_full).
    pub fn cached(&self) -> Cached<'_, T, S, A> {
        Cached { slot: self, value: self.load_full() }
    }
}

impl<'s, T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Cached<'s, T, S, A> {
    /// The slot's value.
    ///
    /// # Progress
    /// Wait-free while the slot is not stored to; then as [`load_full`](Slot::load_full).
    ///
    /// # Cost
    /// A load of the slot and a comparison: no pin, and no write, neither to the thread's own memory nor to shared one.
    #[inline]
    pub fn load(&mut self) -> &T {
        if !self.value.is_in(&self.slot.place) {
            self.renew();
        }
        &self.value
    }

    /// The value as it was at the last [`load`](Cached::load), without a look at the slot.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn seen(&self) -> &T {
        &self.value
    }

    /// The slot.
    pub fn slot(&self) -> &'s Slot<T, S, A> {
        self.slot
    }

    #[cold]
    fn renew(&mut self) {
        self.value = self.slot.load_full();
    }
}

impl<T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Clone for Cached<'_, T, S, A> {
    fn clone(&self) -> Self {
        Cached { slot: self.slot, value: self.value.clone() }
    }
}

impl<T: Send + Sync + fmt::Debug + 'static, S: Scheme, A: NodeAlloc> fmt::Debug
    for Cached<'_, T, S, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.seen()).finish()
    }
}
