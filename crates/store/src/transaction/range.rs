//! [`TransactionRange`]: keys in order as a transaction sees them, and what the commit has to know of it.
//!
//! ```text
//!  given      start ├───────────────────────────────────────────────┤ end
//!  walked           ├── from the front ──▶ key       key ◀── back ──┤
//!  remembered       ├──────────────────────┤         ├──────────────┤      all of it, once the two have met
//! ```
//! The snapshot's keys and the transaction's own writes are merged as they come; an own write hides the snapshot's version of its key.
//!
//! # Invariants
//! 1. Under `Serializable` the interval is remembered whole before the first step, and cut down to what was walked when the range is dropped; so one that is
//!    never dropped makes the commit look at too much, not at too little.
//! 2. A walked interval ends with the last key that was shown, or passed by on the way there; whatever comes into being within it later, or leaves it, is met by
//!    the commit's validation (settle invariant 6).

use super::{Isolation, Transaction, Write};
use crate::descriptor::ReadRange;
use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::key_range::KeyRange;
use crate::ordered::{FoundKey, KeyCursor, Side};
use crate::owned_entry::OwnedEntry;
use crate::shared_key::SharedKey;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;

/// The keys of an interval as a transaction sees them, in order, from either end: see [`Transaction::range`].
///
/// As an iterator it gives copies, and nothing after an error; [`next_with`](TransactionRange::next_with) borrows.
pub struct TransactionRange<'t, O: Send + Sync + 'static = ()> {
    transaction: &'t mut Transaction<O>,
    space: u8,
    given: KeyRange,
    cursor: KeyCursor,
    /// The transaction's own writes in the interval, by number, in the order of their keys.
    own: VecDeque<usize>,
    /// How far it was walked, from either end.
    front: Option<SharedKey>,
    back: Option<SharedKey>,
    is_exhausted: bool,
    has_failed: bool,
}

/// The next key of a merge.
struct Next {
    key: SharedKey,
    /// Of the ordered index.
    hash: Option<u64>,
    /// The number of the own write.
    own: Option<usize>,
}

impl<O: Send + Sync + 'static> Transaction<O> {
    /// The entries of an interval of keys, in order, from either end: the snapshot overlaid with own writes. What was walked of it is validated at commit, keys
    /// that were not there included, so no phantom comes between; under [`Isolation::Snapshot`] it is not. Of an ordered space
    /// ([`Config::ordered`](crate::Config::ordered)).
    ///
    /// # Progress
    /// A step is lock-free; no writer can hold it up.
    ///
    /// # Cost
    /// As [`Snapshot::range`](crate::Snapshot::range); the commit, and whoever has to decide it meanwhile, walks the interval again.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, SpaceSet, Store};
    ///
    /// let store: Store = Store::new(Config { ordered: SpaceSet::ALL, ..Config::default() });
    /// let mut transaction = store.begin(0);
    /// // The next free number, and nobody else gets it.
    /// let last = transaction.prefix(0, b"job:").next_back_with(|entry| entry.key().to_vec())?;
    /// assert_eq!(last, None);
    /// transaction.set(0, b"job:1", 0, b"paint", None);
    /// store.set(At { space: 0, now_ms: 0 }, b"job:1", 0, b"saw", None)?;
    /// assert!(transaction.commit().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&mut self, space: u8, keys: impl Into<KeyRange>) -> TransactionRange<'_, O> {
        TransactionRange::new(self, space, keys.into())
    }

    /// The entries whose keys begin with `prefix`, as [`range`](Transaction::range).
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub fn prefix(&mut self, space: u8, prefix: &[u8]) -> TransactionRange<'_, O> {
        self.range(space, KeyRange::prefix(prefix))
    }
}

