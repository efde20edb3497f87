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
//! 4. An aborted version on top of a key stays there until the key's next write, which cuts it out; so a key has at most one such version.

use crate::counters::Figure;
use crate::descriptor::{Descriptor, ReadKey, Status};
use crate::engine::{Engine, Version};
use crate::entry::VersionStamp;
use crate::error::CommitError;
use crate::lease::Lease;
use crate::reader::Reader;
use crate::step::Step;
use crate::write::{Place, Target, raced};
use std::sync::Arc;
use stillpoint_structures::{Batch, Guard, NewValue, NewVersion};

/// A write on its way to the commit: `None` removes the key.
pub(crate) struct PlannedWrite<'t, O> {
    pub(crate) space: u8,
    pub(crate) key: &'t [u8],
    pub(crate) value: Option<&'t crate::draft::Buffered<O>>,
    /// Whether the transaction read the key at its lease's timestamp.
    pub(crate) was_read: bool,
}

/// Everything a commit needs to know of its transaction.
pub(crate) struct Plan<'t, O> {
    pub(crate) lease: Lease,
    pub(crate) reads: Arc<[ReadKey]>,
    /// Ascending by space and key.
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
    pub(crate) fn commit(&self, plan: &Plan<'_, O>, reader: Reader<O>) -> Result<(), CommitError> {
        let result = match &plan.writes[..] {
            [] => Ok(()),
            [only]
                if plan
                    .reads
                    .iter()
                    .all(|read| read.space == only.space && *read.key == *only.key) =>
            {
                self.commit_one(plan, only, reader)
            }
            _ => self.commit_many(plan, reader),
        };
        if matches!(result, Err(CommitError::Conflict { .. } | CommitError::SnapshotExpired)) {
            self.counters.own().add(Figure::Aborts, 1);
        }
        result
    }

    fn commit_one(
        &self,
        plan: &Plan<'_, O>,
        write: &PlannedWrite<'_, O>,
        reader: Reader<O>,
    ) -> Result<(), CommitError> {
        let place = self.place(write.space, write.key);
        let mut new = self.planned_version(&place, write)?;
        let guard = self.collector.pin();
        let mut reader = Some(reader);
        loop {
            let target = self.target(&guard, &place);
            plan.check(write, &target)?;
            if write.was_read && !self.leases.holds(plan.lease) {
                return Err(CommitError::SnapshotExpired);
            }
            if write.value.is_none() && !target.is_value() {
                return Ok(());
            }
            match self.write_then(&guard, &place, &target, new, || drop(reader.take())) {
                Ok(()) => return Ok(()),
                Err(refused) => new = raced(refused).map_err(CommitError::Write)?,
            }
        }
    }

    fn planned_version(
        &self,
        place: &Place<'_, O>,
        write: &PlannedWrite<'_, O>,
    ) -> Result<NewVersion<O>, CommitError> {
        let new = match write.value {
            None => place.index.new_version(write.key, NewValue::Tombstone, 0, None),
            Some(value) => place.index.new_version(
                write.key,
                value.value.as_new(),
                value.kind,
                value.expire_at_ms,
            ),
        };
        new.map_err(|error| CommitError::Write(error.into()))
    }

    fn commit_many(&self, plan: &Plan<'_, O>, reader: Reader<O>) -> Result<(), CommitError> {
        let guard = self.collector.pin();
        let mut batch =
            Batch::new(&guard, Descriptor::new(plan.lease, Arc::clone(&plan.reads), plan.priority));
        let descriptor = batch.descriptor();
        let mut installed = Vec::with_capacity(plan.writes.len());
        let mut result = self.install_all(&guard, &mut batch, plan, &mut installed);
        if result.is_ok() {
            result = self.reach_verdict(&guard, descriptor, plan);
        } else {
            // So that nobody waits for what will not come.
            descriptor.kill();
        }
        self.at_step(Step::Decided);
        drop(reader);
        match result {
            Ok(()) => {
                let stamp = descriptor.stamp();
                batch.finish(Some(stamp.0));
                self.at_step(Step::Finished);
                for write in installed {
                    self.written(&guard, &write.place, write.version, stamp, write.base);
                }
                self.counters.own().add(Figure::Commits, 1);
            }
            Err(_) => {
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
            let place = self.place(write.space, write.key);
            let mut new = self.planned_version(&place, write)?;
            loop {
                let target = self.target(guard, &place);
                plan.check(write, &target)?;
                if batch.descriptor().status() == Status::Aborted {
                    return Err(conflict(write.key));
                }
                match batch.install(place.index, place.hash, target.head.as_ref(), new) {
                    Ok(version) => {
                        installed.push(Installed { place, version, base: target.base });
                        break;
                    }
                    Err(refused) => new = raced(refused).map_err(CommitError::Write)?,
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
        if !plan.reads.is_empty() && !self.leases.holds(plan.lease) {
            return Err(CommitError::SnapshotExpired);
        }
        let timestamp = descriptor.fix_timestamp(&self.clock);
        let changed = self.first_changed_read(guard, descriptor, timestamp);
        Err(conflict(changed.map_or(&[], |read| &plan.reads[read].key)))
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
    /// Refuses early what validation would refuse.
    fn check(
        &self,
        write: &PlannedWrite<'_, O>,
        target: &Target<'_, O>,
    ) -> Result<(), CommitError> {
        let changed = write.was_read
            && target.base.is_some_and(|(_, stamp)| stamp.timestamp() > self.lease.read_timestamp);
        if changed { Err(conflict(write.key)) } else { Ok(()) }
    }
}

fn conflict(key: &[u8]) -> CommitError {
    CommitError::Conflict { key: key.to_vec() }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests;
