//! [`Watch`]: which changes a feed wants, and from when on.

use super::feed::Feed;
use super::group::Change;
use super::lock;
use crate::error::StreamOff;
use crate::key_range::KeyRange;
use crate::{Snapshot, Store};
use std::ops::Bound;

/// Keys of one space, or of all.
pub(super) struct Wanted {
    space: Option<u8>,
    keys: KeyRange,
}

impl Wanted {
    pub(super) fn has<O>(&self, change: Change<'_, O>) -> bool {
        self.space.is_none_or(|space| space == change.space()) && self.keys.contains(change.key())
    }
}

/// Says what a [`Feed`] is to show; made by [`Store::watch`] and its sisters.
pub struct Watch<O: Send + Sync + 'static = ()> {
    store: Store<O>,
    wanted: Wanted,
}

impl<O: Send + Sync + 'static> Watch<O> {
    /// A feed of the changes after a snapshot: what the snapshot shows and what the feed shows have no gap between them and no overlap.
    pub fn after(self, snapshot: &Snapshot<O>) -> Feed<O> {
        self.from(snapshot.timestamp())
    }

    /// A feed of all changes with a later timestamp than this one.
    pub fn from(self, timestamp: u64) -> Feed<O> {
        let stream = self.store.engine.stream.as_ref().expect("was there when this was made");
        Feed::new(&stream.0, &self.store.engine, self.wanted, timestamp.saturating_add(1))
    }

    /// A feed of all changes that are committed from now on (and perhaps of some that are just being committed).
    pub fn from_now(self) -> Feed<O> {
        let stream = &self.store.engine.stream.as_ref().expect("was there when this was made").0;
        stream.pump(Some(&self.store.engine.clock));
        let ring = lock(&stream.ring);
        let next = ring.low.max(ring.floor);
        drop(ring);
        Feed::new(stream, &self.store.engine, self.wanted, next)
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Watches the keys of a space that begin with `prefix`.
    ///
    /// # Errors
    /// The store was made without [`Config::stream`](crate::Config::stream).
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Store, StreamConfig};
    ///
    /// let store: Store = Store::new(Config { stream: Some(StreamConfig::default()), ..Config::default() });
    /// let at = At { space: 0, now_ms: 0 };
    /// store.set(at, b"user:1", 0, b"Ada", None)?;
    ///
    /// let snapshot = store.snapshot(0); // read here what there is
    /// let mut feed = store.watch(0, b"user:")?.after(&snapshot);
    /// store.set(at, b"user:2", 0, b"Bob", None)?;
    /// store.set(at, b"order:7", 0, b"tea", None)?;
    ///
    /// let batch = feed.try_next()?.unwrap();
    /// let keys: Vec<_> = batch.changes().map(|change| change.key()).collect();
    /// assert_eq!(keys, [b"user:2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(&self, space: u8, prefix: &[u8]) -> Result<Watch<O>, StreamOff> {
        self.watch_for(Wanted { space: Some(space), keys: KeyRange::prefix(prefix) })
    }

    /// Watches the keys of a space between two bounds.
    ///
    /// # Errors
    /// The store was made without [`Config::stream`](crate::Config::stream).
    pub fn watch_range(
        &self,
        space: u8,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Watch<O>, StreamOff> {
        self.watch_for(Wanted { space: Some(space), keys: KeyRange::between(from, to) })
    }

    /// Watches every key of every space.
    ///
    /// # Errors
    /// The store was made without [`Config::stream`](crate::Config::stream).
    pub fn watch_all(&self) -> Result<Watch<O>, StreamOff> {
        self.watch_for(Wanted { space: None, keys: (..).into() })
    }

    fn watch_for(&self, wanted: Wanted) -> Result<Watch<O>, StreamOff> {
        if self.engine.stream.is_none() {
            return Err(StreamOff);
        }
        Ok(Watch { store: self.clone(), wanted })
    }
}
