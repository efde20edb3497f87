//! [`History`]: past versions of keys under certain prefixes, apart from what snapshots need.
//!
//! ```text
//!  part (a prefix) ─┬─ keys: key ─▶ versions, old to new; the newest is a copy of what the store has
//!                   └─ ends: (timestamp at which a version ended, key) …   oldest first
//! ```
//! It is fed with each group when that becomes final, under the ring's lock, so it has every change. Chains of the store stay as short as
//! snapshots let them.
//!
//! # Invariants
//! 1. A version *ends* when it is superseded, a removal at once. Only ended versions are given up: by count per key, by age of their end, and
//!    oldest end first above the bytes of the part. So a part takes at most those bytes beside one copy of its newest values and their keys (and three words
//!    per ended version). A removal counts its key.
//! 2. A key that is not here was absent at every timestamp from `floor` on. A key that is here and not `trimmed` was absent before its first
//!    version, back to `floor`.

use super::group::Group;
use super::past::PastVersion;
use super::times::Times;
use crate::config::Retention;
use crate::entry::VersionStamp;
use crate::error::HistoryError;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Entries of `ends` that may be stale beside as many as there are ended versions.
const STALE: usize = 64;

struct KeyHistory<O> {
    versions: VecDeque<Arc<PastVersion<O>>>,
    trimmed: bool,
}

struct Part<O> {
    rule: Retention,
    keys: BTreeMap<Arc<[u8]>, KeyHistory<O>>,
    ends: VecDeque<(u64, Arc<[u8]>)>,
    ended_count: usize,
    ended_bytes: usize,
    floor: u64,
    /// Versions that were given up: see `Gone`.
    gone: Vec<Arc<PastVersion<O>>>,
}

pub(super) struct History<O> {
    parts: Vec<Part<O>>,
    times: Times,
}

/// Bytes of a key that has no newest value, beside the key's own.
const KEY_BYTES: usize = 64;

impl<O> History<O> {
    pub(super) fn new(rules: &[Retention]) -> Self {
        let part = |rule: &Retention| Part {
            rule: rule.clone(),
            keys: BTreeMap::new(),
            ends: VecDeque::new(),
            ended_count: 0,
            ended_bytes: 0,
            floor: 0,
            gone: Vec::new(),
        };
        History { parts: rules.iter().map(part).collect(), times: Times::default() }
    }

    pub(super) fn add(&mut self, group: &Group<O>) {
        let committed_ms = self.times.of(group.timestamp());
        for change in group.changes() {
            let part = self.parts.iter_mut().find(|part| part.has(change.space(), change.key()));
            if let Some(part) = part {
                part.add(change.key(), PastVersion::of(change, committed_ms));
            }
        }
    }

    /// Whether the time should be noted.
    pub(super) fn wants_time(&self, now_ms: u64) -> bool {
        self.times.wants(now_ms)
    }

    /// Notes that what is stamped from `timestamp` on is committed at `now_ms` or later, and gives up what is too old.
    pub(super) fn note(&mut self, timestamp: u64, now_ms: u64) {
        self.times.note(timestamp, now_ms);
        for part in &mut self.parts {
            if let Some(age_ms) = part.rule.max_age_ms {
                part.forget_before(self.times.reached_before(now_ms.saturating_sub(age_ms)));
            }
        }
    }

    /// A time at which or after which what has this timestamp was committed, if that is known.
    pub(super) fn time_of(&self, timestamp: u64) -> Option<u64> {
        self.times.of(timestamp)
    }

    /// The last timestamp that is known to be before a time; `None`: none is.
    pub(super) fn last_before(&self, ms: u64) -> Option<u64> {
        self.times.reached_before(ms).checked_sub(1)
    }

    fn part(&self, space: u8, key: &[u8]) -> Result<&Part<O>, HistoryError> {
        self.parts.iter().find(|part| part.has(space, key)).ok_or(HistoryError::NotRetained)
    }

    /// The versions that there are, from new to old.
    pub(super) fn versions(
        &self,
        space: u8,
        key: &[u8],
    ) -> Result<Vec<Arc<PastVersion<O>>>, HistoryError> {
        let history = self.part(space, key)?.keys.get(key);
        Ok(history.map_or(Vec::new(), |history| history.versions.iter().rev().cloned().collect()))
    }

    /// The version that was current at the end of a timestamp; a removal is `None`.
    pub(super) fn at(
        &self,
        space: u8,
        key: &[u8],
        timestamp: u64,
    ) -> Result<Option<Arc<PastVersion<O>>>, HistoryError> {
        let part = self.part(space, key)?;
        let history = part.keys.get(key);
        let found = history.and_then(|history| {
            let after = history.versions.partition_point(|it| it.timestamp() <= timestamp);
            after.checked_sub(1).and_then(|at| history.versions.get(at))
        });
        match (found, history) {
            (Some(version), _) => Ok(Some(Arc::clone(version)).filter(|it| it.value().is_some())),
            (None, Some(history)) if history.trimmed => Err(HistoryError::Gone),
            (None, _) if timestamp < part.floor => Err(HistoryError::Gone),
            (None, _) => Ok(None),
        }
    }

