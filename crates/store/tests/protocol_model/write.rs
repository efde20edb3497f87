//! What an operation does, and writes of one key. As `write` in the store.
//!
//! # Invariants
//! 1. A version is installed on the very head that was looked at, and that head was final. It is stamped afterwards.
//! 2. `Update` answers what it found as a read, so a lost update has no serial order.

use crate::play::{Op, Weakening};
use crate::process::{Process, Step};
use crate::state::{ABSENT, Ending, NONE, Record, Stamp, Standing, Status};

impl Process<'_> {
    /// Runs the operation to its end.
    pub(crate) fn run(&mut self) -> Step<Record> {
        match self.op {
            Op::Get(key) => {
                let value = self.get(key)?;
                Ok(read_only(key, value))
            }
            Op::Snapshot(keys) => self.snapshot(keys),
            Op::Write(key) | Op::Update(key) | Op::Remove(key) => self.write(key),
            Op::Commit { reads, writes } | Op::Erase { reads, writes } => {
                self.transaction(reads, writes)
            }
            Op::Kill(slot) => {
                self.kill_lease(slot)?;
                Ok(done(false))
            }
            Op::Tidy(key) => {
                self.tidy(key)?;
                Ok(done(false))
            }
            Op::NaiveSnapshot(keys) => self.naive_snapshot(keys),
            Op::NaiveWrite(keys) => self.naive_write(keys),
            Op::Tick => {
                self.tick()?;
                Ok(done(false))
            }
        }
    }

    fn snapshot(&mut self, keys: &[u8]) -> Step<Record> {
        let mut record = done(false);
        record.read_timestamp = self.take_lease()?;
        if !self.read_at(keys, &mut record)? {
            record.ending = Ending::Undone;
        }
        self.release_lease()?;
        Ok(record)
    }

    /// Reads keys at the record's timestamp; whether the lease held all the while.
    pub(crate) fn read_at(&mut self, keys: &[u8], record: &mut Record) -> Step<bool> {
        for key in keys {
            let version = if self.is_met(*key)? {
                self.visible_at(*key, record.read_timestamp)?
            } else {
                NONE
            };
            if !self.holds(self.me, record.read_timestamp)? {
                return Ok(false);
            }
            record.read(*key, self.value(version));
        }
        Ok(true)
    }

    /// A key's head, made final, and its newest committed version.
    pub(crate) fn target(&mut self, key: u8) -> Step<(u8, u8)> {
        let head = self.head(key)?;
        if head == NONE {
            return Ok((NONE, NONE));
        }
        match self.standing(head)? {
            Standing::Committed(_) => return Ok((head, head)),
            Standing::Pending(commit) => self.clear_the_way(commit)?,
            _ => {}
        }
        Ok((head, self.latest(head)?))
    }

    /// Brings a commit that stands in the way to its end; without patience.
    fn clear_the_way(&mut self, commit: usize) -> Step<()> {
        self.retry(|process| {
            let status = process.look(
                "load status in the way",
                |shared| shared.commits[commit].status,
                Status::is_final,
            )?;
            Ok(match status {
                Status::Committed | Status::Aborted => Some(()),
                Status::Prepared => process.decide(commit).map(|_| Some(()))?,
                Status::Installing => process.kill(commit)?.then_some(()),
            })
        })
    }

    /// Aborts a commit that is not prepared; whether this call did.
    pub(crate) fn kill(&mut self, commit: usize) -> Step<bool> {
        self.access("kill commit", |shared| {
            let status = &mut shared.commits[commit].status;
            let is_installing = *status == Status::Installing;
            if is_installing {
                *status = Status::Aborted;
            }
            is_installing
        })
    }

    fn write(&mut self, key: u8) -> Step<Record> {
        let early = if self.is_weak(Weakening::LeasesBeforeStamp) {
            Some(self.view_leases()?)
        } else {
            None
        };
        let op = self.op;
        let value = if matches!(op, Op::Remove(_)) { ABSENT } else { self.number as u8 };
        let (version, base) = self.retry(|process| {
            let (head, base) = process.target(key)?;
            if matches!(op, Op::Remove(_)) && process.value(base) == ABSENT {
                return Ok(Some((NONE, base)));
            }
            let version = process.install(key, head, value, Stamp::UNSET)?;
            Ok((version != NONE).then_some((version, base)))
        })?;
        if version == NONE {
            return Ok(read_only(key, ABSENT));
        }
        self.stamp(version)?;
        self.written(key, version, base, early)?;
        let mut record = done(true);
        if matches!(op, Op::Update(_)) {
            record.read(key, self.value(base));
        }
        Ok(record)
    }
}

/// The record of an operation that happened.
pub(crate) fn done(wrote: bool) -> Record {
    Record { ending: Ending::Done { wrote }, ..Record::new() }
}

fn read_only(key: u8, value: u8) -> Record {
    let mut record = done(false);
    record.read(key, value);
    record
}
