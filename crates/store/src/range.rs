//! Ranges of keys in order: [`SnapshotRange`] of a cut, [`LatestRange`] of the newest values.
//!
//! A step takes the next key off an ordered index ([`KeyCursor`]), finds the key's versions by its hash, and shows the one that the reader is to see; keys
//! of which it is to see none are passed by. Each step pins for itself, so ranges may be held as long as anybody likes.
//!
//! Why a snapshot's range is the cut and nothing else: each key of the cut is met (`ordered` invariant 2), once (`keys` invariant 1), and what is shown of it
//! is what `visible_at` says at the snapshot's timestamp, whatever the moment at which the key was met; keys that are no part of the cut have no such version.

use crate::Store;
use crate::config::At;
use crate::engine::{Engine, uncapped};
use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::key_range::KeyRange;
use crate::ordered::{KeyCursor, Side};
use crate::owned_entry::OwnedEntry;
use crate::reader::Reader;
use crate::snapshot::Snapshot;

/// The keys of an interval in a snapshot, in order, from either end: see [`Snapshot::range`].
///
/// As an iterator it gives copies, and nothing after an error; [`next_with`](SnapshotRange::next_with) borrows.
pub struct SnapshotRange<'s, O: Send + Sync + 'static = ()> {
    reader: &'s Reader<O>,
    space: u8,
    cursor: KeyCursor,
    has_failed: bool,
}

impl<'s, O: Send + Sync + 'static> SnapshotRange<'s, O> {
    pub(crate) fn new(reader: &'s Reader<O>, space: u8, range: KeyRange) -> Self {
        reader.engine.expect_ordered(space);
        SnapshotRange { reader, space, cursor: KeyCursor::new(space, range), has_failed: false }
    }

    /// Shows the next entry, if there is one.
    ///
    /// # Progress
    /// Lock-free: as [`Snapshot::get_with`], for each key that is passed by; no writer can hold it up.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn next_with<R>(
        &mut self,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.step(Side::Front, f)
    }

    /// As [`next_with`](SnapshotRange::next_with), from the other end.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn next_back_with<R>(
        &mut self,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.step(Side::Back, f)
    }

    fn step<R>(
        &mut self,
        side: Side,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        let mut f = Some(f);
        while let Some(found) = self.cursor.pop(&self.reader.engine, side) {
            let show =
                |entry: Option<Entry<'_, O>>| entry.and_then(|entry| f.take().map(|f| f(entry)));
            let shown =
                self.reader.view().get_hashed(self.space, found.hash, &found.key, |_| (), show)?;
            if shown.is_some() {
                return Ok(shown);
            }
        }
        // What was not met need not have been absent, if the lease ended before.
        self.reader.view().check().map(|()| None)
    }

    fn copied(&mut self, side: Side) -> Option<Result<OwnedEntry<O>, SnapshotExpired>> {
        if self.has_failed {
            return None;
        }
        let next = self.step(side, OwnedEntry::of);
        self.has_failed = next.is_err();
        next.transpose()
    }
}

impl<O: Send + Sync + 'static> Iterator for SnapshotRange<'_, O> {
    type Item = Result<OwnedEntry<O>, SnapshotExpired>;

    fn next(&mut self) -> Option<Self::Item> {
        self.copied(Side::Front)
    }
}

impl<O: Send + Sync + 'static> DoubleEndedIterator for SnapshotRange<'_, O> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.copied(Side::Back)
    }
}

/// The keys of an interval with their newest values, in order, from either end: see [`Store::range`].
///
/// As an iterator it gives copies; [`next_with`](LatestRange::next_with) borrows.
pub struct LatestRange<'s, O: Send + Sync + 'static = ()> {
    engine: &'s Engine<O>,
    at: At,
    cursor: KeyCursor,
}

