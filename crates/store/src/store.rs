//! [`Store`]: the handle, and the operations on single keys.

use crate::config::{At, Config};
use crate::engine::{Engine, uncapped};
use crate::entry::{Entry, VersionStamp};
use crate::error::{MvccDisabled, WriteError};
use crate::reader::EMPTY_BINS;
use crate::walk::walk;
use crate::write::Expiring;
use crate::{Draft, Snapshot};
use std::sync::Arc;
use stillpoint_primitive::scheduling;

/// Draws before `random_with` looks for the next key instead.
const DRAWS: u64 = 1000;
/// The most keys that a bin holds (while it is being split, twice that).
const WIDEST_BIN: u64 = 64;

/// An MVCC store of byte keys. A cheap handle: clones share one store. `Send + Sync`.
///
/// Values are bytes or objects of type `O`, with a kind byte and an expiry time that are the caller's; the store asks for the time with each
/// operation and never looks at a clock itself.
///
/// # Examples
/// ```
/// use stillpoint_store::{At, Config, Store};
///
/// let store: Store = Store::new(Config::default());
/// let at = At { space: 0, now_ms: 1_000 };
/// store.set(at, b"answer", 0, b"41", None)?;
///
/// let before = store.snapshot(at.now_ms);
/// store.update(at, b"answer", |_, draft| draft.put(0, &[b"42"], Some(2_000)))?;
///
/// assert_eq!(before.get_with(0, b"answer", |entry| entry.unwrap().bytes().unwrap().to_vec())?, b"41");
/// assert_eq!(store.get_with(at, b"answer", |entry| entry.unwrap().bytes().unwrap().to_vec()), b"42");
/// assert!(store.get_with(At { now_ms: 2_000, ..at }, b"answer", |entry| entry.is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store<O: Send + Sync + 'static = ()> {
    pub(crate) engine: Arc<Engine<O>>,
}

