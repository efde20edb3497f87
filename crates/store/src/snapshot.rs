//! [`Snapshot`]: one consistent cut. STAND-IN BODY: a copy of the maps; the API is the real one.

use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::store::{Map, scan_map};
use std::sync::Arc;

/// A consistent cut of all spaces at one commit timestamp: `Send + Sync + Clone`. Its end (last clone dropped) frees what it held.
pub struct Snapshot<O = ()> {
    cut: Arc<(Vec<Map<O>>, u64, u64)>,
}
impl<O> Clone for Snapshot<O> {
    fn clone(&self) -> Self {
        Snapshot { cut: self.cut.clone() }
    }
}

impl<O: Send + Sync + 'static> Snapshot<O> {
    pub(crate) fn of(spaces: Vec<Map<O>>, timestamp: u64, now_ms: u64) -> Self {
        Snapshot { cut: Arc::new((spaces, timestamp, now_ms)) }
    }
    /// The commit timestamp of the cut.
    pub fn timestamp(&self) -> u64 {
        self.cut.1
    }
    /// The wall clock by which expiry is judged in this snapshot.
    pub fn now_ms(&self) -> u64 {
        self.cut.2
    }
    /// Ends the snapshot after `ttl_ms`: later reads (by the `now_ms` of the store's maintenance) answer `SnapshotExpired`.
    pub fn set_deadline(&self, _deadline_ms: u64) {}
    /// Reads `key` as of the cut.
    pub fn get_with<R>(
        &self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        Ok(f(self.cut.0[space as usize]
            .get_key_value(key)
            .and_then(|(k, v)| v.entry(k, self.cut.2))))
    }
    /// As [`Store::scan`](crate::Store::scan), of the cut: keys of the cut are visited at least once.
    pub fn scan(
        &self,
        space: u8,
        cursor: u64,
        count: usize,
        f: impl FnMut(Entry<'_, O>),
    ) -> Result<u64, SnapshotExpired> {
        Ok(scan_map(&self.cut.0[space as usize], self.cut.2, cursor, count, f))
    }
    /// Number of live keys of the space in the cut. # Cost: O(keys).
    pub fn len(&self, space: u8) -> Result<u64, SnapshotExpired> {
        let mut n = 0;
        let mut c = 0;
        loop {
            c = self.scan(space, c, 1024, |_| n += 1)?;
            if c == 0 {
                return Ok(n);
            }
        }
    }
}
