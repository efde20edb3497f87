//! Hash maps.

use super::subject::{MapSubject, Value};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::HashMap as Ours;

/// A map whose operations go through `pin()`.
macro_rules! pinned {
    ($name:ident: $map:ty = $make:expr) => {
        pub(crate) struct $name($map);

        impl MapSubject for $name {
            fn new() -> Self {
                $name($make(RandomState::default()))
            }
            #[inline(always)]
            fn get(&self, key: u64) -> Option<u64> {
                self.0.pin().get(&key).map(|value| value[0])
            }
            #[inline(always)]
            fn put(&self, key: u64, value: Value) {
                self.0.pin().insert(key, value);
            }
            #[inline(always)]
            fn remove(&self, key: u64) -> bool {
                self.0.pin().remove(&key).is_some()
            }
        }
    };
}

pinned!(Stillpoint: Ours<u64, Value, RandomState> = Ours::with_hasher);
pinned!(Pooled: Ours<u64, Value, RandomState, Collector, Pool> = pooled);
pinned!(Papaya: papaya::HashMap<u64, Value, RandomState> = papaya::HashMap::with_hasher);
pinned!(Flurry: flurry::HashMap<u64, Value, RandomState> = flurry::HashMap::with_hasher);

/// Ours, with entries from a pool of its own.
fn pooled(hasher: RandomState) -> Ours<u64, Value, RandomState, Collector, Pool> {
    Ours::with_all(0, hasher, Collector::new(), Pool::new())
}

pub(crate) struct Dash(dashmap::DashMap<u64, Value, RandomState>);

impl MapSubject for Dash {
    fn new() -> Self {
        Dash(dashmap::DashMap::with_hasher_and_shard_amount(RandomState::default(), 64))
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key).map(|value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        self.0.insert(key, value);
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&key).is_some()
    }
}

pub(crate) struct SccMap(scc::HashMap<u64, Value, RandomState>);

impl MapSubject for SccMap {
    fn new() -> Self {
        SccMap(scc::HashMap::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read_sync(&key, |_, value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        self.0.upsert_sync(key, value);
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.remove_sync(&key).is_some()
    }
}

pub(crate) struct SccIndex(scc::HashIndex<u64, Value, RandomState>);

impl MapSubject for SccIndex {
    fn new() -> Self {
        SccIndex(scc::HashIndex::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.peek_with(&key, |_, value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        match self.0.entry_sync(key) {
            scc::hash_index::Entry::Occupied(mut entry) => entry.update(value),
            scc::hash_index::Entry::Vacant(entry) => drop(entry.insert_entry(value)),
        }
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.remove_sync(&key)
    }
}

pub(crate) struct Kovan(kovan_map::HashMap<u64, Value, RandomState>);

impl MapSubject for Kovan {
    fn new() -> Self {
        Kovan(kovan_map::HashMap::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key).map(|value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        self.0.insert(key, value);
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&key).is_some()
    }
}

/// One lock around everything.
pub(crate) struct Locked(RwLock<HashMap<u64, Value, RandomState>>);

impl MapSubject for Locked {
    fn new() -> Self {
        Locked(RwLock::new(HashMap::with_hasher(RandomState::default())))
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(|value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key).is_some()
    }
}
