//! [`Transaction`]: reads at one snapshot, buffered writes, one atomic commit. STAND-IN BODY; the API is the real one.

use crate::draft::{Decision, Draft, DraftValue};
use crate::entry::{Entry, Value, VersionStamp};
use crate::error::{CommitError, SnapshotExpired};
use crate::store::apply;
use crate::{Snapshot, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

enum Buffered<O> {
    Removed,
    Value { value: DraftValue<O>, kind: u8, expire_at_ms: Option<u64> },
}

/// A serialisable transaction. Reads see its snapshot and its own writes; `commit` applies all or nothing.
/// Dropping it rolls back. Not `Sync`.
pub struct Transaction<O = ()> {
    store: Store<O>,
    snapshot: Snapshot<O>,
    now_ms: u64,
    reads: BTreeMap<(u8, Vec<u8>), Option<VersionStamp>>,
    writes: BTreeMap<(u8, Vec<u8>), Buffered<O>>,
    failed: Option<Vec<u8>>,
}

impl<O: Send + Sync + 'static> Transaction<O> {
    pub(crate) fn begin(store: Store<O>, now_ms: u64) -> Self {
        let snapshot = store.snapshot(now_ms);
        Transaction {
            store,
            snapshot,
            now_ms,
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            failed: None,
        }
    }
    /// Demands that `key`'s version is (still) this one (`None`: absent), as WATCH does; otherwise `commit` reports a conflict.
    pub fn expect(
        &mut self,
        space: u8,
        key: &[u8],
        stamp: Option<VersionStamp>,
    ) -> Result<bool, SnapshotExpired> {
        let seen = self.snapshot.get_with(space, key, |e| e.map(|e| e.stamp()))?;
        self.reads.insert((space, key.to_vec()), seen);
        if seen != stamp {
            self.failed.get_or_insert(key.to_vec());
        }
        Ok(seen == stamp)
    }
    /// Reads `key`: own write first, else as of the transaction's snapshot.
    pub fn get_with<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let id = (space, key.to_vec());
        if let Some(b) = self.writes.get(&id) {
            return Ok(f(b.entry(key, self.now_ms)));
        }
        let mut seen = None;
        let r = self.snapshot.get_with(space, key, |e| {
            seen = e.map(|e| e.stamp());
            f(e)
        })?;
        self.reads.insert(id, seen);
        Ok(r)
    }
    /// Read-modify-write of one key inside the transaction.
    pub fn update<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>, &mut Draft<O>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let mut draft = Draft::new();
        let mut old = None;
        let r = self.get_with(space, key, |e| {
            let r = f(e, &mut draft);
            if let (Decision::Expire(_), Some(e)) = (&draft.decision, e) {
                old = Some((owned(e.value()), e.kind()));
            }
            r
        })?;
        let id = (space, key.to_vec());
        match draft.decision {
            Decision::Keep => {}
            Decision::Remove => drop(self.writes.insert(id, Buffered::Removed)),
            Decision::Put { value, kind, expire_at_ms } => {
                self.writes.insert(id, Buffered::Value { value, kind, expire_at_ms });
            }
            Decision::Expire(expire_at_ms) => {
                if let Some((value, kind)) = old {
                    self.writes.insert(id, Buffered::Value { value, kind, expire_at_ms });
                }
            }
        }
        Ok(r)
    }
    /// Sets `key` without reading it.
    pub fn set(
        &mut self,
        space: u8,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) {
        let value = DraftValue::Bytes(value.to_vec());
        self.writes.insert((space, key.to_vec()), Buffered::Value { value, kind, expire_at_ms });
    }
    /// Removes `key` without reading it.
    pub fn remove(&mut self, space: u8, key: &[u8]) {
        self.writes.insert((space, key.to_vec()), Buffered::Removed);
    }
    /// Visits every live key of the space: the snapshot overlaid with own writes. Membership is not validated at commit.
    pub fn for_each(
        &mut self,
        space: u8,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> Result<(), SnapshotExpired> {
        let mut cursor = 0;
        loop {
            let writes = &self.writes;
            cursor = self.snapshot.scan(space, cursor, 1024, |e| {
                if !writes.contains_key(&(space, e.key().to_vec())) {
                    f(e);
                }
            })?;
            if cursor == 0 {
                break;
            }
        }
        for ((s, k), b) in &self.writes {
            if *s == space
                && let Some(e) = b.entry(k, self.now_ms)
            {
                f(e);
            }
        }
        Ok(())
    }
    /// The transaction's wall clock.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }
    /// Commits: all writes become visible at one timestamp, or none.
    pub fn commit(self) -> Result<(), CommitError> {
        if let Some(key) = self.failed {
            return Err(CommitError::Conflict { key });
        }
        let mut g = self.store.lock();
        for ((space, key), seen) in &self.reads {
            let now = g.spaces[*space as usize]
                .get(key)
                .and_then(|v| v.entry(key, self.now_ms))
                .map(|e| e.stamp());
            if now != *seen {
                return Err(CommitError::Conflict { key: key.clone() });
            }
        }
        g.clock += 1;
        let stamp = g.clock;
        for ((space, key), b) in self.writes {
            let decision = match b {
                Buffered::Removed => Decision::Remove,
                Buffered::Value { value, kind, expire_at_ms } => {
                    Decision::Put { value, kind, expire_at_ms }
                }
            };
            apply(&mut g.spaces[space as usize], &key, self.now_ms, decision, stamp);
        }
        Ok(())
    }
}

fn owned<O>(v: Value<'_, O>) -> DraftValue<O> {
    match v {
        Value::Bytes(b) => DraftValue::Bytes(b.to_vec()),
        Value::Object(o) => DraftValue::Object(Arc::clone(o)),
    }
}

impl<O> Buffered<O> {
    fn entry<'g>(&'g self, key: &'g [u8], now_ms: u64) -> Option<Entry<'g, O>> {
        let Buffered::Value { value, kind, expire_at_ms } = self else { return None };
        if expire_at_ms.is_some_and(|t| t <= now_ms) {
            return None;
        }
        let value = match value {
            DraftValue::Bytes(b) => Value::Bytes(b),
            DraftValue::Object(o) => Value::Object(o),
        };
        Some(Entry { key, value, kind: *kind, expire_at_ms: *expire_at_ms, stamp: VersionStamp(0) })
    }
}
