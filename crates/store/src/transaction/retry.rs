//! Waiting inside transactions: `retry` and `or_else`, and what a retry waits for.

use crate::engine::{Engine, uncapped};
use crate::ordered::{KeyCursor, Side};
use crate::transaction::{Stop, Transaction};
use crate::waiters::Ticket;
use std::sync::Arc;

impl<O: Send + Sync + 'static> Transaction<O> {
    /// Gives this attempt up until something changes: `return tx.retry();`. The closure runs again when a key that it has read was written since;
    /// meanwhile the thread (in [`transaction_async`](crate::Store::transaction_async) the task) sleeps.
    ///
    /// A value that merely expires wakes nobody until the store's maintenance removes it. A serialisable transaction that has walked an
    /// interval of keys ([`range`](Transaction::range)) is woken by each write into it.
    ///
    /// # Errors
    /// Always.
    pub fn retry<R, E>(&self) -> Result<R, Stop<E>> {
        Err(Stop::Retry)
    }

    /// Runs `first`, and if that gives up with [`retry`](Transaction::retry), undoes its writes and runs `second` instead. If both give up, the
    /// transaction waits for a change of anything that either has read.
    ///
    /// # Errors
    /// Those of the one that counts.
    pub fn or_else<R, E>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Result<R, Stop<E>>,
        second: impl FnOnce(&mut Self) -> Result<R, Stop<E>>,
    ) -> Result<R, Stop<E>> {
        either(self, |this| this, first, second)
    }

    /// Ends the transaction and waits for a change of what it read.
    pub(super) fn wait_for_change(self) -> Wait<O> {
        let read = self.keys.entries().iter().filter(|touched| touched.was_read);
        let keys: Vec<_> = read.map(|touched| (touched.space, touched.hash)).collect();
        if keys.is_empty() && self.ranges.is_empty() {
            return Wait::ForEver;
        }
        let ticket = Ticket::new(Arc::clone(&self.engine), keys, &self.ranges);
        if self.looks_first() && self.has_changed() { Wait::Over } else { Wait::Until(ticket) }
    }

    /// Whether somebody has written what it read.
    pub(crate) fn has_changed(&self) -> bool {
        let reader = self.reader();
        let mut read = self.keys.entries().iter().filter(|touched| touched.was_read);
        read.any(|touched| {
            let timestamp = reader.lease.read_timestamp;
            let key = self.keys.key_of(touched);
            self.engine.is_written_since(touched.space, touched.hash, key, timestamp)
        }) || self.has_interval_changed()
            || reader.check().is_err()
    }

    /// Whether somebody has written into an interval that it walked.
    fn has_interval_changed(&self) -> bool {
        let timestamp = self.reader().lease.read_timestamp;
        self.ranges.iter().any(|read| {
            let mut keys = KeyCursor::new(read.space, read.range.clone());
            std::iter::from_fn(|| keys.pop(&self.engine, Side::Front)).any(|found| {
                self.engine.is_written_since(read.space, found.hash, &found.key, timestamp)
            })
        })
    }

    #[cfg(stillpoint_loom)]
    fn looks_first(&self) -> bool {
        !self.engine.lacks(crate::Mutation::SleepWithoutLooking)
    }

    #[cfg(not(stillpoint_loom))]
    fn looks_first(&self) -> bool {
        true
    }
}

/// [`or_else`](Transaction::or_else) of whatever a transaction is used `through`.
pub(crate) fn either<T, O: Send + Sync + 'static, R, E>(
    through: &mut T,
    transaction: impl Fn(&mut T) -> &mut Transaction<O>,
    first: impl FnOnce(&mut T) -> Result<R, Stop<E>>,
    second: impl FnOnce(&mut T) -> Result<R, Stop<E>>,
) -> Result<R, Stop<E>> {
    let savepoint = transaction(through).savepoint();
    match first(through) {
        Err(Stop::Retry) => {
            transaction(through).rollback_to(&savepoint);
            second(through)
        }
        ended => ended,
    }
}

/// What a transaction that retries has to wait for.
pub(super) enum Wait<O: Send + Sync + 'static> {
    /// Nothing: what it read has changed already.
    Over,
    Until(Ticket<O>),
    /// It has read nothing.
    ForEver,
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Whether the key's newest committed version is later than `timestamp`. A lease at `timestamp` that still holds afterwards vouches for a `false`.
    fn is_written_since(&self, space: u8, hash: u64, key: &[u8], timestamp: u64) -> bool {
        let index = self.space(space);
        let guard = self.collector.pin();
        let head = uncapped(index.find(&guard, hash, key));
        let latest = head.and_then(|head| self.latest(&guard, head.version()));
        latest.is_some_and(|(_, stamp)| stamp.timestamp() > timestamp)
    }
}
