//! [`State`]: everything that decides what can happen next: what processes share, where each stands, and what was answered so far.
//!
//! ```text
//!  key ─▶ head ─▶ version ─▶ version ─▶ …          version   stamp · next · key · value
//!  stamp  UNSET | plain: timestamp(11) sequence(4) | PENDING commit | ABORTED
//!  commit INSTALLING ─▶ PREPARED ─▶ COMMITTED | ABORTED,  INSTALLING ─▶ ABORTED
//!  lease  FREE | PINNING g | s | KILLED s
//!  order  key ─▶ presence   entries ever · counted · WANTED · DEAD
//! ```
//! # Invariants
//! 1. Versions are numbered in the order of their installation and never reused: a process that stands on a version cut out may go on over its
//!    link, as under a guard, and a compare-and-swap never mistakes a version for another.
//!    Presences are numbered likewise.
//! 2. What was committed is known for ever from `versions`, cut out or not; `judge` reads the truth there.

use crate::play::Play;
use crate::process::Log;
use std::hash::{Hash, Hasher};

pub(crate) const KEYS: usize = 3;
pub(crate) const PROCESSES: usize = 4;
pub(crate) const OPS: usize = 8;
pub(crate) const READS: usize = 3;
const VERSIONS: usize = 12;
const PRESENCES: usize = 8;

/// No version.
pub(crate) const NONE: u8 = u8::MAX;
/// The value of a key that is not there: of a tombstone.
pub(crate) const ABSENT: u8 = u8::MAX;
/// The value of a key at first.
pub(crate) const INITIAL: u8 = u8::MAX - 1;

/// A presence's words, as the store's of that name.
pub(crate) const DEAD: u32 = 1;
pub(crate) const WANTED: u32 = 1 << 1;
pub(crate) const ONE_COUNTED: u32 = 1 << 2;
pub(crate) const COUNTED: u32 = 0b111 << 2;
pub(crate) const ONE_ENTRY: u32 = 1 << 5;

pub(crate) const FREE: u8 = 0;
pub(crate) const PINNING: u8 = 0x80;
pub(crate) const KILLED: u8 = 0x40;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Stamp(pub(crate) u16);

/// What a stamp says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Unset,
    Committed(Stamp),
    Aborted,
    Pending(usize),
}

impl Stamp {
    pub(crate) const UNSET: Stamp = Stamp(0);
    pub(crate) const ABORTED: Stamp = Stamp(u16::MAX);
    const PENDING: u16 = 0x8000;

    pub(crate) fn plain(timestamp: u8) -> Self {
        Stamp(u16::from(timestamp) << 4)
    }

    pub(crate) fn pending(commit: usize) -> Self {
        Stamp(Self::PENDING | commit as u16)
    }

    pub(crate) fn timestamp(self) -> u8 {
        (self.0 >> 4) as u8
    }

    /// The stamp of a write at clock `now` over `previous`.
    pub(crate) fn on_top_of(previous: Option<Stamp>, now: u8) -> Self {
        match previous {
            Some(previous) if previous.timestamp() == now => Stamp(previous.0 + 1),
            _ => Stamp::plain(now),
        }
    }

