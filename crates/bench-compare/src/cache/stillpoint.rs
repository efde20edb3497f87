//! The store, as an application embeds it.

use super::subject::{CacheSubject, copy};
use stillpoint_store::{At, Config, Store};

/// A fixed wall clock: no key of the suite expires.
const AT: At = At { space: 0, now_ms: 1 };

pub(crate) struct Stillpoint(Store);

impl CacheSubject for Stillpoint {
    fn new() -> Self {
        let store = Store::new(Config::default());
        store.start_maintenance(|| AT.now_ms);
        Stillpoint(store)
    }
    #[inline(always)]
    fn get(&self, key: &[u8], out: &mut [u8]) -> bool {
        self.0.get_with(AT, key, |entry| {
            entry.and_then(|entry| entry.bytes()).is_some_and(|value| copy(value, out))
        })
    }
    #[inline(always)]
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.set(AT, key, 0, value, None).expect("there is memory for a small value");
    }
}
