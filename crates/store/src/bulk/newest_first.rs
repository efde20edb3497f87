//! [`NewestFirst`]: filling a store from the newest change back to the oldest.
//!
//! ```text
//!  shown ─▶ hash ─▶ other part? passed by
//!            └─▶ 32 bins fetched ─▶ their heads fetched ─▶ a value there? removed before? ── yes ─▶ passed by
//!                                                                └─ no ─▶ set: installed · removed: noted in `removed`
//! ```
//! So a key that was changed a hundred times is written once; and what it was before is not even made.
//!
//! # Invariants
//! 1. Of each key the first change that is shown is the one that holds: a set key is in the index, a removed one in `removed`, and both are looked for before
//!    anything is installed. A key falls to one part only, so who shows each part's changes in order shows each key's in order.
//! 2. What is there already counts as newer; so what others write meanwhile stays.
//! 3. Nothing is evicted on behalf of what comes, for an older value would take the place of what went.
//! 4. Each value is a write like any other: installed without a stamp, then stamped.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[removed]` | all Relaxed: who looks for a removal either noted it himself, or began after who noted it was joined |

use crate::Store;
use crate::engine::Engine;
use crate::entry::Value;
use crate::error::WriteError;
use crate::write::{Place, Target, raced};
use std::collections::HashSet;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};
use stillpoint_primitive::sync::{Mutex, MutexGuard};
use stillpoint_structures::Guard;

/// Keys whose memory is waited for together.
const TOGETHER: usize = 32;
const SHARDS: usize = 64;

/// Fills a store from the newest change back to the oldest; made by [`Store::load_newest_first`]. Several threads may share one.
pub struct NewestFirst<'s, O: Send + Sync + 'static> {
    engine: &'s Engine<O>,
    /// Past versions begin with these values.
    is_published: bool,
    removed: Removed,
}

/// A key whose newest change is the one that is being shown.
pub struct Vacant<'l, O: Send + Sync + 'static> {
    engine: &'l Engine<O>,
    guard: &'l Guard<'l>,
    place: &'l Place<'l, O>,
    target: Target<'l, O>,
    is_published: bool,
    removed: &'l Removed,
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Makes room in the index for so many keys of a space, before they come. Only a hint: it does nothing if the space has keys, if
    /// other handles share the store, or if there is no such space.
    pub fn reserve(&mut self, space: u8, keys: usize) {
        if let Some(engine) = std::sync::Arc::get_mut(&mut self.engine) {
            engine.reserve(space, keys);
        }
    }

    /// Begins to fill the store with what was kept elsewhere, such as a log, from the newest change of each key back to the oldest: the
    /// first one that is shown holds, and a key that the store has keeps its value.
    ///
    /// Meant for a store that nobody else has yet. Neither the stream of changes nor feeds are told. A limit of bytes is not looked at.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Store, Value, WriteError};
    ///
    /// let store: Store = Store::new(Config::default());
    /// let load = store.load_newest_first();
    /// let changes = [("one", None), ("two", Some("2")), ("one", Some("1"))];
    /// load.show(0, 1, &changes, |change| (0, change.0.as_bytes()), |change, key| match change.1 {
    ///     Some(value) => key.set(0, Value::Bytes(value.as_bytes()), None),
    ///     None => Ok(key.remove()),
    /// })?;
    /// load.finish();
    /// assert_eq!(store.len(0), 1);
    /// # Ok::<(), WriteError>(())
    /// ```
    pub fn load_newest_first(&self) -> NewestFirst<'_, O> {
        let engine = &*self.engine;
        NewestFirst {
            engine,
            is_published: engine.stream.as_ref().is_some_and(|stream| stream.0.has_history()),
            removed: Removed::new(),
        }
    }
}

