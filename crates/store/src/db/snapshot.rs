//! [`DbSnapshot`]: a cut of a [`Db`](crate::Db), and walks over it.

use super::{SPACE, object};
use crate::db::key::{EncodeKey, Key};
use crate::error::SnapshotExpired;
use crate::key_range::KeyRange;
use crate::range::SnapshotRange;
use crate::{Entry, Snapshot};
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Keys that an iteration fetches at a time.
const CHUNK: usize = 64;

/// One consistent cut of a [`Db`](crate::Db). `Send + Sync`, cheap to clone; it ends with its last clone.
pub struct DbSnapshot<K, V: Send + Sync + 'static> {
    snapshot: Snapshot<V>,
    keys: PhantomData<fn(K) -> K>,
}

impl<K, V: Send + Sync + 'static> Clone for DbSnapshot<K, V> {
    fn clone(&self) -> Self {
        DbSnapshot { snapshot: self.snapshot.clone(), keys: PhantomData }
    }
}

impl<K: Key, V: Send + Sync + 'static> DbSnapshot<K, V> {
    pub(super) fn of(snapshot: Snapshot<V>) -> Self {
        DbSnapshot { snapshot, keys: PhantomData }
    }

    /// The value of `key` in the cut.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn get<Q: EncodeKey + ?Sized>(&self, key: &Q) -> Result<Option<Arc<V>>, SnapshotExpired>
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| {
            self.snapshot.get_with(SPACE, key, |entry| entry.and_then(object).map(Arc::clone))
        })
    }

    /// All keys and values of the cut, in no order.
    pub fn iter(&self) -> DbIter<K, V> {
        self.clone().into_iter()
    }

    /// The keys and values of an interval, in the order of the keys, from either end.
    ///
    /// # Panics
    /// If the map keeps no order: see [`Config::ordered`](crate::Config::ordered).
    pub fn range(&self, keys: impl RangeBounds<K>) -> DbRange<'_, K, V> {
        let range = self.snapshot.range(SPACE, bounds(&keys));
        DbRange { range, has_failed: false, keys: PhantomData }
    }

    /// How many keys there are in the cut.
    ///
    /// # Cost
    /// A walk over all keys.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn len(&self) -> Result<u64, SnapshotExpired> {
        self.snapshot.len(SPACE)
    }

    /// Whether the cut has no key.
    ///
    /// # Errors
    /// The snapshot was ended.
    pub fn is_empty(&self) -> Result<bool, SnapshotExpired> {
        self.snapshot.is_empty(SPACE)
    }

    /// The snapshot below.
    pub fn snapshot(&self) -> &Snapshot<V> {
        &self.snapshot
    }
}

impl<K: Key, V: Send + Sync + 'static> IntoIterator for DbSnapshot<K, V> {
    type Item = Result<(K, Arc<V>), SnapshotExpired>;
    type IntoIter = DbIter<K, V>;

    fn into_iter(self) -> DbIter<K, V> {
        DbIter { snapshot: self, fetched: Vec::new(), cursor: Some(0) }
    }
}

/// The keys and values of a cut, in no order. It keeps its snapshot; nothing else waits for it.
pub struct DbIter<K, V: Send + Sync + 'static> {
    snapshot: DbSnapshot<K, V>,
    fetched: Vec<(K, Arc<V>)>,
    /// `None`: all was fetched.
    cursor: Option<u64>,
}

impl<K: Key, V: Send + Sync + 'static> Iterator for DbIter<K, V> {
    type Item = Result<(K, Arc<V>), SnapshotExpired>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.fetched.is_empty() {
            let cursor = self.cursor?;
            let fetched = &mut self.fetched;
            let next = self.snapshot.snapshot.scan(SPACE, cursor, CHUNK, |entry| {
                fetched.extend(pair(entry));
            });
            match next {
                Ok(next) => self.cursor = (next != 0).then_some(next),
                Err(error) => {
                    (self.cursor, self.fetched) = (None, Vec::new());
                    return Some(Err(error));
                }
            }
        }
        self.fetched.pop().map(Ok)
    }
}

/// The keys and values of an interval of a cut, in order: see [`DbSnapshot::range`].
pub struct DbRange<'s, K, V: Send + Sync + 'static> {
    range: SnapshotRange<'s, V>,
    has_failed: bool,
    keys: PhantomData<fn(K) -> K>,
}

/// An interval of keys as bytes.
pub(super) fn bounds<K: Key>(keys: &impl RangeBounds<K>) -> KeyRange {
    let bytes = |bound: Bound<&K>| bound.map(|key| key.with_bytes(<[u8]>::to_vec));
    KeyRange::from((bytes(keys.start_bound()), bytes(keys.end_bound())))
}

/// An entry of a `Db` in its own types.
pub(super) fn pair<K: Key, V>(entry: Entry<'_, V>) -> Option<(K, Arc<V>)> {
    Some((K::decode(entry.key())?, Arc::clone(object(entry)?)))
}

/// The next item of a range by `step`: entries that somebody else put into the store below, of other types, are passed by; after an error there is nothing.
pub(super) fn item<T>(
    has_failed: &mut bool,
    mut step: impl FnMut() -> Result<Option<Option<T>>, SnapshotExpired>,
) -> Option<Result<T, SnapshotExpired>> {
    while !*has_failed {
        match step() {
            Ok(None) => return None,
            Ok(Some(None)) => {}
            Ok(Some(Some(found))) => return Some(Ok(found)),
            Err(error) => {
                *has_failed = true;
                return Some(Err(error));
            }
        }
    }
    None
}

impl<K: Key, V: Send + Sync + 'static> Iterator for DbRange<'_, K, V> {
    type Item = Result<(K, Arc<V>), SnapshotExpired>;

    fn next(&mut self) -> Option<Self::Item> {
        item(&mut self.has_failed, || self.range.next_with(pair))
    }
}

impl<K: Key, V: Send + Sync + 'static> DoubleEndedIterator for DbRange<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        item(&mut self.has_failed, || self.range.next_back_with(pair))
    }
}
