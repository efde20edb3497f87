//! [`Transaction`]: reads at one timestamp, writes kept until the commit.
//!
//! | file | concept |
//! |---|---|
//! | `write_set` | what was done with each key |
//! | `merge` | `add`, `max`, `append`: applied at the commit |
//! | `range` | keys in order, and which intervals were walked |
//! | `undo` | savepoints, and what runs at the end |
//! | `options`, `stop` | how a transaction runs, and how a closure ends early |
//! | `run`, `backoff` | running a closure again until it commits |
//! | `retry` | sleeping until what was read has changed |
//!
//! # Invariants
//! 1. Under `Serializable` every key that is read from the store is remembered, and the commit validates it; so the transaction is as good as run
//!    at its commit timestamp. So is every interval of keys that is walked, in ordered spaces. Under `Snapshot` the keys that are written, or read for update, are.
//! 2. The read timestamp tells what was read: the commit need not compare versions, only see that none is later.
//! 3. A key that is written too is validated when its pending version is installed, and only there: from then to the verdict nothing comes
//!    between the base that was looked at and the pending version (see `commit`).
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[priority]` | Acquire when taken, Release when given back; a mere token, which protects no memory |

mod backoff;
mod merge;
mod options;
mod range;
mod retry;
mod run;
mod stop;
mod undo;
mod write_set;

use crate::commit::{Plan, Terms};
use crate::descriptor::ReadRange;
use crate::draft::{Buffered, Decision, Draft};
use crate::engine::{Engine, HeadOf};
use crate::entry::{Entry, VersionStamp};
use crate::error::{CommitError, MergeError, SnapshotExpired, WriteError};
use crate::lease::Lease;
use crate::reader::View;
use std::sync::Arc;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_structures::{AllocError, NewValue, NewVersion};
use undo::{Hooks, Undo};

pub(crate) use merge::{Merge, Merges};
pub use options::{Isolation, TransactionOptions};
pub use range::TransactionRange;
pub(crate) use retry::either;
pub use stop::{Stop, abort};
pub use undo::Savepoint;
pub(crate) use write_set::{KeySet, Order, Touched, Write};

/// A transaction. Reads see its snapshot and its own writes; [`commit`](Transaction::commit) applies all or nothing, at one timestamp.
/// Dropping it rolls back.
///
/// # Progress
/// Nothing waits for an open transaction; it holds a snapshot and its own buffers, no locks. A commit is lock-free: it fails only
/// because another one succeeded, or because it stood in another's way for long.
pub struct Transaction<O: Send + Sync + 'static = ()> {
    /// Held until the verdict.
    lease: Option<Lease>,
    now_ms: u64,
    keys: KeySet<O>,
    /// Intervals that were walked; under `Serializable` only.
    ranges: Vec<ReadRange>,
    isolation: Isolation,
    failed: Option<CommitError>,
    priority: bool,
    undo: Undo<O>,
    hooks: Hooks,
    /// The last to go: versions that were not installed are its pool's.
    engine: Arc<Engine<O>>,
}

impl<O: Send + Sync + 'static> Transaction<O> {
    pub(crate) fn begin(engine: Arc<Engine<O>>, now_ms: u64, isolation: Isolation) -> Self {
        let lease = Some(engine.take_lease());
        Transaction {
            lease,
            now_ms,
            keys: KeySet::new(),
            ranges: Vec::new(),
            isolation,
            failed: None,
            priority: false,
            undo: Undo::new(),
            hooks: Hooks::default(),
            engine,
        }
    }

    /// Asks for priority: while one transaction of the store has it, others wait some milliseconds for its commit instead of aborting it.
    /// For a transaction that was aborted repeatedly. Whether it has it.
    pub fn request_priority(&mut self) -> bool {
        // Acquire [priority]: a mere token; it protects no memory
        self.priority = self.priority || !self.engine.priority.swap(true, Ordering::Acquire);
        self.priority
    }

    fn reader(&self) -> View<'_, O> {
        View { engine: &self.engine, lease: self.held(), now_ms: self.now_ms }
    }

    fn held(&self) -> Lease {
        self.lease.expect("there until the commit")
    }

    fn touch(&mut self, space: u8, key: &[u8]) -> usize {
        let hash = self.engine.space(space).hash(key);
        self.keys.touch(space, hash, key)
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
        let at = self.touch(space, key);
        let touched = &mut self.keys.entries_mut()[at];
        (touched.was_read, touched.locked) = (true, true);
        if seen != stamp {
            self.failed.get_or_insert(CommitError::Conflict { key: key.to_vec() });
        }
        Ok(seen == stamp)
    }

    /// Reads `key`: the own write if there is one, else as of the transaction's snapshot.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn get_with<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let at = self.touch(space, key);
        self.get_at(at, f)
    }

    /// As [`get_with`](Transaction::get_with), validated like it, but not noted as a use of the key.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn peek_with<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let at = self.touch(space, key);
        if self.keys.entries()[at].write.is_some() {
            return self.get_at(at, f);
        }
        self.keys.entries_mut()[at].was_read = true;
        let touched = &self.keys.entries()[at];
        self.reader().peek_hashed(touched.space, touched.hash, self.keys.key(at), f)
    }

    /// Reads the key of an entry.
    fn get_at<R>(
        &mut self,
        at: usize,
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        self.note_read(at)?;
        self.show(at, |_| (), f)
    }

    /// Makes the key of an entry one that was read, unless there is an own write.
    fn note_read(&mut self, at: usize) -> Result<(), SnapshotExpired> {
        let touched = &mut self.keys.entries_mut()[at];
        match touched.write {
            None => touched.was_read = true,
            Some(Write::Version(_)) => {}
            Some(Write::Merge(_)) => self.materialise(at)?,
        }
        Ok(())
    }

    /// Shows the own write of an entry, or what the snapshot has; `meet` is shown the key's head in the store, if that is looked at.
    fn show<R>(
        &self,
        at: usize,
        meet: impl FnOnce(HeadOf<'_, O>),
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let touched = &self.keys.entries()[at];
        if touched.write.is_some() {
            return Ok(f(touched.own_entry(self.now_ms)));
        }
        self.reader().get_hashed(touched.space, touched.hash, self.keys.key_of(touched), meet, f)
    }

    /// As [`get_with`](Transaction::get_with), and the key is validated under [`Isolation::Snapshot`] too: if anybody writes it before this
    /// transaction commits, the commit fails.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn get_for_update_with<R>(
        &mut self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let at = self.touch(space, key);
        let touched = &mut self.keys.entries_mut()[at];
        (touched.was_read, touched.locked) = (true, true);
        self.get_at(at, f)
    }

    /// A copy of `key`'s bytes; `None` if it is absent or an object. See [`get_with`](Transaction::get_with).
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn get(&mut self, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>, SnapshotExpired> {
        self.get_with(space, key, |entry| entry.and_then(|entry| entry.bytes().map(<[u8]>::to_vec)))
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
        let at = self.touch(space, key);
        self.note_read(at)?;
        let index = self.engine.space(space);
        let mut draft = Draft::of_version(index, key);
        let mut moved = None;
        // It will probably be written.
        let meet = |head: HeadOf<'_, O>| head.prefetch_birth();
        let result = self.show(at, meet, |entry| {
            let result = f(entry, &mut draft);
            if let (Decision::Expire(expire_at_ms), Some(entry)) = (&draft.decision, entry) {
                let value = entry.value().as_new();
                moved = Some(index.new_version(key, value, entry.kind(), *expire_at_ms));
            }
            result
        })?;
        let new = match draft.decision {
            Decision::Keep => return Ok(result),
            Decision::Remove => index.new_version(key, NewValue::Tombstone, 0, None),
            Decision::Install(new) => Ok(new),
            Decision::Expire(_) => match moved {
                Some(new) => new,
                None => return Ok(result),
            },
            Decision::Refuse(error) => {
                self.refuse(error);
                return Ok(result);
            }
        };
        self.write(at, new);
        Ok(result)
    }

    /// Whether there is an own write of the key.
    pub(crate) fn has_written(&self, space: u8, key: &[u8]) -> bool {
        let found = self.keys.find(space, self.engine.space(space).hash(key), key);
        found.is_some_and(|at| self.keys.entries()[at].write.is_some())
    }

    fn refuse(&mut self, error: WriteError) {
        self.failed.get_or_insert(CommitError::Write(error));
    }

    /// Makes `new` the own write of an entry.
    fn write(&mut self, at: usize, new: Result<NewVersion<O>, AllocError>) {
        match new {
            Ok(new) => self.replace(at, Some(Write::Version(new))),
            Err(error) => self.refuse(error.into()),
        }
    }

    /// Makes a version of `value` the own write of a key.
    fn put(
        &mut self,
        space: u8,
        key: &[u8],
        value: NewValue<'_, O>,
        kind: u8,
        expire_at_ms: Option<u64>,
    ) {
        let at = self.touch(space, key);
        let new = self.engine.space(space).new_version(key, value, kind, expire_at_ms);
        self.write(at, new);
    }

    #[inline]
    fn replace(&mut self, at: usize, write: Option<Write<O>>) {
        let before = std::mem::replace(&mut self.keys.entries_mut()[at].write, write);
        if self.undo.is_kept {
            self.undo.log.push((at, before));
        } else if let Some(before) = before {
            // Said so that for a first write nothing is called.
            drop(before);
        }
    }

    /// Sets `key` without reading it.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn set(
        &mut self,
        space: u8,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) {
        let at = self.touch(space, key);
        let new = self.engine.space(space).new_version_of_bytes(key, value, kind, expire_at_ms);
        self.write(at, new);
    }

    /// Sets `key` to an object without reading it.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn set_object(
        &mut self,
        space: u8,
        key: &[u8],
        kind: u8,
        object: Arc<O>,
        expire_at_ms: Option<u64>,
    ) {
        self.put(space, key, NewValue::Object(object), kind, expire_at_ms);
    }

    /// Removes `key` without reading it.
    pub fn remove(&mut self, space: u8, key: &[u8]) {
        self.put(space, key, NewValue::Tombstone, 0, None);
    }

    /// Visits every live key of the space: the snapshot overlaid with own writes. In an ordered space this is a [`range`](Transaction::range) over all keys, in
    /// order and validated as one; in others, which keys there are is not validated at commit.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn for_each(
        &mut self,
        space: u8,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> Result<(), SnapshotExpired> {
        if self.engine.ordered(space).is_some() {
            let mut range = self.range(space, ..);
            while range.next_with(&mut f)?.is_some() {}
            return Ok(());
        }
        for at in 0..self.keys.entries().len() {
            let touched = &self.keys.entries()[at];
            if touched.space == space && matches!(touched.write, Some(Write::Merge(_))) {
                self.materialise(at)?;
            }
        }
        let index = self.engine.space(space);
        let is_written = |key: &[u8]| {
            let found = self.keys.find(space, index.hash(key), key);
            found.is_some_and(|at| self.keys.entries()[at].write.is_some())
        };
        let writes_here = |touched: &&Touched<O>| touched.space == space && touched.write.is_some();
        let writes_any = self.keys.entries().iter().any(|touched| writes_here(&touched));
        let mut cursor = 0;
        loop {
            cursor = self.reader().scan(space, cursor, 1024, |entry| {
                if !writes_any || !is_written(entry.key()) {
                    f(entry);
                }
            })?;
            if cursor == 0 {
                break;
            }
        }
        let now_ms = self.now_ms();
        let own = self.keys.entries().iter().filter(writes_here);
        own.filter_map(|touched| touched.own_entry(now_ms)).for_each(f);
        Ok(())
    }

    /// The transaction's wall clock.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The commit timestamp of the cut at which the transaction reads.
    pub fn read_timestamp(&self) -> u64 {
        self.held().read_timestamp
    }

    /// The isolation level that it was begun with.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Commits: all writes become visible at one timestamp, or none.
    ///
    /// # Progress
    /// Lock-free; a transaction without writes has nothing to do and never fails.
    ///
    /// # Errors
    /// Nothing was applied: a key that was read has changed, or memory is short, or the snapshot was ended, or an `add`, `max` or `append`
    /// did not suit its key. Only where the log failed while the commit waited for it, all was: see
    /// [`WriteError::LogFailed`](crate::WriteError::LogFailed).
    pub fn commit(mut self) -> Result<(), CommitError> {
        self.finish()
    }

    /// Commits; there is nothing left to do then but to drop it. (Apart, since to move a transaction is to copy it.)
    fn finish(&mut self) -> Result<(), CommitError> {
        // On failure the drop runs what is to run on rollback.
        self.try_commit()?;
        self.give_priority_back();
        self.hooks.committed();
        Ok(())
    }

    /// Gives everything up, as dropping does.
    pub fn rollback(self) {
        drop(self);
    }

    fn try_commit(&mut self) -> Result<(), CommitError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let terms = Terms {
            lease: self.held(),
            now_ms: self.now_ms,
            isolation: self.isolation,
            priority: self.priority,
        };
        let ranges = std::mem::take(&mut self.ranges);
        let plan = Plan { terms, keys: &mut self.keys, ranges };
        self.engine.commit(plan, &mut self.lease)
    }

    fn give_priority_back(&mut self) {
        if std::mem::take(&mut self.priority) {
            // Release [priority]: a mere token
            self.engine.priority.store(false, Ordering::Release);
        }
    }
}

/// Operations that are applied at the commit, without reading.
impl<O: Send + Sync + 'static> Transaction<O> {
    /// Adds `by` to the number at `key` (0 if absent) when the transaction commits. Nothing is read, so nobody else's write of the key is a
    /// conflict. A number is decimal text, as Redis keeps it; the key has, or gets, the given kind.
    ///
    /// A key that is not such a number, or that would leave the range of `i64`, fails the commit with [`CommitError::Merge`]. Reading the key
    /// in this transaction, after or before, makes it a key that was read.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn add(&mut self, space: u8, key: &[u8], kind: u8, by: i64) {
        self.merge(space, key, kind, Merge::Add(by));
    }

    /// Makes the number at `key` at least `than` when the transaction commits; see [`add`](Transaction::add). An absent key becomes `than`.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn max(&mut self, space: u8, key: &[u8], kind: u8, than: i64) {
        self.merge(space, key, kind, Merge::Max(than));
    }

    /// Appends `bytes` to the value of `key` (nothing if absent) when the transaction commits; see [`add`](Transaction::add).
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn append(&mut self, space: u8, key: &[u8], kind: u8, bytes: &[u8]) {
        self.merge(space, key, kind, Merge::Append(bytes.to_vec()));
    }

    fn merge(&mut self, space: u8, key: &[u8], kind: u8, merge: Merge) {
        let at = self.touch(space, key);
        let now_ms = self.now_ms();
        let touched = &mut self.keys.entries_mut()[at];
        match &mut touched.write {
            None => self.replace(at, Some(Write::Merge(Merges::new(kind, merge)))),
            Some(Write::Merge(merges)) => {
                let mut merges =
                    if self.undo.is_kept { merges.clone() } else { std::mem::take(merges) };
                merges.push(kind, merge);
                self.replace(at, Some(Write::Merge(merges)));
            }
            Some(_) => {
                let merged = Merges::new(kind, merge).apply(touched.own_entry(now_ms));
                self.merged(at, merged);
            }
        }
    }

    /// Makes the pending operations of a key, which is being read, a write of their outcome.
    #[cold]
    fn materialise(&mut self, at: usize) -> Result<(), SnapshotExpired> {
        self.keys.entries_mut()[at].was_read = true;
        let touched = &self.keys.entries()[at];
        let Some(Write::Merge(merges)) = &touched.write else { return Ok(()) };
        let (space, hash) = (touched.space, touched.hash);
        let merged = self.reader().get_hashed(
            space,
            hash,
            self.keys.key(at),
            |_| (),
            |base| merges.apply(base),
        )?;
        self.merged(at, merged);
        Ok(())
    }

    fn merged(&mut self, at: usize, merged: Result<Buffered<O>, MergeError>) {
        let key = self.keys.key(at);
        match merged {
            Ok(Buffered { value, kind, expire_at_ms }) => {
                let index = self.engine.space(self.keys.entries()[at].space);
                let new = index.new_version(key, value.as_new(), kind, expire_at_ms);
                self.write(at, new);
            }
            Err(reason) => {
                let key = key.to_vec();
                self.failed.get_or_insert(CommitError::Merge { key, reason });
                self.replace(at, None);
            }
        }
    }
}

/// Savepoints, and what runs at the end.
impl<O: Send + Sync + 'static> Transaction<O> {
    /// A place to which [`rollback_to`](Transaction::rollback_to) can return. From the first one on, what is overwritten in the transaction's
    /// buffers is kept.
    pub fn savepoint(&mut self) -> Savepoint {
        self.undo.is_kept = true;
        Savepoint {
            lease: self.held(),
            undo: self.undo.log.len(),
            on_commit: self.hooks.on_commit.len(),
            on_rollback: self.hooks.on_rollback.len(),
            failed: self.failed.clone(),
        }
    }

    /// Undoes all writes since `savepoint`, and forgets what was to run at the end. What was read since stays read, and a conflict that was found
    /// stays one. The savepoint can be used again; later ones are void.
    ///
    /// # Panics
    /// If it is a savepoint of another transaction, or void.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) {
        assert!(
            savepoint.lease == self.held() && savepoint.undo <= self.undo.log.len(),
            "a savepoint of another transaction, or one that was rolled back"
        );
        for (at, before) in self.undo.log.drain(savepoint.undo..).rev() {
            self.keys.entries_mut()[at].write = before;
        }
        self.hooks.on_commit.truncate(savepoint.on_commit);
        self.hooks.on_rollback.truncate(savepoint.on_rollback);
        if !matches!(self.failed, Some(CommitError::Conflict { .. })) {
            self.failed.clone_from(&savepoint.failed);
        }
    }

    /// Runs `f` once, after the transaction has committed: the place for effects, since a closure may run more than once. If `f` panics, so does
    /// the call that committed; the commit stands.
    pub fn on_commit(&mut self, f: impl FnOnce() + Send + 'static) {
        self.hooks.on_commit.push(Box::new(f));
    }

    /// Runs `f` once if this attempt is given up: rolled back, dropped, or refused at its commit. `f` must not panic.
    pub fn on_rollback(&mut self, f: impl FnOnce() + Send + 'static) {
        self.hooks.on_rollback.push(Box::new(f));
    }
}

impl<O: Send + Sync + 'static> Drop for Transaction<O> {
    fn drop(&mut self) {
        self.give_priority_back();
        if let Some(lease) = self.lease.take() {
            self.engine.leases.release(lease);
        }
        self.hooks.rolled_back();
    }
}

impl<O: Send + Sync + 'static> Touched<O> {
    /// Whether the commit is to fail if somebody else has written the key.
    pub(crate) fn is_validated(&self, isolation: Isolation) -> bool {
        match isolation {
            Isolation::Serializable => self.was_read,
            Isolation::Snapshot => match self.write {
                None => self.locked,
                Some(Write::Merge(_)) => self.was_read,
                Some(Write::Version(_)) => true,
            },
        }
    }
}
