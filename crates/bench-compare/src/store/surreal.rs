//! surrealmx: versions over an adaptive radix tree; every commit passes a ring.

use super::subject::{
    Attempt, Body, Held, Key, Retry, Subject, Transactional, Versioned, added, copy, number,
    until_done,
};
use surrealmx::{Database, Transaction};

/// Above all keys.
const END: &[u8] = &[0xff; 17];

pub(crate) struct Surreal(Database);

impl Subject for Surreal {
    const IS_ORDERED: bool = true;

    fn new() -> Self {
        Surreal(Database::new())
    }
    #[inline(always)]
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.with_value(key, |value| copy(value, out)).ok().flatten().unwrap_or(false)
    }
    #[inline(always)]
    fn put(&self, key: &Key, value: &[u8]) {
        self.0.set(key, value).expect("it has no limit of memory");
    }
    fn modify(&self, key: &Key) {
        self.transact(&[*key], &|| true, &mut |attempt| attempt.add(key, 1).map(drop));
    }
    fn scan(&self, first: &Key, count: usize, out: &mut [u8]) -> usize {
        let range = first.as_slice()..END;
        let shown = self.0.scan_with(range, None, Some(count), |_, value| copy(value, out));
        shown.expect("the database is open")
    }
    fn old_versions(&self) -> Option<u64> {
        let stats = self.0.stats();
        Some(stats.live_versions.saturating_sub(stats.live_keys) as u64)
    }
}

struct Running<'t>(&'t mut Transaction);

impl Attempt for Running<'_> {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        let found = self.0.with_value(key, number).map_err(|_| Retry)?;
        Ok(found.unwrap_or(0))
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let value: Option<Vec<u8>> =
            self.0.with_value(key, |value| added(value, by)).map_err(|_| Retry)?;
        let value = value.ok_or(Retry)?;
        let sum = number(&value);
        self.0.set(key, value).map_err(|_| Retry)?;
        Ok(sum)
    }
}

impl Transactional for Surreal {
    fn transact(&self, _keys: &[Key], goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        until_done(goes_on, || {
            let mut transaction = self.0.transaction(true);
            if body(&mut Running(&mut transaction)).is_err() {
                // A transaction that gave up may be closed already.
                let _ = transaction.cancel();
                return false;
            }
            transaction.commit().is_ok()
        })
    }
}

impl Versioned for Surreal {
    fn hold(&self) -> Held<'_> {
        let cut = self.0.transaction(false);
        Box::new(move |key| cut.with_value(key, number).ok().flatten().unwrap_or(0))
    }
}
