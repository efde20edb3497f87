//! skipdb: versions in skip lists; one lock hands out timestamps and looks for conflicts.
//!
//! Old versions are cut out by `compact` only, which nobody calls while it is measured: it walks all keys.

use super::subject::{
    Attempt, Body, Held, Key, Retry, Subject, Transactional, Versioned, added, copy, number,
    until_done,
};
use skipdb::serializable::{SerializableDb, SerializableTransaction};
use std::ops::Bound;
use std::sync::Arc;

/// A key of any length that is cheap to clone, as the interface demands.
type Name = Arc<[u8]>;
type Bytes = Box<[u8]>;

const FILLED_TOGETHER: usize = 1000;

pub(crate) struct Skip(SerializableDb<Name, Bytes>);

impl Subject for Skip {
    const IS_ORDERED: bool = true;

    fn new() -> Self {
        Skip(SerializableDb::new())
    }
    /// Some at a time: a transaction costs as much as ten keys do.
    fn fill(&self, keys: u64, value: &[u8]) {
        for first in (0..keys).step_by(FILLED_TOGETHER) {
            let mut transaction = self.0.optimistic_write();
            for number in first..keys.min(first + FILLED_TOGETHER as u64) {
                let name = Name::from(stillpoint_testkit::key(number).as_slice());
                transaction.insert(name, value.into()).expect("a small transaction");
            }
            transaction.commit().expect("nobody else writes");
        }
    }
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        self.0.read().get(key.as_slice()).is_some_and(|found| copy(&found.value(), out))
    }
    fn put(&self, key: &Key, value: &[u8]) {
        until_done(&|| true, || {
            let mut transaction = self.0.optimistic_write();
            let put = transaction.insert(Name::from(key.as_slice()), value.into());
            put.is_ok() && transaction.commit().is_ok()
        });
    }
    fn modify(&self, key: &Key) {
        self.transact(&[*key], &|| true, &mut |attempt| attempt.add(key, 1).map(drop));
    }
    fn scan(&self, first: &Key, count: usize, out: &mut [u8]) -> usize {
        let cut = self.0.read();
        let all = (Bound::Included(first.as_slice()), Bound::Unbounded);
        let range = cut.range::<[u8], _>(all);
        range.take(count).filter(|entry| copy(&entry.value(), out)).count()
    }
}

struct Running<'t>(&'t mut SerializableTransaction<Name, Bytes>);

impl Attempt for Running<'_> {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        let name = Name::from(key.as_slice());
        let found = self.0.get(&name).map_err(|_| Retry)?;
        Ok(found.map_or(0, |found| number(&found.value())))
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let name = Name::from(key.as_slice());
        let found = self.0.get(&name).map_err(|_| Retry)?;
        let value: Bytes = added(&found.ok_or(Retry)?.value(), by);
        let sum = number(&value);
        self.0.insert(name, value).map_err(|_| Retry)?;
        Ok(sum)
    }
}

impl Transactional for Skip {
    fn transact(&self, _keys: &[Key], goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        until_done(goes_on, || {
            let mut transaction = self.0.serializable_write();
            body(&mut Running(&mut transaction)).is_ok() && transaction.commit().is_ok()
        })
    }
}

impl Versioned for Skip {
    fn hold(&self) -> Held<'_> {
        let cut = self.0.read();
        Box::new(move |key| cut.get(key.as_slice()).map_or(0, |found| number(&found.value())))
    }
}
