//! A table: a power of two of bins, and what a growth to twice as many needs.
//!
//! ```text
//!  root ─▶ Table N bins ─ next ─▶ Table 2N bins (while growing)
//!            cursor: chunks of bins handed out to helping writers · moved: bins that are done · lines: overflow lines
//! ```
//! # Invariants
//! 1. `next` is set once, by CAS from null.
//! 2. A table and its lines are retired together, by whoever moves the root on, as born in epoch 0. So any pin that began before protects them, for
//!    as long as it lasts, without a lease test: they behave as under plain epochs. What a stalled reader can hold back that way is
//!    bounded, because tables double: all tables ever retired together are smaller than the current one.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[next]` | a new table is zeroed before the Release CAS that makes it `next`; pairs with Acquire loads |
//! | `[root]` | the Release CAS of the root comes after all bins are MOVED; pairs with the Acquire load of the root in the index |
//! | `[count]` | plain counters; `moved` is AcqRel so that who counts the last bin has seen all of them moved |

use crate::index::bin::{Bin, Line};
use crate::lines::Lines;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Bins of a new index: one kilobyte, since a server makes sixteen of them.
#[cfg(not(stillpoint_loom))]
pub(crate) const FIRST_BINS: usize = 16;
#[cfg(stillpoint_loom)]
pub(crate) const FIRST_BINS: usize = 1;

pub(crate) struct Table {
    bins: NonNull<Bin>,
    raw: NonNull<u8>,
    count: usize,
    next: AtomicPtr<Table>,
    pub(crate) lines: Lines<Line>,
    /// Written by each helping writer, so it has its own lines.
    progress: CachePadded<Progress>,
}

struct Progress {
    cursor: AtomicUsize,
    moved: AtomicUsize,
    lines: AtomicUsize,
}

// SAFETY: `bins` and `raw` are owned memory of atomics; the rest is atomics.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    /// A table with all bins uninitialised, or None for lack of memory.
    fn zeroed(count: usize) -> Option<Box<Self>> {
        debug_assert!(count.is_power_of_two());
        // SAFETY: the layout is never of size 0.
        let raw = NonNull::new(unsafe { alloc_zeroed(Self::layout(count)) })?;
        let lead = raw.align_offset(align_of::<Bin>());
        // SAFETY: the layout has room for one alignment more than the bins need.
        let bins = unsafe { raw.add(lead) }.cast::<Bin>();
        let table = Self {
            bins,
            raw,
            count,
            next: AtomicPtr::new(std::ptr::null_mut()),
            lines: Lines::new(),
            progress: CachePadded::new(Progress {
                cursor: AtomicUsize::new(0),
                moved: AtomicUsize::new(0),
                lines: AtomicUsize::new(0),
            }),
        };
        #[cfg(stillpoint_loom)]
        for at in 0..count {
            // SAFETY: within the allocation. (A model's atomics are not plain words.)
            let bin = unsafe { bins.add(at) };
            // SAFETY: as above; nobody else has it.
            unsafe { bin.write(Bin::uninit()) };
        }
        Some(Box::new(table))
    }

    /// Asked for with the alignment that lets the system give zeroed pages lazily; the bins are aligned by hand.
    fn layout(count: usize) -> Layout {
        let bytes = count
            .checked_mul(size_of::<Bin>())
            .and_then(|bytes| bytes.checked_add(align_of::<Bin>()));
        bytes
            .and_then(|bytes| Layout::from_size_align(bytes, align_of::<u64>()).ok())
            .expect("a table of a count that exists fits the address space")
    }

    /// A table whose bins are empty and live.
    pub(crate) fn first() -> Option<Box<Self>> {
        Self::empty(FIRST_BINS)
    }

    /// The same with so many bins, a power of two.
    pub(crate) fn empty(count: usize) -> Option<Box<Self>> {
        let table = Self::zeroed(count)?;
        for at in 0..count {
            // SAFETY: within the allocation.
            let bin = unsafe { table.bins.add(at) };
            // SAFETY: as above; nobody else has it.
            unsafe { bin.write(Bin::empty()) };
        }
        Some(table)
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn mask(&self) -> u64 {
        self.count as u64 - 1
    }

    #[inline]
    pub(crate) fn bin(&self, at: usize) -> &Bin {
        debug_assert!(at < self.count);
        // SAFETY: callers mask `at`, and the bins live as long as the table.
        let bin = unsafe { self.bins.add(at) };
        // SAFETY: as above.
        unsafe { bin.as_ref() }
    }

    /// Which bin a hash belongs to.
    #[inline]
    pub(crate) fn at(&self, hash: u64) -> usize {
        (hash & self.mask()) as usize
    }

    #[inline]
    pub(crate) fn bin_of(&self, hash: u64) -> &Bin {
        self.bin(self.at(hash))
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<&Self> {
        // Acquire [next]: pairs with the Release in `grow`
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: a next table becomes root when this one is retired, so it outlives it (invariant 2).
        unsafe { next.as_ref() }
    }

    /// Gives the table a next one, if it has none. False for lack of memory.
    pub(crate) fn grow(&self) -> bool {
        if self.next().is_some() {
            return true;
        }
        let Some(next) = self.count.checked_mul(2).and_then(Self::zeroed) else { return false };
        let next = Box::into_raw(next);
        // Release [next]: the zeroed table; pairs with the Acquire in `next`
        if self
            .next
            .compare_exchange(std::ptr::null_mut(), next, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: the CAS failed, so nobody else has seen it.
            unsafe { Self::free(next.cast()) };
        }
        true
    }

    /// Counts a new overflow line, and says how many there are.
    pub(crate) fn count_line(&self) -> usize {
        // Relaxed [count]: a statistic that triggers growth
        self.progress.lines.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn line_count(&self) -> usize {
        // Relaxed [count]: a statistic
        self.progress.lines.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        Self::layout(self.count).size() + Lines::<Line>::bytes_of(self.line_count())
    }

    /// The next chunk of bins to move. Wraps around, so that what a stalled helper took is taken again.
    pub(crate) fn next_chunk(&self, chunk: usize) -> std::ops::Range<usize> {
        // Relaxed [count]: only hands out work
        let from = self.progress.cursor.fetch_add(chunk, Ordering::Relaxed) & (self.count - 1);
        from..(from + chunk).min(self.count)
    }

    /// Counts a bin that the caller moved. True for the last one.
    pub(crate) fn count_moved(&self) -> bool {
        // AcqRel [count]: the last one has seen what all others did before they counted
        self.progress.moved.fetch_add(1, Ordering::AcqRel) + 1 == self.count
    }

    /// Frees a table and its lines, not the versions; a reclaimer.
    ///
    /// # Safety
    /// `table` must come from `Box::into_raw`, and nobody else may look at it any more.
    pub(crate) unsafe fn free(table: *mut u8) {
        // SAFETY: by contract.
        let table = unsafe { Box::from_raw(table.cast::<Self>()) };
        #[cfg(stillpoint_loom)]
        for at in 0..table.count {
            // SAFETY: within the allocation.
            let bin = unsafe { table.bins.add(at) };
            // SAFETY: initialised, and not used again.
            unsafe { bin.drop_in_place() };
        }
        // SAFETY: allocated with this layout in `zeroed`.
        unsafe { dealloc(table.raw.as_ptr(), Self::layout(table.count)) };
    }
}
