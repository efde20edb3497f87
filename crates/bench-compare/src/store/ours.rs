//! Stillpoint: as it is, with keys in order, and with its stream of changes on.

use super::subject::{
    Attempt, Body, Held, Key, Retry, Subject, Transactional, Versioned, copy, number,
};
use stillpoint_store::{
    At, CommitError, Config, Entry, SpaceSet, Stop, Store, StreamConfig, Transaction,
    TransactionOptions,
};

/// A fixed wall clock: no key of the suite expires.
const AT: At = At { space: 0, now_ms: 1 };

/// What differs between the subjects.
pub(crate) trait Kind: Send + Sync {
    const IS_ORDERED: bool;
    fn config() -> Config;
}

pub(crate) struct Plain;
pub(crate) struct Ordered;
pub(crate) struct Streaming;

impl Kind for Plain {
    const IS_ORDERED: bool = false;
    fn config() -> Config {
        Config::default()
    }
}

impl Kind for Ordered {
    const IS_ORDERED: bool = true;
    fn config() -> Config {
        Config { ordered: SpaceSet::of(&[0]), ..Config::default() }
    }
}

impl Kind for Streaming {
    const IS_ORDERED: bool = false;
    fn config() -> Config {
        Config { stream: Some(StreamConfig::default()), ..Config::default() }
    }
}

pub(crate) struct Stillpoint<K> {
    store: Store,
    kind: std::marker::PhantomData<K>,
}

fn bytes<'e>(entry: Option<Entry<'e, ()>>) -> &'e [u8] {
    entry.and_then(|entry| entry.bytes()).unwrap_or_default()
}

impl<K: Kind> Subject for Stillpoint<K> {
    const IS_ORDERED: bool = K::IS_ORDERED;

    fn new() -> Self {
        let store = Store::new(K::config());
        store.start_maintenance(|| AT.now_ms);
        Stillpoint { store, kind: std::marker::PhantomData }
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.store.get_with(AT, key, |entry| {
            entry.and_then(|entry| entry.bytes()).is_some_and(|value| copy(value, out))
        })
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        self.store.set(AT, key, 0, value, None).expect("there is memory for a version");
    }
    #[inline(always)]
    fn modify(&self, key: &Key) {
        let done = self.store.update(AT, key, |entry, draft| {
            let value = bytes(entry);
            let sum = number(value).wrapping_add(1);
            draft.put(0, &[&sum.to_le_bytes(), value.get(8..).unwrap_or_default()], None);
        });
        done.expect("there is memory for a version");
    }
    fn scan(&self, first: &Key, count: usize, out: &mut [u8]) -> usize {
        let mut range = self.store.range(AT, first.as_slice()..);
        (0..count)
            .take_while(|_| range.next_with(|entry| copy(bytes(Some(entry)), out)).is_some())
            .count()
    }
    fn helps(&self) -> Option<u64> {
        Some(self.store.stats().helps)
    }
    fn old_versions(&self) -> Option<u64> {
        Some(self.store.stats().old_versions)
    }
}

struct Running<'t>(&'t mut Transaction);

impl Attempt for Running<'_> {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        self.0.get_with(AT.space, key, |entry| number(bytes(entry))).map_err(|_| Retry)
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let done = self.0.update(AT.space, key, |entry, draft| {
            let value = bytes(entry);
            let sum = number(value).wrapping_add(by);
            draft.put(0, &[&sum.to_le_bytes(), value.get(8..).unwrap_or_default()], None);
            sum
        });
        done.map_err(|_| Retry)
    }
}

impl<K: Kind> Transactional for Stillpoint<K> {
    fn transact(&self, _keys: &[Key], _goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        let mut attempts = 0;
        let done = self.store.transaction(TransactionOptions::at(AT.now_ms), |transaction| {
            attempts += 1;
            let again = |Retry| Stop::<()>::Rerun(CommitError::SnapshotExpired);
            body(&mut Running(transaction)).map_err(again)
        });
        done.expect("it is tried until it commits");
        attempts - 1
    }
}

impl<K: Kind> Versioned for Stillpoint<K> {
    fn hold(&self) -> Held<'_> {
        let cut = self.store.snapshot(AT.now_ms);
        Box::new(move |key| {
            let found = cut.get_with(AT.space, key, |entry| number(bytes(entry)));
            found.expect("it has no deadline")
        })
    }
}
