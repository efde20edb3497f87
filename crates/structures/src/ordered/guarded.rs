//! The ordered map's operations under a guard of the caller's, and those that pin by themselves.
//!
//! Tags: none of its own.

use super::find::Located;
use super::range::TryRange;
use super::write::{New, Stored};
use super::{Compute, Operation, OrderedMap, Pinned};
use std::borrow::Borrow;
use std::cell::Cell;
use std::ops::{Bound, ControlFlow, RangeBounds};
use stillpoint_reclaim::{NodeAlloc, Owned, Protect, Restart, Scheme};

/// Entries that [`OrderedMap::for_each_in`] visits under one guard.
const CHUNK: usize = 1024;

impl<K: Ord, V, S: Scheme, A: NodeAlloc> OrderedMap<K, V, S, A> {
    /// The map under a guard of this thread, with all operations.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Examples
    /// ```
    /// let map = stillpoint_structures::OrderedMap::new();
    /// let map = map.pin();
    /// assert_eq!(map.insert("a", 1), None);
    /// assert_eq!(map.insert("a", 2), Some(&1));
    /// assert_eq!(map.get("a"), Some(&2));
    /// ```
    #[inline]
    pub fn pin(&self) -> Pinned<'_, K, V, S, A> {
        Pinned::new(self)
    }

    /// The value of `key`. It stays allocated as long as the guard, also when it is replaced or removed.
    ///
    /// # Progress
    /// Lock-free: waits for nobody, and looks again only when a node on its way was replaced.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    ///
    /// # Examples
    /// ```
    /// let map: stillpoint_structures::OrderedMap<u32, &str> = Default::default();
    /// let guard = map.scheme().pin();
    /// assert_eq!(map.insert(1, "one", &guard)?, None);
    /// assert_eq!(map.get(&1, &guard)?, Some(&"one"));
    /// assert_eq!(map.remove(&1, &guard)?, Some((&1, &"one")));
    /// # Ok::<(), stillpoint_reclaim::Restart>(())
    /// ```
    /// What it gives lives as long as the guard and the map, both:
    /// ```compile_fail,E0505
    /// let map: stillpoint_structures::OrderedMap<u32, String> = Default::default();
    /// let collector = map.scheme().clone();
    /// let guard = collector.pin();
    /// let value = map.get(&1, &guard);
    /// drop(map);
    /// println!("{value:?}");
    /// ```
    #[inline]
    pub fn get<'g, Q>(&'g self, key: &Q, guard: &'g S::Guard<'_>) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.check(guard);
        Ok(guard.retrying(|guard| self.try_get(key, guard))?.map(|(_, value)| value))
    }

    /// One attempt of [`get`](OrderedMap::get).
    #[inline(always)]
    pub(super) fn try_get<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        Ok(match self.locate(key, guard)? {
            Located::Found(found) => Some(found.entry),
            Located::Vacant(..) => None,
        })
    }

    /// Calls `read` with the value of `key`, protected meanwhile.
    ///
    /// # Progress
    /// As [`get`](OrderedMap::get).
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut read = Some(read);
        self.scheme.pin().complete(|guard| {
            let found = self.try_get(key, guard)?;
            Ok(found.and_then(|(_, value)| read.take().map(|read| read(value))))
        })
    }

    /// Whether `key` is there.
    ///
    /// # Progress
    /// As [`get`](OrderedMap::get).
    pub fn has<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.with(key, |_| ()).is_some()
    }

    /// The entries whose keys are in `range`, in order, from either end; see [`Pinned::range`]. Its items are results: past the cap of a
    /// collector that has one, an error.
    ///
    /// # Progress
    /// A step is lock-free.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn range<'g, 'm, Q, R>(
        &'g self,
        range: R,
        guard: &'g S::Guard<'m>,
    ) -> TryRange<'g, 'm, K, V, Q, R, S, A>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        self.check(guard);
        TryRange::new(self, range, guard)
    }

    /// Calls `f` for the entries in a range, in ascending order, until it breaks. For long scans: pins anew every 1,024 entries, so it holds
    /// back little, and it runs on collectors with a cap too: where a search alone is longer than the longest lease, it goes on past the cap (an overdraft) until
    /// it pins anew. Guarantees what [`range`](Pinned::range) does.
    ///
    /// # Progress
    /// A step is lock-free.
    ///
    /// # Cost
    /// That of the range; a clone of a key every 1,024 entries.
    pub fn for_each_in<B>(
        &self,
        range: impl RangeBounds<K>,
        mut f: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> ControlFlow<B>
    where
        K: Clone,
    {
        let mut guard = self.scheme.pin();
        let mut from = range.start_bound().cloned();
        // Times in a row that the lease ran out before a single entry was reached.
        let mut refused = 0;
        loop {
            let mut entries = self.range::<K, _>((from.as_ref(), range.end_bound()), &guard);
            let (mut last, mut ended) = (None, false);
            for _ in 0..CHUNK {
                let Some(entry) = entries.next() else {
                    ended = true;
                    break;
                };
                let Ok((key, value)) = entry else { break };
                f(key, value)?;
                last = Some(key);
            }
            if ended {
                return ControlFlow::Continue(());
            }
            match last.cloned() {
                Some(last) => (from, refused) = (Bound::Excluded(last), 0),
                None => refused += 1,
            }
            if refused > 1 {
                guard.overdraw();
            } else {
                guard.repin();
            }
        }
    }
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Gives `key` a value; whether it was there.
    ///
    /// # Progress
    /// Blocking, as all writes are: one leaf's writers wait for each other.
    pub fn set(&self, key: K, value: V) -> bool {
        let mut guard = self.scheme.pin();
        let mut new = self.new_entry(key, value, &guard);
        guard.complete(|guard| {
            Ok(!matches!(self.try_insert(&mut new, true, guard)?, Stored::New(_)))
        })
    }

    /// Takes `key` out; whether it was there.
    ///
    /// # Progress
    /// As [`set`](OrderedMap::set).
    pub fn unset<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut guard = self.scheme.pin();
        guard.complete(|guard| Ok(self.try_remove(key, |_, _| true, guard)?.is_some()))
    }

    /// Gives `key` a value, and shows the one before. A key that is there stays; the new one is dropped.
    ///
    /// # Progress
    /// As [`set`](OrderedMap::set).
    ///
    /// # Errors
    /// As [`get`](OrderedMap::get); key and value are dropped then.
    ///
    /// # Panics
    /// When the guard is of another collector.
    ///
    /// # Cost
    /// An allocation for the value. A leaf is copied every few new keys, and clones 7 to 13 keys then; every second time, up to 31 keys of
    /// the node above it. Where clones cost much, take an `Arc`.
    pub fn insert<'g>(
        &'g self,
        key: K,
        value: V,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g V>, Restart> {
        self.check(guard);
        let mut new = self.new_entry(key, value, guard);
        Ok(match guard.retrying(|guard| self.try_insert(&mut new, true, guard))? {
            Stored::Replaced { old: (_, old), .. } => Some(old),
            Stored::New(_) | Stored::There(_) => None,
        })
    }

    /// Takes `key` out, and shows what was there.
    ///
    /// # Progress
    /// As [`set`](OrderedMap::set).
    ///
    /// # Errors
    /// As [`get`](OrderedMap::get).
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn remove<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.remove_if(key, |_, _| true, guard)
    }

    /// Takes `key` out if `wanted` says so of what is there.
    ///
    /// # Progress
    /// As [`set`](OrderedMap::set).
    ///
    /// # Errors
    /// As [`get`](OrderedMap::get).
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn remove_if<'g, Q>(
        &'g self,
        key: &Q,
        mut wanted: impl FnMut(&K, &V) -> bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.check(guard);
        guard.retrying(|guard| self.try_remove(key, &mut wanted, guard))
    }

    /// Looks at `key` and does in one step what `decide` says; calls it again when the key has changed meanwhile.
    ///
    /// # Progress
    /// As [`set`](OrderedMap::set); no lock is held while `decide` runs.
    ///
    /// # Errors
    /// As [`get`](OrderedMap::get); the key is dropped then.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn compute<'g, T>(
        &'g self,
        key: K,
        mut decide: impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Compute<'g, K, V, T>, Restart> {
        self.check(guard);
        let (mut key, spare) = (Some(key), Cell::new(None));
        guard.retrying(|guard| self.try_compute(&mut key, &mut decide, &spare, guard))
    }

    /// One attempt of [`compute`](OrderedMap::compute). `key` is there again unless something was done. A value that was decided on where the
    /// key was absent, and could not be put in, comes to lie in `spare`.
    pub(super) fn try_compute<'g, T>(
        &'g self,
        key: &mut Option<K>,
        decide: &mut impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        spare: &Cell<Option<V>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Compute<'g, K, V, T>, Restart> {
        loop {
            if let Some(done) = self.try_compute_once(key, decide, spare, guard)? {
                return Ok(done);
            }
        }
    }

    /// One look and one try.
    fn try_compute_once<'g, T>(
        &'g self,
        key: &mut Option<K>,
        decide: &mut impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        spare: &Cell<Option<V>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<Compute<'g, K, V, T>>, Restart> {
        let located = self.locate(key.as_ref().expect("not put in yet"), guard)?;
        let old = match &located {
            Located::Found(found) => Some(found.entry),
            Located::Vacant(..) => None,
        };
        let value = match (decide(old), &located) {
            (Operation::Abort(result), _) => return Ok(Some(Compute::Aborted(result))),
            (Operation::Remove, Located::Vacant(..)) => return Ok(Some(Compute::Absent)),
            (Operation::Remove, Located::Found(found)) => {
                let (key, value) = found.entry;
                return Ok(self.take_out(found, guard).then_some(Compute::Removed(key, value)));
            }
            (Operation::Insert(value), _) => value,
        };
        let mut new = self.new_entry(key.take().expect("as above"), value, guard);
        let put = match located {
            Located::Found(found) => {
                let new = self.replace(&found, &mut new, guard);
                let old = found.entry;
                Ok(new.map(|new| Compute::Updated { old, new: (old.0, new) }))
            }
            Located::Vacant(view, position) => {
                let put = self.add(view, position, &mut new, guard);
                put.map(|put| put.map(|(key, value)| Compute::Inserted(key, value)))
            }
        };
        if let Some((refused, value)) = new {
            *key = Some(refused);
            if old.is_none() {
                spare.set(Some(value.into_value()));
            }
        }
        put
    }

    pub(super) fn new_entry(&self, key: K, value: V, guard: &S::Guard<'_>) -> New<K, V, A> {
        Some((key, Owned::new_in(guard, value, &self.alloc)))
    }
}
