//! The commit clock, and the stamps that are made from it.
//!
//! ```text
//!  stamp (plain)   63  62 ........................ 12  11 ....... 0
//!                  0   timestamp (51 bits)              sequence (12)
//! ```
//! The sequence orders the writes of *one key* inside one timestamp. A snapshot at `s` sees, of every key, the newest version whose timestamp is
//! at most `s`; so of several versions of a key with one timestamp only the last is ever seen by a snapshot.
//!
//! # Invariants
//! 1. The clock never goes back, and starts at 1 or later, so that no stamp is 0 or 1 (those words mean "unset" and "aborted").
//! 2. Single-key writes only load the clock. It moves on when a snapshot is taken (once for all that are taken at that moment), when a batch
//!    takes its timestamp (each batch its own), when a key has had 4,096 writes in one timestamp, and before a removed key leaves the index.
//! 3. Stamps along the chain of one key grow strictly from old to new.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[clock]` | all SeqCst: a snapshot's announcement, the clock, stamps and lease words are one handshake of several stores and loads, argued in `lease` and `settle` as one total order |

use crate::entry::VersionStamp;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

const SEQUENCE_BITS: u32 = 12;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
/// The latest timestamp that a clock may start at: as many as are behind it are still to come.
const LAST_START: u64 = 1 << 50;

impl VersionStamp {
    pub(crate) const fn new(timestamp: u64, sequence: u64) -> Self {
        VersionStamp(timestamp << SEQUENCE_BITS | sequence)
    }

    pub(crate) const fn timestamp(self) -> u64 {
        self.0 >> SEQUENCE_BITS
    }

    const fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MASK
    }

    /// The stamp of a write at clock `now` on top of `previous`; `None` when that timestamp has no sequence number left.
    pub(crate) fn on_top_of(previous: Option<VersionStamp>, now: u64) -> Option<VersionStamp> {
        match previous {
            Some(previous) if previous.timestamp() >= now => {
                debug_assert!(
                    previous.timestamp() == now,
                    "{previous:?} is later than the clock {now}"
                );
                (previous.sequence() < SEQUENCE_MASK)
                    .then(|| VersionStamp::new(previous.timestamp(), previous.sequence() + 1))
            }
            _ => Some(VersionStamp::new(now, 0)),
        }
    }
}

pub(crate) struct CommitClock {
    now: CachePadded<AtomicU64>,
}

impl CommitClock {
    #[cfg(all(test, not(stillpoint_loom)))]
    pub(crate) fn new() -> Self {
        CommitClock::starting_at(1)
    }

    /// # Panics
    /// If `first` is past [`LAST_START`].
    pub(crate) fn starting_at(first: u64) -> Self {
        assert!(first <= LAST_START, "first_timestamp {first} is past {LAST_START}");
        CommitClock { now: CachePadded::new(AtomicU64::new(first.max(1))) }
    }

    #[inline]
    pub(crate) fn now(&self) -> u64 {
        // SeqCst [clock]: a stamp made of it is not older than any snapshot published before
        self.now.load(Ordering::SeqCst)
    }

    /// A timestamp that no other batch has.
    pub(crate) fn tick(&self) -> u64 {
        // SeqCst [clock]: later than every snapshot published before
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Makes the clock later than `timestamp`, which it has reached already; whoever is faster does it for all.
    pub(crate) fn pass(&self, timestamp: u64) {
        // SeqCst [clock]: stamps made from here on are later than `timestamp`; failure means that somebody else moved it
        let _ =
            self.now.compare_exchange(timestamp, timestamp + 1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_grows_by_sequence_within_a_timestamp_and_restarts_with_the_next() {
        let first = VersionStamp::on_top_of(None, 7).unwrap();
        assert_eq!(first, VersionStamp::new(7, 0));
        let second = VersionStamp::on_top_of(Some(first), 7).unwrap();
        assert!(second > first);
        assert_eq!(second.timestamp(), 7);
        assert_eq!(VersionStamp::on_top_of(Some(second), 9), Some(VersionStamp::new(9, 0)));
        assert_eq!(VersionStamp::on_top_of(Some(VersionStamp::new(7, SEQUENCE_MASK)), 7), None);
    }

    #[test]
    fn passing_a_timestamp_twice_moves_the_clock_once() {
        let clock = CommitClock::new();
        clock.pass(1);
        clock.pass(1);
        assert_eq!(clock.now(), 2);
        assert_eq!(clock.tick(), 3);
    }
}
