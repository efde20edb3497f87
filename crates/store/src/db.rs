//! [`Db`]: a store of the program's own keys and values, with a clock of its own.
//!
//! | file | concept |
//! |---|---|
//! | `key` | keys as bytes, in the keys' order |
//! | `load` | loading what is absent |
//! | `snapshot`, `transaction` | a cut, and several keys as one, in the same types |

mod key;
mod load;
mod snapshot;
mod transaction;

pub use key::{EncodeKey, Key, KeyBuffer};
pub use snapshot::{DbIter, DbRange, DbSnapshot};
pub use transaction::{DbTransaction, DbTransactionRange};

use crate::Store;
use crate::config::{At, Config};
use crate::entry::{Entry, Value};
use crate::error::{TransactionError, WriteError};
use crate::transaction::{Isolation, Stop, TransactionOptions};
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The space that keys are in.
const SPACE: u8 = 0;

/// A map from `K` to `V` that many threads read and write: single keys, consistent snapshots, serialisable transactions. A cheap handle: clones
/// share one map. `Send + Sync`.
///
/// Values are shared by reference count, and never copied. Keys are found by their bytes: see [`Key`].
///
/// # Progress
/// Reads are wait-free, and no writer holds them up; writes are lock-free.
///
/// # Examples
/// ```
/// use stillpoint_store::{Config, Db, Stop};
///
/// let positions: Db<(String, u32), i64> = Db::new(Config::default(), || 0);
/// positions.insert(&("fx".into(), 7), 100)?;
///
/// let report = positions.snapshot();
/// positions.transaction(|tx| {
///     tx.update(&("fx".into(), 7), |amount| Some(amount.copied().unwrap_or(0) - 30))?;
///     tx.update(&("fx".into(), 8), |amount| Some(amount.copied().unwrap_or(0) + 30))?;
///     Ok::<_, Stop>(())
/// })?;
/// assert_eq!(positions.get(&("fx".into(), 8)).as_deref(), Some(&30));
/// assert_eq!(report.get(&("fx".into(), 7))?.as_deref(), Some(&100));
/// assert_eq!(report.iter().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Db<K, V: Send + Sync + 'static> {
    store: Store<V>,
    clock: fn() -> u64,
    keys: PhantomData<fn(K) -> K>,
}

impl<K, V: Send + Sync + 'static> Clone for Db<K, V> {
    fn clone(&self) -> Self {
        Db { store: self.store.clone(), clock: self.clock, keys: PhantomData }
    }
}

/// The object of an entry: all values of a `Db` are.
fn object<'g, V>(entry: Entry<'g, V>) -> Option<&'g Arc<V>> {
    match entry.value() {
        Value::Object(object) => Some(object),
        Value::Bytes(_) => None,
    }
}

