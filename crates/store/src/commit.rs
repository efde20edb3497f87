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
use crate::reader::Reader;
use crate::step::Step;
use crate::transaction::Write;
use crate::write::{Place, Target, raced};
use stillpoint_structures::{AllocError, Batch, Guard, NewValue, NewVersion};

/// What a version takes beside key and value.
const HEADER_BYTES: usize = 24;

/// A write on its way to the commit.
pub(crate) struct PlannedWrite<'t, O> {
    pub(crate) space: u8,
    pub(crate) hash: u64,
    pub(crate) key: &'t [u8],
    pub(crate) write: &'t Write<O>,
    /// Whether the key must be as it was at the lease's timestamp.
    pub(crate) is_validated: bool,
}

/// Everything a commit needs to know of its transaction.
pub(crate) struct Plan<'t, O> {
    pub(crate) lease: Lease,
    /// By which the base of a merged value has expired or not.
    pub(crate) now_ms: u64,
    /// Keys to be validated that are not written.
    pub(crate) reads: Vec<ReadKey>,
    /// Intervals to be validated.
    pub(crate) ranges: Vec<ReadRange>,
    /// Ascending by space, hash and key.
    pub(crate) writes: Vec<PlannedWrite<'t, O>>,
    pub(crate) priority: bool,
}

