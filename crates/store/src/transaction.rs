//! [`Transaction`]: reads at one timestamp, writes kept until the commit.
//!
//! # Invariants
//! 1. Every key that is read from the store is remembered, and the commit validates it; so the transaction is as good as run at its commit timestamp.
//! 2. The read timestamp tells what was read: the commit need not compare versions, only see that none is later.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[priority]` | Acquire when taken, Release when given back; a mere token, which protects no memory |

use crate::commit::{Plan, PlannedWrite};
use crate::descriptor::ReadKey;
use crate::draft::{Buffered, Decision, Draft, OwnedValue};
use crate::engine::Engine;
use crate::entry::{Entry, Value, VersionStamp};
use crate::error::{CommitError, SnapshotExpired, WriteError};
use crate::reader::Reader;
use std::collections::BTreeMap;
use std::sync::Arc;
use stillpoint_primitive::sync::atomic::Ordering;

enum Write<O> {
    Removed,
    Value(Buffered<O>),
}

/// What the transaction did with one key.
struct Touched<O> {
    /// Read from the store, not only written.
    was_read: bool,
    write: Option<Write<O>>,
}

impl<O> Default for Touched<O> {
    fn default() -> Self {
        Touched { was_read: false, write: None }
    }
}

/// A serialisable transaction. Reads see its snapshot and its own writes; [`commit`](Transaction::commit) applies all or nothing, at one timestamp.
/// Dropping it rolls back.
///
/// # Progress
/// Nothing waits for an open transaction; it holds a snapshot and its own buffers, no locks. A commit is lock-free: it fails only
/// because another one succeeded, or because it stood in another's way for long.
pub struct Transaction<O: Send + Sync + 'static = ()> {
    engine: Arc<Engine<O>>,
    reader: Option<Reader<O>>,
    keys: BTreeMap<u8, BTreeMap<Box<[u8]>, Touched<O>>>,
    failed: Option<CommitError>,
    priority: bool,
}

