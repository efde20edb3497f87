//! [`Reservation`]: what a thread publishes so that reclaimers leave its nodes alone.
//!
//! ```text
//! idle      lower = IDLE (u64::MAX)   upper = anything
//! pinned    lower = epoch at pin      upper = last epoch whose nodes the reader may meet (the lease's end)
//! ```
//! A node born at `b` and retired at `r` is held back by `[lower, upper]` iff `lower ≤ r` and `b ≤ upper`.
//!
//! Only the owner writes. Tags and their sites:
//! - `[announce]`: Release store of `lower` in `publish` / Acquire load of `lower` in `read`: who sees a `lower` sees the `upper`
//!   written before it, or a later one, so a torn pair covers both guards it is torn from.
//! - `[leave]`: Release store of IDLE in `withdraw` / Acquire load of `lower` in `read`: the reader's accesses come before the free.
//! - `[lease]`: `upper` is raised by `extend`; the fence that the caller issues next makes it count.

use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

pub(crate) const IDLE: u64 = u64::MAX;

/// The two words of one thread.
#[derive(Debug)]
pub(crate) struct Reservation {
    lower: AtomicU64,
    upper: AtomicU64,
}

impl Reservation {
    pub(crate) fn new() -> Self {
        Reservation { lower: AtomicU64::new(IDLE), upper: AtomicU64::new(0) }
    }

    /// Announces `[lower, upper]`; a light fence must follow before any pointer is loaded.
    #[inline(always)]
    pub(crate) fn publish(&self, lower: u64, upper: u64) {
        // Relaxed [lease]: ordered by the Release store below.
        self.upper.store(upper, Ordering::Relaxed);
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

    /// The owner's view of its lower end: IDLE when not pinned.
    #[inline(always)]
    pub(crate) fn own_lower(&self) -> u64 {
        // Relaxed [announce]: our own last store.
        self.lower.load(Ordering::Relaxed)
    }

    /// The owner's view of its upper end.
    #[inline(always)]
    pub(crate) fn own_upper(&self) -> u64 {
        // Relaxed [lease]: our own last store.
        self.upper.load(Ordering::Relaxed)
    }

    /// The pair as a reclaimer sees it, `None` when idle.
    #[inline]
    pub(crate) fn read(&self) -> Option<(u64, u64)> {
        // Acquire [announce] [leave]: see the header.
        let lower = self.lower.load(Ordering::Acquire);
        // Acquire [lease]: a later `upper` only covers more.
        let upper = self.upper.load(Ordering::Acquire);
        (lower != IDLE).then_some((lower, upper))
    }
}
