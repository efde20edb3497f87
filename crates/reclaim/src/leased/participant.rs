//! [`Participant`]: a part in a collector that somebody holds, instead of a thread that is known by itself.
//!
//! ```text
//! thread ──▶ its number (thread-local) ──▶ Local     Collector::pin
//! Participant ──▶ a number of its own ──▶ Local      Participant::pin: no thread-local, hence no `std`
//! ```
//! 1. A participant's [`Local`] is touched by whoever holds the participant (L1 of `local`): it is `Send`, not `Sync`, and guards borrow it.
//! 2. So no guard is left when it goes but forgotten ones, through which nobody can look at anything any more.

use crate::leased::collector::Collector;
use crate::leased::guard::Guard;
use crate::leased::local::Local;
use core::fmt;
use core::ptr::NonNull;
use stillpoint_primitive::thread_slot::Temporary;

/// A part in a [`Collector`], from [`Collector::register`]: pins without asking who the calling thread is. For environments without threads
/// of a known kind, and for those who keep something of their own for each thread anyway.
///
/// It may be sent to another thread while no guard of it is there. What it has retired when it goes, others reclaim. In the child of a fork,
/// participants stay as they were, those of threads that are gone too: a guard among them holds back what it held back.
pub struct Participant {
    local: NonNull<Local>,
    collector: Collector,
    /// Given back after the rest.
    _number: Temporary,
}

// SAFETY: invariant 1: the local goes with the participant, and is touched by nobody else.
unsafe impl Send for Participant {}

impl Collector {
    /// A part in this collector of one's own: see [`Participant`].
    ///
    /// # Progress
    /// Blocking for a moment: the registry's lock.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_primitive::sync::atomic::Ordering;
    /// use stillpoint_reclaim::{Atomic, Collector, Owned};
    ///
    /// let collector = Collector::new();
    /// let mut reader = collector.register();
    /// let writer = collector.register();
    /// let cell = Atomic::new(Owned::new(&writer.pin(), 1));
    ///
    /// let guard = reader.pin();
    /// let seen = guard.insisting(|guard| guard.protect(&cell));
    /// {
    ///     let guard = writer.pin();
    ///     let old = cell.swap(Owned::new(&guard, 2), Ordering::AcqRel);
    ///     // SAFETY: unlinked just now, by us alone.
    ///     unsafe { old.retire(&guard) };
    /// }
    /// writer.flush();
    /// // SAFETY: protected by the reader's guard.
    /// assert_eq!((unsafe { seen.deref() }, collector.stats().unreclaimed), (&1, 1));
    /// drop(guard);
    /// writer.flush();
    /// assert_eq!(collector.stats().unreclaimed, 0);
    /// # // SAFETY: the cell is about to go.
    /// # unsafe { cell.take(Ordering::AcqRel).retire(&reader.pin()) };
    /// ```
    pub fn register(&self) -> Participant {
        let number = Temporary::claim();
        let local = self.inner.locals.get_or_grow(number.slot());
        local.explicit.set(true);
        self.inner.register(local, number.slot(), 0);
        Participant { local: NonNull::from(local), collector: self.clone(), _number: number }
    }
}

impl Participant {
    #[inline(always)]
    fn local(&self) -> &Local {
        // SAFETY: locals stay where they are as long as the collector, of which we hold a handle.
        unsafe { self.local.as_ref() }
    }

    /// As [`Collector::pin`]. Guards of one participant nest, and share a reservation; those of two have nothing to do with each other.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Cost
    /// Two stores to the participant's own line; on hosts without `membarrier`, or without `std`, a fence.
    #[inline]
    pub fn pin(&self) -> Guard<'_> {
        self.collector.inner.pin_local(self.local())
    }

    /// As [`Collector::flush`], for what this participant has retired.
    ///
    /// # Progress
    /// As [`Collector::flush`].
    pub fn flush(&self) {
        self.collector.inner.flush(self.local());
    }

    /// As [`Collector::hand_over`], for what this participant has retired.
    ///
    /// # Progress
    /// As [`Collector::hand_over`].
    pub fn hand_over(&self) {
        self.collector.inner.post_bags(self.local());
    }

    /// The collector that this is a part in.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        let local = self.local();
        self.collector.inner.settle(local);
        self.collector.inner.leave_bags(local);
        local.guard_name.set(None);
        local.explicit.set(false);
        self.collector.inner.unregister(local);
    }
}

impl fmt::Debug for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participant").finish_non_exhaustive()
    }
}
