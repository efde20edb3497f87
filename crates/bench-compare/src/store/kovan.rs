//! kovan-mvcc: locks, data and commits of each key in maps of their own, as Percolator has it. One mutex for all serialisable commits.
//!
//! Old versions go only if somebody names their key to its collector, which nobody does here.

use super::subject::{
    Attempt, Body, Held, Key, Retry, Subject, Transactional, Versioned, added, copy, number,
    until_done,
};
use kovan_mvcc::{IsolationLevel, KovanMVCC, Txn};

pub(crate) struct Kovan(KovanMVCC);

impl Kovan {
    /// A reader may lose to a lock; it tries again.
    fn read<R>(&self, key: &Key, f: impl FnOnce(Option<&[u8]>) -> R) -> R {
        loop {
            let cut = self.0.begin_with_isolation(IsolationLevel::RepeatableRead);
            if let Ok(found) = cut.read(key) {
                return f(found.as_deref());
            }
        }
    }
}

impl Subject for Kovan {
    fn new() -> Self {
        Kovan(KovanMVCC::new())
    }
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.read(key, |found| found.is_some_and(|value| copy(value, out)))
    }
    fn put(&self, key: &Key, value: &[u8]) {
        until_done(&|| true, || {
            let mut transaction = self.0.begin_with_isolation(IsolationLevel::RepeatableRead);
            transaction.write(key, value.to_vec()).is_ok() && transaction.commit().is_ok()
        });
    }
    fn modify(&self, key: &Key) {
        self.transact(&[*key], &|| true, &mut |attempt| attempt.add(key, 1).map(drop));
    }
}

struct Running<'t>(&'t mut Txn);

impl Attempt for Running<'_> {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        let found = self.0.read(key).map_err(|_| Retry)?;
        Ok(found.map_or(0, |value| number(&value)))
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let found = self.0.read(key).map_err(|_| Retry)?.ok_or(Retry)?;
        let value: Vec<u8> = added(&found, by);
        let sum = number(&value);
        self.0.write(key, value).map_err(|_| Retry)?;
        Ok(sum)
    }
}

impl Transactional for Kovan {
    fn transact(&self, _keys: &[Key], goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        until_done(goes_on, || {
            let mut transaction = self.0.begin_with_isolation(IsolationLevel::Serializable);
            body(&mut Running(&mut transaction)).is_ok() && transaction.commit().is_ok()
        })
    }
}

impl Versioned for Kovan {
    fn hold(&self) -> Held<'_> {
        let cut = self.0.begin_with_isolation(IsolationLevel::RepeatableRead);
        Box::new(move |key| cut.read(key).ok().flatten().map_or(0, |value| number(&value)))
    }
}
