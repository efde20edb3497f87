//! [`Local`]: a thread's magazines and counters, at the index of its thread slot.
//!
//! Two magazines a class (Bonwick): allocation pops from `loaded`, freeing pushes to it; when that cannot be done it changes places
//! with `spare`; only when that does not help either is a magazine exchanged with the depot. So a thread that alternates around a
//! magazine's edge does not visit the depot each time.
//!
//! Invariant L1: the owner-only part is touched only by the thread that holds the slot's number (see `thread_slot`).
//! Tags: `[count]` Relaxed counters, owner-written; `[grow]` Release CAS / Acquire load of a segment pointer.

use crate::class;
use crate::core::Quarantined;
use crate::depot::Loaded;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) loaded: Option<Loaded>,
    pub(crate) spare: Option<Loaded>,
}

/// A counter with one writer and any readers.
#[derive(Default)]
pub(crate) struct OwnerCounter(AtomicU64);

impl OwnerCounter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // Relaxed [count]: one writer, so load and store lose nothing.
        let old = self.0.load(Ordering::Relaxed);
        // Relaxed [count]: as above.
        self.0.store(old.wrapping_add(n), Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        // Relaxed [count]: a figure.
        self.0.load(Ordering::Relaxed)
    }
}

#[repr(align(128))]
pub(crate) struct Local {
    pub(crate) registered: Cell<bool>,
    pairs: UnsafeCell<[Pair; class::COUNT]>,
    pub(crate) quarantine: RefCell<VecDeque<Quarantined>>,
    /// Blocks and bytes handed out and taken back by this thread; differences over all threads are what is in use.
    pub(crate) allocated: OwnerCounter,
    pub(crate) allocated_bytes: OwnerCounter,
    pub(crate) freed: OwnerCounter,
    pub(crate) freed_bytes: OwnerCounter,
}

// SAFETY: counters are made for sharing; the rest is owner-only by invariant L1.
unsafe impl Sync for Local {}
// SAFETY: blocks and magazines may change threads.
unsafe impl Send for Local {}

impl Local {
    fn new() -> Self {
        Local {
            registered: Cell::new(false),
            pairs: UnsafeCell::new(std::array::from_fn(|_| Pair::default())),
            quarantine: RefCell::default(),
            allocated: OwnerCounter::default(),
            allocated_bytes: OwnerCounter::default(),
            freed: OwnerCounter::default(),
            freed_bytes: OwnerCounter::default(),
        }
    }

    /// The magazines of `class`.
    ///
    /// # Safety
    /// By the slot's owner (L1), and not while another such call is under way.
    #[inline(always)]
    pub(crate) unsafe fn pair<R>(&self, class: usize, f: impl FnOnce(&mut Pair) -> R) -> R {
        self.pairs.with_mut(|pairs| {
            // SAFETY: exclusive by the caller's promise.
            f(unsafe { &mut (&mut *pairs)[class] })
        })
    }
}

#[cfg(not(stillpoint_loom))]
const SEGMENT_LEN: usize = 16;
#[cfg(stillpoint_loom)]
const SEGMENT_LEN: usize = 2;

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
        // SAFETY: only ever appended, and freed with the whole list, which `self` borrows.
        unsafe { next.as_ref() }
    }
}

/// All locals of a pool: a list of segments that only grows.
pub(crate) struct Locals {
    first: Segment,
}

impl Locals {
    pub(crate) fn new() -> Self {
        Locals { first: Segment::new() }
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: usize) -> Option<&Local> {
        if let Some(local) = self.first.locals.get(slot) {
            return Some(local);
        }
        self.iter_segments().nth(slot / SEGMENT_LEN).map(|s| &s.locals[slot % SEGMENT_LEN])
    }

    pub(crate) fn get_or_grow(&self, slot: usize) -> &Local {
        let mut segment = &self.first;
        for _ in 0..slot / SEGMENT_LEN {
            segment = segment.next().unwrap_or_else(|| Self::append(segment));
        }
        &segment.locals[slot % SEGMENT_LEN]
    }

    fn append(segment: &Segment) -> &Segment {
        let fresh = Box::into_raw(Box::new(Segment::new()));
        let null = std::ptr::null_mut();
        // Release [grow]: publishes the segment; Acquire [grow]: or somebody else's is taken over.
        let won = segment.next.compare_exchange(null, fresh, Ordering::Release, Ordering::Acquire);
        if won.is_err() {
            // SAFETY: never published.
            drop(unsafe { Box::from_raw(fresh) });
        }
        segment.next().expect("a segment was appended just now, by us or by somebody else")
    }

    fn iter_segments(&self) -> impl Iterator<Item = &Segment> {
        std::iter::successors(Some(&self.first), |segment| segment.next())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Local> {
        self.iter_segments().flat_map(|segment| segment.locals.iter())
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        // Acquire [grow]: exclusive by `&mut self`.
        let mut next = self.first.next.load(Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: made by `Box::into_raw` in `append`, freed only here.
            let segment = unsafe { Box::from_raw(next) };
            // Acquire [grow]: as above.
            next = segment.next.load(Ordering::Acquire);
        }
    }
}
