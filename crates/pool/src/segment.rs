//! Segments: 2 MiB of address space from the system, cut into 32 slabs.
//!
//! Slabs are handed out one after the other, all zeroes; a trimmed slab gives its pages back, which makes it all zeroes again, and waits
//! here for the next class that needs one. Slow path only (once in 64 KiB), so a mutex guards it.
//!
//! # Huge pages
//! A segment begins at a multiple of its size, so that one huge page can hold it. From the one on with which the pool exceeds
//! [`huge_pages_after_bytes`](crate::PoolConfig::huge_pages_after_bytes), the system is asked for one: 32 slabs for one entry of the processor's table of pages.
//!
//! 1. Such a segment is resident whole with its first slab. Only the newest segment has slabs that were never handed out, so that makes at most
//!    31 slabs in the pool more than with small pages; they go back with the next trim that finds no slab taken since the one before.
//! 2. Once a part of a segment has gone back to the system it has small pages for good: else the system would fill the hole by itself.
//! 3. The first touch of a huge page is the system's time to find and clear 2 MiB: 0.2 ms, and 8 ms on a virtual machine whose host has to find them
//!    too. [`Segments::prepare`] takes that time ahead, and not under the lock: one segment at most is ready, resident whole, for when the newest is used up.

use crate::mapping::{Mapping, Pages, advise, decommit};
use crate::slab::SLAB_BYTES;
use crate::trim::Patience;
use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a segment: a huge page, where there are such.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

pub(crate) struct Memory {
    /// Unmapped with the segments: no block is in use then (the core drops with the last one).
    mapped: Vec<Mapping>,
    /// Slabs never used, or given back: all zero.
    fresh: Vec<usize>,
    huge_after_bytes: usize,
    /// The segments that the system was asked for huge pages for.
    huge: BTreeSet<usize>,
    /// The next segment, which has been touched (3).
    ready: Option<Mapping>,
    /// Whether a slab has been taken since a trim last gave back what nobody wanted: only then is a segment got ready, or each would bring the other to work.
    is_growing: bool,
    /// How many fresh slabs the trim before found, and since when there are so many.
    fresh_since: Option<(usize, u64)>,
}

/// Where slabs come from.
pub(crate) struct Segments {
    memory: Mutex<Memory>,
}

impl Segments {
    pub(crate) fn new(huge_after_bytes: Option<usize>) -> Segments {
        let memory = Memory {
            mapped: Vec::new(),
            fresh: Vec::new(),
            huge_after_bytes: huge_after_bytes.unwrap_or(usize::MAX),
            huge: BTreeSet::new(),
            ready: None,
            is_growing: false,
            fresh_since: None,
        };
        Segments { memory: Mutex::new(memory) }
    }

    /// A zeroed slab, or `None` when the system refuses.
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        let mut memory = self.lock();
        if memory.fresh.is_empty() {
            memory.map()?;
        }
        memory.is_growing = true;
        NonNull::new(std::ptr::with_exposed_provenance_mut(memory.fresh.pop()?))
    }

    /// Gets the next segment ready if one will soon be wanted (3). Whether it did.
    pub(crate) fn prepare(&self) -> bool {
        if !self.lock().will_want_a_segment() {
            return false;
        }
        let Some(mapping) = Mapping::aligned(SEGMENT_BYTES, SEGMENT_BYTES) else { return false };
        // SAFETY: a whole mapping.
        unsafe { advise(mapping.start(), SEGMENT_BYTES, Pages::Huge) };
        // SAFETY: the first byte of our own mapping, which is zero and stays so; the write is what makes it resident.
        unsafe { mapping.start().as_ptr().write_volatile(0) };
        let surplus = self.lock().ready.replace(mapping);
        // Of somebody else who did the same.
        drop(surplus);
        true
    }

    /// Takes a slab back that nobody can name any more; its pages go to the system.
    pub(crate) fn give(&self, slab: NonNull<u8>) {
        let address = slab.as_ptr().expose_provenance();
        self.lock().make_small(address);
        // SAFETY: a slab of a mapping of ours, by the caller nobody's any more.
        unsafe { decommit(slab, SLAB_BYTES) };
        self.lock().fresh.push(address);
    }

    /// Gives back what a huge page brought along and nobody has wanted since.
    pub(crate) fn trim(&self, patience: Patience) {
        let mut memory = self.lock();
        let count = memory.fresh.len();
        let since = match patience {
            Patience::None => None,
            Patience::Wait { now_ns, .. } => match memory.fresh_since {
                Some((before, since)) if before == count => Some(since),
                _ => Some(now_ns),
            },
        };
        memory.fresh_since = since.map(|since| (count, since));
        let is_over = match (patience, since) {
            (Patience::Wait { now_ns, delay_ns }, Some(since)) => {
                now_ns.saturating_sub(since) >= delay_ns
            }
            _ => true,
        };
        if is_over {
            memory.decommit_fresh();
            memory.is_growing = false;
            let ready = memory.ready.take();
            drop(memory);
            drop(ready);
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes mapped, bytes of slabs handed out.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let memory = self.lock();
        let cut = memory.mapped.len() * SEGMENT_BYTES;
        let ready = memory.ready.iter().len() * SEGMENT_BYTES;
        (cut + ready, cut - memory.fresh.len() * SLAB_BYTES)
    }
}

