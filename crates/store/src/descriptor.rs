//! [`Descriptor`]: one commit of several keys, as everybody sees it who meets one of its versions.
//!
//! ```text
//!  INSTALLING ──▶ PREPARED ──▶ COMMITTED        timestamp: 0 = unset; fixed once, only after PREPARED
//!       │             └──────▶ ABORTED
//!       └────────────────────▶ ABORTED          killed by whoever it stands in the way of
//! ```
//! | from | to | by |
//! |---|---|---|
//! | INSTALLING | PREPARED | the owner, when all its versions are installed |
//! | INSTALLING | ABORTED | anybody who loses patience |
//! | PREPARED | COMMITTED, ABORTED | anybody, with a verdict reached by validation |
//!
//! # Invariants
//! 1. The timestamp is taken from the clock after the status was PREPARED. So whoever met INSTALLING at some moment knows that the commit, if it
//!    comes, has a timestamp later than the clock of that moment.
//! 2. COMMITTED and ABORTED are final; the timestamp is set before either verdict that follows PREPARED.
//! 3. The reads and ranges are immutable.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[status]`, `[fix]` | all SeqCst: part of the one total order with clock, leases, stamps and heads that `settle` argues in |

use crate::commit_clock::CommitClock;
use crate::entry::VersionStamp;
use crate::key_range::KeyRange;
use crate::lease::Lease;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A key that a transaction read at its lease's timestamp.
#[derive(Clone, Debug)]
pub(crate) struct ReadKey {
    pub(crate) space: u8,
    pub(crate) hash: u64,
    pub(crate) key: Box<[u8]>,
}

/// An interval of keys that a transaction walked at its lease's timestamp.
#[derive(Clone, Debug)]
pub(crate) struct ReadRange {
    pub(crate) space: u8,
    pub(crate) range: KeyRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Installing,
    Prepared,
    Committed,
    Aborted,
}

const INSTALLING: u32 = 0;
const PREPARED: u32 = 1;
const COMMITTED: u32 = 2;
const ABORTED: u32 = 3;
const UNSET: u64 = 0;

pub(crate) struct Descriptor {
    status: AtomicU32,
    /// Whether the owner holds the priority token, so that others are more patient with it.
    pub(crate) priority: bool,
    timestamp: AtomicU64,
    pub(crate) lease: Lease,
    /// Whether anything that was read is validated, here or when it was installed: the commit needs the lease to have held until then.
    pub(crate) needs_lease: bool,
    /// The keys that were read and not written.
    pub(crate) reads: Vec<ReadKey>,
    pub(crate) ranges: Vec<ReadRange>,
}

impl Descriptor {
    pub(crate) fn new(
        lease: Lease,
        needs_lease: bool,
        (reads, ranges): (Vec<ReadKey>, Vec<ReadRange>),
        priority: bool,
    ) -> Self {
        Descriptor {
            status: AtomicU32::new(INSTALLING),
            priority,
            timestamp: AtomicU64::new(UNSET),
            lease,
            needs_lease,
            reads,
            ranges,
        }
    }

    #[inline]
    pub(crate) fn status(&self) -> Status {
        // SeqCst [status]: see the header
        match self.status.load(Ordering::SeqCst) {
            INSTALLING => Status::Installing,
            PREPARED => Status::Prepared,
            COMMITTED => Status::Committed,
            _ => Status::Aborted,
        }
    }

    fn change(&self, from: u32, to: u32) -> bool {
        // SeqCst [status]: see the header
        self.status.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// All versions are installed. `false`: it was killed.
    pub(crate) fn prepare(&self) -> bool {
        self.change(INSTALLING, PREPARED)
    }

    /// Aborts a commit that is not prepared. Whether this call did.
    pub(crate) fn kill(&self) -> bool {
        self.change(INSTALLING, ABORTED)
    }

    /// Proposes a verdict of a prepared commit; the first one counts. Whether this call's did.
    pub(crate) fn propose(&self, commit: bool) -> bool {
        self.change(PREPARED, if commit { COMMITTED } else { ABORTED })
    }

    /// The timestamp, taken now if nobody has yet.
    ///
    /// # Panics
    /// In debug builds, if the commit is not prepared yet.
    pub(crate) fn fix_timestamp(&self, clock: &CommitClock) -> u64 {
        debug_assert!(self.status() != Status::Installing);
        // SeqCst [fix]: see the header
        let fixed = self.timestamp.load(Ordering::SeqCst);
        if fixed != UNSET {
            return fixed;
        }
        let mine = clock.tick();
        // SeqCst [fix]: the first one counts
        match self.timestamp.compare_exchange(UNSET, mine, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => mine,
            Err(fixed) => fixed,
        }
    }

    /// The stamp of the versions of a committed one.
    pub(crate) fn stamp(&self) -> VersionStamp {
        // SeqCst [fix]: set before the verdict (invariant 2)
        let timestamp = self.timestamp.load(Ordering::SeqCst);
        debug_assert!(timestamp != UNSET && self.status() == Status::Committed);
        VersionStamp::new(timestamp, 0)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;
    use crate::lease::LeaseRegistry;

    #[test]
    fn a_killed_commit_cannot_be_prepared_and_a_prepared_one_cannot_be_killed() {
        let (clock, leases) = (CommitClock::new(), LeaseRegistry::new());
        let lease = leases.take(&clock);
        let killed = Descriptor::new(lease, false, (Vec::new(), Vec::new()), false);
        assert!(killed.kill() && !killed.prepare());
        assert_eq!(killed.status(), Status::Aborted);
        let prepared = Descriptor::new(lease, false, (Vec::new(), Vec::new()), false);
        assert!(prepared.prepare() && !prepared.kill());
        let timestamp = prepared.fix_timestamp(&clock);
        assert_eq!(timestamp, prepared.fix_timestamp(&clock));
        assert!(timestamp > lease.read_timestamp);
        assert!(prepared.propose(true) && !prepared.propose(false));
        assert_eq!(prepared.stamp(), VersionStamp::new(timestamp, 0));
    }
}