impl<K: Key, V: Send + Sync + 'static> Db<K, V> {
    /// An empty map. `clock` tells the time in milliseconds, by which values expire.
    pub fn new(config: Config, clock: fn() -> u64) -> Self {
        Db { store: Store::new(config), clock, keys: PhantomData }
    }

    /// The map in a store that is there already, such as a durable one. Its first space holds nothing but what a map of these types put there.
    pub fn over(store: Store<V>, clock: fn() -> u64) -> Self {
        Db { store, clock, keys: PhantomData }
    }

    /// The store below, for what is not offered here: maintenance, statistics, settings.
    pub fn store(&self) -> &Store<V> {
        &self.store
    }

    fn at(&self) -> At {
        At { space: SPACE, now_ms: (self.clock)() }
    }

    /// The newest value of `key`.
    ///
    /// # Progress
    /// Wait-free.
    pub fn get<Q: EncodeKey + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        key.with_bytes(|key| {
            self.store.get_with(at, key, |entry| entry.and_then(object).map(Arc::clone))
        })
    }

    /// Shows `f` the newest value of `key`, without touching its reference count.
    ///
    /// # Progress
    /// Wait-free, but for `f`.
    pub fn get_with<Q: EncodeKey + ?Sized, R>(&self, key: &Q, f: impl FnOnce(Option<&V>) -> R) -> R
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        key.with_bytes(|key| {
            self.store.get_with(at, key, |entry| f(entry.and_then(object).map(|value| &**value)))
        })
    }

    /// Whether there is a value for `key`.
    pub fn contains<Q: EncodeKey + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get_with(key, |value| value.is_some())
    }

    /// Sets `key`; what it was.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// No memory for it; the key is as it was.
    pub fn insert<Q: EncodeKey + ?Sized>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
    ) -> Result<Option<Arc<V>>, WriteError>
    where
        K: Borrow<Q>,
    {
        self.put(key, value.into(), None)
    }

    /// Sets `key` for so long; what it was.
    ///
    /// # Errors
    /// No memory for it; the key is as it was.
    pub fn insert_for<Q: EncodeKey + ?Sized>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
        time: Duration,
    ) -> Result<Option<Arc<V>>, WriteError>
    where
        K: Borrow<Q>,
    {
        self.put(key, value.into(), Some(self.after(time)))
    }

    fn put<Q: EncodeKey + ?Sized>(
        &self,
        key: &Q,
        value: Arc<V>,
        expire_at_ms: Option<u64>,
    ) -> Result<Option<Arc<V>>, WriteError> {
        let at = self.at();
        key.with_bytes(|key| {
            self.store.update(at, key, |entry, draft| {
                draft.put_object(0, Arc::clone(&value), expire_at_ms);
                entry.and_then(object).map(Arc::clone)
            })
        })
    }

    /// Removes `key`; what it was.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// No memory to say so; the key is as it was.
    pub fn remove<Q: EncodeKey + ?Sized>(&self, key: &Q) -> Result<Option<Arc<V>>, WriteError>
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        key.with_bytes(|key| {
            self.store.update(at, key, |entry, draft| {
                draft.remove();
                entry.and_then(object).map(Arc::clone)
            })
        })
    }

    /// Sets `key` to what `f` makes of it (`None` removes it), atomically, and returns that. `f` may run more than once. A value keeps its expiry.
    ///
    /// # Progress
    /// Lock-free: `f` runs again only if another write of the key succeeded.
    ///
    /// # Errors
    /// No memory for it; the key is as it was.
    pub fn update<Q: EncodeKey + ?Sized>(
        &self,
        key: &Q,
        mut f: impl FnMut(Option<&V>) -> Option<V>,
    ) -> Result<Option<Arc<V>>, WriteError>
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        key.with_bytes(|key| {
            self.store.update(at, key, |entry, draft| {
                let new = f(entry.and_then(object).map(|value| &**value)).map(Arc::new);
                match &new {
                    Some(new) => {
                        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
                        draft.put_object(0, Arc::clone(new), expire_at_ms);
                    }
                    None => draft.remove(),
                }
                new
            })
        })
    }

    /// Sets `key` to `new` if its value is `expected`, the very one that was read (`None`: absent). Whether it was.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// No memory for it; the key is as it was.
    pub fn compare_and_set<Q: EncodeKey + ?Sized>(
        &self,
        key: &Q,
        expected: Option<&Arc<V>>,
        new: impl Into<Arc<V>>,
    ) -> Result<bool, WriteError>
    where
        K: Borrow<Q>,
    {
        let (at, new) = (self.at(), new.into());
        key.with_bytes(|key| {
            self.store.update(at, key, |entry, draft| {
                let found = entry.and_then(object);
                let same = found.map(Arc::as_ptr) == expected.map(Arc::as_ptr);
                if same {
                    draft.put_object(0, Arc::clone(&new), None);
                }
                same
            })
        })
    }

    /// How many keys there are (expired ones count until they are collected). Exact when nobody writes.
    pub fn len(&self) -> u64 {
        self.store.len(SPACE)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One consistent cut of the whole map, for as long as it is kept.
    ///
    /// # Progress
    /// Wait-free.
    pub fn snapshot(&self) -> DbSnapshot<K, V> {
        DbSnapshot::of(self.store.snapshot(self.at().now_ms))
    }

    /// All keys and values as of now, in no order.
    pub fn iter(&self) -> DbIter<K, V> {
        self.snapshot().into_iter()
    }

    /// Options for a transaction that begins now.
    pub fn options(&self) -> TransactionOptions {
        TransactionOptions::at(self.at().now_ms)
    }

    /// Runs `f` as a serialisable transaction until it commits: see [`Store::transaction`]. **`f` may run more than once.**
    ///
    /// # Progress
    /// As [`Store::transaction`]: lock-free, and blocking where `f` retries.
    ///
    /// # Errors
    /// What `f` aborted with; no memory. Nothing was applied.
    pub fn transaction<R, E>(
        &self,
        f: impl FnMut(&mut DbTransaction<'_, K, V>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        self.transaction_with(self.options().isolation(Isolation::Serializable), f)
    }

    /// The same with [`options`](Db::options) changed to taste.
    ///
    /// # Errors
    /// What `f` aborted with; attempts or time used up; no memory. Nothing was applied.
    pub fn transaction_with<R, E>(
        &self,
        options: TransactionOptions,
        mut f: impl FnMut(&mut DbTransaction<'_, K, V>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        self.store.transaction(options, |transaction| f(&mut DbTransaction::of(transaction)))
    }

    /// The same for tasks: see [`Store::transaction_async`].
    ///
    /// # Errors
    /// As [`transaction_with`](Db::transaction_with).
    pub async fn transaction_async<R, E>(
        &self,
        options: TransactionOptions,
        mut f: impl FnMut(&mut DbTransaction<'_, K, V>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        let run = self
            .store
            .transaction_async(options, |transaction| f(&mut DbTransaction::of(transaction)));
        run.await
    }
}