impl Memory {
    fn map(&mut self) -> Option<()> {
        let ready = self.ready.take();
        let is_advised = ready.is_some();
        let mapping = match ready {
            Some(ready) => ready,
            None => Mapping::aligned(SEGMENT_BYTES, SEGMENT_BYTES)?,
        };
        let first = mapping.start().as_ptr().expose_provenance();
        if self.wants_huge() {
            if !is_advised {
                // SAFETY: a whole mapping.
                unsafe { advise(mapping.start(), SEGMENT_BYTES, Pages::Huge) };
            }
            self.huge.insert(first);
        }
        self.mapped.push(mapping);
        self.fresh.extend((0..SEGMENT_BYTES / SLAB_BYTES).rev().map(|i| first + i * SLAB_BYTES));
        Some(())
    }

    fn wants_huge(&self) -> bool {
        self.mapped.len() * SEGMENT_BYTES >= self.huge_after_bytes
    }

    /// Whether there are fewer slabs at hand than half a segment's, and the next one would have a huge page.
    fn will_want_a_segment(&self) -> bool {
        let is_low = self.fresh.len() < SEGMENT_BYTES / SLAB_BYTES / 2;
        is_low && self.is_growing && self.ready.is_none() && self.wants_huge()
    }

    /// Sees to it that the slab's segment is given by small pages (2).
    fn make_small(&mut self, slab: usize) {
        let segment = slab & !(SEGMENT_BYTES - 1);
        if self.huge.remove(&segment)
            && let Some(at) = NonNull::new(std::ptr::with_exposed_provenance_mut(segment))
        {
            // SAFETY: a whole mapping.
            unsafe { advise(at, SEGMENT_BYTES, Pages::Small) };
        }
    }

    /// Gives the pages of fresh slabs in huge segments back to the system.
    fn decommit_fresh(&mut self) {
        let is_huge = |slab: &usize| self.huge.contains(&(slab & !(SEGMENT_BYTES - 1)));
        let slabs: Vec<usize> = self.fresh.iter().copied().filter(is_huge).collect();
        for slab in slabs {
            self.make_small(slab);
            if let Some(at) = NonNull::new(std::ptr::with_exposed_provenance_mut(slab)) {
                // SAFETY: a slab of a mapping of ours that nobody has.
                unsafe { decommit(at, SLAB_BYTES) };
            }
        }
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    fn fill(slab: NonNull<u8>) {
        assert_eq!(slab.as_ptr().align_offset(SLAB_BYTES), 0);
        for at in (0..SLAB_BYTES).step_by(512) {
            // SAFETY: inside the slab, which is ours.
            let byte = unsafe { slab.add(at) };
            // SAFETY: as above.
            assert_eq!(unsafe { byte.read() }, 0, "fresh slabs are zeroes");
            // SAFETY: as above.
            unsafe { byte.write(7) };
        }
    }

    fn huge(segments: &Segments) -> usize {
        segments.lock().huge.len()
    }

    #[test]
    fn slabs_that_come_back_are_zeroes_whatever_the_pages() {
        for huge_after in [None, Some(0), Some(SEGMENT_BYTES)] {
            let segments = Segments::new(huge_after);
            let mut slabs: Vec<_> = (0..70).map(|_| segments.take().unwrap()).collect();
            slabs.iter().for_each(|slab| fill(*slab));
            for _ in 0..3 {
                slabs.rotate_left(29);
                slabs.drain(..40).for_each(|slab| segments.give(slab));
                segments.trim(Patience::None);
                slabs.extend((0..40).map(|_| segments.take().unwrap()).inspect(|slab| fill(*slab)));
            }
            assert_eq!(segments.bytes().1, 70 * SLAB_BYTES);
            assert_eq!(huge(&segments), 0, "none that was given back in part is asked for whole");
        }
    }

    #[test]
    fn the_next_segment_is_ready_before_it_is_wanted() {
        let segments = Segments::new(Some(SEGMENT_BYTES));
        let take = |count| (0..count).for_each(|_| fill(segments.take().unwrap()));
        assert!(!segments.prepare(), "nobody has taken anything");
        take(16);
        assert!(!segments.prepare(), "half is left");
        take(1);
        assert!(segments.prepare());
        assert!(!segments.prepare(), "one is enough");
        assert_eq!(segments.bytes(), (2 * SEGMENT_BYTES, 17 * SLAB_BYTES));
        let ready = segments.lock().ready.as_ref().unwrap().start();
        take(15);
        assert!(segments.lock().ready.is_some());
        let first = segments.take().unwrap();
        assert_eq!(first.as_ptr(), ready.as_ptr());
        fill(first);
        assert!(segments.lock().ready.is_none());
        assert_eq!(huge(&segments), 1);
        take(31);
        assert!(segments.prepare());
        segments.trim(Patience::None);
        assert_eq!(segments.bytes(), (2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES), "nobody wanted it");
        assert!(!segments.prepare(), "not again before somebody takes a slab");
        take(17);
        assert!(segments.prepare());
        assert!(!Segments::new(None).prepare());
    }

    #[test]
    fn a_huge_page_keeps_what_nobody_uses_only_while_slabs_are_taken() {
        let segments = Segments::new(Some(SEGMENT_BYTES));
        let trim = |now_ns| segments.trim(Patience::Wait { now_ns, delay_ns: 10 });
        let take = |count| (0..count).for_each(|_| fill(segments.take().unwrap()));
        take(32);
        assert_eq!(huge(&segments), 0, "a small pool has small pages");
        take(2);
        trim(100);
        take(1);
        trim(111);
        trim(120);
        assert_eq!(huge(&segments), 1);
        trim(121);
        assert_eq!(huge(&segments), 0);
        take(29);
        take(32);
        assert_eq!(huge(&segments), 1);
        segments.trim(Patience::Wait { now_ns: 200, delay_ns: 10 });
        segments.trim(Patience::None);
        assert_eq!(huge(&segments), 1, "all of it is in use");
    }
}
