//! [`PastVersion`]: a version as history keeps it; and what is asked of history.

use super::group::Change;
use super::{Stream, lock};
use crate::Store;
use crate::draft::OwnedValue;
use crate::entry::{Value, VersionStamp};
use crate::error::HistoryError;
use std::sync::Arc;

/// One committed version of a key, or its removal.
pub struct PastVersion<O = ()> {
    stamp: VersionStamp,
    committed_ms: Option<u64>,
    expire_at_ms: Option<u64>,
    value: Option<OwnedValue<O>>,
    kind: u8,
}

impl<O> PastVersion<O> {
    pub(super) fn of(change: Change<'_, O>, committed_ms: Option<u64>) -> Self {
        PastVersion {
            stamp: change.stamp(),
            committed_ms,
            expire_at_ms: change.expire_at_ms(),
            value: change.value().map(|value| match value {
                Value::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
                Value::Object(object) => OwnedValue::Object(Arc::clone(object)),
            }),
            kind: change.kind(),
        }
    }

    /// Bytes that it takes; an object counts as one pointer.
    pub(super) fn footprint(&self) -> usize {
        let bytes = self.bytes().map_or(0, <[u8]>::len);
        size_of::<Self>() + bytes
    }

    /// The stamp of the version.
    pub fn stamp(&self) -> VersionStamp {
        self.stamp
    }

    /// The commit timestamp.
    pub fn timestamp(&self) -> u64 {
        self.stamp.timestamp()
    }

    /// A time of the caller's wall clock at which or after which it was committed, to about 100 ms where the maintenance thread runs; `None`: before
    /// the store was first told the time.
    pub fn committed_ms(&self) -> Option<u64> {
        self.committed_ms
    }

    /// The value; `None`: the key was removed.
    pub fn value(&self) -> Option<Value<'_, O>> {
        self.value.as_ref().map(|value| match value {
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Object(object) => Value::Object(object),
        })
    }

    /// The value's bytes, if it has any.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            Some(OwnedValue::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The kind that the writer gave.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// When the value expires or expired, in milliseconds of the caller's clock: history does not judge that.
    pub fn expire_at_ms(&self) -> Option<u64> {
        self.expire_at_ms
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    fn with_history<R>(
        &self,
        f: impl FnOnce(&super::history::History<O>, u64) -> Result<R, HistoryError>,
    ) -> Result<R, HistoryError> {
        let stream = self.engine.stream.as_ref().ok_or(HistoryError::NotRetained)?;
        stream.0.pump(Some(&self.engine.clock));
        let ring = lock(&stream.0.ring);
        f(ring.history.as_ref().ok_or(HistoryError::NotRetained)?, ring.low)
    }

    /// The retained versions of a key, from new to old, its removals among them.
    ///
    /// # Progress
    /// Blocking, for as long as somebody else cuts the stream into groups.
    ///
    /// # Errors
    /// No [`Config::retention`](crate::Config::retention) is for this key.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Retention, Store};
    ///
    /// let retention = vec![Retention { max_versions: Some(10), ..Retention::of(0, b"price:") }];
    /// let store: Store = Store::new(Config { retention, ..Config::default() });
    /// let at = At { space: 0, now_ms: 0 };
    /// for price in [b"10", b"11", b"12"] {
    ///     store.set(at, b"price:tea", 0, price, None)?;
    /// }
    /// let versions = store.history(0, b"price:tea")?;
    /// assert_eq!(versions.iter().map(|it| it.bytes().unwrap()).collect::<Vec<_>>(), [b"12", b"11", b"10"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history(&self, space: u8, key: &[u8]) -> Result<Vec<Arc<PastVersion<O>>>, HistoryError> {
        self.with_history(|history, _| history.versions(space, key))
    }

    /// What a key was at a timestamp: what a snapshot with that timestamp would have shown, but for expiry.
    ///
    /// # Progress
    /// Blocking, for as long as somebody else cuts the stream into groups.
    ///
    /// # Errors
    /// No [`Config::retention`](crate::Config::retention) is for this key, the timestamp is before what is retained, or it is not over yet.
    pub fn get_at(
        &self,
        space: u8,
        key: &[u8],
        timestamp: u64,
    ) -> Result<Option<Arc<PastVersion<O>>>, HistoryError> {
        self.with_history(|history, low| {
            if timestamp >= low {
                return Err(HistoryError::NotYet);
            }
            history.at(space, key, timestamp)
        })
    }

    /// The caller's wall clock at a timestamp, as coarse as [`PastVersion::committed_ms`]; `None`: before the store was first told the time.
    ///
    /// # Progress
    /// Blocking, for as long as somebody else cuts the stream into groups.
    ///
    /// # Errors
    /// No past versions are kept, or the timestamp is not over yet.
    pub fn time_at(&self, timestamp: u64) -> Result<Option<u64>, HistoryError> {
        self.with_history(|history, low| match timestamp < low {
            true => Ok(history.time_of(timestamp)),
            false => Err(HistoryError::NotYet),
        })
    }

    /// A timestamp at which everything had been committed that was committed up to a time of the caller's wall clock (less what the clock's coarseness takes,
    /// about 100 ms), and nothing later; `None`: the store was not told of times that early.
    ///
    /// # Progress
    /// Blocking, for as long as somebody else cuts the stream into groups.
    ///
    /// # Errors
    /// No past versions are kept.
    pub fn timestamp_at(&self, ms: u64) -> Result<Option<u64>, HistoryError> {
        self.with_history(|history, _| Ok(history.last_before(ms)))
    }

    /// Bytes of past versions that history keeps, and of keys that have been removed; the newest values and their keys not counted.
    pub fn history_bytes(&self) -> usize {
        self.with_history(|history, _| Ok(history.ended_bytes())).unwrap_or(0)
    }
}

impl<O: Send + Sync + 'static> Stream<O> {
    /// Tells history the time, if it wants to know. Whoever does what is done beside the operations tells it.
    pub(crate) fn note_time(&self, clock: &crate::commit_clock::CommitClock, now_ms: u64) {
        let mut ring = lock(&self.ring);
        let Some(history) = ring.history.as_mut().filter(|history| history.wants_time(now_ms))
        else {
            return;
        };
        // Passed after the time was asked: what is stamped later is committed later.
        let now = clock.now();
        clock.pass(now);
        history.note(now + 1, now_ms);
        drop(ring);
        // So that nothing waits for ever where nobody reads.
        self.pump(Some(clock));
    }
}
