//! [`Local`]: a thread's part of a collector, at the index of its thread slot.
//!
//! ```text
//! Local ── reservation   two words that everybody reads         (own cache lines)
//!       ── state         count of nested guards, and flags       owner only
//!       ── bags          open, sealed, aged, ready               owner only
//!       ── counters      written by the owner, read by stats()
//! ```
//! Invariant L1: the owner-only part is touched only by the thread that holds the slot's number; hand-over happens through the
//! registry's lock in `thread_slot` (exit hook before the number is given back).
//!
//! Invariant L2: a slot's segment and the mark in `used` precede its first announcement, so a scan after a heavy fence that has to
//! see the announcement reaches it.
//!
//! Tags: `[grow]` Release CAS of a segment pointer in `append` / Acquire loads in `next`; `[used]` Relaxed `fetch_max` in `mark_used`
//! / Relaxed load in `iter`, ordered by the fences of the announcement.

use crate::backlog::Backlog;
use crate::bag::{Retired, SealedBag, Summary};
use crate::reservation::Reservation;
use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use stillpoint_primitive::thread_slot::Temporary;
use stillpoint_primitive::{CachePadded, OwnerCounter};

/// Flag in `Local::state`: nobody owns this slot; the next pin has to register.
pub(crate) const UNREGISTERED: u32 = 1 << 31;
/// Flag: owned for one operation of a thread past its exit; handed back at unpin.
pub(crate) const TEMPORARY: u32 = 1 << 30;
/// The number of guards *inside* the outermost one. A pinned thread without nested guards has state 0, so the common pin and unpin
/// write nothing but the reservation.
pub(crate) const NESTING: u32 = TEMPORARY - 1;

/// What a thread has retired and nobody reclaimed yet.
#[derive(Default)]
pub(crate) struct Bags {
    pub(crate) open: Vec<Retired>,
    /// Oldest first.
    pub(crate) sealed: Vec<SealedBag>,
    pub(crate) ready: Vec<Retired>,
    /// A backlog that could not be posted at the last sweep.
    pub(crate) unposted: Backlog,
    /// Emptied bags, to be filled again.
    pub(crate) spare: Vec<Vec<Retired>>,
    /// The buffer of scans.
    pub(crate) summary: Summary,
}

impl Bags {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
            && self.sealed.is_empty()
            && self.ready.is_empty()
            && self.unposted.is_empty()
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
    pub(crate) bags: RefCell<Bags>,
    pub(crate) temporary: RefCell<Option<Temporary>>,
    pub(crate) retired: OwnerCounter,
    pub(crate) retired_bytes: OwnerCounter,
    pub(crate) reclaimed: OwnerCounter,
    pub(crate) reclaimed_bytes: OwnerCounter,
    pub(crate) barriers: OwnerCounter,
    pub(crate) thread_name: Mutex<Option<String>>,
}

// SAFETY: the reservation, the counters and the name are made for sharing; the rest is owner-only by invariant L1.
unsafe impl Sync for Local {}
// SAFETY: the bags hold only what `retire` was promised to be reclaimable anywhere.
unsafe impl Send for Local {}

impl Local {
    fn new() -> Self {
        Local {
            reservation: CachePadded::new(Reservation::new()),
            state: Cell::new(UNREGISTERED),
            birth_epoch: Cell::new(0),
            births_before: Cell::new(0),
            births: OwnerCounter::default(),
            reclaiming: Cell::new(false),
            bags: RefCell::default(),
            temporary: RefCell::new(None),
            retired: OwnerCounter::default(),
            retired_bytes: OwnerCounter::default(),
            reclaimed: OwnerCounter::default(),
            reclaimed_bytes: OwnerCounter::default(),
            barriers: OwnerCounter::default(),
            thread_name: Mutex::new(None),
        }
    }
}

#[cfg(not(stillpoint_loom))]
const SEGMENT_LEN: usize = 64;
#[cfg(stillpoint_loom)]
const SEGMENT_LEN: usize = 4;

struct Segment {
    locals: Box<[Local]>,
    next: AtomicPtr<Segment>,
}

impl Segment {
    fn new() -> Self {
        Segment {
            locals: (0..SEGMENT_LEN).map(|_| Local::new()).collect(),
            next: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    fn next(&self) -> Option<&Segment> {
        // Acquire [grow]: the segment's contents come with the pointer.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: segments are only ever appended, and freed with the whole list, which `self` borrows.
        unsafe { next.as_ref() }
    }
}

/// All locals of a collector: a list of segments that only grows.
pub(crate) struct Locals {
    first: Segment,
    /// One more than the highest slot ever used: how far a scan goes.
    used: AtomicUsize,
}

impl Locals {
    pub(crate) fn new() -> Self {
        Locals { first: Segment::new(), used: AtomicUsize::new(0) }
    }

    /// Makes scans reach `slot`; comes before the slot's first announcement.
    pub(crate) fn mark_used(&self, slot: usize) {
        // Relaxed [used]: as with the reservation, the fence that follows the announcement makes it count.
        self.used.fetch_max(slot + 1, Ordering::Relaxed);
    }

    /// The local at `slot` if it lies in the first segment: the fast path.
    #[inline(always)]
    pub(crate) fn get_first(&self, slot: usize) -> Option<&Local> {
        self.first.locals.get(slot)
    }

    /// The local at `slot`; appends segments as needed.
    pub(crate) fn get_or_grow(&self, slot: usize) -> &Local {
        let mut segment = &self.first;
        for _ in 0..slot / SEGMENT_LEN {
            segment = segment.next().unwrap_or_else(|| Self::append(segment));
        }
        &segment.locals[slot % SEGMENT_LEN]
    }

    fn append(segment: &Segment) -> &Segment {
        let fresh = Box::into_raw(Box::new(Segment::new()));
        // Release [grow]: publishes the segment's contents; Acquire [grow]: or takes over somebody else's.
        let outcome = segment.next.compare_exchange(
            std::ptr::null_mut(),
            fresh,
            Ordering::Release,
            Ordering::Acquire,
        );
        if outcome.is_err() {
            // SAFETY: ours alone, it was never published.
            drop(unsafe { Box::from_raw(fresh) });
        }
        segment.next().expect("a segment was appended just now, by us or by somebody else")
    }

    /// All locals that have been used by now.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Local> {
        // Relaxed [used]: comes after a heavy fence, or is for figures only.
        let used = self.used.load(Ordering::Relaxed);
        std::iter::successors(Some(&self.first), |segment| segment.next())
            .flat_map(|segment| segment.locals.iter())
            .take(used)
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        // Acquire [grow]: exclusive by `&mut self`; the order is that of the hand-over.
        let mut next = self.first.next.load(Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: made by `Box::into_raw` in `append`, freed only here.
            let segment = unsafe { Box::from_raw(next) };
            // Acquire [grow]: as above.
            next = segment.next.load(Ordering::Acquire);
        }
    }
}
