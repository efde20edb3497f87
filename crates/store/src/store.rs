//! [`Store`]: the handle, single-key operations, iteration, settings. STAND-IN BODY: one lock around a map; the API is the real one.

use crate::draft::{Decision, Draft, DraftValue};
use crate::entry::{Entry, Value, VersionStamp};
use crate::error::WriteError;
use crate::{Snapshot, Transaction};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

/// Where and when an operation happens: the key space (0..16) and the caller's wall clock in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Key space: 0 to `Config::spaces - 1`.
    pub space: u8,
    /// The caller's wall clock: what has `expire_at_ms <= now_ms` is absent.
    pub now_ms: u64,
}

/// Settings of a store. Those of MVCC can be changed while it runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of key spaces (default 16).
    pub spaces: u8,
    /// Keep old versions for snapshots (default true).
    pub mvcc_enabled: bool,
    /// Target of retained versions a key (default 2).
    pub max_versions: u32,
    /// Pause of the background collector in microseconds (default 100).
    pub gc_interval_us: u64,
}
impl Default for Config {
    fn default() -> Self {
        Config { spaces: 16, mvcc_enabled: true, max_versions: 2, gc_interval_us: 100 }
    }
}

pub(crate) struct Stored<O> {
    value: StoredValue<O>,
    kind: u8,
    expire_at_ms: Option<u64>,
    stamp: u64,
}
enum StoredValue<O> {
    Bytes(Arc<[u8]>),
    Object(Arc<O>),
}
impl<O> Clone for Stored<O> {
    fn clone(&self) -> Self {
        let value = match &self.value {
            StoredValue::Bytes(b) => StoredValue::Bytes(b.clone()),
            StoredValue::Object(o) => StoredValue::Object(o.clone()),
        };
        Stored { value, kind: self.kind, expire_at_ms: self.expire_at_ms, stamp: self.stamp }
    }
}
pub(crate) type Map<O> = BTreeMap<Vec<u8>, Stored<O>>;
pub(crate) struct Inner<O> {
    pub(crate) spaces: Vec<Map<O>>,
    pub(crate) clock: u64,
}

impl<O> Stored<O> {
    pub(crate) fn entry<'g>(&'g self, key: &'g [u8], now_ms: u64) -> Option<Entry<'g, O>> {
        if self.expire_at_ms.is_some_and(|t| t <= now_ms) {
            return None;
        }
        let value = match &self.value {
            StoredValue::Bytes(b) => Value::Bytes(b),
            StoredValue::Object(o) => Value::Object(o),
        };
        Some(Entry {
            key,
            value,
            kind: self.kind,
            expire_at_ms: self.expire_at_ms,
            stamp: VersionStamp(self.stamp),
        })
    }
}

pub(crate) fn apply<O>(
    map: &mut Map<O>,
    key: &[u8],
    now_ms: u64,
    decision: Decision<O>,
    stamp: u64,
) {
    match decision {
        Decision::Keep => {}
        Decision::Remove => {
            map.remove(key);
        }
        Decision::Put { value, kind, expire_at_ms } => {
            let value = match value {
                DraftValue::Bytes(b) => StoredValue::Bytes(b.into()),
                DraftValue::Object(o) => StoredValue::Object(o),
            };
            map.insert(key.to_vec(), Stored { value, kind, expire_at_ms, stamp });
        }
        Decision::Expire(expire_at_ms) => {
            if let Some(s) = map.get_mut(key).filter(|s| s.expire_at_ms.is_none_or(|t| t > now_ms))
            {
                s.expire_at_ms = expire_at_ms;
                s.stamp = stamp;
            }
        }
    }
}

