//! [`DbTransaction`]: several keys of a [`Db`](crate::Db) as one.

use super::snapshot::{bounds, item, pair};
use super::{SPACE, object};
use crate::db::key::{EncodeKey, Key};
use crate::error::SnapshotExpired;
use crate::transaction::{Stop, Transaction, TransactionRange, either};
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::sync::Arc;

/// What a closure of [`Db::transaction`](crate::Db::transaction) reads and writes through. All that it reads in one run is of one moment.
pub struct DbTransaction<'t, K, V: Send + Sync + 'static> {
    transaction: &'t mut Transaction<V>,
    keys: PhantomData<fn(K) -> K>,
}

impl<'t, K: Key, V: Send + Sync + 'static> DbTransaction<'t, K, V> {
    pub(super) fn of(transaction: &'t mut Transaction<V>) -> Self {
        DbTransaction { transaction, keys: PhantomData }
    }

    /// The value of `key`: what this transaction has set, else that of its snapshot.
    ///
    /// # Errors
    /// The snapshot was ended: the transaction begins again.
    pub fn get<Q: EncodeKey + ?Sized>(&mut self, key: &Q) -> Result<Option<Arc<V>>, SnapshotExpired>
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| {
            self.transaction.get_with(SPACE, key, |entry| entry.and_then(object).map(Arc::clone))
        })
    }

    /// The same, validated under [`Isolation::Snapshot`](crate::Isolation::Snapshot) too.
    ///
    /// # Errors
    /// The snapshot was ended: the transaction begins again.
    pub fn get_for_update<Q: EncodeKey + ?Sized>(
        &mut self,
        key: &Q,
    ) -> Result<Option<Arc<V>>, SnapshotExpired>
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| {
            self.transaction
                .get_for_update_with(SPACE, key, |entry| entry.and_then(object).map(Arc::clone))
        })
    }

    /// Sets `key` without reading it.
    pub fn insert<Q: EncodeKey + ?Sized>(&mut self, key: &Q, value: impl Into<Arc<V>>)
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| self.transaction.set_object(SPACE, key, 0, value.into(), None));
    }

    /// Removes `key` without reading it.
    pub fn remove<Q: EncodeKey + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| self.transaction.remove(SPACE, key));
    }

    /// Sets `key` to what `f` makes of it; `None` removes it. A value keeps its expiry.
    ///
    /// # Errors
    /// The snapshot was ended: the transaction begins again.
    pub fn update<Q: EncodeKey + ?Sized>(
        &mut self,
        key: &Q,
        f: impl FnOnce(Option<&V>) -> Option<V>,
    ) -> Result<(), SnapshotExpired>
    where
        K: Borrow<Q>,
    {
        key.with_bytes(|key| {
            self.transaction.update(SPACE, key, |entry, draft| {
                match f(entry.and_then(object).map(|value| &**value)) {
                    Some(new) => {
                        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
                        draft.put_object(0, Arc::new(new), expire_at_ms);
                    }
                    None => draft.remove(),
                }
            })
        })
    }

    /// The keys and values of an interval, in the order of the keys, from either end: the snapshot overlaid with own writes. What was walked is validated at the
    /// commit: see [`Transaction::range`].
    ///
    /// # Panics
    /// If the map keeps no order: see [`Config::ordered`](crate::Config::ordered).
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{Config, Db, SpaceSet, Stop};
    ///
    /// let config = Config { ordered: SpaceSet::ALL, ..Config::default() };
    /// let lots: Db<u32, i64> = Db::new(config, || 0);
    /// lots.insert(&1, 10)?;
    /// lots.insert(&2, 20)?;
    /// // No lot that somebody adds meanwhile is left out.
    /// lots.transaction(|tx| {
    ///     let mut sum = 0;
    ///     for lot in tx.range(..1_000) {
    ///         sum += *lot?.1;
    ///     }
    ///     tx.insert(&1_000, sum);
    ///     Ok::<_, Stop>(())
    /// })?;
    /// assert_eq!(lots.get(&1_000).as_deref(), Some(&30));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&mut self, keys: impl RangeBounds<K>) -> DbTransactionRange<'_, K, V> {
        let range = self.transaction.range(SPACE, bounds(&keys));
        DbTransactionRange { range, has_failed: false, keys: PhantomData }
    }

    /// Gives this run up until a key that it has read changes: see [`Transaction::retry`].
    ///
    /// # Errors
    /// Always.
    pub fn retry<R, E>(&self) -> Result<R, Stop<E>> {
        self.transaction.retry()
    }

    /// Runs `first`, and if that retries, undoes its writes and runs `second` instead: see [`Transaction::or_else`].
    ///
    /// # Errors
    /// Those of the one that counts.
    pub fn or_else<R, E>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Result<R, Stop<E>>,
        second: impl FnOnce(&mut Self) -> Result<R, Stop<E>>,
    ) -> Result<R, Stop<E>> {
        either(self, |this| this.transaction, first, second)
    }

    /// The transaction below, for savepoints and what is to run at the end.
    pub fn transaction(&mut self) -> &mut Transaction<V> {
        self.transaction
    }
}

/// The keys and values of an interval as a transaction sees them, in order: see [`DbTransaction::range`].
pub struct DbTransactionRange<'t, K, V: Send + Sync + 'static> {
    range: TransactionRange<'t, V>,
    has_failed: bool,
    keys: PhantomData<fn(K) -> K>,
}

impl<K: Key, V: Send + Sync + 'static> Iterator for DbTransactionRange<'_, K, V> {
    type Item = Result<(K, Arc<V>), SnapshotExpired>;

    fn next(&mut self) -> Option<Self::Item> {
        item(&mut self.has_failed, || self.range.next_with(pair))
    }
}

impl<K: Key, V: Send + Sync + 'static> DoubleEndedIterator for DbTransactionRange<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        item(&mut self.has_failed, || self.range.next_back_with(pair))
    }
}
