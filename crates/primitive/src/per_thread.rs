//! [`PerThread`]: one `L` a thread slot, in segments that are only ever appended.
//!
//! ```text
//! first (in place, LEN of them) ──next──▶ segment ──next──▶ … ──▶ null          used: one more than the highest slot marked
//! ```
//! 1. A segment is published whole and stays until the list goes: a reference to an element is good as long as the list.
//! 2. What is reached by a scan: all slots marked before the scan, by the marker's own synchronisation (a fence, see
//!    [`PerThread::mark_used`]).
//!
//! Tags: `[grow]` Release CAS of a segment pointer in `append` / Acquire loads in `next`; `[used]` Relaxed `fetch_max` in `mark_used`
//! / Relaxed load in `iter`, ordered by the fences of whoever announces something in an element.

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use alloc::boxed::Box;

/// Elements of a segment: `LEN`, or few enough for a model.
const fn segment_len(len: usize) -> usize {
    if cfg!(stillpoint_loom) && len > 4 { 4 } else { len }
}

struct Segment<L> {
    elements: Box<[L]>,
    next: AtomicPtr<Segment<L>>,
}

impl<L: Default> Segment<L> {
    fn new(len: usize) -> Self {
        Segment {
            elements: (0..len).map(|_| L::default()).collect(),
            next: AtomicPtr::new(core::ptr::null_mut()),
        }
    }
}

impl<L> Segment<L> {
    fn next(&self) -> Option<&Segment<L>> {
        // Acquire [grow]: the segment's contents come with the pointer.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: segments are only ever appended, and freed with the whole list, which `self` borrows.
        unsafe { next.as_ref() }
    }
}

/// An element for every thread slot (see [`thread_slot`](crate::thread_slot)), in segments of `LEN`; grows, never shrinks.
pub struct PerThread<L, const LEN: usize = 64> {
    first: Segment<L>,
    used: AtomicUsize,
}

impl<L: Default, const LEN: usize> Default for PerThread<L, LEN> {
    fn default() -> Self {
        PerThread::new()
    }
}

impl<L: Default, const LEN: usize> PerThread<L, LEN> {
    /// Elements for the first `LEN` slots.
    ///
    /// # Cost
    /// `LEN` elements; as many again for each `LEN` slots more.
    pub fn new() -> Self {
        PerThread { first: Segment::new(Self::FIRST_LEN), used: AtomicUsize::new(0) }
    }

    /// The element at `slot`; appends segments as needed.
    ///
    /// # Progress
    /// Wait-free but for the allocator: one step a segment.
    pub fn get_or_grow(&self, slot: usize) -> &L {
        let mut segment = &self.first;
        for _ in 0..slot / Self::FIRST_LEN {
            segment = segment.next().unwrap_or_else(|| Self::append(segment));
        }
        &segment.elements[slot % Self::FIRST_LEN]
    }

    fn append(segment: &Segment<L>) -> &Segment<L> {
        let fresh = Box::into_raw(Box::new(Segment::new(Self::FIRST_LEN)));
        let null = core::ptr::null_mut();
        // Release [grow]: publishes the segment's contents; Acquire [grow]: or takes over somebody else's.
        let won = segment.next.compare_exchange(null, fresh, Ordering::Release, Ordering::Acquire);
        if won.is_err() {
            // SAFETY: ours alone, it was never published.
            drop(unsafe { Box::from_raw(fresh) });
        }
        segment.next().expect("a segment was appended just now, by us or by somebody else")
    }
}

impl<L, const LEN: usize> PerThread<L, LEN> {
    /// Slots of the first segment.
    pub const FIRST_LEN: usize = segment_len(LEN);

    /// The element at `slot` if it lies in the first segment: the fast path.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn get_first(&self, slot: usize) -> Option<&L> {
        self.first.elements.get(slot)
    }

    /// The elements of the first segment: where they are for as long as the list.
    pub fn first(&self) -> &[L] {
        &self.first.elements
    }

    /// As [`get_first`](PerThread::get_first), for a slot that is known to lie there.
    ///
    /// # Safety
    /// `slot` is less than [`FIRST_LEN`](PerThread::FIRST_LEN).
    #[inline(always)]
    pub unsafe fn get_first_unchecked(&self, slot: usize) -> &L {
        // SAFETY: the caller's promise.
        unsafe { self.first.elements.get_unchecked(slot) }
    }

    /// The element at `slot`, if its segment is there.
    ///
    /// # Progress
    /// Wait-free: one step a segment.
    #[inline(always)]
    pub fn get(&self, slot: usize) -> Option<&L> {
        self.get_first(slot).or_else(|| self.get_later(slot))
    }

    #[cold]
    fn get_later(&self, slot: usize) -> Option<&L> {
        let len = Self::FIRST_LEN;
        let mut segments = core::iter::successors(Some(&self.first), |segment| segment.next());
        segments.nth(slot / len).and_then(|segment| segment.elements.get(slot % len))
    }

    /// Makes scans reach `slot`. Comes before the slot's first announcement; the fence that follows the announcement makes it count.
    ///
    /// # Progress
    /// Wait-free.
    pub fn mark_used(&self, slot: usize) {
        // Relaxed [used]: see the header.
        self.used.fetch_max(slot + 1, Ordering::Relaxed);
    }

    /// All elements up to the highest marked slot.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        // Relaxed [used]: comes after a heavy fence, or is for figures only.
        let used = self.used.load(Ordering::Relaxed);
        core::iter::successors(Some(&self.first), |segment| segment.next())
            .flat_map(|segment| segment.elements.iter())
            .take(used)
    }
}

impl<L, const LEN: usize> Drop for PerThread<L, LEN> {
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

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::PerThread;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn elements_stay_where_they_are_and_scans_reach_the_marked_ones() {
        let list: PerThread<AtomicUsize> = PerThread::new();
        for slot in [0, 63, 64, 1000] {
            list.mark_used(slot);
            list.get_or_grow(slot).store(slot, Ordering::Relaxed);
        }
        assert_eq!(list.iter().count(), 1001);
        let sum: usize = list.iter().map(|element| element.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 63 + 64 + 1000);
        assert!(list.get_first(64).is_none());
    }

    #[test]
    fn racing_growth_keeps_one_segment() {
        let list: PerThread<AtomicUsize> = PerThread::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| list.get_or_grow(700).fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(list.get_or_grow(700).load(Ordering::Relaxed), 4);
    }
}
