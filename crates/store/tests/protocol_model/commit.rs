//! Transactions: reads at a lease, then a commit of one key or of several. As `commit` in the store.
//!
//! # Invariants
//! 1. INSTALLING until every version is installed; PREPARED; only then the timestamp, the validation, the verdict; stamps become final after that.
//! 2. The lease is given up after the verdict.

use crate::play::Weakening;
use crate::process::{Process, Step};
use crate::state::{ABSENT, Ending, KEYS, NONE, Record, Stamp, Status};
use crate::write::done;

/// A version and what it is on top of.
type Installed = [(u8, u8); KEYS];

impl Process<'_> {
    pub(crate) fn transaction(&mut self, reads: &[u8], writes: &[u8]) -> Step<Record> {
        let mut record = done(true);
        record.read_timestamp = self.take_lease()?;
        if !self.read_at(reads, &mut record)? {
            self.release_lease()?;
            record.ending = Ending::Undone;
            return Ok(record);
        }
        let has_happened = match writes {
            [only] if reads.iter().all(|key| key == only) => {
                self.commit_one(*only, !reads.is_empty(), record.read_timestamp)?
            }
            _ => self.commit_many(reads, writes, record.read_timestamp)?,
        };
        if !has_happened {
            record.ending = Ending::Undone;
        }
        Ok(record)
    }

    /// What the transaction's writes set their keys to.
    fn new_value(&self) -> u8 {
        if self.op.removes() { ABSENT } else { self.number as u8 }
    }

    /// The newest committed version must be the one that was read, when the new one is installed on top of it.
    fn commit_one(&mut self, key: u8, was_read: bool, read_timestamp: u8) -> Step<bool> {
        let value = self.new_value();
        let (version, base) = self.retry(|process| {
            let (head, base) = process.target(key)?;
            if was_read
                && (process.is_newer(base, read_timestamp)
                    || !process.holds(process.me, read_timestamp)?)
            {
                return Ok(Some((NONE, NONE)));
            }
            let version = process.install(key, head, value, Stamp::UNSET)?;
            Ok((version != NONE).then_some((version, base)))
        })?;
        if version != NONE {
            self.stamp(version)?;
        }
        self.release_lease()?;
        if version != NONE {
            self.written(key, version, base, None)?;
        }
        Ok(version != NONE)
    }

    fn is_newer(&self, base: u8, read_timestamp: u8) -> bool {
        let stamp = if base == NONE { None } else { self.final_stamp(base) };
        stamp.is_some_and(|stamp| stamp.timestamp() > read_timestamp)
    }

    fn commit_many(&mut self, reads: &[u8], writes: &[u8], read_timestamp: u8) -> Step<bool> {
        let mut installed: Installed = [(NONE, NONE); KEYS];
        let is_complete = self.install_all(reads, writes, read_timestamp, &mut installed)?;
        let has_happened = if is_complete {
            self.prepare()? && self.decide(self.number)? == Status::Committed
        } else {
            self.kill(self.number)?;
            false
        };
        self.release_lease()?;
        let stamp = if has_happened { self.commit_stamp(self.number) } else { Stamp::ABORTED };
        let written = || writes.iter().zip(installed).filter(|(_, (version, _))| *version != NONE);
        self.access("final stamps", |shared| {
            written().for_each(|(_, (version, _))| shared.version_mut(version).stamp = stamp);
        })?;
        for (key, (version, base)) in written() {
            if has_happened {
                self.written(*key, version, base, None)?;
            } else {
                self.call(|process| process.tidy(*key))?;
            }
        }
        Ok(has_happened)
    }

    /// Installs a pending version of each key; whether the commit may go on.
    fn install_all(
        &mut self,
        reads: &[u8],
        writes: &[u8],
        read_timestamp: u8,
        installed: &mut Installed,
    ) -> Step<bool> {
        for (key, installed) in writes.iter().zip(installed) {
            let was_read = reads.contains(key);
            *installed = self.retry(|process| {
                let (head, base) = process.target(*key)?;
                let number = process.number;
                let is_checked = !process.is_weak(Weakening::InstallUnchecked);
                if was_read && is_checked && process.is_newer(base, read_timestamp) {
                    return Ok(Some((NONE, NONE)));
                }
                let stamp = Stamp::pending(number);
                let value = process.new_value();
                let version = process.install(*key, head, value, stamp)?;
                Ok((version != NONE).then_some((version, base)))
            })?;
            if installed.0 == NONE {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn prepare(&mut self) -> Step<bool> {
        let number = self.number;
        let timestamp =
            if self.is_weak(Weakening::TimestampBeforePrepared) { self.tick()? } else { 0 };
        self.access("prepare", |shared| {
            let commit = &mut shared.commits[number];
            let is_installing = commit.status == Status::Installing;
            if is_installing {
                commit.status = Status::Prepared;
                commit.timestamp = timestamp;
            }
            is_installing
        })
    }
}
