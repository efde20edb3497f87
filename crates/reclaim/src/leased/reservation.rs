//! [`Reservation`]: what a thread publishes so that reclaimers leave its nodes alone.
//!
//! ```text
//! absent    lower = ABSENT             upper = anything      nobody owns the slot: the next pin has to register
//! idle      lower = IDLE               upper = anything
//! pinned    lower = epoch at pin      upper = last epoch whose nodes the reader may meet (the lease's end)
//! ```
//! A node born at `b` and retired at `r` is held back by `[lower, upper]` iff `lower ≤ r` and `b ≤ upper`.
//!
//! Only the owner writes. Tags and their sites:
//! - `[announce]`: Release store of `lower` in `publish` / Acquire load of `lower` in `read`: who sees a `lower` sees the `upper`
//!   written before it, or a later one. A pair torn from two guards covers the later; the earlier is over, see the next.
//! - `[leave]`: Release store of IDLE in `withdraw` or `appear`, of ABSENT in `vanish`, and of `upper` by the next `publish` / Acquire loads in `read`: the reader's
//!   accesses come before the free by whoever sees either.
//! - `[lease]`: `upper` is raised by `extend`; the fence that the caller issues next makes it count. Relaxed loads by the owner.

use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

pub(crate) const IDLE: u64 = u64::MAX;
pub(crate) const ABSENT: u64 = u64::MAX - 1;

/// The two words of one thread.
#[derive(Debug)]
pub(crate) struct Reservation {
    lower: AtomicU64,
    upper: AtomicU64,
}

impl Reservation {
    pub(crate) fn new() -> Self {
        Reservation { lower: AtomicU64::new(ABSENT), upper: AtomicU64::new(0) }
    }

    /// Announces `[lower, upper]`, and makes it count before any pointer is loaded.
    #[inline(always)]
    pub(crate) fn publish(&self, fences: Fences, lower: u64, upper: u64) {
        // Release [leave]: who sees this guard's upper end beside the lower one of the guard before knows that one to be over.
        self.upper.store(upper, Ordering::Release);
        // With Release: `[announce]`.
        fences.publish(&self.lower, lower);
    }

    /// As [`publish`](Reservation::publish), without the fence: what a model must catch.
    #[cfg(stillpoint_loom)]
    pub(crate) fn publish_unfenced(&self, lower: u64, upper: u64) {
        // Release [leave]: as above.
        self.upper.store(upper, Ordering::Release);
        // Release [announce]: see the header.
        self.lower.store(lower, Ordering::Release);
    }

    /// Raises the upper end; a light fence must follow before any pointer is loaded.
    #[inline]
    pub(crate) fn extend(&self, upper: u64) {
        // Release [lease]: a scanner that reads it has no earlier access of ours to fear; the fence does the rest.
        self.upper.store(upper, Ordering::Release);
    }

    /// Announces that the thread holds nothing.
    #[inline(always)]
    pub(crate) fn withdraw(&self) {
        // Release [leave]: our reads come before the free by whoever sees IDLE.
        self.lower.store(IDLE, Ordering::Release);
    }

    /// A thread takes the slot: from now on its pins need no registration.
    pub(crate) fn appear(&self) {
        self.withdraw();
    }

    /// The thread gives the slot up.
    pub(crate) fn vanish(&self) {
        // Release [leave]: as IDLE.
        self.lower.store(ABSENT, Ordering::Release);
    }

    /// The owner's view of its lower end: IDLE when not pinned.
    #[inline(always)]
    pub(crate) fn own_lower(&self) -> u64 {
        own(&self.lower)
    }

    /// The owner's view of its upper end.
    #[inline(always)]
    pub(crate) fn own_upper(&self) -> u64 {
        own(&self.upper)
    }

    /// The pair as a reclaimer sees it, `None` when idle.
    #[inline]
    pub(crate) fn read(&self) -> Option<(u64, u64)> {
        // Acquire [announce]: and [leave], see the header.
        let lower = self.lower.load(Ordering::Acquire);
        // Acquire [leave]: see the header.
        let upper = self.upper.load(Ordering::Acquire);
        (lower < ABSENT).then_some((lower, upper))
    }
}

/// The owner's own last store.
#[cfg(not(stillpoint_loom))]
#[inline(always)]
fn own(word: &AtomicU64) -> u64 {
    // Relaxed [lease]: nobody else writes it.
    word.load(Ordering::Relaxed)
}

/// As above, without a point where the model switches threads.
#[cfg(stillpoint_loom)]
fn own(word: &AtomicU64) -> u64 {
    // SAFETY: only the owner writes, and this is the owner.
    unsafe { word.unsync_load() }
}
