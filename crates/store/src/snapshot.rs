//! [`Snapshot`]: one consistent cut.
//!
//! # Invariants
//! 1. A snapshot is a lease and nothing else: it keeps versions, not memory epochs, so it may be held as long as anybody likes.
//! 2. A read looks at the lease after the walk. If the lease still holds, every version that the read needed was linked during the walk; if not,
//!    the answer is thrown away and the reader is told.

use crate::engine::{Engine, uncapped};
use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::lease::Lease;
use crate::store::EMPTY_BINS;
use std::sync::Arc;

/// A consistent cut of all spaces at one commit timestamp: everything committed before it was taken, nothing later.
///
/// `Send + Sync`, and cheap to clone; it ends with its last clone. While it lives, a key that is written keeps one older version for it.
pub struct Snapshot<O: Send + Sync + 'static = ()> {
    held: Arc<Held<O>>,
}

struct Held<O: Send + Sync + 'static> {
    engine: Arc<Engine<O>>,
    lease: Lease,
    now_ms: u64,
}

impl<O: Send + Sync + 'static> Drop for Held<O> {
    fn drop(&mut self) {
        self.engine.leases.release(self.lease);
    }
}

impl<O: Send + Sync + 'static> Clone for Snapshot<O> {
    fn clone(&self) -> Self {
        Snapshot { held: Arc::clone(&self.held) }
    }
}

impl<O: Send + Sync + 'static> Snapshot<O> {
    pub(crate) fn take(engine: Arc<Engine<O>>, now_ms: u64) -> Self {
        let lease = engine.leases.take(&engine.clock);
        Snapshot { held: Arc::new(Held { engine, lease, now_ms }) }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.held.lease
    }

    pub(crate) fn engine(&self) -> &Engine<O> {
        &self.held.engine
    }

    /// The commit timestamp of the cut.
    pub fn timestamp(&self) -> u64 {
        self.held.lease.read_timestamp
    }

    /// The wall clock by which expiry is judged in this snapshot, for ever.
    pub fn now_ms(&self) -> u64 {
        self.held.now_ms
    }

    /// Ends the snapshot when the clock of the store's maintenance reaches `deadline_ms`: later reads answer `SnapshotExpired`.
    pub fn set_deadline(&self, deadline_ms: u64) {
        self.held.engine.leases.set_deadline(self.held.lease, deadline_ms);
    }

    /// Whether it has been ended by its deadline or for want of memory.
    pub fn is_expired(&self) -> bool {
        !self.held.engine.leases.holds(self.held.lease)
    }

    /// Reads `key` as of the cut: `f` sees it borrowed, `None` if it was absent or expired.
    ///
    /// # Progress
    /// Wait-free in the number of the key's versions. No writer, no other reader and no maintenance can hold it up.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn get_with<R>(
        &self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let held = &*self.held;
        let index = held.engine.space(space);
        let guard = held.engine.collector.pin();
        let head = uncapped(index.find(&guard, index.hash(key), key));
        let found =
            head.and_then(|head| held.engine.visible_at(&guard, head.version(), self.timestamp()));
        self.check()?;
        Ok(f(found.and_then(|(version, stamp)| Entry::of(version, stamp, held.now_ms))))
    }

    /// One step of an iteration over the cut: visits about `count` keys from `cursor` (0 = start), in no order, and returns the next cursor
    /// (0 = done). A key of the cut is visited at least once, twice only if the index grew meanwhile.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn scan(
        &self,
        space: u8,
        mut cursor: u64,
        count: usize,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> Result<u64, SnapshotExpired> {
        let held = &*self.held;
        let index = held.engine.space(space);
        let (mut visited, mut steps) = (0, 0);
        loop {
            let guard = held.engine.collector.pin();
            let mut alive = Ok(());
            cursor = uncapped(index.scan(&guard, cursor, |head| {
                let found = held.engine.visible_at(&guard, head.version(), self.timestamp());
                alive = alive.and_then(|()| self.check());
                if let Some(entry) =
                    found.and_then(|(version, stamp)| Entry::of(version, stamp, held.now_ms))
                    && alive.is_ok()
                {
                    visited += 1;
                    f(entry);
                }
            }));
            alive?;
            steps += 1;
            if cursor == 0 || visited >= count.max(1) || steps >= count.saturating_mul(EMPTY_BINS) {
                return Ok(cursor);
            }
        }
    }

    /// Number of live keys of the space in the cut.
    ///
    /// # Cost
    /// A walk over all keys, and memory for their hashes only while the index grows.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn len(&self, space: u8) -> Result<u64, SnapshotExpired> {
        let before = self.held.engine.space(space).stats();
        let mut count = 0;
        self.for_each(space, |_| count += 1)?;
        let after = self.held.engine.space(space).stats();
        if before.bins == after.bins && !before.growing && !after.growing {
            return Ok(count);
        }
        // Keys may have been visited twice.
        let mut keys = std::collections::HashSet::new();
        self.for_each(space, |entry| {
            keys.insert(Box::<[u8]>::from(entry.key()));
        })?;
        Ok(keys.len() as u64)
    }

    /// Whether the cut has no live key in the space.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn is_empty(&self, space: u8) -> Result<bool, SnapshotExpired> {
        Ok(self.len(space)? == 0)
    }

    /// Visits every key of the cut, at least once.
    fn for_each(&self, space: u8, mut f: impl FnMut(Entry<'_, O>)) -> Result<(), SnapshotExpired> {
        let mut cursor = 0;
        loop {
            cursor = self.scan(space, cursor, 1024, &mut f)?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    fn check(&self) -> Result<(), SnapshotExpired> {
        if self.is_expired() { Err(SnapshotExpired) } else { Ok(()) }
    }
}