    pub(crate) fn standing(self) -> Standing {
        match self {
            Stamp::UNSET => Standing::Unset,
            Stamp::ABORTED => Standing::Aborted,
            Stamp(word) if word & Self::PENDING != 0 => {
                Standing::Pending(usize::from(word & !Self::PENDING))
            }
            stamp => Standing::Committed(stamp),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Version {
    pub(crate) stamp: Stamp,
    pub(crate) next: u8,
    pub(crate) key: u8,
    pub(crate) value: u8,
    pub(crate) is_cut: bool,
}

const NO_VERSION: Version =
    Version { stamp: Stamp::UNSET, next: NONE, key: 0, value: 0, is_cut: false };

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Status {
    Installing,
    Prepared,
    Committed,
    Aborted,
}

impl Status {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Status::Committed | Status::Aborted)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Descriptor {
    pub(crate) status: Status,
    /// 0: not fixed.
    pub(crate) timestamp: u8,
    pub(crate) lease: u8,
    pub(crate) read_timestamp: u8,
    /// Keys to be validated at the verdict, a bit each.
    pub(crate) reads: u8,
    /// Whether anything was read, so that the lease must hold at the verdict.
    pub(crate) needs_lease: bool,
}

const NO_DESCRIPTOR: Descriptor = Descriptor {
    status: Status::Installing,
    timestamp: 0,
    lease: 0,
    read_timestamp: 0,
    reads: 0,
    needs_lease: false,
};

/// What all processes see.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    pub(crate) clock: u8,
    pub(crate) heads: [u8; KEYS],
    /// The presence of each key in the order.
    pub(crate) order: [u8; KEYS],
    pub(crate) presences: [u32; PRESENCES],
    pub(crate) presence_count: u8,
    pub(crate) leases: [u8; PROCESSES],
    pub(crate) versions: [Version; VERSIONS],
    pub(crate) installed: u8,
    pub(crate) commits: [Descriptor; OPS],
    /// Operations, a bit each, that are over: what begins later must not come before them. Seen by no process.
    pub(crate) over: u8,
    /// Processes, a bit each, that will take no lease any more. Seen by no process.
    pub(crate) without_lease: u8,
}

impl Shared {
    fn new(play: &Play) -> Self {
        let mut shared = Shared {
            clock: 1,
            heads: [NONE; KEYS],
            order: [NONE; KEYS],
            presences: [0; PRESENCES],
            presence_count: 0,
            leases: [FREE; PROCESSES],
            versions: [NO_VERSION; VERSIONS],
            installed: 0,
            commits: [NO_DESCRIPTOR; OPS],
            over: 0,
            without_lease: 0,
        };
        for key in (0..KEYS as u8).filter(|key| !play.absent.contains(key)) {
            let installed = shared.install(key, NONE, INITIAL, Stamp::plain(1));
            assert_ne!(installed, NONE);
            if play.in_order {
                shared.put_presence(key, 0);
            }
        }
        shared
    }

    pub(crate) fn version(&self, version: u8) -> &Version {
        &self.versions[usize::from(version)]
    }

    pub(crate) fn version_mut(&mut self, version: u8) -> &mut Version {
        &mut self.versions[usize::from(version)]
    }

    pub(crate) fn installed(&self) -> &[Version] {
        &self.versions[..usize::from(self.installed)]
    }

    /// Puts a new version on top of `head`; `NONE` if that is not the head any more.
    pub(crate) fn install(&mut self, key: u8, head: u8, value: u8, stamp: Stamp) -> u8 {
        let slot = &mut self.heads[usize::from(key)];
        if *slot != head {
            return NONE;
        }
        *slot = self.installed;
        *self.version_mut(self.installed) =
            Version { stamp, next: head, key, value, is_cut: false };
        self.installed += 1;
        self.installed - 1
    }

    /// Puts a new presence in the place of one that is not there, or dead; its number.
    pub(crate) fn put_presence(&mut self, key: u8, state: u32) -> u8 {
        self.presences[usize::from(self.presence_count)] = state;
        self.order[usize::from(key)] = self.presence_count;
        self.presence_count += 1;
        self.presence_count - 1
    }

    pub(crate) fn presence(&mut self, presence: u8) -> &mut u32 {
        &mut self.presences[usize::from(presence)]
    }

    /// Whether the key's place in the order is free for a new presence.
    pub(crate) fn has_no_presence(&self, key: u8) -> bool {
        let at = self.order[usize::from(key)];
        at == NONE || self.presences[usize::from(at)] & DEAD != 0
    }

    /// The stamp of a version if its commit has happened.
    pub(crate) fn committed_stamp(&self, version: &Version) -> Option<Stamp> {
        match version.stamp.standing() {
            Standing::Committed(stamp) => Some(stamp),
            Standing::Pending(commit) if self.commits[commit].status == Status::Committed => {
                Some(Stamp::plain(self.commits[commit].timestamp))
            }
            _ => None,
        }
    }

    /// Whether a key had a value at a timestamp.
    pub(crate) fn was_there(&self, key: u8, timestamp: u8) -> bool {
        let mut of_key = self.installed().iter().filter(|version| version.key == key);
        let seen = |version: &&Version| {
            self.committed_stamp(version).is_some_and(|stamp| stamp.timestamp() <= timestamp)
        };
        of_key.rfind(seen).is_some_and(|version| version.value != ABSENT)
    }

    /// The newest committed stamp below a version.
    pub(crate) fn stamp_below(&self, version: u8) -> Option<Stamp> {
        let mut at = self.version(version).next;
        while at != NONE {
            if let Some(stamp) = self.committed_stamp(self.version(at)) {
                return Some(stamp);
            }
            at = self.version(at).next;
        }
        None
    }
}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u8(self.clock);
        hasher.write_u8(self.over);
        self.heads.iter().chain(&self.leases).for_each(|byte| hasher.write_u8(*byte));
        if self.presence_count > 0 {
            self.order.iter().for_each(|byte| hasher.write_u8(*byte));
            let presences = &self.presences[..usize::from(self.presence_count)];
            presences.iter().for_each(|word| hasher.write_u64(u64::from(*word)));
        }
        for version in self.installed() {
            hasher.write_u64(
                u64::from(version.stamp.0)
                    | u64::from(version.next) << 16
                    | u64::from(version.key) << 24
                    | u64::from(version.value) << 32
                    | u64::from(version.is_cut) << 40,
            );
        }
        for commit in self.commits.iter().filter(|commit| **commit != NO_DESCRIPTOR) {
            hasher.write_u64(
                commit.status as u64
                    | u64::from(commit.timestamp) << 8
                    | u64::from(commit.lease) << 16
                    | u64::from(commit.read_timestamp) << 24
                    | u64::from(commit.reads) << 32
                    | u64::from(commit.needs_lease) << 40,
            );
        }
    }
}

