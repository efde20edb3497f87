//! [`Local`]: a thread's part of a collector, at the index of its thread slot.
//!
//! ```text
//! Local ── reservation   two words that everybody reads         (own cache lines)
//!       ── state         count of nested guards, and flags       owner only
//!       ── bags          open, sealed, aged, ready               owner only
//!       ── counters      written by the owner, read by stats()
//!       ── guard_name    written by the owner, read by stats()
//!       ── seen          since when a reservation is known to be old; written by whoever scans
//! ```
//! Invariant L1: the owner-only part is touched only by the thread that holds the slot's number; hand-over happens through the
//! registry's lock in `thread_slot` (exit hook before the number is given back).
//!
//! Invariant L2: a slot's segment and the mark in `used` precede its first announcement, so a scan after a heavy fence that has to
//! see the announcement reaches it.

use crate::leased::backlog::Backlog;
use crate::leased::bag::{SealedBag, Summary};
use crate::leased::reservation::Reservation;
use crate::leased::stats::Seen;
use crate::retired::Retired;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use stillpoint_primitive::thread_slot::Temporary;
use stillpoint_primitive::{CachePadded, Label, OwnerCounter, PerThread};

/// Flag in `Local::state`: nobody owns this slot; the next pin has to register.
pub(crate) const UNREGISTERED: u32 = 1 << 31;
/// Flag: owned for one operation of a thread past its exit; handed back at unpin.
pub(crate) const TEMPORARY: u32 = 1 << 30;
/// Flag: the reservation has a name, to be taken off at unpin.
pub(crate) const NAMED: u32 = 1 << 29;
/// The number of guards *inside* the outermost one. A pinned thread without nested guards has state 0, so the common pin and unpin
/// write nothing but the reservation.
pub(crate) const NESTING: u32 = NAMED - 1;

/// What a thread has retired and nobody reclaimed yet.
#[derive(Default)]
pub(crate) struct Bags {
    pub(crate) open: Vec<Retired>,
    /// Bytes of the open bag's nodes.
    pub(crate) open_bytes: usize,
    /// Oldest first.
    pub(crate) sealed: Vec<SealedBag>,
    pub(crate) ready: Vec<Retired>,
    /// A backlog that could not be posted at the last sweep.
    pub(crate) unposted: Option<Box<Backlog>>,
    /// Emptied bags, to be filled again.
    pub(crate) spare: Vec<Vec<Retired>>,
    /// The buffer of scans.
    pub(crate) summary: Summary,
}

/// Nodes for which the open bag has room from its first one on; the ready list has room for a few such bags. A list that doubles from four on
/// takes a block of every size in turn, and for each size an allocator takes memory of its own, fresh from the system and to be zeroed by it.
const FIRST_ROOM: usize = 256;
/// Bags that a sweep frees at once, commonly: those that one fence covers, and one.
const READY_BAGS: usize = 4;

/// How many nodes before its own turn a node is asked for.
const AHEAD: usize = 4;

impl Bags {
    /// The node to be reclaimed next. `ask` is told of one that will be soon.
    #[inline]
    pub(crate) fn next_ready(&mut self, ask: Option<fn(*const u8)>) -> Option<Retired> {
        let node = self.ready.pop()?;
        if let (Some(ask), Some(later)) = (ask, self.ready.len().checked_sub(AHEAD)) {
            ask(self.ready[later].ptr);
        }
        Some(node)
    }

    /// Makes room in the open bag, which is full: for a whole one at once, unless that is large.
    #[cold]
    pub(crate) fn widen_open(&mut self, batch_len: usize) {
        self.open.reserve(batch_len.min(FIRST_ROOM));
    }

    /// Makes room for what a sweep frees, if there is something to sift and none has been before.
    pub(crate) fn prepare_ready(&mut self, batch_len: usize) {
        if !self.sealed.is_empty() && self.ready.capacity() == 0 {
            self.ready.reserve(READY_BAGS * batch_len.min(FIRST_ROOM));
        }
    }

    /// The backlog that could not be posted, or an empty one.
    pub(crate) fn take_unposted(&mut self, local: &Local) -> Backlog {
        let Some(backlog) = self.unposted.take() else { return Backlog::default() };
        local.moved_out(backlog.size());
        *backlog
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
            && self.sealed.is_empty()
            && self.ready.is_empty()
            && self.unposted.is_none()
    }
}

pub(crate) struct Local {
    pub(crate) reservation: CachePadded<Reservation>,
    pub(crate) state: Cell<u32>,
    /// The epoch of this thread's latest birth, and the number of births before the first of that epoch.
    pub(crate) birth_epoch: Cell<u64>,
    pub(crate) births_before: Cell<u64>,
    pub(crate) births: OwnerCounter,
    pub(crate) reclaiming: Cell<bool>,
    /// It is a participant's, not a thread's.
    pub(crate) explicit: Cell<bool>,
    /// A limit's callback is running.
    pub(crate) reporting: Cell<bool>,
    pub(crate) bags: RefCell<Bags>,
    pub(crate) temporary: RefCell<Option<Temporary>>,
    pub(crate) retired: OwnerCounter,
    pub(crate) retired_bytes: OwnerCounter,
    pub(crate) reclaimed: OwnerCounter,
    pub(crate) reclaimed_bytes: OwnerCounter,
    /// What came into the bags but by being retired, less what left them but by being reclaimed.
    moved: OwnerCounter,
    moved_bytes: OwnerCounter,
    pub(crate) barriers: OwnerCounter,
    /// The name that the owner gave its reservation.
    pub(crate) guard_name: Label,
    pub(crate) seen: Seen,
}

