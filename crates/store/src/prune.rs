//! Cutting out old versions, and keys that are gone.
//!
//! # Invariants
//! 1. A version stamped `a` and superseded by one stamped `b` is cut out only when no lease lies in a <= s < b and none that is being taken may
//!    still come to lie there; leases are looked at after `b` was stamped (lease invariant 2). What lies between is the *committed* neighbour
//!    above that is still linked; if a version in between was cut out before, no lease was in its interval, and none can get there later.
//! 2. A tombstone leaves the index, with all that is under it, only if its timestamp is at most *every* live lease's, and the clock has passed it
//!    before. By the first, whoever read the key earlier still finds that it changed (an absent key says nothing of when it became absent);
//!    by the second, the key's next first version has a later stamp, so a stamp never names two writes of a key.
//! 3. Each superseded version has somebody who answers for it (limbo invariant 1): the writer that superseded it leaves its link cut, or an entry in
//!    limbo behind; who takes an entry out cuts the version out or puts the entry back.
//! 4. Committed versions are cut out only below a committed version. What is pending, and the base it may fall back to, is never touched.
//!    Aborted versions mean nothing to anybody and are cut out below any final version.
//! 5. What is older than a tombstone goes before it: a chain is cut one version at a time, and if the tombstone went first, from under an aborted
//!    head, whoever reads between two cuts would find the value that was removed.
//!
//! With no lease alive a write costs one look at the leases and one cut, and chains are one version long.

use crate::counters::Figure;
use crate::descriptor::Status;
use crate::engine::{Engine, HeadOf, Index, Version, uncapped};
use crate::entry::VersionStamp;
use crate::lease_view::LeaseView;
use crate::limbo::{NO_LEASE, Waiting};
use crate::settle::Standing;
use crate::write::Place;
use stillpoint_structures::{Guard, Pruned};

/// Entries of limbo that are fetched together.
const TOGETHER: usize = 16;

/// The newest committed version of a chain, and whether all above it is aborted.
struct Newest<'g, O: Send + Sync + 'static> {
    version: Option<(Version<'g, O>, VersionStamp)>,
    is_final: bool,
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Lets what is left below a version wait, after everything there was to be cut out: the newest of it was stamped `watched`.
    #[inline]
    pub(crate) fn left_below(
        &self,
        place: &Place<'_, O>,
        version: Version<'_, O>,
        watched: VersionStamp,
    ) {
        if version.older().is_some() {
            self.wait_below(place, watched);
        }
    }

    #[cold]
    fn wait_below(&self, place: &Place<'_, O>, watched: VersionStamp) {
        self.limbo.push(NO_LEASE, waiting(place, watched));
    }

    /// Cuts out the version that `version` superseded, if no lease needs it, and says what that took; nothing if it is needed or another is at it, and the
    /// caller walks.
    ///
    /// What was superseded before has others that answer for it (invariant 3): who replaces a key again and again beside a snapshot is spared the
    /// look at the version that the snapshot needs.
    #[inline(never)]
    pub(crate) fn prune_base<'g>(
        &'g self,
        place: &Place<'g, O>,
        version: Version<'g, O>,
        stamp: VersionStamp,
        (base, watched): (Version<'g, O>, VersionStamp),
    ) -> Option<Pruned> {
        let is_needed = self.leases.needs(&self.clock, watched.timestamp(), stamp.timestamp());
        if is_needed { None } else { place.index.prune_next(version, base) }
    }

    /// Cuts out what `version` superseded, as far as no lease needs it; the newest of it was stamped `watched`.
    #[inline(never)]
    pub(crate) fn prune_below<'g>(
        &'g self,
        place: &Place<'g, O>,
        version: Version<'g, O>,
        stamp: VersionStamp,
        watched: VersionStamp,
    ) {
        let view = LeaseView::take(&self.leases, &self.clock);
        let walk = self.prune_by(place.index, version, stamp, &view, watched);
        if let Some(lease) = walk.lease {
            self.limbo.push(lease, waiting(place, watched));
        }
        if walk.kept >= self.settings.max_versions() {
            self.relieve();
        }
    }

