//! papaya: a lock-free hash map over hazard-free epochs (seize).

use super::subject::{CacheSubject, copy};
use foldhash::fast::RandomState;
use papaya::HashMap;

type Bytes = Box<[u8]>;

pub(crate) struct Papaya(HashMap<Bytes, Bytes, RandomState>);

impl CacheSubject for Papaya {
    fn new() -> Self {
        Papaya(HashMap::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: &[u8], out: &mut [u8]) -> bool {
        self.0.pin().get(key).is_some_and(|value| copy(value, out))
    }
    #[inline(always)]
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.pin().insert(key.into(), value.into());
    }
}
