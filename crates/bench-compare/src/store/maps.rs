//! Maps without versions: what an application takes that needs no cut. And one of them behind locks, as a floor for transactions.

use super::subject::{
    Attempt, Body, Key, Retry, Subject, Transactional, add_in_place, added, copy, number,
};
use foldhash::fast::RandomState;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Bytes = Box<[u8]>;

pub(crate) struct Dash(dashmap::DashMap<Bytes, Bytes, RandomState>);

impl Subject for Dash {
    fn new() -> Self {
        Dash(dashmap::DashMap::with_hasher_and_shard_amount(RandomState::default(), 64))
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.get(key.as_slice()).is_some_and(|value| copy(&value, out))
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        // Allocated and freed outside the lock.
        let mut value = Bytes::from(value);
        if let Some(mut place) = self.0.get_mut(key.as_slice()) {
            std::mem::swap(&mut *place, &mut value);
            return;
        }
        self.0.insert(key.as_slice().into(), value);
    }
    #[inline(always)]
    fn modify(&self, key: &Key) {
        if let Some(mut place) = self.0.get_mut(key.as_slice()) {
            add_in_place(&mut place, 1);
        }
    }
}

pub(crate) struct Papaya(papaya::HashMap<Bytes, Bytes, RandomState>);

impl Subject for Papaya {
    fn new() -> Self {
        Papaya(papaya::HashMap::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.pin().get(key.as_slice()).is_some_and(|value| copy(value, out))
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        self.0.pin().insert(key.as_slice().into(), value.into());
    }
    #[inline(always)]
    fn modify(&self, key: &Key) {
        self.0.pin().update(key.as_slice().into(), |value| added(value, 1));
    }
}

pub(crate) struct Scc(scc::HashMap<Bytes, Bytes, RandomState>);

impl Subject for Scc {
    fn new() -> Self {
        Scc(scc::HashMap::with_hasher(RandomState::default()))
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.read_sync(key.as_slice(), |_, value| copy(value, out)).unwrap_or(false)
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        let mut value = Bytes::from(value);
        let swapped =
            self.0.update_sync(key.as_slice(), |_, place| std::mem::swap(place, &mut value));
        if swapped.is_none() {
            self.0.upsert_sync(key.as_slice().into(), value);
        }
    }
    #[inline(always)]
    fn modify(&self, key: &Key) {
        self.0.update_sync(key.as_slice(), |_, value| add_in_place(value, 1));
    }
}

/// Its values cannot be changed in place, nor replaced if they are still what they were.
pub(crate) struct SkipList(crossbeam_skiplist::SkipMap<Bytes, Bytes>);

impl Subject for SkipList {
    const MODIFIES: bool = false;
    const IS_ORDERED: bool = true;

    fn new() -> Self {
        SkipList(crossbeam_skiplist::SkipMap::new())
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.get(key.as_slice()).is_some_and(|entry| copy(entry.value(), out))
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        self.0.insert(key.as_slice().into(), value.into());
    }
    fn modify(&self, _key: &Key) {}
    fn scan(&self, first: &Key, count: usize, out: &mut [u8]) -> usize {
        let range = (Bound::Included(first.as_slice()), Bound::Unbounded);
        let range = self.0.range::<[u8], _>(range);
        range.take(count).filter(|entry| copy(entry.value(), out)).count()
    }
}

const LOCKS: u64 = 4096;

/// dashmap, and a lock for each few keys, taken in order before a transaction begins. It cannot roll back, needs to know its keys beforehand, and
/// gives reads nothing; so it is a floor and no rival.
pub(crate) struct Locks {
    map: Dash,
    locks: Vec<Mutex<()>>,
}

impl Subject for Locks {
    fn new() -> Self {
        Locks { map: Dash::new(), locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.map.get(key, out)
    }
    fn put(&self, key: &Key, value: &[u8]) {
        self.map.put(key, value);
    }
    fn modify(&self, key: &Key) {
        self.map.modify(key);
    }
}

impl Attempt for &Dash {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        Ok(self.0.get(key.as_slice()).map_or(0, |value| number(&value)))
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let mut place = self.0.get_mut(key.as_slice()).ok_or(Retry)?;
        add_in_place(&mut place, by);
        Ok(number(&place))
    }
}

impl Transactional for Locks {
    fn transact(&self, keys: &[Key], _goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        let of_key = |key: &Key| (number(&key[8..]) as u64 % LOCKS) as usize;
        let mut places: Vec<usize> = keys.iter().map(of_key).collect();
        places.sort_unstable();
        places.dedup();
        let lock = |place: usize| self.locks[place].lock().unwrap_or_else(PoisonError::into_inner);
        let _held: Vec<MutexGuard<'_, ()>> = places.into_iter().map(lock).collect();
        body(&mut &self.map).expect("all keys are there");
        0
    }
}