/// How an operation ended, or that it has not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Ending {
    Open,
    /// It happened; whether it wrote.
    Done {
        wrote: bool,
    },
    /// It had no effect.
    Undone,
}

/// What is known of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Record {
    pub(crate) ending: Ending,
    /// Operations that were over when it began.
    pub(crate) before: u8,
    /// (key, value) of each read.
    pub(crate) reads: [(u8, u8); READS],
    pub(crate) read_count: u8,
    /// The timestamp it read at; 0: none.
    pub(crate) read_timestamp: u8,
}

const NO_RECORD: Record = Record {
    ending: Ending::Open,
    before: 0,
    reads: [(0, 0); READS],
    read_count: 0,
    read_timestamp: 0,
};

impl Record {
    pub(crate) fn new() -> Self {
        NO_RECORD
    }

    pub(crate) fn read(&mut self, key: u8, value: u8) {
        self.reads[usize::from(self.read_count)] = (key, value);
        self.read_count += 1;
    }

    pub(crate) fn reads(&self) -> &[(u8, u8)] {
        &self.reads[..usize::from(self.read_count)]
    }
}

/// Where a process stands: in which of its operations, and what that has seen.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) op: u8,
    pub(crate) has_begun: bool,
    pub(crate) log: Log,
}

#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) shared: Shared,
    pub(crate) progress: [Progress; PROCESSES],
    pub(crate) records: [Record; OPS],
}

impl State {
    pub(crate) fn new(play: &Play) -> Self {
        assert!(play.processes.len() <= PROCESSES && play.ops().count() <= OPS);
        State {
            shared: Shared::new(play),
            progress: [Progress { op: 0, has_begun: false, log: Log::new() }; PROCESSES],
            records: [NO_RECORD; OPS],
        }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.shared.hash(hasher);
        for progress in &self.progress {
            hasher.write_u8(progress.op << 1 | u8::from(progress.has_begun));
            progress.log.hash(hasher);
        }
        for record in self.records.iter().filter(|record| **record != NO_RECORD) {
            hasher.write_u8(record.before);
            if record.ending != Ending::Open {
                hasher.write_u8(match record.ending {
                    Ending::Done { wrote } => 1 + u8::from(wrote),
                    _ => 3,
                });
                hasher.write_u8(record.read_timestamp);
                record.reads().iter().for_each(|(key, value)| {
                    hasher.write_u16(u16::from(*key) << 8 | u16::from(*value))
                });
            }
        }
    }
}