impl<O: Send + Sync + 'static> Clone for Store<O> {
    fn clone(&self) -> Self {
        Store { engine: Arc::clone(&self.engine) }
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// A new, empty store.
    ///
    /// # Panics
    /// If [`Config::first_timestamp`] is past 2^50.
    pub fn new(config: Config) -> Self {
        Store::with_object_bytes(config, |_| 0)
    }

    /// The same; `object_bytes` is asked, whenever an object is put, how many bytes it has beside the version that refers to it, so that
    /// [`Stats`](crate::Stats) and limits know of them. It should be quick, and say the same of an object each time.
    ///
    /// # Panics
    /// As [`new`](Store::new).
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Store};
    ///
    /// let store = Store::<Vec<u64>>::with_object_bytes(Config::default(), |object| object.len() * 8);
    /// let at = At { space: 0, now_ms: 0 };
    /// store.update(at, b"series", |_, draft| draft.put_object(0, vec![7; 1000].into(), None))?;
    /// assert_eq!(store.stats().object_bytes, 8000);
    /// # Ok::<(), stillpoint_store::WriteError>(())
    /// ```
    pub fn with_object_bytes(config: Config, object_bytes: fn(&O) -> usize) -> Self {
        Store { engine: Arc::new(Engine::new(&config, object_bytes)) }
    }

    /// The same with a step of the protocol left out.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn weakened(config: Config, mutation: crate::Mutation) -> Self {
        let mut engine = Engine::new(&config, |_| 0);
        engine.leases.announces = mutation != crate::Mutation::NoAnnouncement;
        engine.mutation = mutation;
        Store { engine: Arc::new(engine) }
    }

    /// Reads the newest committed value of `key`: `f` sees it borrowed, `None` if absent or expired.
    ///
    /// # Progress
    /// Wait-free in the number of the key's versions that are not decided yet. No writer, however slow or stopped, can hold it up.
    ///
    /// # Panics
    /// If the store has no such space.
    #[inline]
    pub fn get_with<R>(&self, at: At, key: &[u8], f: impl FnOnce(Option<Entry<'_, O>>) -> R) -> R {
        self.read(at, key, f).0
    }

    /// As [`get_with`](Store::get_with); a value that it finds expired is removed, which takes the steps of a write.
    #[inline]
    pub fn get_or_expire_with<R>(
        &self,
        at: At,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> R {
        let (result, is_expired) = self.read(at, key, f);
        if is_expired {
            self.expire(at, key);
        }
        result
    }

    /// Runs `f`; and whether there is an expired value.
    #[inline]
    fn read<R>(&self, at: At, key: &[u8], f: impl FnOnce(Option<Entry<'_, O>>) -> R) -> (R, bool) {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        let guard = engine.collector.pin();
        let head = uncapped(index.find(&guard, index.hash(key), key));
        let found = head.and_then(|head| engine.latest(&guard, head.version()));
        match found {
            None => (f(None), false),
            Some((version, stamp)) => {
                engine.touch(version, at.now_ms);
                let entry = Entry::of(version, stamp, at.now_ms);
                (f(entry), entry.is_none() && !version.is_tombstone())
            }
        }
    }

    /// Removes `key` if its value has expired. Whether it had. Without memory for that it stays.
    #[cold]
    pub fn expire(&self, at: At, key: &[u8]) -> bool {
        let place = self.engine.place(at.space, key);
        matches!(self.engine.remove_expired(&place, at.now_ms), Ok(Expiring::Removed))
    }

    /// Sets `key` whatever it was. The fast path of writes.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// The value is too large, or there is no room or memory for it; the key is as it was. Or the log has failed: see [`WriteError::LogFailed`].
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn set(
        &self,
        at: At,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        self.engine.set(at, key, kind, value, expire_at_ms)?;
        self.engine.settled()
    }

    /// Removes `key`; tells whether it was there.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// No memory for a version that says so; the key is as it was. Or the log has failed, as for [`set`](Store::set).
    pub fn remove(&self, at: At, key: &[u8]) -> Result<bool, WriteError> {
        self.update(at, key, |entry, draft| {
            draft.remove();
            entry.is_some()
        })
    }

    /// Atomic read-modify-write of one key. `f` may run more than once; its last run counts.
    ///
    /// # Progress
    /// Lock-free: `f` runs again only if another write of the key succeeded.
    ///
    /// # Errors
    /// As [`set`](Store::set).
    ///
    /// # Panics
    /// If the store has no such space, and if `f` does; the key is then as it was.
    pub fn update<R>(
        &self,
        at: At,
        key: &[u8],
        f: impl FnMut(Option<Entry<'_, O>>, &mut Draft<'_, O>) -> R,
    ) -> Result<R, WriteError> {
        let result = self.engine.update(at, key, f)?;
        self.engine.settled()?;
        Ok(result)
    }

    /// Sets `key` if its present version is `expected` (`None`: absent). Whether it was.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`set`](Store::set).
    pub fn compare_and_set(
        &self,
        at: At,
        key: &[u8],
        expected: Option<VersionStamp>,
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<bool, WriteError> {
        self.update(at, key, |entry, draft| {
            let same = entry.map(|entry| entry.stamp()) == expected;
            if same {
                draft.put(kind, &[value], expire_at_ms);
            }
            same
        })
    }

    /// Number of keys of the space whose newest version is a value (expired ones count until they are collected). Exact when nobody writes.
    pub fn len(&self, space: u8) -> u64 {
        self.engine.counters.keys(space)
    }

    /// Whether the space has no key.
    pub fn is_empty(&self, space: u8) -> bool {
        self.len(space) == 0
    }

    /// One step of an iteration over the newest values: visits about `count` keys from `cursor` (0 = start), in no order, and returns the next
    /// cursor (0 = done). Keys that are there all the while are visited at least once.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn scan(&self, at: At, cursor: u64, count: usize, mut f: impl FnMut(Entry<'_, O>)) -> u64 {
        self.scan_all(at, cursor, count, |_, entry| entry.map(&mut f).map_or(0, |()| 1))
    }

    /// As [`scan`](Store::scan); values that it finds expired are removed, each of which takes the steps of a write.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn scan_and_expire(
        &self,
        at: At,
        cursor: u64,
        count: usize,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> u64 {
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        let next = self.scan_all(at, cursor, count, |key, entry| {
            match entry {
                Some(entry) => f(entry),
                None => expired.push(key.into()),
            }
            1
        });
        for key in expired {
            self.expire(at, &key);
        }
        next
    }

    /// Shows every value, expired ones as `None`; `f` says for how many of `count` it stands.
    fn scan_all(
        &self,
        at: At,
        mut cursor: u64,
        count: usize,
        mut f: impl FnMut(&[u8], Option<Entry<'_, O>>) -> usize,
    ) -> u64 {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        let (mut visited, mut steps) = (0, 0);
        loop {
            let guard = engine.collector.pin();
            let walked = walk(index, &guard, cursor, count.saturating_sub(visited), |head| {
                if let Some((version, stamp)) = engine.latest(&guard, head.version())
                    && !version.is_tombstone()
                {
                    visited += f(version.key(), Entry::of(version, stamp, at.now_ms));
                }
            });
            cursor = walked.next;
            steps += walked.bins;
            if cursor == 0 || visited >= count.max(1) || steps >= count.saturating_mul(EMPTY_BINS) {
                return cursor;
            }
        }
    }

    /// Some live key of the space, chosen by `random`, uniformly among the keys of the moment; `None` if there is none.
    ///
    /// # Cost
    /// Some tens of draws of a bin in a space as full as the index expects; a walk to the next key in one that was emptied.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn random_with<R>(
        &self,
        at: At,
        random: u64,
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> R {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        let guard = engine.collector.pin();
        let mut random = random;
        let mut found = None;
        if !self.is_empty(at.space) {
            for _ in 0..DRAWS {
                let chosen = next_random(&mut random) % WIDEST_BIN;
                let mut seen = 0;
                uncapped(index.sample(&guard, next_random(&mut random), |head| {
                    let latest = engine.latest(&guard, head.version());
                    if let Some(entry) =
                        latest.and_then(|(version, stamp)| Entry::of(version, stamp, at.now_ms))
                    {
                        if seen == chosen {
                            found = Some(entry);
                        }
                        seen += 1;
                    }
                }));
                if found.is_some() {
                    return f(found);
                }
            }
        }
        let start = next_random(&mut random) & (index.stats().bins as u64 - 1);
        for mut cursor in [start, 0] {
            loop {
                cursor = uncapped(index.scan(&guard, cursor, |head| {
                    let latest = engine.latest(&guard, head.version());
                    found = found
                        .or(latest
                            .and_then(|(version, stamp)| Entry::of(version, stamp, at.now_ms)));
                }));
                if found.is_some() {
                    return f(found);
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        f(None)
    }

    /// Removes all keys of one space, one after the other: not one cut against concurrent writers and snapshots.
    ///
    /// # Errors
    /// No memory for a version that says that a key is removed; some keys are left.
    ///
    /// # Panics
    /// If the store has no such space.
    pub fn clear(&self, at: At) -> Result<(), WriteError> {
        let engine = &*self.engine;
        let index = engine.space(at.space);
        engine.overtake_loads(at)?;
        let mut cursor = 0;
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        loop {
            {
                let guard = engine.collector.pin();
                cursor = uncapped(
                    index.scan(&guard, cursor, |head| keys.push(head.version().key().into())),
                );
            }
            for key in keys.drain(..) {
                engine.update(at, &key, |_, draft| draft.remove())?;
                scheduling::yield_point();
            }
            if cursor == 0 {
                return engine.settled();
            }
        }
    }

    /// Begins a snapshot: everything committed before this call, nothing later. Expiry is judged at `now_ms` for ever.
    ///
    /// # Progress
    /// Wait-free.
    pub fn snapshot(&self, now_ms: u64) -> Snapshot<O> {
        let snapshot = Snapshot::take(Arc::clone(&self.engine), now_ms);
        if let Some(age_ms) = self.engine.settings.max_snapshot_age_ms() {
            snapshot.set_deadline(now_ms.saturating_add(age_ms));
        }
        snapshot
    }

    /// As [`snapshot`](Store::snapshot), for snapshots that are to last, if [`Config::mvcc_enabled`](crate::Config::mvcc_enabled) grants them.
    ///
    /// # Errors
    /// It does not.
    pub fn try_snapshot(&self, now_ms: u64) -> Result<Snapshot<O>, MvccDisabled> {
        if self.engine.settings.mvcc_enabled() {
            Ok(self.snapshot(now_ms))
        } else {
            Err(MvccDisabled)
        }
    }
}

/// Steele and others' SplitMix64.
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
