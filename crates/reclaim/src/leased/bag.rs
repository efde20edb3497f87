//! Bags: retired nodes on their way to being reclaimed, and the question whether a reader holds them back.
//!
//! ```text
//! open bag ──R entries──▶ sealed (retire epoch r) ──no reader with lower ≤ r──▶ ready ──four a retirement──▶ reclaimed
//!                               └─ some reader: entries born after m are ready, the others age in the backlog
//! ```
//! `m` is the largest upper end among readers with `lower ≤ r`: a node born at `b` and retired at `r` is held back iff such a reader
//! exists and `b ≤ m`. The first case frees a whole bag without a look at its nodes, which is the epoch scheme's cost.

use crate::leased::backlog::Backlog;
use crate::retired::{Retired, size};
use alloc::vec::Vec;

/// A bag with its retire epoch.
pub(crate) struct SealedBag {
    pub(crate) entries: Vec<Retired>,
    /// The epoch read, behind a full fence, after the last of the entries was unlinked.
    pub(crate) retired_at: u64,
}

impl SealedBag {
    /// Moves what no reader of `summary` holds back to `ready`, the rest to `backlog`; returns the emptied buffer, and the nodes and bytes of
    /// the rest.
    pub(crate) fn sift(
        self,
        summary: &Summary,
        ready: &mut Vec<Retired>,
        backlog: &mut Backlog,
    ) -> (Vec<Retired>, (u64, u64)) {
        let SealedBag { mut entries, retired_at } = self;
        let mut rest = (0, 0);
        match summary.covering(retired_at) {
            None => ready.append(&mut entries),
            Some(reader) => {
                // A node that is kept may be asked again, when its line has left the cache.
                entries.retain_mut(|node| {
                    node.birth = node.birth.at_hand();
                    let held = node.birth.get() <= reader;
                    if !held {
                        ready.push(*node);
                    }
                    held
                });
                rest = size(entries.iter());
                backlog.keep(reader, retired_at, entries.drain(..));
            }
        }
        (entries, rest)
    }
}

/// What the occupied reservations say, as of one scan.
#[derive(Default)]
pub(crate) struct Summary {
    /// `(lower, upper)`, sorted by lower; `upper` is the maximum over all up to here.
    prefix_max: Vec<(u64, u64)>,
}

impl Summary {
    /// Takes in the reservations of a new scan, in the old buffer.
    pub(crate) fn refill(&mut self, reservations: impl Iterator<Item = (u64, u64)>) {
        self.prefix_max.clear();
        self.prefix_max.extend(reservations);
        self.prefix_max.sort_unstable();
        let mut highest = 0;
        for (_, upper) in &mut self.prefix_max {
            highest = highest.max(*upper);
            *upper = highest;
        }
    }

    /// The largest upper end among readers whose lower end is `≤ retired_at`; `None` when there is no such reader.
    pub(crate) fn covering(&self, retired_at: u64) -> Option<u64> {
        let readers = self.prefix_max.partition_point(|&(lower, _)| lower <= retired_at);
        readers.checked_sub(1).map(|last| self.prefix_max[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn covering_is_the_largest_upper_end_of_those_who_came_before() {
        let mut summary = Summary::default();
        summary.refill([(7, 9), (3, 20), (5, 6)].into_iter());
        assert_eq!(summary.covering(2), None);
        assert_eq!(summary.covering(3), Some(20));
        assert_eq!(summary.covering(8), Some(20));
        summary.refill(core::iter::once((5, 6)));
        assert_eq!(summary.covering(4), None);
        assert_eq!(summary.covering(5), Some(6));
    }
}
