//! [`Member`]: a thread's part of an RCU collector, at the index of its thread slot.
//!
//! | `seen` | the thread |
//! |---|---|
//! | 0 | is offline: holds nothing, and comes online at its next pin |
//! | `p` | is online, and was last quiescent in period `p` |
//!
//! Invariant: everything but `seen` and the counters is touched only by the thread that has the slot's number.
//!
//! Tags: `[seen]` Release stores here / the Acquire load in `engine`'s scan: uses of what was loaded come before the reclamation.

use crate::retired::Retired;
use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::thread_slot::Temporary;
use stillpoint_primitive::{CachePadded, OwnerCounter};

/// A thread announces a quiescent state once in so many outermost guards: a store a few dozen guards, and a grace period that is not
/// longer than a few dozen guards of the slowest thread.
pub const QUIESCENT_EVERY: u32 = 32;

const OFFLINE: u64 = 0;

/// Nodes that were retired in one period.
pub(crate) struct Bag {
    pub(crate) nodes: Vec<Retired>,
    pub(crate) period: u64,
}

#[derive(Default)]
pub(crate) struct Bags {
    pub(crate) open: Vec<Retired>,
    /// Oldest first.
    pub(crate) sealed: VecDeque<Bag>,
    pub(crate) ready: Vec<Retired>,
}

impl Bags {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty() && self.ready.is_empty()
    }
}

#[derive(Default)]
pub(crate) struct Member {
    seen: CachePadded<AtomicU64>,
    /// Guards that there are. So wide that nobody forgets as many as would make it overflow.
    pub(crate) nesting: Cell<u64>,
    guards: Cell<u32>,
    pub(crate) registered: Cell<bool>,
    pub(crate) reclaiming: Cell<bool>,
    pub(crate) bags: RefCell<Bags>,
    /// The thread is past its exit: the membership ends with the guard.
    pub(crate) transient: Cell<bool>,
    pub(crate) temporary: Cell<Option<Temporary>>,
    pub(crate) retired: OwnerCounter,
    pub(crate) reclaimed: OwnerCounter,
}

// SAFETY: `seen` and the counters are made for sharing; the rest is owner-only by the invariant.
unsafe impl Sync for Member {}
// SAFETY: bags hold only what `retire` was promised to be reclaimable anywhere.
unsafe impl Send for Member {}

impl Member {
    /// The owner's own last store.
    #[inline(always)]
    pub(crate) fn is_online(&self) -> bool {
        // Relaxed [seen]: nobody else writes it.
        self.seen.load(Ordering::Relaxed) != OFFLINE
    }

    /// As the scan sees it: the last period seen, `None` offline.
    pub(crate) fn read(&self) -> Option<u64> {
        // Acquire [seen]: see the header.
        let seen = self.seen.load(Ordering::Acquire);
        (seen != OFFLINE).then_some(seen)
    }

    /// Announces that nothing loaded before `period` was read is held any more.
    #[inline]
    pub(crate) fn announce(&self, period: u64) {
        // Release [seen]: see the header.
        self.seen.store(period, Ordering::Release);
    }

    /// Announces that nothing is held, unless there is a guard.
    pub(crate) fn go_offline(&self) {
        if self.nesting.get() == 0 {
            // Release [seen]: see the header.
            self.seen.store(OFFLINE, Ordering::Release);
        }
    }

    /// Counts an outermost guard that has gone; whether there is something to do about it.
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        let guards = self.guards.get().wrapping_add(1);
        self.guards.set(guards);
        guards.is_multiple_of(QUIESCENT_EVERY) || self.transient.get()
    }
}