/// An MVCC store of byte keys. A cheap handle: clones share one store. `Send + Sync`.
pub struct Store<O = ()> {
    pub(crate) inner: Arc<Mutex<Inner<O>>>,
}
impl<O> Clone for Store<O> {
    fn clone(&self) -> Self {
        Store { inner: self.inner.clone() }
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// A new, empty store.
    pub fn new(config: Config) -> Self {
        let spaces = (0..config.spaces).map(|_| BTreeMap::new()).collect();
        Store { inner: Arc::new(Mutex::new(Inner { spaces, clock: 1 })) }
    }
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Inner<O>> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
    /// Reads the newest committed value of `key`: `f` sees it borrowed, `None` if absent or expired.
    pub fn get_with<R>(&self, at: At, key: &[u8], f: impl FnOnce(Option<Entry<'_, O>>) -> R) -> R {
        let g = self.lock();
        f(g.spaces[at.space as usize].get_key_value(key).and_then(|(k, v)| v.entry(k, at.now_ms)))
    }
    /// Sets `key` whatever it was. The fast path of writes.
    pub fn set(
        &self,
        at: At,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        self.update(at, key, |_, d| d.put(kind, &[value], expire_at_ms))
    }
    /// Removes `key`; tells whether it was there.
    pub fn remove(&self, at: At, key: &[u8]) -> Result<bool, WriteError> {
        self.update(at, key, |e, d| {
            d.remove();
            e.is_some()
        })
    }
    /// Atomic read-modify-write of one key. `f` may run more than once; its last run counts.
    pub fn update<R>(
        &self,
        at: At,
        key: &[u8],
        mut f: impl FnMut(Option<Entry<'_, O>>, &mut Draft<O>) -> R,
    ) -> Result<R, WriteError> {
        let mut g = self.lock();
        let mut draft = Draft::new();
        let r = f(
            g.spaces[at.space as usize].get_key_value(key).and_then(|(k, v)| v.entry(k, at.now_ms)),
            &mut draft,
        );
        g.clock += 1;
        let stamp = g.clock;
        apply(&mut g.spaces[at.space as usize], key, at.now_ms, draft.decision, stamp);
        Ok(r)
    }
    /// Number of keys of the space whose newest version is a value (expired ones count until they are collected).
    pub fn len(&self, space: u8) -> u64 {
        self.lock().spaces[space as usize].len() as u64
    }
    /// Whether the space has no key.
    pub fn is_empty(&self, space: u8) -> bool {
        self.len(space) == 0
    }
    /// One step of an iteration over the newest values: visits about `count` keys from `cursor` (0 = start) and
    /// returns the next cursor (0 = done). Keys present all the while are visited at least once.
    pub fn scan(&self, at: At, cursor: u64, count: usize, f: impl FnMut(Entry<'_, O>)) -> u64 {
        scan_map(&self.lock().spaces[at.space as usize], at.now_ms, cursor, count, f)
    }
    /// Some live key of the space, about uniformly chosen by `random`.
    pub fn random_with<R>(
        &self,
        at: At,
        random: u64,
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> R {
        let g = self.lock();
        let live: Vec<_> =
            g.spaces[at.space as usize].iter().filter_map(|(k, v)| v.entry(k, at.now_ms)).collect();
        f(if live.is_empty() { None } else { Some(live[(random % live.len() as u64) as usize]) })
    }
    /// Removes all keys of one space (not one atomic cut against concurrent writers).
    pub fn clear(&self, at: At) -> Result<(), WriteError> {
        self.lock().spaces[at.space as usize].clear();
        Ok(())
    }
    /// Removes what has expired, spending at most about `budget` steps; returns how many keys went.
    pub fn expire_due(&self, now_ms: u64, budget: usize) -> usize {
        let mut g = self.lock();
        let mut n = 0;
        for m in &mut g.spaces {
            let before = m.len();
            m.retain(|_, v| n >= budget || v.expire_at_ms.is_none_or(|t| t > now_ms));
            n += before - m.len();
        }
        n
    }
    /// Begins a snapshot: everything committed before this call, nothing later. Expiry is judged at `now_ms` for ever.
    pub fn snapshot(&self, now_ms: u64) -> Snapshot<O> {
        let g = self.lock();
        Snapshot::of(g.spaces.clone(), g.clock, now_ms)
    }
    /// Begins a transaction (serialisable unless said otherwise).
    pub fn begin(&self, now_ms: u64) -> Transaction<O> {
        Transaction::begin(self.clone(), now_ms)
    }
}

pub(crate) fn scan_map<O>(
    map: &Map<O>,
    now_ms: u64,
    cursor: u64,
    count: usize,
    mut f: impl FnMut(Entry<'_, O>),
) -> u64 {
    let mut seen = 0;
    for (k, v) in
        map.range::<[u8], _>((Bound::Unbounded, Bound::<&[u8]>::Unbounded)).skip(cursor as usize)
    {
        if seen == count.max(1) {
            return cursor + seen as u64;
        }
        seen += 1;
        if let Some(e) = v.entry(k, now_ms) {
            f(e);
        }
    }
    0
}