impl<'t, O: Send + Sync + 'static> TransactionRange<'t, O> {
    fn new(transaction: &'t mut Transaction<O>, space: u8, given: KeyRange) -> Self {
        transaction.engine.expect_ordered(space);
        let entries = transaction.keys.entries();
        let is_here = |at: &usize| {
            let touched = &entries[*at];
            let key = transaction.keys.key_of(touched);
            touched.space == space && touched.write.is_some() && given.contains(key)
        };
        let mut own: Vec<usize> = (0..entries.len()).filter(is_here).collect();
        own.sort_unstable_by_key(|at| transaction.keys.key(*at));
        if transaction.isolation == Isolation::Serializable {
            transaction.ranges.push(ReadRange { space, range: given.clone() });
        }
        TransactionRange {
            transaction,
            space,
            cursor: KeyCursor::new(space, given.clone()),
            given,
            own: own.into(),
            front: None,
            back: None,
            is_exhausted: false,
            has_failed: false,
        }
    }

    /// Shows the next entry, if there is one.
    ///
    /// # Progress
    /// Lock-free: as [`Transaction::get_with`], for each key that is passed by.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn next_with<R>(
        &mut self,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.step(Side::Front, f)
    }

    /// As [`next_with`](TransactionRange::next_with), from the other end.
    ///
    /// # Errors
    /// The transaction's snapshot was ended.
    pub fn next_back_with<R>(
        &mut self,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        self.step(Side::Back, f)
    }

    fn step<R>(
        &mut self,
        side: Side,
        f: impl FnOnce(Entry<'_, O>) -> R,
    ) -> Result<Option<R>, SnapshotExpired> {
        let mut f = Some(f);
        let mut show =
            |entry: Option<Entry<'_, O>>| entry.and_then(|entry| f.take().map(|f| f(entry)));
        while let Some(next) = self.take(side) {
            match side {
                Side::Front => self.front = Some(SharedKey::clone(&next.key)),
                Side::Back => self.back = Some(SharedKey::clone(&next.key)),
            }
            let shown = match (next.own, next.hash) {
                (Some(own), _) => self.show_own(own, &mut show)?,
                (None, Some(hash)) => self.transaction.reader().get_hashed(
                    self.space,
                    hash,
                    &next.key,
                    |_| (),
                    &mut show,
                )?,
                (None, None) => None,
            };
            if shown.is_some() {
                return Ok(shown);
            }
        }
        self.is_exhausted = true;
        // What was not met need not have been absent, if the lease ended before.
        self.transaction.reader().check().map(|()| None)
    }

    fn show_own<R>(
        &mut self,
        own: usize,
        show: impl FnOnce(Option<Entry<'_, O>>) -> Option<R>,
    ) -> Result<Option<R>, SnapshotExpired> {
        if let Some(Write::Merge(_)) = self.transaction.keys.entries()[own].write {
            self.transaction.materialise(own)?;
        }
        let now_ms = self.transaction.now_ms();
        Ok(show(self.transaction.keys.entries()[own].own_entry(now_ms)))
    }

    /// Takes the next key from a side, of the ordered index and of the own writes.
    fn take(&mut self, side: Side) -> Option<Next> {
        let Transaction { engine, keys, .. } = &*self.transaction;
        let met: Option<FoundKey> = self.cursor.peek(engine, side).cloned();
        let own = match side {
            Side::Front => self.own.front(),
            Side::Back => self.own.back(),
        };
        let own = own.map(|at| (*at, keys.key(*at)));
        let order = match (&met, own) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(met), Some((_, own))) => match side {
                Side::Front => (*met.key).cmp(own),
                Side::Back => own.cmp(&*met.key),
            },
        };
        let met = met.filter(|_| order != Ordering::Greater);
        let own = own.filter(|_| order != Ordering::Less);
        if met.is_some() {
            self.cursor.pop(engine, side);
        }
        if own.is_some() {
            match side {
                Side::Front => self.own.pop_front(),
                Side::Back => self.own.pop_back(),
            };
        }
        let key = match (&met, own) {
            (Some(met), _) => SharedKey::clone(&met.key),
            (None, own) => own?.1.into(),
        };
        Some(Next { key, hash: met.map(|met| met.hash), own: own.map(|(at, _)| at) })
    }

    fn copied(&mut self, side: Side) -> Option<Result<OwnedEntry<O>, SnapshotExpired>> {
        if self.has_failed {
            return None;
        }
        let next = self.step(side, OwnedEntry::of);
        self.has_failed = next.is_err();
        next.transpose()
    }
}

impl<O: Send + Sync + 'static> Iterator for TransactionRange<'_, O> {
    type Item = Result<OwnedEntry<O>, SnapshotExpired>;

    fn next(&mut self) -> Option<Self::Item> {
        self.copied(Side::Front)
    }
}

impl<O: Send + Sync + 'static> DoubleEndedIterator for TransactionRange<'_, O> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.copied(Side::Back)
    }
}

impl<O: Send + Sync + 'static> Drop for TransactionRange<'_, O> {
    /// Remembers what was walked instead of all.
    fn drop(&mut self) {
        if self.is_exhausted || self.transaction.isolation != Isolation::Serializable {
            return;
        }
        let ranges = &mut self.transaction.ranges;
        ranges.pop();
        let KeyRange { start, end } = self.given.clone();
        if let Some(last) = self.front.take() {
            let range = KeyRange { start, end: Bound::Included(last) };
            ranges.push(ReadRange { space: self.space, range });
        }
        if let Some(last) = self.back.take() {
            let range = KeyRange { start: Bound::Included(last), end };
            ranges.push(ReadRange { space: self.space, range });
        }
    }
}