    /// Cuts out below a committed version what `view` does not need; tells who needs the `watched` one.
    fn prune_by<'g>(
        &self,
        index: &Index<O>,
        newest: Version<'g, O>,
        stamp: VersionStamp,
        view: &LeaseView,
        watched: VersionStamp,
    ) -> Walk {
        let mut walk = Walk { kept: 0, lease: None };
        let mut above = stamp.timestamp();
        let pruned = index.prune(newest, |version| {
            let Some(stamp) = self.final_stamp(version) else { return false };
            let lease = view.needs(stamp.timestamp(), above);
            above = stamp.timestamp();
            if lease.is_some() {
                walk.kept += 1;
                if stamp == watched {
                    walk.lease = lease;
                }
            }
            lease.is_some()
        });
        self.count_pruned(pruned);
        if walk.lease.is_none() && self.is_linked_below(newest, watched) {
            // Where two pruners met, one of them left it to the other.
            walk.lease = Some(NO_LEASE);
        }
        walk
    }

    fn is_linked_below(&self, newest: Version<'_, O>, watched: VersionStamp) -> bool {
        let mut at = newest.older();
        while let Some(version) = at {
            if self.final_stamp(version) == Some(watched) {
                return true;
            }
            at = version.older();
        }
        false
    }

    /// Takes a key out of the index whose newest version is this tombstone, or lets it wait until that may be.
    #[inline(never)]
    pub(crate) fn bury<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        tombstone: Version<'g, O>,
        stamp: VersionStamp,
    ) {
        let Some(head) = uncapped(place.index.find(guard, place.hash, place.key)) else { return };
        if head.version() != tombstone {
            // Superseded already, or something is pending on it: then whoever did that sees to it.
            return;
        }
        if let Some(lease) = self.remove_tombstone(place.space, head, tombstone, stamp) {
            self.limbo.push(lease, waiting(place, stamp));
        }
    }

    /// Removes a chain whose newest committed version is a tombstone with that stamp and whose head is final; or tells for which lease to wait.
    fn remove_tombstone<'g>(
        &self,
        space: u8,
        head: HeadOf<'g, O>,
        tombstone: Version<'g, O>,
        stamp: VersionStamp,
    ) -> Option<u64> {
        let view = LeaseView::take(&self.leases, &self.clock);
        if let Some(lease) = view.older_than(stamp.timestamp()) {
            return Some(lease);
        }
        if self.clock.now() == stamp.timestamp() {
            self.clock.pass(stamp.timestamp());
        }
        self.remove_chain(space, head, tombstone);
        None
    }

    /// Removes a chain of which nothing is visible from `last` down.
    fn remove_chain<'g>(&self, space: u8, head: HeadOf<'g, O>, last: Version<'g, O>) {
        let index = self.space(space);
        #[cfg(stillpoint_loom)]
        let last = if self.lacks(crate::Mutation::TombstoneFirst) { head.version() } else { last };
        // A tombstone under an aborted head stays to the end (invariant 5), so only what is below is cut out before.
        self.count_pruned(index.prune(last, |_| false));
        if let Some(gone) = uncapped(index.remove(&head)) {
            self.count_pruned(gone);
            if self.ordered(space).is_some() {
                let key = head.version().key();
                self.retract(space, key, index.hash(key));
            }
        }
    }

    fn count_pruned(&self, pruned: Pruned) {
        if pruned.versions != 0 {
            let own = self.counters.own();
            own.add(Figure::Versions, -(pruned.versions as i64));
            own.add(Figure::VersionBytes, -(pruned.bytes as i64));
            if pruned.object_bytes != 0 {
                own.add(Figure::ObjectBytes, -(pruned.object_bytes as i64));
            }
        }
    }

    /// Sees to a key whose version an aborted commit leaves behind.
    pub(crate) fn tidy_key<'g>(&'g self, guard: &'g Guard<'g>, place: &Place<'g, O>) {
        let Some(head) = uncapped(place.index.find(guard, place.hash, place.key)) else { return };
        self.tidy(guard, place.space, head, None, |stamp, lease| {
            self.limbo.push(lease, waiting(place, stamp))
        });
    }

    /// Looks again at up to `most` versions of the calling thread's that wait for no lease any more. How many.
    pub(crate) fn tidy_own(&self, most: usize) -> usize {
        let entries = self.limbo.take_own(most, |lease| self.leases.is_live(lease));
        self.tidy_entries(&entries, || ());
        entries.len()
    }

    /// As [`tidy_own`](Self::tidy_own), of all threads; `between` is called between some and the next.
    pub(crate) fn tidy_all(&self, most: usize, between: impl FnMut()) -> usize {
        let live = self.leases.live();
        let entries = self.limbo.take_all(most, |lease| live.binary_search(&lease).is_ok());
        self.tidy_entries(&entries, between);
        entries.len()
    }

    /// Fetches the bins of some entries together, then their versions, then looks at them: the memory's latency is waited for once.
    fn tidy_entries(&self, entries: &[Waiting], mut between: impl FnMut()) {
        for some in entries.chunks(TOGETHER) {
            let view = LeaseView::take(&self.leases, &self.clock);
            let guard = self.collector.pin();
            some.iter().for_each(|entry| self.space(entry.space).prefetch(&guard, entry.hash));
            some.iter().for_each(|entry| {
                self.space(entry.space).prefetch_version(&guard, entry.hash, false)
            });
            some.iter().for_each(|entry| self.tidy_entry(*entry, &view));
            drop(guard);
            between();
        }
    }

    fn tidy_entry(&self, entry: Waiting, view: &LeaseView) {
        let guard = self.collector.pin();
        let index = self.space(entry.space);
        uncapped(index.sample(&guard, entry.hash, |head| {
            if index.hash(head.version().key()) == entry.hash {
                self.tidy(
                    &guard,
                    entry.space,
                    head,
                    Some((VersionStamp(entry.stamp), view)),
                    |stamp, lease| {
                        self.limbo.push(lease, Waiting { stamp: stamp.0, ..entry });
                    },
                );
            }
        }));
    }

    /// Cuts out of a chain what no lease needs, and the whole chain if the key is gone; `wait` is told of the `watched` version, and of a
    /// tombstone on top when none is watched, that must wait for a lease. The view with the watched one is of a moment ago, and not for a chain that has changed since.
    fn tidy<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        space: u8,
        head: HeadOf<'g, O>,
        watched: Option<(VersionStamp, &LeaseView)>,
        wait: impl Fn(VersionStamp, u64),
    ) {
        let index = self.space(space);
        let newest = self.newest(guard, head.version());
        if newest.is_final {
            self.cut_aborted(index, head.version());
        }
        let Some((version, stamp)) = newest.version else {
            if newest.is_final {
                self.remove_chain(space, head, head.version());
            }
            return;
        };
        if let Some((watched, view)) = watched.filter(|(watched, _)| *watched != stamp) {
            let fresh = (!view.serves(stamp.timestamp()))
                .then(|| LeaseView::take(&self.leases, &self.clock));
            let view = fresh.as_ref().unwrap_or(view);
            if let Some(lease) = self.prune_by(index, version, stamp, view, watched).lease {
                wait(watched, lease);
            }
        }
        if version.is_tombstone() && watched.is_none_or(|(watched, _)| watched == stamp) {
            let lease = if newest.is_final {
                self.remove_tombstone(space, head, version, stamp)
            } else {
                Some(NO_LEASE)
            };
            if let Some(lease) = lease {
                wait(stamp, lease);
            }
        }
    }

    /// Cuts out the aborted versions below a final head.
    fn cut_aborted<'g>(&'g self, index: &Index<O>, head: Version<'g, O>) {
        if matches!(self.standing(head), Standing::Aborted) {
            self.count_pruned(index.prune(head, |version| self.final_stamp(version).is_some()));
        }
    }

    fn newest<'g>(&'g self, guard: &'g Guard<'g>, head: Version<'g, O>) -> Newest<'g, O> {
        let is_final = match self.standing(head) {
            Standing::Committed(_) | Standing::Aborted => true,
            Standing::Pending(descriptor) => {
                matches!(descriptor.status(), Status::Committed | Status::Aborted)
            }
        };
        Newest { version: self.latest(guard, head), is_final }
    }

    /// Walks everything, because entries could not be kept.
    pub(crate) fn sweep(&self) {
        for (space, index) in self.spaces() {
            let mut cursor = 0;
            loop {
                let guard = self.collector.pin();
                cursor = uncapped(
                    index.scan(&guard, cursor, |head| self.sweep_chain(&guard, space, index, head)),
                );
                if cursor == 0 {
                    break;
                }
            }
        }
    }

    fn sweep_chain<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        space: u8,
        index: &'g Index<O>,
        head: HeadOf<'g, O>,
    ) {
        let hash = index.hash(head.version().key());
        let entry = |stamp: VersionStamp| Waiting { hash, stamp: stamp.0, space };
        let Some((version, stamp)) = self.latest(guard, head.version()) else { return };
        if version.is_tombstone() {
            self.limbo.push(NO_LEASE, entry(stamp));
        }
        let mut at = version.older();
        while let Some(version) = at {
            if let Some(stamp) = self.final_stamp(version) {
                self.limbo.push(NO_LEASE, entry(stamp));
            }
            at = version.older();
        }
    }

    /// Ends the oldest snapshot if old versions take more than they may.
    pub(crate) fn relieve(&self) -> bool {
        let Some(limit) = self.settings.max_version_bytes() else { return false };
        let bytes = self.old_version_bytes();
        if bytes <= limit {
            return false;
        }
        self.tell_of_pressure(bytes);
        let killed = self.settings.expires_oldest() && self.leases.kill_oldest();
        if killed {
            self.counters.own().add(Figure::ExpiredSnapshots, 1);
        }
        killed
    }

    /// Bytes of versions beside the newest committed values, their objects' left out.
    pub(crate) fn old_version_bytes(&self) -> u64 {
        self.counters.difference(Figure::VersionBytes, Figure::LiveBytes)
    }
}

/// What a walk down a chain found.
struct Walk {
    kept: usize,
    /// The lease that the watched version waits for; `None` if it is gone.
    lease: Option<u64>,
}

fn waiting<O: Send + Sync + 'static>(place: &Place<'_, O>, stamp: VersionStamp) -> Waiting {
    Waiting { hash: place.hash, stamp: stamp.0, space: place.space }
}