impl<O: Send + Sync + 'static> LatestRange<'_, O> {
    /// Shows the next entry, if there is one.
    ///
    /// # Progress
    /// Lock-free: as [`Store::get_with`], for each key that is passed by; no writer can hold it up.
    pub fn next_with<R>(&mut self, f: impl FnOnce(Entry<'_, O>) -> R) -> Option<R> {
        self.step(Side::Front, f)
    }

    /// As [`next_with`](LatestRange::next_with), from the other end.
    pub fn next_back_with<R>(&mut self, f: impl FnOnce(Entry<'_, O>) -> R) -> Option<R> {
        self.step(Side::Back, f)
    }

    fn step<R>(&mut self, side: Side, f: impl FnOnce(Entry<'_, O>) -> R) -> Option<R> {
        let engine = self.engine;
        let index = engine.space(self.at.space);
        while let Some(found) = self.cursor.pop(engine, side) {
            let guard = engine.collector.pin();
            let head = uncapped(index.find(&guard, found.hash, &found.key));
            let latest = head.and_then(|head| engine.latest(&guard, head.version()));
            let entry =
                latest.and_then(|(version, stamp)| Entry::of(version, stamp, self.at.now_ms));
            if let Some(entry) = entry {
                return Some(f(entry));
            }
        }
        None
    }
}

impl<O: Send + Sync + 'static> Iterator for LatestRange<'_, O> {
    type Item = OwnedEntry<O>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(OwnedEntry::of)
    }
}

impl<O: Send + Sync + 'static> DoubleEndedIterator for LatestRange<'_, O> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_back_with(OwnedEntry::of)
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// The newest values of an interval of keys, in order, from either end. Each key at most once, and in strict order; a key that is there from the
    /// first step to the last is met. Not a cut: see [`Snapshot::range`] for that. Of an ordered space ([`Config::ordered`](crate::Config::ordered)).
    ///
    /// # Progress
    /// A step is lock-free.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, SpaceSet, Store};
    ///
    /// let store: Store = Store::new(Config { ordered: SpaceSet::of(&[0]), ..Config::default() });
    /// let at = At { space: 0, now_ms: 0 };
    /// for key in ["b", "a", "c"] {
    ///     store.set(at, key.as_bytes(), 0, b"", None)?;
    /// }
    /// let keys: Vec<Box<[u8]>> = store.range(at, "a".."c").map(|entry| entry.key().into()).collect();
    /// assert_eq!(keys, [Box::from(*b"a"), Box::from(*b"b")]);
    /// assert_eq!(store.range(at, ..).next_back_with(|entry| entry.key().to_vec()), Some(b"c".to_vec()));
    /// # Ok::<(), stillpoint_store::WriteError>(())
    /// ```
    pub fn range(&self, at: At, keys: impl Into<KeyRange>) -> LatestRange<'_, O> {
        self.engine.expect_ordered(at.space);
        LatestRange { engine: &self.engine, at, cursor: KeyCursor::new(at.space, keys.into()) }
    }

    /// The newest values of the keys that begin with `prefix`, as [`range`](Store::range).
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn prefix(&self, at: At, prefix: &[u8]) -> LatestRange<'_, O> {
        self.range(at, KeyRange::prefix(prefix))
    }
}

impl<O: Send + Sync + 'static> Snapshot<O> {
    /// The entries of the cut in an interval of keys, in order, from either end: each key of the cut exactly once, whatever happens meanwhile. Of an ordered
    /// space ([`Config::ordered`](crate::Config::ordered)).
    ///
    /// # Progress
    /// A step is lock-free; no writer can hold it up. It holds no guard between steps.
    ///
    /// # Cost
    /// A search in the ordered index every 4 to 64 keys, and a find in the hash index for each.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, SpaceSet, Store};
    ///
    /// let store: Store = Store::new(Config { ordered: SpaceSet::ALL, ..Config::default() });
    /// let at = At { space: 0, now_ms: 0 };
    /// store.set(at, b"user:1", 0, b"Ada", None)?;
    /// store.set(at, b"user:2", 0, b"Grace", None)?;
    /// let before = store.snapshot(0);
    /// store.remove(at, b"user:1")?;
    ///
    /// let name = |entry: stillpoint_store::Entry<'_, ()>| entry.bytes().unwrap().to_vec();
    /// assert_eq!(before.prefix(0, b"user:").next_with(name)?, Some(b"Ada".to_vec()));
    /// assert_eq!(before.range(0, ..).rev().count(), 2);
    /// assert_eq!(store.snapshot(0).range(0, ..).count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&self, space: u8, keys: impl Into<KeyRange>) -> SnapshotRange<'_, O> {
        SnapshotRange::new(self.reader(), space, keys.into())
    }

    /// The entries of the cut whose keys begin with `prefix`, as [`range`](Snapshot::range).
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn prefix(&self, space: u8, prefix: &[u8]) -> SnapshotRange<'_, O> {
        self.range(space, KeyRange::prefix(prefix))
    }

    /// All entries of the cut in the order of their keys, as [`range`](Snapshot::range).
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn iter_ordered(&self, space: u8) -> SnapshotRange<'_, O> {
        self.range(space, ..)
    }

    /// Shows the entry with the least key.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn first_with<R>(
        &self,
        space: u8,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.range(space, ..).next_with(f)
    }

    /// Shows the entry with the greatest key.
    ///
    /// # Errors
    /// The snapshot was ended.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn last_with<R>(
        &self,
        space: u8,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.range(space, ..).next_back_with(f)
    }
}
