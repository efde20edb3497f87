//! A table: a power of two of bins, and what a growth to twice as many needs.
//!
//! ```text
//!  root ─▶ Table N bins ─ next ─▶ Table 2N bins (while growing)
//!            cursor: chunks of bins handed out to helping writers · moved: bins that are done · lines: overflow lines
//! ```
//! 1. `next` is set once, by CAS from null.
//! 2. A table is retired by whoever moves the root on, after all of its bins have been moved. It owns its lines, not the entries.
//!
//! Tags: `[count]` plain counters; `moved` is AcqRel so that who counts the last bin has seen all of them moved.

use super::bin::{Bin, Line, filled, marks_of};
use super::entry::empty;
use crate::lines::Lines;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};
use stillpoint_reclaim::Atomic;

/// Bins of a new map.
pub(super) const FIRST_BINS: usize =
    if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 1 } else { 8 };

pub(super) struct Table<K, V> {
    bins: NonNull<Bin<K, V>>,
    raw: NonNull<u8>,
    count: usize,
    pub(super) next: Atomic<Table<K, V>>,
    pub(super) lines: Lines<Line<K, V>>,
    /// Written by each helping writer, so it has its own lines.
    progress: CachePadded<Progress>,
}

struct Progress {
    cursor: AtomicUsize,
    moved: AtomicUsize,
    lines: AtomicUsize,
}

// SAFETY: owned memory of atomics that lead to keys and values; these are shared, and dropped by any thread.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Table<K, V> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Table<K, V> {}

impl<K, V> Table<K, V> {
    /// A table with all bins unfilled, or None for lack of memory.
    pub(super) fn unfilled(count: usize) -> Option<Self> {
        debug_assert!(count.is_power_of_two());
        // SAFETY: the layout is never of size 0.
        let raw = NonNull::new(unsafe { alloc_zeroed(Self::layout(count)?) })?;
        let lead = raw.align_offset(align_of::<Bin<K, V>>());
        // SAFETY: the layout has room for one alignment more than the bins need.
        let bins = unsafe { raw.add(lead) }.cast::<Bin<K, V>>();
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        for at in 0..count {
            // SAFETY: within the allocation. (A model's atomics are not plain words.)
            let bin = unsafe { bins.add(at) };
            // SAFETY: as above; nobody else has it.
            unsafe { bin.write(Bin::unfilled()) };
        }
        Some(Table {
            bins,
            raw,
            count,
            next: Atomic::null(),
            lines: Lines::new(),
            progress: CachePadded::new(Progress {
                cursor: AtomicUsize::new(0),
                moved: AtomicUsize::new(0),
                lines: AtomicUsize::new(0),
            }),
        })
    }

    /// Asked for with the alignment that lets the system give zeroed pages lazily; the bins are aligned by hand.
    fn layout(count: usize) -> Option<Layout> {
        let bytes = count.checked_mul(size_of::<Bin<K, V>>())?;
        let bytes = bytes.checked_add(align_of::<Bin<K, V>>())?;
        Layout::from_size_align(bytes, align_of::<u64>()).ok()
    }

    /// A table whose bins are empty and live, or None for lack of memory.
    pub(super) fn live(count: usize) -> Option<Self> {
        let table = Self::unfilled(count)?;
        for bin in table.bins() {
            for slot in &bin.slots {
                // Relaxed [count]: nobody else has the table
                slot.store(empty(), Ordering::Relaxed);
            }
            // Relaxed [count]: as above
            bin.marks.store(marks_of(std::iter::empty()), Ordering::Relaxed);
            // Relaxed [count]: as above
            bin.header.store(filled(0), Ordering::Relaxed);
        }
        Some(table)
    }

    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    pub(super) fn bin(&self, at: usize) -> &Bin<K, V> {
        debug_assert!(at < self.count);
        // SAFETY: callers mask `at`, and the bins live as long as the table.
        let bin = unsafe { self.bins.add(at) };
        // SAFETY: as above.
        unsafe { bin.as_ref() }
    }

    pub(super) fn bins(&self) -> impl Iterator<Item = &Bin<K, V>> {
        (0..self.count).map(|at| self.bin(at))
    }

    /// Which bin a hash belongs to.
    #[inline(always)]
    pub(super) fn at(&self, hash: u64) -> usize {
        hash as usize & (self.count - 1)
    }

    #[inline(always)]
    pub(super) fn bin_of(&self, hash: u64) -> &Bin<K, V> {
        self.bin(self.at(hash))
    }

    /// Counts new overflow lines, and says how many there are.
    pub(super) fn count_lines(&self, appended: usize) -> usize {
        // Relaxed [count]: a statistic that triggers growth
        self.progress.lines.fetch_add(appended, Ordering::Relaxed) + appended
    }

    /// The next chunk of bins to move. Wraps around, so that what a stalled helper took is taken again.
    pub(super) fn next_chunk(&self, chunk: usize) -> std::ops::Range<usize> {
        // Relaxed [count]: only hands out work
        let from = self.progress.cursor.fetch_add(chunk, Ordering::Relaxed) & (self.count - 1);
        from..(from + chunk).min(self.count)
    }

    /// Whether all bins are moved.
    pub(super) fn is_moved(&self) -> bool {
        // Acquire [count]: sees what whoever moved them did
        self.progress.moved.load(Ordering::Acquire) == self.count
    }

    /// Counts a bin that the caller moved. True for the last one.
    pub(super) fn count_moved(&self) -> bool {
        // AcqRel [count]: the last one has seen what all others did before they counted
        self.progress.moved.fetch_add(1, Ordering::AcqRel) + 1 == self.count
    }
}

impl<K, V> Drop for Table<K, V> {
    fn drop(&mut self) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        for at in 0..self.count {
            // SAFETY: within the allocation.
            let bin = unsafe { self.bins.add(at) };
            // SAFETY: initialised, and not used again.
            unsafe { bin.drop_in_place() };
        }
        let layout = Self::layout(self.count).expect("it was allocated with this layout");
        // SAFETY: allocated with this layout in `unfilled`.
        unsafe { dealloc(self.raw.as_ptr(), layout) };
    }
}
