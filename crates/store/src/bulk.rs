//! [`BulkLoad`]: filling a store with what was kept elsewhere.
//!
//! ```text
//!  shown ─▶ version made ─▶ 32 wait ─▶ their bins fetched ─▶ their heads fetched ─▶ installed one after the other      (memory is waited for 32 at a time)
//! ```
//! What is read from the newest change back, as a log can be, is loaded by [`NewestFirst`].
//!
//! # Invariants
//! 1. What a loader is shown of one key is applied in that order.
//! 2. Each value is a write like any other: installed on a final head without a stamp, then stamped. Whoever reads meanwhile sees what a reader may see.
//! 3. What has come is behind every later write: the clock passes the loader's moment at its end.

mod newest_first;

pub use newest_first::{NewestFirst, Vacant};

use crate::Store;
use crate::engine::Engine;
use crate::entry::Value;
use crate::error::WriteError;
use crate::write::{Place, raced};
use std::ops::Range;
use stillpoint_structures::{Guard, NewValue, NewVersion};

/// Keys that are waited for together.
const TOGETHER: usize = 32;

/// Fills a store, faster than writes could; made by [`Store::bulk_load`].
///
/// Dropped without [`finish`](BulkLoad::finish), it forgets the last few values.
pub struct BulkLoad<'s, O: Send + Sync + 'static> {
    engine: &'s Engine<O>,
    now_ms: u64,
    /// Past versions begin with these values.
    is_published: bool,
    waiting: Vec<Waiting<O>>,
    /// The keys of those, one behind the other.
    keys: Vec<u8>,
    bytes: usize,
}

struct Waiting<O: Send + Sync + 'static> {
    space: u8,
    hash: u64,
    key: Range<usize>,
    new: NewVersion<O>,
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Begins to fill the store with what was kept elsewhere, such as a log; `now_ms` is the caller's wall clock.
    ///
    /// Meant for a store that nobody else has yet. Whoever reads or writes meanwhile sees each value come, as if somebody wrote it; but neither the
    /// stream of changes nor feeds are told.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Store, Value};
    ///
    /// let store: Store = Store::new(Config::default());
    /// let mut load = store.bulk_load(0);
    /// load.set(0, b"one", 0, Value::Bytes(b"1"), None)?;
    /// load.set(0, b"two", 0, Value::Bytes(b"2"), None)?;
    /// load.remove(0, b"one")?;
    /// load.finish()?;
    /// assert_eq!(store.len(0), 1);
    /// # Ok::<(), stillpoint_store::WriteError>(())
    /// ```
    pub fn bulk_load(&self, now_ms: u64) -> BulkLoad<'_, O> {
        let engine = &*self.engine;
        BulkLoad {
            engine,
            now_ms,
            is_published: engine.stream.as_ref().is_some_and(|stream| stream.0.has_history()),
            waiting: Vec::with_capacity(TOGETHER),
            keys: Vec::new(),
            bytes: 0,
        }
    }
}

impl<O: Send + Sync + 'static> BulkLoad<'_, O> {
    /// Sets a key, whatever it was.
    ///
    /// # Errors
    /// The value is too large; or there is no memory for it or for one that waited, of which some are lost then. In a store that is
    /// [full](WriteError::Full) nothing is lost: all wait for the next call.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn set(
        &mut self,
        space: u8,
        key: &[u8],
        kind: u8,
        value: Value<'_, O>,
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        self.add(space, key, value.as_new(), kind, expire_at_ms)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// As [`set`](BulkLoad::set).
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn remove(&mut self, space: u8, key: &[u8]) -> Result<(), WriteError> {
        self.add(space, key, NewValue::Tombstone, 0, None)
    }

    #[inline]
    fn add(
        &mut self,
        space: u8,
        key: &[u8],
        value: NewValue<'_, O>,
        kind: u8,
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        let index = self.engine.space(space);
        let hash = index.hash(key);
        let new = index.new_version(key, value, kind, expire_at_ms)?;
        if self.waiting.is_empty() {
            self.keys.clear();
        }
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.bytes += new.bytes();
        self.waiting.push(Waiting { space, hash, key: start..self.keys.len(), new });
        if self.waiting.len() >= TOGETHER {
            self.flush()?;
        }
        Ok(())
    }