// SAFETY: the reservation, the counters and the name are made for sharing; the rest is owner-only by invariant L1.
unsafe impl Sync for Local {}
// SAFETY: the bags hold only what `retire` was promised to be reclaimable anywhere.
unsafe impl Send for Local {}

impl Local {
    /// Counts one guard more inside the outermost one.
    ///
    /// # Panics
    /// There are 2^29 of them. They can only have been forgotten; one more would carry into the flags, and the end of the next one would take
    /// the reservation from under the others.
    pub(crate) fn nest(&self) {
        let state = self.state.get();
        assert!(state & NESTING != NESTING, "{NESTING} guards of one thread inside one another");
        self.state.set(state + 1);
    }

    /// Nodes in the bags and their bytes, without a look at the bags: right in the child of a fork too, where a thread that is gone may have
    /// left them in the middle of a change.
    pub(crate) fn in_bags(&self) -> (u64, u64) {
        let held = |retired: &OwnerCounter, moved: &OwnerCounter, reclaimed: &OwnerCounter| {
            let held = retired.get().wrapping_add(moved.get()).wrapping_sub(reclaimed.get());
            // A thread that is gone may have been between two of them.
            (held as i64).max(0) as u64
        };
        let nodes = held(&self.retired, &self.moved, &self.reclaimed);
        (nodes, held(&self.retired_bytes, &self.moved_bytes, &self.reclaimed_bytes))
    }

    /// Nodes came from elsewhere into the bags.
    pub(crate) fn moved_in(&self, (nodes, bytes): (u64, u64)) {
        self.moved.add(nodes);
        self.moved_bytes.add(bytes);
    }

    /// Nodes left the bags without having been reclaimed.
    pub(crate) fn moved_out(&self, (nodes, bytes): (u64, u64)) {
        self.moved_in((nodes.wrapping_neg(), bytes.wrapping_neg()));
    }

    /// From now on so much is in the bags.
    pub(crate) fn count_bags_as(&self, (nodes, bytes): (u64, u64)) {
        let (nodes_before, bytes_before) = self.in_bags();
        self.moved_out((nodes_before.wrapping_sub(nodes), bytes_before.wrapping_sub(bytes)));
    }
}

/// A flag of the owner's that is up for a while, and goes down by a panic too: without `std` those of destructors and callbacks pass here.
pub(crate) struct Raised<'l>(&'l Cell<bool>);

impl<'l> Raised<'l> {
    #[inline(always)]
    pub(crate) fn new(flag: &'l Cell<bool>) -> Self {
        flag.set(true);
        Raised(flag)
    }
}

impl Drop for Raised<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Default for Local {
    fn default() -> Self {
        Local {
            reservation: CachePadded::new(Reservation::new()),
            state: Cell::new(UNREGISTERED),
            birth_epoch: Cell::new(0),
            births_before: Cell::new(0),
            births: OwnerCounter::default(),
            reclaiming: Cell::new(false),
            explicit: Cell::new(false),
            reporting: Cell::new(false),
            bags: RefCell::default(),
            temporary: RefCell::new(None),
            retired: OwnerCounter::default(),
            retired_bytes: OwnerCounter::default(),
            reclaimed: OwnerCounter::default(),
            reclaimed_bytes: OwnerCounter::default(),
            moved: OwnerCounter::default(),
            moved_bytes: OwnerCounter::default(),
            barriers: OwnerCounter::default(),
            guard_name: Label::default(),
            seen: Seen::default(),
        }
    }
}

// A power of two, so that a slot's place is its number shifted.
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const _: () = assert!(size_of::<Local>() <= 512);

/// All locals of a collector.
pub(crate) type Locals = PerThread<Local>;

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::NESTING;
    use crate::Collector;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// What `Collector::new` says that a collector costs.
    #[test]
    fn a_collector_costs_what_is_said() {
        let locals = super::Locals::FIRST_LEN * size_of::<super::Local>();
        let all = size_of::<crate::leased::collector::Inner>() + locals;
        assert!((30_000..36_000).contains(&all), "{all}");
    }

    /// Not of every size in turn.
    #[test]
    fn lists_of_retired_nodes_take_one_block_each_for_what_is_common() {
        let collector = Collector::new();
        let slot = {
            let guard = collector.pin();
            guard.retire_fn(|| ());
            stillpoint_primitive::thread_slot::current_or_max()
        };
        let local = collector.inner.locals.get_first(slot).unwrap();
        let open = local.bags.borrow().open.capacity();
        (0..4 * super::FIRST_ROOM).for_each(|_| collector.pin().retire_fn(|| ()));
        let bags = local.bags.borrow();
        assert_eq!((open, bags.open.capacity()), (super::FIRST_ROOM, super::FIRST_ROOM));
        assert_eq!(bags.ready.capacity(), super::READY_BAGS * super::FIRST_ROOM);
    }

    #[test]
    fn forgotten_guards_cannot_end_the_reservation_of_another() {
        let collector = Collector::new();
        let outer = collector.pin();
        let slot = stillpoint_primitive::thread_slot::current_or_max();
        let local = collector.inner.locals.get_first(slot).unwrap();
        // As if so many nested guards had been forgotten.
        local.state.set(NESTING - 1);
        let last = collector.pin();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(collector.pin()))).is_err());
        drop(last);
        assert!(local.reservation.read().is_some(), "the outer guard is still there");
        local.state.set(0);
        drop(outer);
        assert!(local.reservation.read().is_none());
    }
}
