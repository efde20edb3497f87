//! Committing a transaction.
//!
//! ```text
//!  no write              nothing to do: everything was read at one timestamp
//!  one key only          a write of that key, if its newest committed version is still the one that was read
//!  else                  1 install a pending version of each key, in one order for all transactions (status INSTALLING)
//!                        2 INSTALLING → PREPARED     3 fix the timestamp, validate the reads, propose a verdict (`settle`)
//!                        4 final stamps, then what follows from each write (count, expiry, prune)
//! ```
//! # Invariants
//! 1. A pending version is installed on a final head, so of two transactions that write a key the later one waits for the earlier, decides it, or kills
//!    it; and since keys are taken in one order nobody waits in a circle.
//! 2. From the proposal on there is a verdict that everybody obeys, whoever reached it. Between it and the final stamps nothing can fail.
//! 3. An absent key that is removed gets a tombstone too: the removal must stand against whoever creates the key at the same time.
//! 4. A merged value (`add` and the like) is made of the very base that it is installed on, anew for each try.
//! 5. An aborted version on top of a key stays there until the key's next write, which cuts it out; so a key has at most one such version.

use crate::counters::Figure;
use crate::descriptor::{Descriptor, ReadKey, ReadRange, Status};
use crate::draft::Buffered;
use crate::engine::{Engine, Version};
use crate::entry::VersionStamp;
use crate::error::CommitError;
use crate::lease::Lease;
use crate::step::Step;
use crate::transaction::{Isolation, KeySet, Merges, Order, Touched, Write};
use crate::write::{Place, Target, raced};
use smallvec::SmallVec;
use stillpoint_primitive::scheduling;
use stillpoint_structures::{Batch, Guard, NewVersion};

/// What a merged value takes beside its key, about.
const MERGED_BYTES: usize = 24;

/// By what a commit is judged.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) lease: Lease,
    /// By which the base of a merged value has expired or not.
    pub(crate) now_ms: u64,
    pub(crate) isolation: Isolation,
    pub(crate) priority: bool,
}

/// Everything a commit needs to know of its transaction.
pub(crate) struct Plan<'t, O: Send + Sync + 'static> {
    pub(crate) terms: Terms,
    /// What was done with each key. The commit takes the writes out.
    pub(crate) keys: &'t mut KeySet<O>,
    /// Intervals to be validated.
    pub(crate) ranges: Vec<ReadRange>,
}

/// How much a plan is.
#[derive(Default)]
struct Size {
    writes: usize,
    /// Keys to be validated that are not written.
    reads: usize,
}

/// Of one commit: those of a transfer, with something to spare, without an allocation.
type AllInstalled<'g, O> = SmallVec<[Installed<'g, O>; 4]>;