    /// Puts in what waits.
    ///
    /// # Errors
    /// There is no memory.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.flush()?;
        let clock = &self.engine.clock;
        clock.pass(clock.now());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.engine.admit(self.bytes, self.now_ms)?;
        self.bytes = 0;
        let guard = self.engine.collector.pin();
        for each in &self.waiting {
            self.engine.space(each.space).prefetch(&guard, each.hash);
        }
        for each in &self.waiting {
            self.engine.space(each.space).prefetch_version(&guard, each.hash, false);
        }
        for Waiting { space, hash, key, new } in self.waiting.drain(..) {
            let index = self.engine.space(space);
            let place = Place { index, space, hash, key: &self.keys[key] };
            self.engine.load(&guard, &place, new, self.is_published)?;
        }
        Ok(())
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    fn load<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        mut new: NewVersion<O>,
        is_published: bool,
    ) -> Result<(), WriteError> {
        loop {
            let any_loads = self.loads.any();
            let target = self.target(guard, place);
            if new.is_tombstone() && !self.removal_matters(guard, place, &target, any_loads) {
                return Ok(());
            }
            new = if is_published {
                match self.write(guard, place, &target, new) {
                    Ok(()) => return Ok(()),
                    Err(not_written) => raced(not_written)?,
                }
            } else {
                match self.write_quietly(guard, place, &target, new, |_, _| ()) {
                    Ok(()) => return Ok(()),
                    Err(refused) => raced(refused)?,
                }
            };
        }
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;
    use crate::{At, Config, SpaceSet};

    const AT: At = At { space: 0, now_ms: 1 };

    fn text(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
        store.get_with(AT, key, |entry| entry.and_then(|e| e.bytes().map(<[u8]>::to_vec)))
    }

    #[test]
    fn what_is_loaded_is_what_writes_would_have_left() {
        let config = || Config { ordered: SpaceSet::of(&[1]), ..Config::default() };
        let (plain, store): (Store, Store) = (Store::new(config()), Store::new(config()));
        let mut load = store.bulk_load(1);
        for n in 0..20_000u32 {
            let (space, key) = ((n % 2) as u8, (n * 7919 % 1_500).to_le_bytes());
            let at = At { space, now_ms: 1 };
            if n % 5 == 0 {
                plain.remove(at, &key).unwrap();
                load.remove(space, &key).unwrap();
            } else {
                let value = n.to_le_bytes();
                plain.set(at, &key, 3, &value, None).unwrap();
                load.set(space, &key, 3, Value::Bytes(&value), None).unwrap();
            }
        }
        load.finish().unwrap();
        for space in 0..2 {
            assert_eq!(store.len(space), plain.len(space), "space {space}");
        }
        for n in 0..1_500u32 {
            let key = n.to_le_bytes();
            assert_eq!(text(&store, &key), text(&plain, &key), "{n}");
        }
        let (cut, other) = (store.snapshot(1), plain.snapshot(1));
        let all = |cut: &crate::Snapshot| {
            cut.range(1, ..).map(|entry| entry.unwrap().key().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(all(&cut), all(&other));
        drop((cut, other));
        while store.collect(1_000) > 0 {}
        assert_eq!(store.stats().old_versions, 0);
        assert_eq!(store.stats().live_bytes, plain.stats().live_bytes);
    }

    #[test]
    fn what_was_loaded_is_before_every_later_change() {
        let config = Config { stream: Some(crate::StreamConfig::default()), ..Config::default() };
        let store: Store = Store::new(config);
        let mut load = store.bulk_load(1);
        load.set(0, b"old", 0, Value::Bytes(b"1"), Some(5)).unwrap();
        load.finish().unwrap();
        let mut stream = store.commit_stream().unwrap();
        store.set(AT, b"new", 0, b"2", None).unwrap();
        let groups = stream.next_groups(std::time::Duration::from_secs(5));
        let keys: Vec<_> = groups
            .groups
            .iter()
            .flat_map(|group| group.changes())
            .map(|c| c.key().to_vec())
            .collect();
        assert_eq!(keys, [b"new"]);
        assert!(groups.groups[0].timestamp() >= stream.position() - 1);
        assert_eq!(store.expire_due(10, 10), 1);
        assert_eq!(store.len(0), 1);
    }
}
