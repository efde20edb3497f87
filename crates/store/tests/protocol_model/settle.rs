//! How a version stands: stamping, deciding, validating, and finding the version that a reader wants. As `settle` in the store.
//!
//! # Invariants
//! 1. The link to the older version is loaded before the status that allows to pass by; [`Process::pass_by`] is the only place that does so.
//! 2. A verdict COMMITTED is proposed only by who saw, after the timestamp was fixed, no read key with a committed version newer than the read, and
//!    the lease alive after that.
//!
//! One simplification: the stamp below an unset version is looked up in one access with the clock, since that version's chain is final.

use crate::play::{Op, Weakening};
use crate::process::{Process, Step};
use crate::state::{NONE, Shared, Stamp, Standing, Status};

impl Process<'_> {
    pub(crate) fn head(&mut self, key: u8) -> Step<u8> {
        self.access("load head", |shared| shared.heads[usize::from(key)])
    }

    fn older(&mut self, version: u8) -> Step<u8> {
        self.look("load link", |shared| shared.version(version).next, |next| next == NONE)
    }

    /// How a version stands; stamps it if nobody has.
    pub(crate) fn standing(&mut self, version: u8) -> Step<Standing> {
        let stamp = self.call(|process| {
            let stamp = process.look(
                "load stamp",
                |shared| shared.version(version).stamp,
                |stamp| !matches!(stamp.standing(), Standing::Unset | Standing::Pending(_)),
            )?;
            if stamp == Stamp::UNSET { process.stamp(version) } else { Ok(stamp) }
        })?;
        Ok(stamp.standing())
    }

    pub(crate) fn stamp(&mut self, version: u8) -> Step<Stamp> {
        let proposed = self.access("load clock for a stamp", |shared| {
            Stamp::on_top_of(shared.stamp_below(version), shared.clock)
        })?;
        self.access("stamp", |shared| {
            let stamp = &mut shared.version_mut(version).stamp;
            if *stamp == Stamp::UNSET {
                *stamp = proposed;
            }
            *stamp
        })
    }

    fn status(&mut self, commit: usize) -> Step<Status> {
        self.look("load status", |shared| shared.commits[commit].status, Status::is_final)
    }

    pub(crate) fn commit_stamp(&self, commit: usize) -> Stamp {
        self.known(|shared| Stamp::plain(shared.commits[commit].timestamp))
    }

    /// Takes a number that no other commit has.
    pub(crate) fn tick(&mut self) -> Step<u8> {
        if self.is_weak(Weakening::SharedTimestamps) {
            return self.access("load clock for a commit", |shared| shared.clock);
        }
        self.access("advance clock", |shared| {
            shared.clock += 1;
            shared.clock
        })
    }

    fn fixed_timestamp(&mut self, commit: usize) -> Step<u8> {
        self.look("load timestamp", |shared| shared.commits[commit].timestamp, |t| t != 0)
    }

    fn fix_timestamp(&mut self, commit: usize) -> Step<u8> {
        self.call(|process| {
            let fixed = process.fixed_timestamp(commit)?;
            if fixed != 0 {
                return Ok(fixed);
            }
            let proposed = process.tick()?;
            process.access("fix timestamp", |shared| {
                let timestamp = &mut shared.commits[commit].timestamp;
                if *timestamp == 0 {
                    *timestamp = proposed;
                }
                *timestamp
            })
        })
    }

    /// Brings a prepared commit to its verdict.
    pub(crate) fn decide(&mut self, commit: usize) -> Step<Status> {
        self.call(|process| {
            let walks_early = process.is_weak(Weakening::WalkBeforeFixed);
            let met = if walks_early { process.meet_all(commit)? } else { u8::MAX };
            let timestamp = process.fix_timestamp(commit)?;
            let status = process.status(commit)?;
            if status.is_final() {
                return Ok(status);
            }
            let is_valid = process.validate(commit, timestamp, met)?;
            process.access("propose verdict", |shared| propose(shared, commit, is_valid))
        })
    }

    /// The keys that a walk over a commit's reads meets.
    fn meet_all(&mut self, commit: usize) -> Step<u8> {
        let reads = self.known(|shared| shared.commits[commit].reads);
        let mut met = 0;
        for key in (0..8).filter(|key| reads & 1 << key != 0) {
            met |= u8::from(self.is_met(key)?) << key;
        }
        Ok(met)
    }

    /// `met`: which keys count as met, if that is known already.
    fn validate(&mut self, commit: usize, timestamp: u8, met: u8) -> Step<bool> {
        let (reads, needs_lease) =
            self.known(|shared| (shared.commits[commit].reads, shared.commits[commit].needs_lease));
        if !needs_lease || self.is_weak(Weakening::NoValidation) {
            return Ok(true);
        }
        let (lease, read_timestamp) = self
            .known(|shared| (shared.commits[commit].lease, shared.commits[commit].read_timestamp));
        let looks_early = self.is_weak(Weakening::LeaseBeforeReads);
        if looks_early && !self.holds(lease, read_timestamp)? {
            return Ok(false);
        }
        for key in (0..8).filter(|key| reads & 1 << key != 0) {
            if self.is_weak(Weakening::PhantomsPass)
                && self
                    .known(|shared| !shared.was_there(key, shared.commits[commit].read_timestamp))
            {
                continue;
            }
            let is_met = met & 1 << key != 0
                && (self.is_weak(Weakening::WalkBeforeFixed) || self.is_met(key)?);
            if is_met && self.call(|process| process.is_changed(key, commit, timestamp))? {
                return Ok(false);
            }
        }
        if looks_early || self.is_weak(Weakening::VerdictWithoutLease) {
            return Ok(true);
        }
        self.holds(lease, read_timestamp)
    }

    /// Whether a key that a commit read has a newer committed version.
    fn is_changed(&mut self, key: u8, commit: usize, timestamp: u8) -> Step<bool> {
        let read_timestamp = self.known(|shared| shared.commits[commit].read_timestamp);
        let mut at = self.head(key)?;
        while at != NONE {
            let (stamp, older) =
                self.pass_by(at, |process| process.committed_before(at, commit, timestamp))?;
            if stamp != Stamp::UNSET {
                return Ok(stamp.timestamp() > read_timestamp);
            }
            at = older;
        }
        Ok(false)
    }

    /// The stamp of a version as the validator of `commit` sees it; UNSET: it passes by.
    fn committed_before(&mut self, version: u8, commit: usize, timestamp: u8) -> Step<Stamp> {
        let stamp = match self.standing(version)? {
            Standing::Committed(stamp) => stamp,
            Standing::Pending(other) if other != commit => {
                if self.has_committed_before(other, timestamp)? {
                    self.commit_stamp(other)
                } else {
                    Stamp::UNSET
                }
            }
            _ => Stamp::UNSET,
        };
        let newer = stamp.timestamp() >= timestamp;
        let passes = newer && self.is_weak(Weakening::ValidatorPassesNewer);
        Ok(if passes { Stamp::UNSET } else { stamp })
    }

    fn has_committed_before(&mut self, other: usize, timestamp: u8) -> Step<bool> {
        match self.status(other)? {
            Status::Installing | Status::Aborted => Ok(false),
            Status::Committed => Ok(true),
            Status::Prepared => {
                if self.is_weak(Weakening::ValidatorPassesUnfixed)
                    && self.fixed_timestamp(other)? == 0
                {
                    return Ok(false);
                }
                Ok(self.fix_timestamp(other)? < timestamp
                    && self.decide(other)? == Status::Committed)
            }
        }
    }

    /// Judges a version, and says what comes below it; the link is what it was before the judgement.
    fn pass_by(
        &mut self,
        version: u8,
        judge: impl FnOnce(&mut Self) -> Step<Stamp>,
    ) -> Step<(Stamp, u8)> {
        if self.is_weak(Weakening::StatusFirst) {
            let stamp = self.call(judge)?;
            return Ok((stamp, self.older(version)?));
        }
        let older = self.older(version)?;
        Ok((self.call(judge)?, older))
    }

    /// The newest committed version from `head` down.
    pub(crate) fn latest(&mut self, head: u8) -> Step<u8> {
        self.call(|process| {
            let mut at = head;
            while at != NONE {
                let (stamp, older) = process.pass_by(at, |process| process.committed(at))?;
                if stamp != Stamp::UNSET {
                    return Ok(at);
                }
                at = older;
            }
            Ok(NONE)
        })
    }

    /// The stamp of a version as who wants the latest value sees it; UNSET: it passes by.
    fn committed(&mut self, version: u8) -> Step<Stamp> {
        let commit = match self.standing(version)? {
            Standing::Committed(stamp) => return Ok(stamp),
            Standing::Pending(commit) => commit,
            _ => return Ok(Stamp::UNSET),
        };
        let has_happened = match self.status(commit)? {
            Status::Installing | Status::Aborted => false,
            Status::Committed => true,
            Status::Prepared
                if self.is_weak(Weakening::GetPassesPrepared) && matches!(self.op, Op::Get(_)) =>
            {
                false
            }
            Status::Prepared => self.decide(commit)? == Status::Committed,
        };
        Ok(if has_happened { self.commit_stamp(commit) } else { Stamp::UNSET })
    }

    /// The version of a key that a reader at `read_timestamp` sees.
    pub(crate) fn visible_at(&mut self, key: u8, read_timestamp: u8) -> Step<u8> {
        self.call(|process| {
            let mut at = process.head(key)?;
            while at != NONE {
                let (stamp, older) =
                    process.pass_by(at, |process| process.committed_by(at, read_timestamp))?;
                if stamp != Stamp::UNSET && stamp.timestamp() <= read_timestamp {
                    return Ok(at);
                }
                at = older;
            }
            Ok(NONE)
        })
    }

    fn committed_by(&mut self, version: u8, read_timestamp: u8) -> Step<Stamp> {
        let commit = match self.standing(version)? {
            Standing::Committed(stamp) => return Ok(stamp),
            Standing::Pending(commit) => commit,
            _ => return Ok(Stamp::UNSET),
        };
        let has_happened = match self.status(commit)? {
            Status::Installing | Status::Aborted => false,
            Status::Committed => true,
            Status::Prepared => {
                self.fix_timestamp(commit)? <= read_timestamp
                    && self.decide(commit)? == Status::Committed
            }
        };
        Ok(if has_happened { self.commit_stamp(commit) } else { Stamp::UNSET })
    }

    /// The latest value of a key.
    pub(crate) fn get(&mut self, key: u8) -> Step<u8> {
        let head = self.head(key)?;
        let is_unstamped = self.is_weak(Weakening::GetAnswersUnstamped)
            && head != NONE
            && self.access("peek at stamp", |shared| shared.version(head).stamp)? == Stamp::UNSET;
        let version = if is_unstamped { head } else { self.latest(head)? };
        Ok(self.value(version))
    }

    pub(crate) fn value(&self, version: u8) -> u8 {
        self.known(|shared| {
            if version == NONE { crate::state::ABSENT } else { shared.version(version).value }
        })
    }

    /// The stamp of a version that is known to be committed.
    pub(crate) fn final_stamp(&self, version: u8) -> Option<Stamp> {
        self.known(|shared| shared.committed_stamp(shared.version(version)))
    }
}

fn propose(shared: &mut Shared, commit: usize, is_valid: bool) -> Status {
    let status = &mut shared.commits[commit].status;
    if *status == Status::Prepared {
        *status = if is_valid { Status::Committed } else { Status::Aborted };
    }
    *status
}