impl<O: Send + Sync + 'static> NewestFirst<'_, O> {
    /// Shows some changes. `fill` is called for those whose key falls to `part` of `parts` and has no newer change, and sets or removes the
    /// key; one that does neither leaves it to older changes. How many fell to that part.
    ///
    /// Changes of different parts may be shown at the same time.
    ///
    /// # Errors
    /// Those of `fill`. What came before is there.
    ///
    /// # Panics
    /// If the store has no such space as `key` tells of.
    pub fn show<'c, T: 'c, E>(
        &self,
        part: u32,
        parts: u32,
        changes: impl IntoIterator<Item = &'c T>,
        key: impl Fn(&'c T) -> (u8, &'c [u8]),
        mut fill: impl FnMut(&'c T, Vacant<'_, O>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut mine = Vec::with_capacity(TOGETHER);
        let mut count = 0;
        let mut changes = changes.into_iter();
        loop {
            let of_part = changes.by_ref().filter_map(|change| {
                let (space, key) = key(change);
                let place = self.engine.place(space, key);
                falls_to(place.hash, part, parts).then_some((change, place))
            });
            mine.extend(of_part.take(TOGETHER));
            count += mine.len() as u64;
            if mine.is_empty() {
                return Ok(count);
            }
            self.fill(&mut mine, &mut fill)?;
        }
    }

    fn fill<'c, T, E>(
        &self,
        mine: &mut Vec<(&'c T, Place<'_, O>)>,
        fill: &mut impl FnMut(&'c T, Vacant<'_, O>) -> Result<(), E>,
    ) -> Result<(), E> {
        let guard = self.engine.collector.pin();
        for (_, place) in &*mine {
            place.index.prefetch(&guard, place.hash);
        }
        for (_, place) in &*mine {
            place.index.prefetch_version(&guard, place.hash, false);
        }
        for (change, place) in mine.drain(..) {
            let target = self.engine.target(&guard, &place);
            if target.base.is_some() || self.removed.has(&place) {
                continue;
            }
            let vacant = Vacant {
                engine: self.engine,
                guard: &guard,
                place: &place,
                target,
                is_published: self.is_published,
                removed: &self.removed,
            };
            fill(change, vacant)?;
        }
        Ok(())
    }

    /// Puts all that came behind every later write.
    pub fn finish(self) {
        let clock = &self.engine.clock;
        clock.pass(clock.now());
    }
}

/// Whether a hash is of a part: by its middle, since its ends choose bin and tag.
#[inline]
fn falls_to(hash: u64, part: u32, parts: u32) -> bool {
    let middle = hash >> 24 & 0xffff_ffff;
    (middle * u64::from(parts)) >> 32 == u64::from(part)
}

impl<O: Send + Sync + 'static> Vacant<'_, O> {
    /// The key's value.
    ///
    /// # Errors
    /// The value is too large, or there is no memory for it.
    #[inline]
    pub fn set(
        self,
        kind: u8,
        value: Value<'_, O>,
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        let Vacant { engine, guard, place, mut target, .. } = self;
        let mut new = place.index.new_version(place.key, value.as_new(), kind, expire_at_ms)?;
        // Once somebody else has written it, that is newer.
        while target.base.is_none() {
            new = if self.is_published {
                match engine.write(guard, place, &target, new) {
                    Ok(()) => return Ok(()),
                    Err(not_written) => raced(not_written)?,
                }
            } else {
                match engine.write_quietly(guard, place, &target, new, |_, _| ()) {
                    Ok(()) => return Ok(()),
                    Err(refused) => raced(refused)?,
                }
            };
            target = engine.target(guard, place);
        }
        Ok(())
    }

    /// The key is gone, whatever it was before.
    pub fn remove(self) {
        self.removed.note(self.place);
    }
}

/// Keys whose newest change is a removal.
struct Removed {
    any: AtomicBool,
    /// By hash.
    shards: Box<[Mutex<KeysBySpace>]>,
}

type KeysBySpace = Vec<HashSet<Box<[u8]>>>;

