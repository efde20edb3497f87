//! [`Snapshot`]: one consistent cut.
//!
//! A snapshot is a lease and nothing else: it keeps versions, not memory epochs, so it may be held as long as anybody likes.

use crate::engine::Engine;
use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::reader::Reader;
use std::sync::Arc;

/// A consistent cut of all spaces at one commit timestamp: everything committed before it was taken, nothing later.
///
/// `Send + Sync`, and cheap to clone; it ends with its last clone. While it lives, a key that is written keeps one older version for it.
pub struct Snapshot<O: Send + Sync + 'static = ()> {
    reader: Arc<Reader<O>>,
}

impl<O: Send + Sync + 'static> Clone for Snapshot<O> {
    fn clone(&self) -> Self {
        Snapshot { reader: Arc::clone(&self.reader) }
    }
}

impl<O: Send + Sync + 'static> Snapshot<O> {
    pub(crate) fn take(engine: Arc<Engine<O>>, now_ms: u64) -> Self {
        Snapshot { reader: Arc::new(Reader::new(engine, now_ms)) }
    }

    pub(crate) fn reader(&self) -> &Reader<O> {
        &self.reader
    }

    /// The commit timestamp of the cut.
    pub fn timestamp(&self) -> u64 {
        self.reader.lease.read_timestamp
    }

    /// The wall clock by which expiry is judged in this snapshot, for ever.
    pub fn now_ms(&self) -> u64 {
        self.reader.now_ms
    }

    /// Ends the snapshot when the clock of the store's maintenance reaches `deadline_ms` (`u64::MAX`: never): later reads answer `SnapshotExpired`.
    pub fn set_deadline(&self, deadline_ms: u64) {
        self.reader.engine.leases.set_deadline(self.reader.lease, deadline_ms);
    }

    /// Whether it has been ended by its deadline or for want of memory.
    pub fn is_expired(&self) -> bool {
        self.reader.view().check().is_err()
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
        self.reader.view().get_with(space, key, f)
    }

    /// As [`get_with`](Snapshot::get_with), but it is not noted as a use of the key.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn peek_with<R>(
        &self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let hash = self.reader.engine.space(space).hash(key);
        self.reader.view().peek_hashed(space, hash, key, f)
    }

    /// One step of an iteration over the cut: visits about `count` keys from `cursor` (0 = start), in no order, and returns the next cursor
    /// (0 = done). Each key of the cut is visited exactly once, also if the index grows meanwhile.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn scan(
        &self,
        space: u8,
        cursor: u64,
        count: usize,
        f: impl FnMut(Entry<'_, O>),
    ) -> Result<u64, SnapshotExpired> {
        self.reader.view().scan(space, cursor, count, f)
    }

    /// Number of live keys of the space in the cut.
    ///
    /// # Cost
    /// A walk over all keys.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn len(&self, space: u8) -> Result<u64, SnapshotExpired> {
        let mut count = 0;
        self.for_each(space, |_| count += 1)?;
        Ok(count)
    }

    /// Whether the cut has no live key in the space.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn is_empty(&self, space: u8) -> Result<bool, SnapshotExpired> {
        Ok(self.len(space)? == 0)
    }

    /// Visits every key of the cut.
    fn for_each(&self, space: u8, mut f: impl FnMut(Entry<'_, O>)) -> Result<(), SnapshotExpired> {
        let mut cursor = 0;
        loop {
            cursor = self.scan(space, cursor, 1024, &mut f)?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