struct Installed<'g, O: Send + Sync + 'static> {
    place: Place<'g, O>,
    version: Version<'g, O>,
    base: Option<(Version<'g, O>, VersionStamp)>,
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Commits. The reader is given up as soon as there is a verdict, so that a commit keeps no old versions for itself.
    pub(crate) fn commit(&self, plan: Plan<'_, O>, reader: Reader<O>) -> Result<(), CommitError> {
        let bytes = plan.bytes();
        if bytes > 0 {
            self.admit(bytes, plan.now_ms).map_err(CommitError::Write)?;
        }
        let result = match &plan.writes[..] {
            [] => Ok(()),
            [only] if plan.reads.is_empty() && plan.ranges.is_empty() => {
                self.commit_one(&plan, only, reader)
            }
            _ => self.commit_many(plan, reader),
        };
        if matches!(result, Err(CommitError::Conflict { .. } | CommitError::SnapshotExpired)) {
            self.counters.own().add(Figure::Aborts, 1);
        }
        result.and_then(|()| self.settled().map_err(CommitError::Write))
    }

    fn commit_one(
        &self,
        plan: &Plan<'_, O>,
        write: &PlannedWrite<'_, O>,
        reader: Reader<O>,
    ) -> Result<(), CommitError> {
        let place = self.planned_place(write);
        let mut ready = self.planned_version(&place, write)?;
        let guard = self.collector.pin();
        let mut reader = Some(reader);
        loop {
            let any_loads = self.loads.any();
            let target = self.target(&guard, &place);
            plan.check(write, &target)?;
            if write.is_validated && !self.leases.holds(plan.lease) {
                return Err(CommitError::SnapshotExpired);
            }
            if matches!(write.write, Write::Removed)
                && !self.removal_matters(&guard, &place, &target, any_loads)
            {
                self.saw(target.base);
                return Ok(());
            }
            let new = plan.version(&place, write, &target, &mut ready)?;
            match self.write_then(&guard, &place, &target, new, || drop(reader.take())) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    ready = write.again(raced(refused).map_err(CommitError::Write)?);
                }
            }
        }
    }

    fn planned_place<'k>(&'k self, write: &PlannedWrite<'k, O>) -> Place<'k, O> {
        let index = self.space(write.space);
        Place { index, space: write.space, hash: write.hash, key: write.key }
    }

    /// The version to install, unless it depends on the base.
    fn planned_version(
        &self,
        place: &Place<'_, O>,
        write: &PlannedWrite<'_, O>,
    ) -> Result<Option<NewVersion<O>>, CommitError> {
        match write.write {
            Write::Removed => {
                made(place.index.new_version(write.key, NewValue::Tombstone, 0, None))
            }
            Write::Value(value) => made(place.index.new_version(
                write.key,
                value.value.as_new(),
                value.kind,
                value.expire_at_ms,
            )),
            Write::Merge(_) => Ok(None),
        }
    }

    fn commit_many(&self, mut plan: Plan<'_, O>, reader: Reader<O>) -> Result<(), CommitError> {
        let mut announcement = self.announce().map_err(CommitError::Write)?;
        let guard = self.collector.pin();
        let reads = std::mem::take(&mut plan.reads);
        let ranges = std::mem::take(&mut plan.ranges);
        let needs_lease = !reads.is_empty()
            || !ranges.is_empty()
            || plan.writes.iter().any(|write| write.is_validated);
        let descriptor = Descriptor::new(plan.lease, needs_lease, (reads, ranges), plan.priority);
        let mut batch = Batch::new(&guard, descriptor);
        let descriptor = batch.descriptor();
        let mut installed = Vec::with_capacity(plan.writes.len());
        let mut result = self.install_all(&guard, &mut batch, &plan, &mut installed);
        if result.is_ok() {
            result = self.reach_verdict(&guard, descriptor, &plan);
        } else {
            // So that nobody waits for what will not come.
            descriptor.kill();
        }
        self.at_step(Step::Decided);
        drop(reader);
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
                for write in installed {
                    self.written(&guard, &write.place, write.version, stamp, write.base);
                }
                self.counters.own().add(Figure::Commits, 1);
            }
            Err(_) => {
                drop(announcement);
                batch.finish(None);
                self.abandon(&guard, installed);
            }
        }
        // Twice as many as it may have left behind, so that they do not become more and more where nobody else looks after them.
        if self.limbo.own_waits() {
            self.tidy_own(2 * plan.writes.len());
        }
        result
    }

    fn install_all<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        batch: &mut Batch<'g, O, Descriptor>,
        plan: &'g Plan<'_, O>,
        installed: &mut Vec<Installed<'g, O>>,
    ) -> Result<(), CommitError> {
        for write in &plan.writes {
            let place = self.planned_place(write);
            let mut ready = self.planned_version(&place, write)?;
            loop {
                let target = self.target(guard, &place);
                plan.check(write, &target)?;
                if batch.descriptor().status() == Status::Aborted {
                    return Err(conflict(write.key));
                }
                let mut new = plan.version(&place, write, &target, &mut ready)?;
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
                        ready = write.again(raced(refused).map_err(CommitError::Write)?);
                    }
                }
            }
            self.at_step(Step::Installed(installed.len()));
        }
        Ok(())
    }

    fn reach_verdict<'g>(
        &self,
        guard: &'g Guard<'g>,
        descriptor: &'g Descriptor,
        plan: &Plan<'_, O>,
    ) -> Result<(), CommitError> {
        if !descriptor.prepare() {
            return Err(conflict(plan.writes.first().map_or(&[], |write| write.key)));
        }
        self.at_step(Step::Prepared);
        if self.decide(guard, descriptor) == Status::Committed {
            return Ok(());
        }
        if descriptor.needs_lease && !self.leases.holds(plan.lease) {
            return Err(CommitError::SnapshotExpired);
        }
        let timestamp = descriptor.fix_timestamp(&self.clock);
        let changed = self.first_changed(guard, descriptor, timestamp);
        Err(conflict(changed.as_deref().unwrap_or_default()))
    }

    /// Sees to the versions of an aborted commit.
    fn abandon<'g>(&'g self, guard: &'g Guard<'g>, installed: Vec<Installed<'g, O>>) {
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
    /// About as many bytes as its values take.
    fn bytes(&self) -> usize {
        let sizes = self.writes.iter().map(|write| match write.write {
            Write::Removed => 0,
            Write::Value(value) => write.key.len() + value.value.len() + HEADER_BYTES,
            Write::Merge(_) => write.key.len() + HEADER_BYTES,
        });
        sizes.sum()
    }

    /// Refuses early what validation would refuse.
    fn check(
        &self,
        write: &PlannedWrite<'_, O>,
        target: &Target<'_, O>,
    ) -> Result<(), CommitError> {
        let changed = write.is_validated
            && target.base.is_some_and(|(_, stamp)| stamp.timestamp() > self.lease.read_timestamp);
        if changed { Err(conflict(write.key)) } else { Ok(()) }
    }

    /// The version to install on `target`: the one that is ready, or what the operations make of the base.
    fn version(
        &self,
        place: &Place<'_, O>,
        write: &PlannedWrite<'_, O>,
        target: &Target<'_, O>,
        ready: &mut Option<NewVersion<O>>,
    ) -> Result<NewVersion<O>, CommitError> {
        if let Some(new) = ready.take() {
            return Ok(new);
        }
        let Write::Merge(merges) = write.write else {
            unreachable!("all other writes are ready until they are installed")
        };
        let refused = |reason| CommitError::Merge { key: write.key.to_vec(), reason };
        let Buffered { value, kind, expire_at_ms } =
            merges.apply(target.visible(self.now_ms)).map_err(refused)?;
        let new = place.index.new_version(write.key, value.as_new(), kind, expire_at_ms);
        new.map_err(|error| CommitError::Write(error.into()))
    }
}

impl<O: Send + Sync + 'static> PlannedWrite<'_, O> {
    /// What is left of a version that was too late: itself, unless it was made for another base.
    fn again(&self, late: NewVersion<O>) -> Option<NewVersion<O>> {
        (!matches!(self.write, Write::Merge(_))).then_some(late)
    }
}

fn made<O: Send + Sync + 'static>(
    new: Result<NewVersion<O>, AllocError>,
) -> Result<Option<NewVersion<O>>, CommitError> {
    new.map(Some).map_err(|error| CommitError::Write(error.into()))
}

fn conflict(key: &[u8]) -> CommitError {
    CommitError::Conflict { key: key.to_vec() }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests;