struct Installed<'g, O: Send + Sync + 'static> {
    place: Place<'g, O>,
    version: Version<'g, O>,
    base: Option<(Version<'g, O>, VersionStamp)>,
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Commits. The lease is given back as soon as there is a verdict, so that a commit keeps no old versions for itself.
    pub(crate) fn commit(
        &self,
        plan: Plan<'_, O>,
        held: &mut Option<Lease>,
    ) -> Result<(), CommitError> {
        let size = plan.size();
        if size.writes > 0 {
            let admitted = self.admit_counted(|| plan.bytes(), plan.terms.now_ms);
            admitted.map_err(CommitError::Write)?;
        }
        let result = match (size.writes, size.reads + plan.ranges.len()) {
            (0, _) => Ok(()),
            (1, 0) => self.commit_one(plan, held),
            _ => self.commit_many(plan, &size, held),
        };
        self.give_back(held);
        if matches!(result, Err(CommitError::Conflict { .. } | CommitError::SnapshotExpired)) {
            self.counters.own().add(Figure::Aborts, 1);
        }
        result.and_then(|()| self.settled().map_err(CommitError::Write))
    }

    fn give_back(&self, held: &mut Option<Lease>) {
        if let Some(lease) = held.take() {
            self.leases.release(lease);
        }
    }

    fn commit_one(&self, plan: Plan<'_, O>, held: &mut Option<Lease>) -> Result<(), CommitError> {
        let Plan { terms, keys, .. } = plan;
        let (entries, bytes) = keys.parts();
        let Some(touched) = entries.iter_mut().find(|touched| touched.write.is_some()) else {
            return Ok(());
        };
        let is_validated = touched.is_validated(terms.isolation);
        let Some(mut write) = touched.write.take() else { return Ok(()) };
        let place = self.touched_place(touched, bytes);
        let guard = self.collector.pin();
        loop {
            let any_loads = self.loads.any();
            let target = self.target(&guard, &place);
            terms.check(is_validated, &place, &target)?;
            if is_validated && !self.leases.holds(terms.lease) {
                return Err(CommitError::SnapshotExpired);
            }
            let (new, merges) = terms.version(&place, write, &target)?;
            if new.is_tombstone() && !self.removal_matters(&guard, &place, &target, any_loads) {
                self.saw(target.base);
                return Ok(());
            }
            let give_back = || self.give_back(held);
            match self.write_then(&guard, &place, &target, new, give_back) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    write = again(raced(refused).map_err(CommitError::Write)?, merges);
                }
            }
        }
    }

    #[inline]
    fn touched_place<'k>(&'k self, touched: &Touched<O>, bytes: &'k [u8]) -> Place<'k, O> {
        let index = self.space(touched.space);
        Place { index, space: touched.space, hash: touched.hash, key: touched.key(bytes) }
    }

    fn commit_many(
        &self,
        plan: Plan<'_, O>,
        size: &Size,
        held: &mut Option<Lease>,
    ) -> Result<(), CommitError> {
        let mut announcement = self.announce().map_err(CommitError::Write)?;
        let guard = self.collector.pin();
        let Plan { terms, keys, ranges } = plan;
        let mut order = Order::new();
        keys.put_writes_in_order(&mut order);
        let (entries, bytes) = keys.parts();
        let descriptor = terms.descriptor(entries, bytes, size.reads, ranges);
        let mut batch = Batch::new(&guard, &self.pool, descriptor);
        let descriptor = batch.descriptor();
        let mut installed = AllInstalled::with_capacity(size.writes);
        let mut result =
            self.install_all(&guard, &mut batch, terms, (entries, bytes, &order), &mut installed);
        if result.is_ok() {
            let first = installed.first().map_or(&[][..], |write| write.place.key);
            result = self.reach_verdict(&guard, descriptor, first);
        } else {
            // So that nobody waits for what will not come.
            descriptor.kill();
        }
        self.at_step(Step::Decided);
        self.give_back(held);
        match result {
            Ok(()) => {
                let stamp = descriptor.stamp();
                if let Some(announcement) = &mut announcement {
                    let changes = installed.iter().map(|write| (write.place.space, write.version));
                    announcement.publish(self, stamp, changes);
                }
                batch.finish(Some(stamp.0));
                self.at_step(Step::Finished);
                drop(announcement);
                let own = self.counters.own();
                for write in &installed {
                    self.written(&guard, &write.place, write.version, stamp, write.base, own);
                    scheduling::yield_point();
                }
                own.add(Figure::Commits, 1);
            }
            Err(_) => {
                drop(announcement);
                batch.finish(None);
                self.abandon(&guard, installed);
            }
        }
        // Twice as many as it may have left behind, so that they do not become more and more where nobody else looks after them.
        if self.limbo.own_waits() {
            self.tidy_own(2 * size.writes);
        }
        result
    }

    fn install_all<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        batch: &mut Batch<'g, O, Descriptor>,
        terms: Terms,
        (entries, bytes, order): (&mut [Touched<O>], &'g [u8], &Order),
        installed: &mut AllInstalled<'g, O>,
    ) -> Result<(), CommitError> {
        for &(.., at) in order {
            let touched = &mut entries[at];
            let is_validated = touched.is_validated(terms.isolation);
            let Some(mut write) = touched.write.take() else { continue };
            let place = self.touched_place(touched, bytes);
            loop {
                let target = self.target(guard, &place);
                terms.check(is_validated, &place, &target)?;
                if batch.descriptor().status() == Status::Aborted {
                    return Err(conflict(place.key));
                }
                let (mut new, merges) = terms.version(&place, write, &target)?;
                self.touch_new(&mut new, target.base);
                let mut install =
                    |new| batch.install(place.index, place.hash, target.head.as_ref(), new);
                let done = match self.ordered(place.space) {
                    Some(ordered) if target.head.is_none() => {
                        self.install_present(ordered, guard, &place, || install(new))
                    }
                    _ => install(new),
                };
                match done {
                    Ok(version) => {
                        installed.push(Installed { place, version, base: target.base });
                        break;
                    }
                    Err(refused) => {
                        write = again(raced(refused).map_err(CommitError::Write)?, merges);
                    }
                }
            }
            self.at_step(Step::Installed(installed.len()));
            scheduling::yield_point();
        }
        Ok(())
    }

    fn reach_verdict<'g>(
        &self,
        guard: &'g Guard<'g>,
        descriptor: &'g Descriptor,
        first: &[u8],
    ) -> Result<(), CommitError> {
        if !descriptor.prepare() {
            return Err(conflict(first));
        }
        self.at_step(Step::Prepared);
        if self.decide(guard, descriptor) == Status::Committed {
            return Ok(());
        }
        if descriptor.needs_lease && !self.leases.holds(descriptor.lease) {
            return Err(CommitError::SnapshotExpired);
        }
        let timestamp = descriptor.fix_timestamp(&self.clock);
        let changed = self.first_changed(guard, descriptor, timestamp);
        Err(conflict(changed.as_deref().unwrap_or_default()))
    }

    /// Sees to the versions of an aborted commit.
    fn abandon<'g>(&'g self, guard: &'g Guard<'g>, installed: AllInstalled<'g, O>) {
        let own = self.counters.own();
        for write in &installed {
            own.add(Figure::Versions, 1);
            own.add(Figure::VersionBytes, write.version.bytes() as i64);
            own.add(Figure::ObjectBytes, write.version.object_bytes() as i64);
        }
        for write in installed {
            self.tidy_key(guard, &write.place);
        }
    }
}

