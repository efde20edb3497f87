//! Bags: retired nodes on their way to being reclaimed.
//!
//! ```text
//! open bag ──R entries──▶ sealed (retire epoch r) ──no reader with lower ≤ r──▶ ready ──a few a retire──▶ reclaimed
//!                                    └─ some reader: entries born ≤ m stay in an aged bag that remembers m
//! ```
//! `m` is the largest upper end among readers with `lower ≤ r`. An aged bag is not looked at again until `m` for its `r` has fallen
//! below the one remembered, so each entry is examined once a fall, not once a scan. Aged bags merge when equally large (sizes
//! double), which keeps their number logarithmic; a merged bag takes the largest `r`, which is conservative.

use crate::epoch::Epoch;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One retired node: where it is, how it is freed, when it was born.
#[derive(Clone, Copy)]
pub(crate) struct Retired {
    pub(crate) ptr: *mut u8,
    pub(crate) reclaim: unsafe fn(*mut u8),
    pub(crate) birth: Epoch,
    pub(crate) bytes: usize,
}

// SAFETY: whoever retires a node hands it over for good and promises that it may be reclaimed on any thread.
unsafe impl Send for Retired {}

impl Retired {
    /// Frees the node. A panic in a destructor is contained: the node counts as reclaimed, the others go on.
    ///
    /// # Safety
    /// Nobody can reach the node any more, and this is the only call for it.
    pub(crate) unsafe fn reclaim(self) {
        // SAFETY: the caller's promise, passed on to the reclaimer that came with the node.
        let _ = catch_unwind(AssertUnwindSafe(|| unsafe { (self.reclaim)(self.ptr) }));
    }
}

/// A bag with its retire epoch.
pub(crate) struct SealedBag {
    pub(crate) entries: Vec<Retired>,
    /// The epoch read, behind a full fence, after the last of the entries was unlinked.
    pub(crate) retired_at: u64,
    /// The `m` that kept these entries, or `u64::MAX` before the first look.
    pub(crate) kept_by: u64,
}

/// What the occupied reservations say, as of one scan.
pub(crate) struct Summary {
    /// `(lower, upper)`, sorted by lower; `upper` is the maximum over all up to here.
    prefix_max: Vec<(u64, u64)>,
}

impl Summary {
    pub(crate) fn new(reservations: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut prefix_max: Vec<_> = reservations.collect();
        prefix_max.sort_unstable();
        let mut highest = 0;
        for (_, upper) in &mut prefix_max {
            highest = highest.max(*upper);
            *upper = highest;
        }
        Summary { prefix_max }
    }

    /// The largest upper end among readers whose lower end is `≤ retired_at`; `None` when there is no such reader.
    pub(crate) fn covering(&self, retired_at: u64) -> Option<u64> {
        let readers = self.prefix_max.partition_point(|&(lower, _)| lower <= retired_at);
        readers.checked_sub(1).map(|last| self.prefix_max[last].1)
    }
}

impl SealedBag {
    pub(crate) fn new(entries: Vec<Retired>, retired_at: u64) -> Self {
        SealedBag { entries, retired_at, kept_by: u64::MAX }
    }

    /// Moves what `summary` no longer holds back to `ready`; returns what is left, if anything.
    pub(crate) fn sift(mut self, summary: &Summary, ready: &mut Vec<Retired>) -> Option<SealedBag> {
        let Some(reader) = summary.covering(self.retired_at) else {
            ready.append(&mut self.entries);
            return None;
        };
        if reader >= self.kept_by && self.kept_by != u64::MAX {
            return Some(self);
        }
        self.kept_by = reader;
        self.entries.retain(|node| {
            let held = node.birth.get() <= reader;
            if !held {
                ready.push(*node);
            }
            held
        });
        (!self.entries.is_empty()).then_some(self)
    }

    fn size_class(&self) -> u32 {
        self.entries.len().max(1).ilog2()
    }

    /// Adds `bag` to `aged`, merging equally large ones.
    pub(crate) fn age_into(mut self, aged: &mut Vec<SealedBag>) {
        while let Some(last) = aged.pop() {
            if last.size_class() > self.size_class() {
                aged.push(last);
                break;
            }
            self.retired_at = self.retired_at.max(last.retired_at);
            self.kept_by = if self.kept_by == u64::MAX || last.kept_by == u64::MAX {
                u64::MAX
            } else {
                self.kept_by.max(last.kept_by)
            };
            self.entries.extend(last.entries);
        }
        aged.push(self);
    }
}
