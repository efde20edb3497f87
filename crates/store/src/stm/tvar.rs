//! [`TVar`]: a variable of a world of variables.

use crate::Store;
use crate::config::At;
use crate::entry::{Entry, Value};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The object that a store keeps for a variable: a value of some type.
pub struct Held(Arc<dyn Any + Send + Sync>);

impl Held {
    pub(super) fn new<T: Send + Sync + 'static>(value: T) -> Self {
        Held(Arc::new(value))
    }
}

/// The value of a variable's entry.
pub(super) fn value<T: Send + Sync + 'static>(entry: Entry<'_, Held>) -> Option<Arc<T>> {
    match entry.value() {
        Value::Object(held) => Arc::clone(&held.0).downcast().ok(),
        Value::Bytes(_) => None,
    }
}

/// A variable's key, for as long as there is a handle.
pub(super) struct Cell {
    pub(super) store: Store<Held>,
    pub(super) space: u8,
    pub(super) id: u64,
}

impl Cell {
    pub(super) fn key(&self) -> [u8; 8] {
        self.id.to_be_bytes()
    }

    fn at(&self) -> At {
        At { space: self.space, now_ms: 0 }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // Without memory for a tombstone the value stays until the store goes.
        let _ = self.store.remove(self.at(), &self.key());
    }
}

/// A variable that transactions read and write: see [`Stm`](crate::Stm). A cheap handle: clones are the same variable, and with the last one it goes.
///
/// A handle keeps its world. So do handles inside the values of variables (a list's links): a world whose variables hold one another goes only when the values
/// that do have been replaced or removed.
pub struct TVar<T> {
    pub(super) cell: Arc<Cell>,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for TVar<T> {
    fn clone(&self) -> Self {
        TVar { cell: Arc::clone(&self.cell), value: PhantomData }
    }
}

impl<T> fmt::Debug for TVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TVar({})", self.cell.id)
    }
}

impl<T: Send + Sync + 'static> TVar<T> {
    pub(super) fn of(cell: Arc<Cell>) -> Self {
        TVar { cell, value: PhantomData }
    }

    /// The newest committed value. In a transaction: [`StmTransaction::get`](crate::StmTransaction::get).
    ///
    /// # Progress
    /// Wait-free, as [`Store::get_with`](crate::Store::get_with).
    ///
    /// # Panics
    /// If the transaction that makes the variable ([`StmTransaction::tvar`](crate::StmTransaction::tvar)) has not committed.
    pub fn load(&self) -> Arc<T> {
        let found = self
            .cell
            .store
            .get_with(self.cell.at(), &self.cell.key(), |entry| entry.and_then(value));
        found.expect("a variable has a value from the commit that made it to its last handle")
    }

    /// Sets the value, whatever it was. In a transaction: [`StmTransaction::set`](crate::StmTransaction::set).
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn store(&self, value: T) {
        let held = Arc::new(Held::new(value));
        let set = self.cell.store.update(self.cell.at(), &self.cell.key(), |_, draft| {
            draft.put_object(0, Arc::clone(&held), None)
        });
        set.unwrap_or_else(|error| panic!("{error}"));
    }
}
