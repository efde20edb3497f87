//! [`BulkLoad`]: filling a store with what was kept elsewhere.
//!
//! ```text
//!  shown ─▶ hash ─▶ other part? passed by
//!            └─▶ version made, bin fetched ─▶ 32 wait ─▶ their heads fetched ─▶ installed one after the other      (memory is waited for 32 at a time)
//! ```
//! # Invariants
//! 1. What a loader is shown of one key is applied in that order, and a key falls to one part only. So loaders that are all shown the same leave what one
//!    of them would have left, whatever their threads do.
//! 2. Each value is a write like any other: installed on a final head without a stamp, then stamped. Whoever reads meanwhile sees what a reader may see.
//! 3. What has come is behind every later write: the clock passes the loader's moment at its end.

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
    part: u32,
    parts: u32,
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
            part: 0,
            parts: 1,
            is_published: engine.stream.as_ref().is_some_and(|stream| stream.0.has_history()),
            waiting: Vec::with_capacity(TOGETHER),
            keys: Vec::new(),
            bytes: 0,
        }
    }
}

impl<O: Send + Sync + 'static> BulkLoad<'_, O> {
    /// The same, which takes only the keys that fall to `part` of `parts` and passes the others by: so several threads can each be shown everything, in
    /// order, and share the work.
    ///
    /// # Panics
    /// If there is no such part.
    #[must_use]
    pub fn only(mut self, part: u32, parts: u32) -> Self {
        assert!(part < parts, "part {part} of {parts}");
        (self.part, self.parts) = (part, parts);
        self
    }

    /// Sets a key, whatever it was, if it is of this loader's part. Whether it is.
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
    ) -> Result<bool, WriteError> {
        self.add(space, key, value.as_new(), kind, expire_at_ms)
    }

    /// Removes a key, if it is of this loader's part. Whether it is.
    ///
    /// # Errors
    /// As [`set`](BulkLoad::set).
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn remove(&mut self, space: u8, key: &[u8]) -> Result<bool, WriteError> {
        self.add(space, key, NewValue::Tombstone, 0, None)
    }

    /// Whether a key is of this loader's part.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn takes(&self, space: u8, key: &[u8]) -> bool {
        self.falls_here(self.engine.space(space).hash(key))
    }

    #[inline]
    fn falls_here(&self, hash: u64) -> bool {
        // Of the middle of the hash: its ends choose bin and tag.
        let middle = hash >> 24 & 0xffff_ffff;
        (middle * u64::from(self.parts)) >> 32 == u64::from(self.part)
    }

    #[inline]
    fn add(
        &mut self,
        space: u8,
        key: &[u8],
        value: NewValue<'_, O>,
        kind: u8,
        expire_at_ms: Option<u64>,
    ) -> Result<bool, WriteError> {
        let index = self.engine.space(space);
        let hash = index.hash(key);
        if !self.falls_here(hash) {
            return Ok(false);
        }
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
        Ok(true)
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
            self.engine.space(each.space).prefetch_version(&guard, each.hash);
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
    fn parts_that_are_shown_everything_leave_what_one_would_have_left() {
        let config = || Config { ordered: SpaceSet::of(&[1]), ..Config::default() };
        let changes: Vec<(u8, Vec<u8>, Option<u32>)> = (0..20_000u32)
            .map(|n| {
                let key = (n * 7919 % 1_500).to_le_bytes().to_vec();
                ((n % 2) as u8, key, (n % 5 != 0).then_some(n))
            })
            .collect();
        let load = |store: &Store, part, parts| {
            let mut load = store.bulk_load(1).only(part, parts);
            let mut taken = 0u64;
            for (space, key, value) in &changes {
                let value = value.map(u32::to_le_bytes);
                let mine = match &value {
                    Some(bytes) => load.set(*space, key, 3, Value::Bytes(bytes), None),
                    None => load.remove(*space, key),
                };
                taken += u64::from(mine.unwrap());
            }
            load.finish().unwrap();
            taken
        };
        let plain: Store = Store::new(config());
        for (space, key, value) in &changes {
            let at = At { space: *space, now_ms: 1 };
            match value {
                Some(n) => plain.set(at, key, 3, &n.to_le_bytes(), None).unwrap(),
                None => drop(plain.remove(at, key).unwrap()),
            }
        }
        for parts in [1, 3] {
            let store: Store = Store::new(config());
            let taken: u64 = std::thread::scope(|scope| {
                let load = &load;
                let store = &store;
                let threads: Vec<_> =
                    (0..parts).map(|part| scope.spawn(move || load(store, part, parts))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(taken, changes.len() as u64);
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
