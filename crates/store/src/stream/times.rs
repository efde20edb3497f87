//! [`Times`]: when, by the caller's wall clock, a commit timestamp was current; coarsely.
//!
//! # Invariants
//! 1. A note (t, ms) says: whatever is stamped `t` or later was committed at `ms` or later, and whatever is stamped earlier before the note was
//!    made. Notes ascend in both.
//! 2. At most [`MOST`] notes: when there are more, every other one goes, and older times become coarser.

use std::collections::VecDeque;

/// Notes that are kept.
const MOST: usize = 4096;
/// Milliseconds between two notes.
const APART_MS: u64 = 100;

#[derive(Default)]
pub(super) struct Times {
    notes: VecDeque<(u64, u64)>,
}

impl Times {
    /// Whether a note at this time is worth while.
    pub(super) fn wants(&self, now_ms: u64) -> bool {
        self.notes.back().is_none_or(|(_, last)| now_ms >= last.saturating_add(APART_MS))
    }

    pub(super) fn note(&mut self, timestamp: u64, now_ms: u64) {
        self.notes.push_back((timestamp, now_ms));
        if self.notes.len() > MOST {
            let mut even = false;
            self.notes.retain(|_| {
                even = !even;
                even
            });
        }
    }

    /// A time at which or after which what has this timestamp was committed.
    pub(super) fn of(&self, timestamp: u64) -> Option<u64> {
        let after = self.notes.partition_point(|(noted, _)| *noted <= timestamp);
        Some(self.notes.get(after.checked_sub(1)?)?.1)
    }

    /// Everything with an earlier timestamp than this was committed before that time.
    pub(super) fn reached_before(&self, ms: u64) -> u64 {
        let after = self.notes.partition_point(|(_, noted)| *noted <= ms);
        after.checked_sub(1).and_then(|last| self.notes.get(last)).map_or(0, |note| note.0)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_lies_between_the_notes_around_it() {
        let mut times = Times::default();
        assert_eq!(times.of(5), None);
        (1..=3).for_each(|n| times.note(n * 10, n * 1000));
        assert_eq!(
            [9, 10, 19, 20, 99].map(|t| times.of(t)),
            [None, Some(1000), Some(1000), Some(2000), Some(3000)]
        );
        assert_eq!([999, 1000, 2500, 9000].map(|ms| times.reached_before(ms)), [0, 10, 20, 30]);
        (0..10_000).for_each(|n| times.note(100 + n, 4000 + n));
        assert!(times.notes.len() <= MOST && times.of(100 + 9_999) == Some(4000 + 9_999));
    }
}
