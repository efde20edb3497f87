//! Noting uses, counting bytes, making room: eviction as operations meet it.

use super::usage::Tracking;
use super::victim::Outcome;
use super::{Eviction, PER_KEY, PER_WRITE, Room, Usage};
use crate::Store;
use crate::config::At;
use crate::counters::Figure;
use crate::engine::{Engine, Version, uncapped};
use crate::entry::{Entry, VersionStamp};
use crate::error::WriteError;
use stillpoint_structures::NewVersion;

impl<O: Send + Sync + 'static> Engine<O> {
    /// Notes that a key was read.
    #[inline(always)]
    pub(crate) fn touch(&self, version: Version<'_, O>, now_ms: u64) {
        if self.evictor.is_tracking() {
            self.note_use(version, now_ms);
        }
    }

    #[inline(never)]
    fn note_use(&self, version: Version<'_, O>, now_ms: u64) {
        self.evictor.tell_time(now_ms);
        let before = version.usage();
        let after = self.evictor.gauge().used(before, || self.counters.own().draw());
        if after != before {
            version.set_usage(after);
        }
    }

    /// Notes that a key is about to be written.
    #[inline(always)]
    pub(crate) fn touch_new(
        &self,
        new: &mut NewVersion<O>,
        base: Option<(Version<'_, O>, VersionStamp)>,
    ) {
        if self.evictor.is_tracking() {
            let before = base.map(|(base, _)| base).filter(|base| !base.is_tombstone());
            let before = before.map(|base| base.usage());
            new.set_usage(self.evictor.gauge().written(before, || self.counters.own().draw()));
        }
    }

    /// Moves the clock by which uses are noted.
    #[inline]
    pub(crate) fn tell_time(&self, now_ms: u64) {
        if self.evictor.is_tracking() {
            self.evictor.tell_time(now_ms);
        }
    }

    /// Makes room for a write of so many bytes.
    #[inline]
    pub(crate) fn admit(&self, bytes: usize, now_ms: u64) -> Result<(), WriteError> {
        self.tell_time(now_ms);
        if self.evictor.fits(bytes as u64) { Ok(()) } else { self.admit_tightly(bytes, now_ms) }
    }

    /// As `admit`, of a write that is measured only where there is a limit; one of no bytes needs no room.
    #[inline]
    pub(crate) fn admit_counted(
        &self,
        bytes: impl FnOnce() -> usize,
        now_ms: u64,
    ) -> Result<(), WriteError> {
        if !self.evictor.is_limited() {
            self.tell_time(now_ms);
            return Ok(());
        }
        match bytes() {
            0 => Ok(()),
            bytes => self.admit(bytes, now_ms),
        }
    }

    #[cold]
    fn admit_tightly(&self, bytes: usize, now_ms: u64) -> Result<(), WriteError> {
        // A listener writes: whoever called it is making room.
        if self.counters.own().is_telling() {
            return Ok(());
        }
        let full = WriteError::Full { max_bytes: self.evictor.max_bytes() };
        let refuses = self.evictor.rules().refuses();
        if refuses && bytes as u64 > self.evictor.max_bytes() {
            return Err(full);
        }
        match self.make_room(bytes as u64, now_ms, PER_WRITE + bytes / PER_KEY) {
            Room::None if refuses => Err(full),
            _ => Ok(()),
        }
    }

    /// Evicts up to `most` keys until there is room for so many bytes more.
    pub(crate) fn make_room(&self, bytes: u64, now_ms: u64, most: usize) -> Room {
        for _ in 0..most {
            if self.evictor.fits(bytes) {
                return Room::Enough;
            }
            match self.evict_one(now_ms) {
                Outcome::Freed(freed) => self.evictor.note_freed(freed),
                Outcome::Busy => return Room::Some,
                Outcome::Nothing => {
                    self.recount();
                    return if self.evictor.fits(bytes) { Room::Enough } else { Room::None };
                }
            }
        }
        if self.evictor.fits(bytes) { Room::Enough } else { Room::Some }
    }

    /// Counts what a write has changed.
    #[inline]
    pub(crate) fn note_change(&self, bytes: i64) {
        if self.evictor.is_limited() {
            let own = self.counters.own();
            let before = own.get(Figure::Changed);
            own.add(Figure::Changed, bytes.abs());
            if (before ^ own.get(Figure::Changed)) >> self.evictor.batch_bits() != 0 {
                self.recount();
            }
        }
    }

    /// Sets the estimate to the true sum.
    pub(crate) fn recount(&self) {
        self.evictor.set_counted(self.limited_bytes());
    }

    /// What the limit is about.
    fn limited_bytes(&self) -> u64 {
        let sum = |figure| self.counters.sum(figure);
        sum(Figure::LiveBytes) + sum(Figure::LiveObjectBytes) + self.index_bytes()
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Sets how many bytes newest values, their objects and the index may take, and how room is made.
    pub fn set_limit(&self, max_bytes: Option<u64>, eviction: &Eviction) {
        self.engine.evictor.set(max_bytes, eviction);
        self.engine.recount();
    }

    /// Whether the store holds more than its limit: what should have gone may not, or is yet to go.
    ///
    /// # Progress
    /// Wait-free, two loads: of an estimate that is at most 16 KiB a thread behind.
    #[inline]
    pub fn is_full(&self) -> bool {
        !self.engine.evictor.fits(0)
    }

    /// Evicts up to `most` keys until the store is within its limit. Writers do so by themselves, and the maintenance thread does.
    pub fn make_room(&self, now_ms: u64, most: usize) -> Room {
        self.engine.recount();
        self.engine.evictor.tell_time(now_ms);
        self.engine.make_room(0, now_ms, most)
    }

    /// As [`get_with`](Store::get_with), but it is not noted as a use of the key.
    #[inline]
    pub fn peek_with<R>(&self, at: At, key: &[u8], f: impl FnOnce(Option<Entry<'_, O>>) -> R) -> R {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        let guard = engine.collector.pin();
        let head = uncapped(index.find(&guard, index.hash(key), key));
        let found = head.and_then(|head| engine.latest(&guard, head.version()));
        f(found.and_then(|(version, stamp)| Entry::of(version, stamp, at.now_ms)))
    }

    /// How a key is used, as far as it is noted; to ask is no use. `None` if the key is absent.
    pub fn usage(&self, at: At, key: &[u8]) -> Option<Usage> {
        let mut usage = None;
        self.with_version(at, key, |version| usage = Some(version.usage()));
        self.engine.evictor.tell_time(at.now_ms);
        let gauge = self.engine.evictor.gauge();
        usage.map(|usage| match gauge.tracking {
            Tracking::Recency => {
                Usage { idle_seconds: Some(gauge.idle_seconds(usage).into()), frequency: None }
            }
            Tracking::Frequency => {
                Usage { idle_seconds: None, frequency: Some(gauge.count(usage)) }
            }
            Tracking::Off | Tracking::Turnover => Usage::default(),
        })
    }

    /// Notes the usage of a key as another store told it, as far as it is what is noted here.
    pub fn set_usage(&self, at: At, key: &[u8], usage: Usage) {
        self.engine.evictor.tell_time(at.now_ms);
        let gauge = self.engine.evictor.gauge();
        let word = match (gauge.tracking, usage.idle_seconds, usage.frequency) {
            (Tracking::Recency, Some(seconds), _) => gauge.idle_for(seconds),
            (Tracking::Frequency, _, Some(count)) => gauge.counted(count),
            _ => return,
        };
        self.with_version(at, key, |version| version.set_usage(word));
    }

    /// Shows the newest version of a key that has a value.
    fn with_version(&self, at: At, key: &[u8], f: impl FnOnce(Version<'_, O>)) {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        let guard = engine.collector.pin();
        let head = uncapped(index.find(&guard, index.hash(key), key));
        let found = head.and_then(|head| engine.latest(&guard, head.version()));
        let alive =
            found.filter(|(version, stamp)| Entry::of(*version, *stamp, at.now_ms).is_some());
        if let Some((version, _)) = alive {
            f(version);
        }
    }
}
