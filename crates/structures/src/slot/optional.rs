//! A [`Slot`] that may be empty: one of an `Option`.

use super::Slot;
use stillpoint_reclaim::{Counted, NodeAlloc, Scheme};

impl<T: Send + Sync + 'static> Slot<Option<T>> {
    /// A slot with nothing in it, with a collector of its own.
    ///
    /// # Cost
    /// As [`new`](Slot::new): being empty is a value too, and takes a node as large as any.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::Slot;
    ///
    /// let job = Slot::empty();
    /// assert!(job.is_empty() && job.take().is_none());
    /// job.store(Some("sweep"));
    /// // Who takes it has it; another finds the slot empty.
    /// assert_eq!((*job.take(), *job.take()), (Some("sweep"), None));
    /// ```
    pub fn empty() -> Self {
        Slot::new(None)
    }
}

impl<T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Slot<Option<T>, S, A> {
    /// Whether there is nothing in it.
    ///
    /// # Progress
    /// As [`read`](Slot::read).
    pub fn is_empty(&self) -> bool {
        self.read(Option::is_none)
    }

    /// Empties it, and returns what was in it, counted: somebody may be looking at it still. Of several threads that take at the same time,
    /// one gets the value.
    ///
    /// # Progress
    /// As [`store`](Slot::store).
    pub fn take(&self) -> Counted<Option<T>, A> {
        self.swap(None)
    }
}