impl<O: Send + Sync + 'static> Transaction<O> {
    pub(crate) fn begin(engine: Arc<Engine<O>>, now_ms: u64) -> Self {
        let reader = Some(Reader::new(Arc::clone(&engine), now_ms));
        Transaction { engine, reader, keys: BTreeMap::new(), failed: None, priority: false }
    }

    /// Asks for priority: while one transaction of the store has it, others wait some milliseconds for its commit instead of aborting it.
    /// For a transaction that was aborted repeatedly. Whether it has it.
    pub fn request_priority(&mut self) -> bool {
        // Acquire [priority]: a mere token; it protects no memory
        self.priority = self.priority || !self.engine.priority.swap(true, Ordering::Acquire);
        self.priority
    }

    fn reader(&self) -> &Reader<O> {
        self.reader.as_ref().expect("there until the commit")
    }

    fn touch(&mut self, space: u8, key: &[u8]) -> &mut Touched<O> {
        let keys = self.keys.entry(space).or_default();
        if !keys.contains_key(key) {
            keys.insert(key.into(), Touched::default());
        }
        keys.get_mut(key).expect("was put there if it was not there")
    }

    /// Demands that `key`'s version is (still) this one (`None`: absent), as WATCH does; otherwise [`commit`](Transaction::commit) reports a conflict.
    /// Whether it is at present.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn expect(
        &mut self,
        space: u8,
        key: &[u8],
        stamp: Option<VersionStamp>,
    ) -> Result<bool, SnapshotExpired> {
        let seen = self.reader().get_with(space, key, |entry| entry.map(|entry| entry.stamp()))?;
        self.touch(space, key).was_read = true;
        if seen != stamp {
            self.failed.get_or_insert(CommitError::Conflict { key: key.to_vec() });
        }
        Ok(seen == stamp)
    }

    /// Reads `key`: the own write if there is one, else as of the transaction's snapshot.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn get_with<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let now_ms = self.now_ms();
        let touched = self.touch(space, key);
        if let Some(write) = &touched.write {
            return Ok(f(write.entry(key, now_ms)));
        }
        touched.was_read = true;
        self.reader().get_with(space, key, f)
    }

    /// Read-modify-write of one key inside the transaction.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn update<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>, &mut Draft<'_, O>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let mut draft = Draft::buffered();
        let mut before = None;
        let result = self.get_with(space, key, |entry| {
            let result = f(entry, &mut draft);
            if let (Decision::Expire(expire_at_ms), Some(entry)) = (&draft.decision, entry) {
                let value = owned(entry.value());
                before = Some(Buffered { value, kind: entry.kind(), expire_at_ms: *expire_at_ms });
            }
            result
        })?;
        let write = match draft.decision {
            Decision::Remove => Some(Write::Removed),
            Decision::Buffer(buffered) => Some(Write::Value(buffered)),
            Decision::Expire(_) => before.map(Write::Value),
            Decision::Refuse(error) => {
                self.refuse(error);
                None
            }
            // A buffered draft installs nothing.
            Decision::Keep | Decision::Install(_) => None,
        };
        if write.is_some() {
            self.touch(space, key).write = write;
        }
        Ok(result)
    }

    fn refuse(&mut self, error: WriteError) {
        self.failed.get_or_insert(CommitError::Write(error));
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
        let value = OwnedValue::Bytes(value.to_vec());
        self.touch(space, key).write = Some(Write::Value(Buffered { value, kind, expire_at_ms }));
    }

    /// Removes `key` without reading it.
    pub fn remove(&mut self, space: u8, key: &[u8]) {
        self.touch(space, key).write = Some(Write::Removed);
    }

    /// Visits every live key of the space: the snapshot overlaid with own writes. Which keys there are is not validated at commit.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn for_each(
        &mut self,
        space: u8,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> Result<(), SnapshotExpired> {
        let own = self.keys.get(&space);
        let written =
            |key: &[u8]| own.and_then(|keys| keys.get(key)).is_some_and(|key| key.write.is_some());
        let mut cursor = 0;
        loop {
            cursor = self.reader().scan(space, cursor, 1024, |entry| {
                if !written(entry.key()) {
                    f(entry);
                }
            })?;
            if cursor == 0 {
                break;
            }
        }
        for (key, touched) in own.into_iter().flatten() {
            if let Some(entry) =
                touched.write.as_ref().and_then(|write| write.entry(key, self.now_ms()))
            {
                f(entry);
            }
        }
        Ok(())
    }

    /// The transaction's wall clock.
    pub fn now_ms(&self) -> u64 {
        self.reader().now_ms
    }

    /// Commits: all writes become visible at one timestamp, or none.
    ///
    /// # Progress
    /// Lock-free; a transaction without writes has nothing to do and never fails.
    ///
    /// # Errors
    /// Nothing was applied: a key that was read has changed, or memory is short, or the snapshot was ended.
    pub fn commit(mut self) -> Result<(), CommitError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for (&space, keys) in &self.keys {
            let index = self.engine.space(space);
            for (key, touched) in keys {
                if touched.was_read {
                    reads.push(ReadKey { space, hash: index.hash(key), key: key.clone() });
                }
                if let Some(write) = &touched.write {
                    writes.push(PlannedWrite {
                        space,
                        key,
                        value: write.value(),
                        was_read: touched.was_read,
                    });
                }
            }
        }
        let reader = self.reader.take().expect("there until the commit");
        let plan =
            Plan { lease: reader.lease, reads: reads.into(), writes, priority: self.priority };
        self.engine.commit(&plan, reader)
    }
}

impl<O: Send + Sync + 'static> Drop for Transaction<O> {
    fn drop(&mut self) {
        if self.priority {
            // Release [priority]: a mere token
            self.engine.priority.store(false, Ordering::Release);
        }
    }
}

fn owned<O>(value: Value<'_, O>) -> OwnedValue<O> {
    match value {
        Value::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
        Value::Object(object) => OwnedValue::Object(Arc::clone(object)),
    }
}

impl<O> Write<O> {
    fn value(&self) -> Option<&Buffered<O>> {
        match self {
            Write::Removed => None,
            Write::Value(value) => Some(value),
        }
    }

    fn entry<'g>(&'g self, key: &'g [u8], now_ms: u64) -> Option<Entry<'g, O>> {
        let Buffered { value, kind, expire_at_ms } = self.value()?;
        if expire_at_ms.is_some_and(|at| at <= now_ms) {
            return None;
        }
        let value = match value {
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Object(object) => Value::Object(object),
        };
        Some(Entry { key, value, kind: *kind, expire_at_ms: *expire_at_ms, stamp: VersionStamp(0) })
    }
}