impl Removed {
    fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect();
        Removed { any: AtomicBool::new(false), shards }
    }

    fn shard<O: Send + Sync + 'static>(&self, place: &Place<'_, O>) -> MutexGuard<'_, KeysBySpace> {
        let shard = &self.shards[(place.hash >> 16) as usize % SHARDS];
        shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    #[inline]
    fn has<O: Send + Sync + 'static>(&self, place: &Place<'_, O>) -> bool {
        // Relaxed [removed]: of this key nobody else has noted anything since
        self.any.load(Ordering::Relaxed) && self.look(place)
    }

    #[inline(never)]
    fn look<O: Send + Sync + 'static>(&self, place: &Place<'_, O>) -> bool {
        self.shard(place).get(usize::from(place.space)).is_some_and(|keys| keys.contains(place.key))
    }

    fn note<O: Send + Sync + 'static>(&self, place: &Place<'_, O>) {
        let space = usize::from(place.space);
        let mut spaces = self.shard(place);
        if spaces.len() <= space {
            spaces.resize_with(space + 1, HashSet::new);
        }
        spaces[space].insert(place.key.into());
        // Relaxed [removed]: as in `has`
        self.any.store(true, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;
    use crate::{At, Config, SpaceSet, StreamConfig};

    const AT: At = At { space: 0, now_ms: 1 };

    type Change = (u8, Vec<u8>, Option<u32>);

    fn show(load: &NewestFirst<'_, ()>, part: u32, parts: u32, changes: &[Change]) -> u64 {
        fn key_of(change: &Change) -> (u8, &[u8]) {
            (change.0, &change.1)
        }
        let shown =
            load.show(part, parts, changes.iter().rev(), key_of, |change, vacant| match change.2 {
                Some(n) => vacant.set(3, Value::Bytes(&n.to_le_bytes()), None),
                None => {
                    vacant.remove();
                    Ok::<(), WriteError>(())
                }
            });
        shown.unwrap()
    }

    fn text(store: &Store, space: u8, key: &[u8]) -> Option<Vec<u8>> {
        let at = At { space, ..AT };
        store.get_with(at, key, |entry| entry.and_then(|e| e.bytes().map(<[u8]>::to_vec)))
    }

    #[test]
    fn shown_back_to_front_changes_leave_what_they_would_have_left_as_writes() {
        let config = || Config { ordered: SpaceSet::of(&[1]), ..Config::default() };
        let changes: Vec<Change> = (0..20_000u32)
            .map(|n| {
                let key = (n * 7919 % 1_500).to_le_bytes().to_vec();
                ((n % 2) as u8, key, (n % 5 != 0).then_some(n))
            })
            .collect();
        let plain: Store = Store::new(config());
        for (space, key, value) in &changes {
            let at = At { space: *space, now_ms: 1 };
            match value {
                Some(n) => plain.set(at, key, 3, &n.to_le_bytes(), None).unwrap(),
                None => drop(plain.remove(at, key).unwrap()),
            }
        }
        for (parts, reserved) in [(1, 0), (1, 100), (3, 0), (3, 50_000)] {
            let mut store: Store = Store::new(config());
            store.reserve(0, reserved);
            let load = store.load_newest_first();
            let (older, newer) = changes.split_at(9_000);
            let taken = [newer, older].map(|changes| {
                std::thread::scope(|scope| {
                    let load = &load;
                    let threads: Vec<_> = (0..parts)
                        .map(|part| scope.spawn(move || show(load, part, parts, changes)))
                        .collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
                })
            });
            load.finish();
            assert_eq!(taken, [11_000, 9_000]);
            for space in 0..2 {
                assert_eq!(store.len(space), plain.len(space), "space {space}");
                for n in 0..1_500u32 {
                    let key = n.to_le_bytes();
                    assert_eq!(text(&store, space, &key), text(&plain, space, &key), "{n}");
                }
            }
            let (cut, other) = (store.snapshot(1), plain.snapshot(1));
            let all = |cut: &crate::Snapshot| {
                cut.range(1, ..).map(|entry| entry.unwrap().key().to_vec()).collect::<Vec<_>>()
            };
            assert_eq!(all(&cut), all(&other));
            drop((cut, other));
            assert_eq!(store.stats().old_versions, 0, "nothing is written twice");
            assert_eq!(store.stats().live_bytes, plain.stats().live_bytes);
        }
    }

    #[test]
    fn what_is_there_stays_and_later_changes_come_behind() {
        let config = Config { stream: Some(StreamConfig::default()), ..Config::default() };
        let store: Store = Store::new(config);
        store.set(AT, b"there", 0, b"1", None).unwrap();
        let load = store.load_newest_first();
        let changes = [
            (0, b"there".to_vec(), Some(7)),
            (0, b"there".to_vec(), None),
            (0, b"old".to_vec(), Some(1)),
        ];
        show(&load, 0, 1, &changes);
        load.finish();
        assert_eq!(text(&store, 0, b"there").unwrap(), b"1");
        let mut stream = store.commit_stream().unwrap();
        store.set(AT, b"old", 0, b"2", None).unwrap();
        let groups = stream.next_groups(std::time::Duration::from_secs(5));
        let changes: Vec<_> = groups.groups.iter().flat_map(|group| group.changes()).collect();
        assert_eq!(changes.last().unwrap().key(), b"old");
        assert_eq!(store.len(0), 2);
    }

    #[test]
    fn an_older_value_does_not_come_back_for_want_of_room() {
        let store: Store = Store::new(Config {
            max_bytes: Some(60_000),
            eviction: crate::Eviction {
                policy: crate::EvictionPolicy::Random,
                ..crate::Eviction::default()
            },
            ..Config::default()
        });
        let load = store.load_newest_first();
        let keys =
            |n: u32| (0..2_000).map(move |key: u32| (0, key.to_le_bytes().to_vec(), Some(n)));
        show(&load, 0, 1, &keys(2).collect::<Vec<_>>());
        show(&load, 0, 1, &keys(1).collect::<Vec<_>>());
        load.finish();
        for key in 0..2_000u32 {
            assert_eq!(text(&store, 0, &key.to_le_bytes()).unwrap(), 2u32.to_le_bytes());
        }
        assert!(store.is_full());
        store.make_room(1, usize::MAX);
        assert!(!store.is_full());
    }
}
