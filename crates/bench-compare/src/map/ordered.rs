//! Ordered maps.

use super::subject::{MapSubject, OrderedSubject, Value};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

pub(crate) struct Stillpoint(stillpoint_structures::OrderedMap<u64, Value>);

impl MapSubject for Stillpoint {
    fn new() -> Self {
        Stillpoint(stillpoint_structures::OrderedMap::new())
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

impl OrderedSubject for Stillpoint {
    fn sum_from(&self, first: u64, count: usize) -> u64 {
        let map = self.0.pin();
        map.range(first..).take(count).fold(0, |sum, (_, value)| sum.wrapping_add(value[0]))
    }
}

pub(crate) struct Skip(crossbeam_skiplist::SkipMap<u64, Value>);

impl MapSubject for Skip {
    fn new() -> Self {
        Skip(crossbeam_skiplist::SkipMap::new())
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key).map(|entry| entry.value()[0])
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

impl OrderedSubject for Skip {
    fn sum_from(&self, first: u64, count: usize) -> u64 {
        let entries = self.0.range(first..).take(count);
        entries.fold(0, |sum, entry| sum.wrapping_add(entry.value()[0]))
    }
}

pub(crate) struct SccTree(scc::TreeIndex<u64, Value>);

impl MapSubject for SccTree {
    fn new() -> Self {
        SccTree(scc::TreeIndex::new())
    }
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.peek_with(&key, |_, value| value[0])
    }
    #[inline(always)]
    fn put(&self, key: u64, value: Value) {
        self.0.upsert_sync(key, value);
    }
    #[inline(always)]
    fn remove(&self, key: u64) -> bool {
        self.0.remove_sync(&key)
    }
}

impl OrderedSubject for SccTree {
    fn sum_from(&self, first: u64, count: usize) -> u64 {
        let guard = scc::Guard::new();
        let entries = self.0.range(first.., &guard).take(count);
        entries.fold(0, |sum, (_, value)| sum.wrapping_add(value[0]))
    }
}

/// One lock around everything.
pub(crate) struct Locked(RwLock<BTreeMap<u64, Value>>);

impl MapSubject for Locked {
    fn new() -> Self {
        Locked(RwLock::new(BTreeMap::new()))
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

impl OrderedSubject for Locked {
    fn sum_from(&self, first: u64, count: usize) -> u64 {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.range(first..).take(count).fold(0, |sum, (_, value)| sum.wrapping_add(value[0]))
    }
}