impl<O: Send + Sync + 'static> Plan<'_, O> {
    fn size(&self) -> Size {
        let mut size = Size::default();
        for touched in self.keys.entries() {
            match &touched.write {
                None => size.reads += usize::from(touched.is_validated(self.terms.isolation)),
                Some(_) => size.writes += 1,
            }
        }
        size
    }

    /// About as many bytes as the values take.
    fn bytes(&self) -> usize {
        let of = |touched: &Touched<O>| match &touched.write {
            None => 0,
            Some(Write::Version(new)) if new.is_tombstone() => 0,
            Some(Write::Version(new)) => new.bytes(),
            Some(Write::Merge(_)) => self.keys.key_of(touched).len() + MERGED_BYTES,
        };
        self.keys.entries().iter().map(of).sum()
    }
}

impl Terms {
    /// Refuses early what validation would refuse.
    fn check<O: Send + Sync + 'static>(
        self,
        is_validated: bool,
        place: &Place<'_, O>,
        target: &Target<'_, O>,
    ) -> Result<(), CommitError> {
        let is_later =
            |(_, stamp): (_, VersionStamp)| stamp.timestamp() > self.lease.read_timestamp;
        if is_validated && target.base.is_some_and(is_later) {
            return Err(conflict(place.key));
        }
        Ok(())
    }

    /// The version to install on `target`: the one that is there, or what the operations make of the base; those come back too.
    #[inline]
    fn version<O: Send + Sync + 'static>(
        self,
        place: &Place<'_, O>,
        write: Write<O>,
        target: &Target<'_, O>,
    ) -> Result<(NewVersion<O>, Option<Merges>), CommitError> {
        match write {
            Write::Version(new) => Ok((new, None)),
            Write::Merge(merges) => self.merged(place, merges, target),
        }
    }

    #[inline(never)]
    fn merged<O: Send + Sync + 'static>(
        self,
        place: &Place<'_, O>,
        merges: Merges,
        target: &Target<'_, O>,
    ) -> Result<(NewVersion<O>, Option<Merges>), CommitError> {
        let refused = |reason| CommitError::Merge { key: place.key.to_vec(), reason };
        let Buffered { value, kind, expire_at_ms } =
            merges.apply(target.visible(self.now_ms)).map_err(refused)?;
        let new = place.index.new_version(place.key, value.as_new(), kind, expire_at_ms);
        Ok((new.map_err(|error| CommitError::Write(error.into()))?, Some(merges)))
    }

    fn descriptor<O: Send + Sync + 'static>(
        self,
        entries: &[Touched<O>],
        bytes: &[u8],
        reads: usize,
        ranges: Vec<ReadRange>,
    ) -> Descriptor {
        let validated = entries.iter().filter(|touched| touched.is_validated(self.isolation));
        let mut needs_lease = !ranges.is_empty();
        let mut keys = Vec::with_capacity(reads);
        for touched in validated {
            needs_lease = true;
            if touched.write.is_none() {
                let (space, hash) = (touched.space, touched.hash);
                keys.push(ReadKey { space, hash, key: touched.key(bytes).into() });
            }
        }
        Descriptor::new(self.lease, needs_lease, (keys, ranges), self.priority)
    }
}

/// What is left to write of a version that was too late: itself, unless it was made for another base.
fn again<O: Send + Sync + 'static>(late: NewVersion<O>, merges: Option<Merges>) -> Write<O> {
    match merges {
        None => Write::Version(late),
        Some(merges) => Write::Merge(merges),
    }
}

fn conflict(key: &[u8]) -> CommitError {
    CommitError::Conflict { key: key.to_vec() }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests;
