//! dashmap: a hash map behind 64 read-write locks.

use super::subject::{CacheSubject, copy};
use dashmap::DashMap;
use foldhash::fast::RandomState;

type Bytes = Box<[u8]>;

pub(crate) struct Sharded(DashMap<Bytes, Bytes, RandomState>);

impl CacheSubject for Sharded {
    fn new() -> Self {
        Sharded(DashMap::with_hasher_and_shard_amount(RandomState::default(), 64))
    }
    #[inline(always)]
    fn get(&self, key: &[u8], out: &mut [u8]) -> bool {
        self.0.get(key).is_some_and(|value| copy(&value, out))
    }
    #[inline(always)]
    fn set(&self, key: &[u8], value: &[u8]) {
        // Allocated and freed outside the lock.
        let mut value = Bytes::from(value);
        if let Some(mut place) = self.0.get_mut(key) {
            std::mem::swap(&mut *place, &mut value);
            return;
        }
        self.0.insert(key.into(), value);
    }
}