    /// What was given up since the last time, to be dropped when no lock is held.
    pub(super) fn take_gone(&mut self) -> Vec<Arc<PastVersion<O>>> {
        let mut gone = Vec::new();
        self.parts.iter_mut().for_each(|part| gone.append(&mut part.gone));
        gone
    }

    pub(super) fn ended_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.ended_bytes).sum()
    }
}

impl<O> Part<O> {
    fn has(&self, space: u8, key: &[u8]) -> bool {
        self.rule.space == space && key.starts_with(&self.rule.prefix)
    }

    fn add(&mut self, key: &[u8], version: PastVersion<O>) {
        let known = self.keys.get_key_value(key).map(|(key, _)| Arc::clone(key));
        let key = known.unwrap_or_else(|| key.into());
        let history = self.keys.entry(Arc::clone(&key));
        let history = history.or_insert(KeyHistory { versions: VecDeque::new(), trimmed: false });
        let now = version.stamp().timestamp();
        let before = history.versions.back().filter(|before| before.value().is_some());
        let removal = Some(&version).filter(|version| version.value().is_none());
        let before = before.map(|it| ended_bytes(&key, it));
        for bytes in before.into_iter().chain(removal.map(|it| ended_bytes(&key, it))) {
            self.ended_count += 1;
            self.ended_bytes += bytes;
            self.ends.push_back((now, Arc::clone(&key)));
        }
        history.versions.push_back(Arc::new(version));
        let most = self.rule.max_versions.map_or(usize::MAX, |most| most.max(1) as usize);
        let over = history.versions.len().saturating_sub(most);
        (0..over).for_each(|_| self.drop_oldest(&key));
        while self.ended_bytes > self.rule.max_bytes
            && let Some((end, key)) = self.ends.pop_front()
        {
            self.drop_ended(&key, end);
        }
        self.compact();
    }

    fn forget_before(&mut self, timestamp: u64) {
        while let Some((end, key)) = self.ends.pop_front_if(|(end, _)| *end < timestamp) {
            self.drop_ended(&key, end);
        }
    }

    /// Gives up the versions of a key that ended at a timestamp or before.
    fn drop_ended(&mut self, key: &Arc<[u8]>, end: u64) {
        while let Some(history) = self.keys.get(key)
            && end_of(&history.versions).is_some_and(|ended| ended.timestamp() <= end)
        {
            self.drop_oldest(key);
        }
    }

    /// Gives up the oldest version of a key, which has ended.
    fn drop_oldest(&mut self, key: &Arc<[u8]>) {
        let Some(history) = self.keys.get_mut(key) else { return };
        let Some(oldest) = history.versions.pop_front() else { return };
        history.trimmed = true;
        self.ended_count -= 1;
        self.ended_bytes -= ended_bytes(key, &oldest);
        if history.versions.is_empty() {
            // A removal: from then on the key was absent.
            self.keys.remove(key);
            self.floor = self.floor.max(oldest.stamp().timestamp());
        }
        self.gone.push(oldest);
    }

    /// Takes ends out whose version is gone, when there are many.
    fn compact(&mut self) {
        if self.ends.len() > 2 * self.ended_count + STALE {
            let keys = &self.keys;
            self.ends.retain(|(end, key)| {
                keys.get(key).is_some_and(|history| {
                    let versions = &history.versions;
                    let first = versions.partition_point(|it| it.stamp().timestamp() < *end);
                    let ends = |at| versions.get(at).is_some_and(|it| it.timestamp() == *end);
                    let is_removal = |at| versions.get(at).is_some_and(|it| it.value().is_none());
                    ends(first) && (first > 0 || is_removal(0) || ends(1))
                })
            });
        }
    }
}

/// Bytes that an ended version counts; a removal stands for its key too, which nothing else may keep.
fn ended_bytes<O>(key: &[u8], version: &PastVersion<O>) -> usize {
    let key_bytes = if version.value().is_none() { key.len() + KEY_BYTES } else { 0 };
    version.footprint() + key_bytes
}

/// When the oldest of the versions ended, if it has.
fn end_of<O>(versions: &VecDeque<Arc<PastVersion<O>>>) -> Option<VersionStamp> {
    let oldest = versions.front()?;
    if oldest.value().is_none() { Some(oldest) } else { versions.get(1) }.map(|it| it.stamp())
}
