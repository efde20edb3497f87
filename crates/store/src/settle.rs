//! How a version stands: stamping what is unset, deciding what is prepared, and finding the version that a reader wants.
//!
//! # Words
//! *Head*: the newest version of a key, whatever its state. *Newest committed*: what a read of the latest value answers. A chain, from the head:
//! at most one pending version, any number of aborted ones, then the newest committed; below that committed and aborted ones mixed.
//!
//! # Invariants
//! 1. A version is installed only on a head that is final (stamped, or its commit decided). So under an unset or pending version everything is final.
//! 2. **Stamp after install.** A stamp is (clock, sequence) with the clock loaded after the version was seen installed, whoever does it; one
//!    compare-and-swap decides. Everybody who meets an unset version settles it before going on, so nobody answers by an unstamped version,
//!    and nobody passes one by.
//! 3. While a version is unset or pending, its newest committed predecessor stays linked (cutting begins below a *committed* version, see `prune`);
//!    so the sequence number that a helper computes is the same for all, or its compare-and-swap comes too late and fails.
//! 4. **Older first.** Whoever passes a version by loads its link *before* the status that allows it to. If the status is not COMMITTED then,
//!    pruning below the version had not begun when the link was loaded, so the link leads to the right predecessor.
//! 5. **A verdict COMMITTED is proposed only by who saw all reads current**: after the timestamp t was fixed, the newest committed version of
//!    each read key was found to be no later than the transaction's read timestamp, and the lease still held after that. So each key had, from
//!    the read up to a moment after t was fixed, the version that was read; what changes it later has a timestamp >= t, and orders behind.
//!    A validator that finds anything else proposes ABORTED, which is always safe. Versions of commits that are prepared with a later
//!    timestamp, or are not prepared, are passed by: those order behind. Those with an earlier timestamp are decided first; so recursion goes
//!    down strictly in timestamps and ends.
//!    A key that is written too needs no look at that time: when its pending version was installed, its newest committed version was found to
//!    be no later than the read timestamp, and until the verdict nothing comes between the two (1); the lease that still held after t held then.
//!
//! 6. **A walked interval is validated by walking it again**, in the ordered index, with invariant 5's rule for each key that is met, after t was fixed. Whatever
//!    was committed in the interval later than the read timestamp and before t was installed before t was fixed, so before that walk began: a single write
//!    has a clock that was loaded before, a commit was prepared before. Its key had entered the index before that (`ordered` invariant 1), and is met unless
//!    its record was taken out again meanwhile; that takes a tombstone no later than every lease, and the transaction's own is earlier, unless it
//!    has ended, which the validator sees when it looks at the lease after the walk. What enters the interval after t was fixed orders behind. So COMMITTED is a
//!    verdict about the past, and true whoever proposes it; whoever finds anything else proposes ABORTED, as ever.
//!
//! # Why snapshots are cuts
//! A snapshot at s sees exactly the versions with timestamp <= s. Single keys: nothing is stamped <= s once the clock passed s, except an unset
//! version that a helper stamps with a clock it loaded before; that version was installed before the snapshot began, and the first reader of
//! the snapshot who meets it settles it. Batches: one status decides all keys, and the timestamp is fixed by the first who needs to compare it.
//!
//! # Progress
//! Everything here is wait-free but for the recursion of `decide`, which is bounded by the number of commits that are prepared at that moment,
//! and the retry after 4,096 writes of one key in one timestamp. Whoever meets a prepared commit that has walked intervals walks them too, if there is no verdict yet:
//! as many steps as there are keys in them, each lock-free.

use crate::counters::Figure;
use crate::descriptor::{Descriptor, Status};
use crate::engine::{Engine, Version, uncapped};
use crate::entry::VersionStamp;
use crate::ordered::{KeyCursor, Side};
use crate::step::Step;
use stillpoint_structures::{Guard, Stamp};

