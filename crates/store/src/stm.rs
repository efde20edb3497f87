//! Software transactional memory: variables of the program's own types, over the records of a store.
//!
//! ```text
//!  TVar<T> ──▶ Cell { store, id }          key = id, 8 bytes, in one space of the store
//!                                          value = Held, an Arc of the T; each write is a version like any other
//! ```
//! # Invariants
//! 1. The key of a variable is there from its creation until its last handle is gone: whoever has a handle finds a value, unless the variable is newer
//!    than the transaction's snapshot; then the transaction begins again.
//! 2. A transaction that writes a variable keeps a handle until it has ended, so that no write comes after the removal.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[id]` | Relaxed: an id is only different from all others |

mod tvar;

pub use tvar::{Held, TVar};

use crate::error::{SnapshotExpired, TransactionError};
use crate::transaction::{Stop, Transaction, TransactionOptions, either};
use crate::{Config, Store};
use std::sync::Arc;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use tvar::Cell;

/// A world of variables that change together. A cheap handle: clones share one world. `Send + Sync`.
///
/// The objects are kept in a [`Store`]; [`on`](Stm::on) puts them beside other keys, which the same transactions may read and write.
///
/// # Examples
/// ```
/// use stillpoint_store::{Stm, Stop};
///
/// let stm = Stm::new();
/// let (left, right) = (stm.tvar(10), stm.tvar(0));
/// stm.atomically(|tx| {
///     let all = *tx.get(&left)?;
///     if all == 0 {
///         return tx.retry(); // until somebody puts something into `left`
///     }
///     tx.set(&left, 0);
///     tx.modify(&right, |right| right + all)?;
///     Ok::<_, Stop>(())
/// })?;
/// assert_eq!((*left.load(), *right.load()), (0, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stm {
    world: Arc<World>,
}

struct World {
    store: Store<Held>,
    space: u8,
    next: AtomicU64,
}

impl Default for Stm {
    fn default() -> Self {
        Stm::new()
    }
}

impl Stm {
    /// An empty world with a store of its own.
    pub fn new() -> Self {
        Stm::on(Store::new(Config { spaces: 1, ..Config::default() }), 0)
    }

    /// An empty world in a space of `store` that nobody else writes.
    pub fn on(store: Store<Held>, space: u8) -> Self {
        Stm { world: Arc::new(World { store, space, next: AtomicU64::new(0) }) }
    }

    /// The store that holds the variables.
    pub fn store(&self) -> &Store<Held> {
        &self.world.store
    }

    fn cell(&self) -> Arc<Cell> {
        // Relaxed [id]: only different from all others
        let id = self.world.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Cell { store: self.world.store.clone(), space: self.world.space, id })
    }

    /// A new variable, which is there for everybody at once. For one that appears with a transaction: [`StmTransaction::tvar`].
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn tvar<T: Send + Sync + 'static>(&self, value: T) -> TVar<T> {
        let var = TVar::of(self.cell());
        var.store(value);
        var
    }

    /// Runs `f` as a serialisable transaction until it commits: see [`Store::transaction`]. **`f` may run more than once.**
    ///
    /// # Progress
    /// As [`Store::transaction`]: lock-free, and blocking where `f` retries.
    ///
    /// # Errors
    /// What `f` aborted with; no memory.
    pub fn atomically<R, E>(
        &self,
        f: impl FnMut(&mut StmTransaction<'_>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        self.atomically_with(TransactionOptions::at(0), f)
    }

    /// The same with options. The wall clock matters to keys beside the variables only: variables do not expire.
    ///
    /// # Errors
    /// What `f` aborted with; attempts or time used up; no memory.
    pub fn atomically_with<R, E>(
        &self,
        options: TransactionOptions,
        mut f: impl FnMut(&mut StmTransaction<'_>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        let mut kept = Vec::new();
        self.world.store.transaction(options, |transaction| {
            kept.clear();
            f(&mut StmTransaction { stm: self, transaction, kept: &mut kept })
        })
    }

    /// The same for tasks: see [`Store::transaction_async`].
    ///
    /// # Errors
    /// As [`atomically`](Stm::atomically).
    pub async fn atomically_async<R, E>(
        &self,
        mut f: impl FnMut(&mut StmTransaction<'_>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        let mut kept = Vec::new();
        let run = self.world.store.transaction_async(TransactionOptions::at(0), |transaction| {
            kept.clear();
            f(&mut StmTransaction { stm: self, transaction, kept: &mut kept })
        });
        run.await
    }
}

/// What a closure of [`Stm::atomically`] reads and writes through. All that it reads in one run is of one moment.
pub struct StmTransaction<'t> {
    stm: &'t Stm,
    transaction: &'t mut Transaction<Held>,
    /// Handles of what is written: invariant 2.
    kept: &'t mut Vec<Arc<Cell>>,
}

impl StmTransaction<'_> {
    /// The variable's value: what this transaction has set, else that of its snapshot.
    ///
    /// # Errors
    /// The snapshot was ended, or is older than the variable: the transaction begins again.
    ///
    /// # Panics
    /// If the variable is of another world.
    pub fn get<T: Send + Sync + 'static>(
        &mut self,
        var: &TVar<T>,
    ) -> Result<Arc<T>, SnapshotExpired> {
        self.check(var);
        let key = var.cell.key();
        self.transaction
            .get_with(var.cell.space, &key, |entry| entry.and_then(tvar::value))?
            .ok_or(SnapshotExpired)
    }

    /// Sets the variable.
    ///
    /// # Panics
    /// If the variable is of another world.
    pub fn set<T: Send + Sync + 'static>(&mut self, var: &TVar<T>, value: T) {
        self.check(var);
        let key = var.cell.key();
        if !self.transaction.has_written(var.cell.space, &key) {
            self.kept.push(Arc::clone(&var.cell));
        }
        let held = Arc::new(Held::new(value));
        self.transaction.set_object(var.cell.space, &key, 0, held, None);
    }

    /// Sets the variable to what `f` makes of it.
    ///
    /// # Errors
    /// As [`get`](StmTransaction::get).
    pub fn modify<T: Send + Sync + 'static>(
        &mut self,
        var: &TVar<T>,
        f: impl FnOnce(&T) -> T,
    ) -> Result<(), SnapshotExpired> {
        let value = f(&*self.get(var)?);
        self.set(var, value);
        Ok(())
    }

    /// A new variable, which is there for others when this transaction has committed. A handle that leaves an attempt which does not commit is of a variable
    /// that never is: [`get`](StmTransaction::get) of it begins again for ever.
    pub fn tvar<T: Send + Sync + 'static>(&mut self, value: T) -> TVar<T> {
        let var = TVar::of(self.stm.cell());
        self.set(&var, value);
        var
    }

    /// Gives this run up until a variable that it has read changes: see [`Transaction::retry`].
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

    /// The transaction itself, for keys beside the variables, savepoints and hooks.
    pub fn transaction(&mut self) -> &mut Transaction<Held> {
        self.transaction
    }

    fn check<T>(&self, var: &TVar<T>) {
        let (cell, world) = (&var.cell, &self.stm.world);
        assert!(
            Arc::ptr_eq(&cell.store.engine, &world.store.engine) && cell.space == world.space,
            "variable {} of another world",
            cell.id
        );
    }
}