/// What a version's stamp says once it is not unset any more.
pub(crate) enum Standing<'g> {
    Committed(VersionStamp),
    Aborted,
    Pending(&'g Descriptor),
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// How `version` stands; stamps it if nobody has.
    #[inline]
    pub(crate) fn standing<'g>(&self, version: Version<'g, O>) -> Standing<'g> {
        match uncapped(version.stamp()) {
            Stamp::Plain(stamp) => Standing::Committed(VersionStamp(stamp)),
            #[cfg(stillpoint_loom)]
            Stamp::Unset if self.lacks(crate::Mutation::SkipUnset) => Standing::Aborted,
            Stamp::Unset => Standing::Committed(self.help_stamp(version)),
            Stamp::Aborted => Standing::Aborted,
            Stamp::Pending(descriptor) => Standing::Pending(descriptor),
        }
    }

    #[cold]
    fn help_stamp(&self, version: Version<'_, O>) -> VersionStamp {
        self.counters.own().add(Figure::Helps, 1);
        let stamp = self.stamp(version);
        // The owner may be stopped.
        self.waiters.notify_all();
        stamp
    }

    /// Stamps a version that the caller has just installed on a chain whose newest committed stamp is `previous`.
    #[inline]
    pub(crate) fn stamp_on(
        &self,
        version: Version<'_, O>,
        previous: Option<VersionStamp>,
    ) -> VersionStamp {
        match VersionStamp::on_top_of(previous, self.clock.now()) {
            Some(stamp) if version.try_stamp(stamp.0).is_ok() => stamp,
            _ => self.stamp(version),
        }
    }

    /// Stamps a version that was installed unset.
    fn stamp(&self, version: Version<'_, O>) -> VersionStamp {
        loop {
            let previous = self.stamp_below(version);
            let now = self.clock.now();
            if let Some(stamp) = VersionStamp::on_top_of(previous, now)
                && version.try_stamp(stamp.0).is_ok()
            {
                return stamp;
            }
            match uncapped(version.stamp()) {
                Stamp::Plain(stamp) => return VersionStamp(stamp),
                // The sequence ran out.
                _ => self.clock.pass(now),
            }
        }
    }

    /// The stamp of the newest committed version under one that was installed on a final head.
    fn stamp_below(&self, version: Version<'_, O>) -> Option<VersionStamp> {
        let mut at = version.older();
        while let Some(version) = at {
            if let Some(stamp) = self.final_stamp(version) {
                return Some(stamp);
            }
            at = version.older();
        }
        None
    }

    /// The stamp of a version that is final, `None` if it is aborted.
    pub(crate) fn final_stamp(&self, version: Version<'_, O>) -> Option<VersionStamp> {
        match self.standing(version) {
            Standing::Committed(stamp) => Some(stamp),
            Standing::Aborted => None,
            Standing::Pending(descriptor) => {
                (descriptor.status() == Status::Committed).then(|| descriptor.stamp())
            }
        }
    }

    /// The newest committed version from `head` down.
    #[inline]
    pub(crate) fn latest<'g>(
        &self,
        guard: &'g Guard<'g>,
        head: Version<'g, O>,
    ) -> Option<(Version<'g, O>, VersionStamp)> {
        match self.standing(head) {
            Standing::Committed(stamp) => Some((head, stamp)),
            _ => self.latest_below(guard, head),
        }
    }

    #[cold]
    fn latest_below<'g>(
        &self,
        guard: &'g Guard<'g>,
        head: Version<'g, O>,
    ) -> Option<(Version<'g, O>, VersionStamp)> {
        let mut at = Some(head);
        while let Some(version) = at {
            // Before the status: invariant 4.
            let older = version.older();
            match self.standing(version) {
                Standing::Committed(stamp) => return Some((version, stamp)),
                Standing::Aborted => {}
                Standing::Pending(descriptor) => {
                    if self.is_committed(guard, descriptor) {
                        return Some((version, descriptor.stamp()));
                    }
                }
            }
            at = older;
        }
        None
    }

    /// Whether the commit has happened; decides it if it is prepared.
    fn is_committed<'g>(&self, guard: &'g Guard<'g>, descriptor: &'g Descriptor) -> bool {
        match descriptor.status() {
            Status::Installing | Status::Aborted => false,
            Status::Committed => true,
            Status::Prepared => self.help_decide(guard, descriptor),
        }
    }

    /// The version that a snapshot at `read_timestamp` sees, from `head` down.
    pub(crate) fn visible_at<'g>(
        &self,
        guard: &'g Guard<'g>,
        head: Version<'g, O>,
        read_timestamp: u64,
    ) -> Option<(Version<'g, O>, VersionStamp)> {
        let mut at = Some(head);
        while let Some(version) = at {
            // Before the status: invariant 4.
            let older = version.older();
            let stamp = match self.standing(version) {
                Standing::Committed(stamp) => Some(stamp),
                Standing::Aborted => None,
                Standing::Pending(descriptor) => {
                    self.stamp_if_committed_by(guard, descriptor, read_timestamp)
                }
            };
            if let Some(stamp) = stamp.filter(|stamp| stamp.timestamp() <= read_timestamp) {
                return Some((version, stamp));
            }
            at = older;
        }
        None
    }

    /// The stamp of the commit if it has happened at `timestamp` or before.
    fn stamp_if_committed_by<'g>(
        &self,
        guard: &'g Guard<'g>,
        descriptor: &'g Descriptor,
        timestamp: u64,
    ) -> Option<VersionStamp> {
        let committed = match descriptor.status() {
            Status::Installing | Status::Aborted => false,
            Status::Committed => true,
            #[cfg(stillpoint_loom)]
            Status::Prepared if self.lacks(crate::Mutation::SkipPrepared) => false,
            Status::Prepared => {
                descriptor.fix_timestamp(&self.clock) <= timestamp
                    && self.help_decide(guard, descriptor)
            }
        };
        committed.then(|| descriptor.stamp())
    }

    /// Decides somebody else's prepared commit; whether it has happened.
    pub(crate) fn help_decide<'g>(&self, guard: &'g Guard<'g>, descriptor: &'g Descriptor) -> bool {
        self.counters.own().add(Figure::Helps, 1);
        let mine = self.propose_verdict(guard, descriptor);
        let is_committed = descriptor.status() == Status::Committed;
        if mine && is_committed {
            // The owner may be stopped, and only it knows its keys.
            self.waiters.notify_all();
        }
        is_committed
    }

    /// Brings a prepared commit to its verdict.
    pub(crate) fn decide<'g>(&self, guard: &'g Guard<'g>, descriptor: &'g Descriptor) -> Status {
        self.propose_verdict(guard, descriptor);
        descriptor.status()
    }

    /// Sees to it that there is a verdict. Whether it is this call's.
    fn propose_verdict<'g>(&self, guard: &'g Guard<'g>, descriptor: &'g Descriptor) -> bool {
        let timestamp = descriptor.fix_timestamp(&self.clock);
        self.at_step(Step::Fixed);
        descriptor.status() == Status::Prepared && {
            let commit = self.first_changed(guard, descriptor, timestamp).is_none()
                && (!descriptor.needs_lease || self.leases.holds(descriptor.lease));
            self.at_step(Step::Validated);
            descriptor.propose(commit)
        }
    }

    /// The first key among the reads and in the intervals that has a newest committed version later than the transaction's read timestamp.
    pub(crate) fn first_changed<'g>(
        &self,
        guard: &'g Guard<'g>,
        descriptor: &'g Descriptor,
        timestamp: u64,
    ) -> Option<Box<[u8]>> {
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::NoValidation) {
            return None;
        }
        let is_changed = |space: u8, hash: u64, key: &[u8]| {
            let head = uncapped(self.space(space).find(guard, hash, key));
            head.is_some_and(|head| self.is_changed(guard, head.version(), descriptor, timestamp))
        };
        let read =
            descriptor.reads.iter().find(|read| is_changed(read.space, read.hash, &read.key));
        read.map(|read| read.key.clone()).or_else(|| {
            descriptor.ranges.iter().find_map(|read| {
                let mut keys = KeyCursor::new(read.space, read.range.clone());
                std::iter::from_fn(|| keys.pop(self, Side::Front))
                    .find(|found| is_changed(read.space, found.hash, &found.key))
                    .map(|found| found.key[..].into())
            })
        })
    }

    fn is_changed<'g>(
        &self,
        guard: &'g Guard<'g>,
        head: Version<'g, O>,
        reader: &Descriptor,
        timestamp: u64,
    ) -> bool {
        let mut at = Some(head);
        while let Some(version) = at {
            // Before the status: invariant 4.
            let older = version.older();
            let stamp = match self.standing(version) {
                Standing::Committed(stamp) => Some(stamp),
                Standing::Aborted => None,
                Standing::Pending(other) if std::ptr::eq(other, reader) => None,
                Standing::Pending(other) => self.stamp_if_committed_before(guard, other, timestamp),
            };
            if let Some(stamp) = stamp {
                return stamp.timestamp() > reader.lease.read_timestamp;
            }
            at = older;
        }
        false
    }

    /// The stamp of the commit if it has happened; one that is prepared is decided only if it comes before `timestamp`.
    fn stamp_if_committed_before<'g>(
        &self,
        guard: &'g Guard<'g>,
        other: &'g Descriptor,
        timestamp: u64,
    ) -> Option<VersionStamp> {
        let committed = match other.status() {
            Status::Installing | Status::Aborted => false,
            Status::Committed => true,
            Status::Prepared => {
                other.fix_timestamp(&self.clock) < timestamp && self.help_decide(guard, other)
            }
        };
        committed.then(|| other.stamp())
    }
}
