//! [`Pinned`]: the map under a guard, with the interface of a map; and the same operations on a guard of one's own.

use super::map::OrderedMap;
use super::range::{Range, TryRange};
use super::write::{Change, Computed, Step};
use std::borrow::Borrow;
use std::ops::{RangeBounds, RangeFull};
use stillpoint_reclaim::{NodeAlloc, Owned, Protect, Restart, Scheme};

/// The map, under a guard of its own: what it returns lives as long as this. Made by [`OrderedMap::pin`].
pub struct Pinned<'m, K, V, S: Scheme, A: NodeAlloc> {
    pub(super) map: &'m OrderedMap<K, V, S, A>,
    pub(super) guard: S::Guard<'m>,
}

/// Why [`OrderedMap::pin`] refuses capped collectors.
pub(super) const NOT_CAPPED: &str = "only guards with a cap run out, and `pin` refuses those";

impl<'m, K, V, S, A> Pinned<'m, K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// The value at `key`.
    ///
    /// # Progress
    /// Wait-free, if the scheme's loads are: at most 15 looks a level.
    ///
    /// # Cost
    /// A binary search a level, of up to 14 keys.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.guard.retrying(|guard| self.map.lookup(key, guard)).expect(NOT_CAPPED)
    }

    /// Whether there is a value at `key`.
    ///
    /// # Progress
    /// As [`get`](Pinned::get).
    #[inline]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// Puts `value` at `key`, and returns what was there. A key that is there stays; the new one is dropped.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Cost
    /// An allocation for the value and a CAS; a leaf is copied every few new keys, and clones 7 to 10 keys then.
    pub fn insert(&self, key: K, value: V) -> Option<&V> {
        self.map.insert_in(key, value, &self.guard).expect(NOT_CAPPED)
    }

    /// Puts `value` at `key` if nothing is there.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// The value that is there.
    pub fn try_insert(&self, key: K, value: V) -> Result<&V, &V> {
        let done = self.map.try_insert_in(key, value, &self.guard).expect(NOT_CAPPED);
        match (done.before, done.after) {
            (None, Some(new)) => Ok(new),
            (before, _) => Err(before.expect("nothing was put because something was there")),
        }
    }

    /// The value at `key`, which `make` makes if there is none. It may be made in vain.
    ///
    /// # Progress
    /// Lock-free.
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> &V {
        if let Some(there) = self.get(&key) {
            return there;
        }
        self.try_insert(key, make()).unwrap_or_else(|there| there)
    }

    /// Takes the entry at `key` out, and returns its value.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Cost
    /// As [`get`](Pinned::get), and a CAS. An empty leaf is taken out, with a copy of its parent; leaves that are not empty are not
    /// merged.
    pub fn remove<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.map.remove_in(key, &self.guard).expect(NOT_CAPPED)
    }

    /// Replaces the value at `key` by what `f` makes of it, and returns what it made; nothing if there is none. `f` may run several times.
    ///
    /// # Progress
    /// Lock-free.
    pub fn update<Q>(&self, key: &Q, mut f: impl FnMut(&V) -> V) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (map, guard) = (self.map, &self.guard);
        let decide = |current: Option<&V>, _: Option<Owned<V, A>>| match current {
            Some(value) => Step::Put(Owned::new_in(guard, f(value), &map.alloc)),
            None => Step::Keep,
        };
        map.change_present(key, decide, guard).expect(NOT_CAPPED).after
    }

    /// Changes the entry at `key` in one step, as `f` says of the value that is there. `f` may run several times; what it said the last time
    /// holds.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::OrderedMap;
    /// use stillpoint_structures::ordered_map::Change;
    ///
    /// let map = OrderedMap::new();
    /// let count = |seen: Option<&u32>| match seen {
    ///     Some(2) => Change::Remove,
    ///     seen => Change::Put(seen.unwrap_or(&0) + 1),
    /// };
    /// let pinned = map.pin();
    /// assert_eq!(pinned.compute("a", count).after, Some(&1));
    /// assert_eq!(pinned.compute("a", count).after, Some(&2));
    /// assert_eq!(pinned.compute("a", count).after, None);
    /// ```
    pub fn compute(&self, key: K, f: impl FnMut(Option<&V>) -> Change<V>) -> Computed<'_, V> {
        self.map.compute_in(key, f, &self.guard).expect(NOT_CAPPED)
    }

    /// The entry with the least key, at some moment of the call.
    ///
    /// # Progress
    /// As [`range`](Pinned::range).
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the greatest key.
    ///
    /// # Progress
    /// As [`range`](Pinned::range).
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }

    /// Takes out an entry that had the least key when it was found.
    ///
    /// # Progress
    /// Lock-free.
    pub fn pop_first(&self) -> Option<(&K, &V)> {
        self.pop(|range| range.next())
    }

    /// Takes out an entry that had the greatest key when it was found.
    ///
    /// # Progress
    /// Lock-free.
    pub fn pop_last(&self) -> Option<(&K, &V)> {
        self.pop(|range| range.next_back())
    }

    fn pop<'g>(
        &'g self,
        mut next: impl FnMut(&mut Range<'g, K, V, S::Guard<'m>, K, RangeFull>) -> Option<(&'g K, &'g V)>,
    ) -> Option<(&'g K, &'g V)> {
        loop {
            let (key, _) = next(&mut self.iter())?;
            // Another thread may have been faster: then the end is elsewhere.
            if let Some(value) = self.remove(key) {
                return Some((key, value));
            }
        }
    }

    /// All entries, in the order of their keys; see [`range`](Pinned::range).
    pub fn iter(&self) -> Range<'_, K, V, S::Guard<'m>, K, RangeFull> {
        self.range(..)
    }

    /// The entries whose keys are in `range`, in order, from either end. Weakly consistent: each key at most once; a key that is there
    /// from the first step to the last is met; others may be.
    ///
    /// # Progress
    /// A step is lock-free: wait-free but for leaves that are empty.
    ///
    /// # Cost
    /// A search from the root for each leaf; a buffer for the entries of one leaf at each end.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::OrderedMap;
    ///
    /// let map: OrderedMap<u32, u32> = (0..100).map(|i| (i, i * i)).collect();
    /// let pinned = map.pin();
    /// let squares: Vec<u32> = pinned.range(3..6).map(|(_, square)| *square).collect();
    /// assert_eq!(squares, [9, 16, 25]);
    /// assert_eq!(pinned.range(..=50).next_back(), Some((&50, &2500)));
    /// ```
    pub fn range<Q, R>(&self, range: R) -> Range<'_, K, V, S::Guard<'m>, Q, R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        Range(TryRange::new(self.map.tree(), &self.guard, range))
    }

    /// Removes every entry that is met on the way from the first to the last.
    ///
    /// # Progress
    /// Each removal is lock-free.
    pub fn clear(&self) {
        for (key, _) in self.iter() {
            self.remove(key);
        }
    }

    /// How many entries there are; see [`OrderedMap::len`].
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Pins anew, so that what was retired since can be reclaimed: now and then, when this is held for long.
    ///
    /// # Progress
    /// Wait-free.
    pub fn repin(&mut self) {
        self.guard.repin();
    }
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    fn insert_in<'g, G: Protect>(
        &self,
        key: K,
        value: V,
        guard: &'g G,
    ) -> Result<Option<&'g V>, Restart> {
        let mut first = Some(Owned::new_in(guard, value, &self.alloc));
        let decide = |_: Option<&V>, unused: Option<Owned<V, A>>| {
            Step::Put(unused.or_else(|| first.take()).expect("one or the other"))
        };
        Ok(self.change(key, decide, guard)?.before)
    }

    fn try_insert_in<'g, G: Protect>(
        &self,
        key: K,
        value: V,
        guard: &'g G,
    ) -> Result<Computed<'g, V>, Restart> {
        let mut first = Some(Owned::new_in(guard, value, &self.alloc));
        let decide = |there: Option<&V>, unused: Option<Owned<V, A>>| match there {
            Some(_) => Step::Keep,
            None => Step::Put(unused.or_else(|| first.take()).expect("one or the other")),
        };
        self.change(key, decide, guard)
    }

    fn remove_in<'g, Q, G>(&self, key: &Q, guard: &'g G) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let decide = |_: Option<&V>, _: Option<Owned<V, A>>| Step::Remove;
        let before = self.change_present(key, decide, guard)?.before;
        if before.is_some() {
            self.tidy(key, guard);
        }
        Ok(before)
    }

    fn compute_in<'g, G: Protect>(
        &self,
        key: K,
        mut f: impl FnMut(Option<&V>) -> Change<V>,
        guard: &'g G,
    ) -> Result<Computed<'g, V>, Restart> {
        let decide = |seen: Option<&V>, _: Option<Owned<V, A>>| match f(seen) {
            Change::Put(value) => Step::Put(Owned::new_in(guard, value, &self.alloc)),
            Change::Remove => Step::Remove,
            Change::Keep => Step::Keep,
        };
        self.change(key, decide, guard)
    }

    /// As [`Pinned::insert`], under a guard of this map's scheme.
    ///
    /// # Progress
    /// As there.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it: nothing was done, key and value are dropped.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn insert_with<'g>(
        &'g self,
        key: K,
        value: V,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g V>, Restart> {
        self.check(guard);
        self.insert_in(key, value, guard)
    }

    /// As [`Pinned::remove`], under a guard of this map's scheme.
    ///
    /// # Progress
    /// As there.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it: nothing was done.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn remove_with<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.check(guard);
        self.remove_in(key, guard)
    }

    /// As [`Pinned::compute`], under a guard of this map's scheme.
    ///
    /// # Progress
    /// As there.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it: nothing was done.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn compute_with<'g>(
        &'g self,
        key: K,
        f: impl FnMut(Option<&V>) -> Change<V>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Computed<'g, V>, Restart> {
        self.check(guard);
        self.compute_in(key, f, guard)
    }

    /// As [`Pinned::range`], under a guard of this map's scheme; its items are results.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn range_with<'g, 'c, Q, R>(
        &'g self,
        range: R,
        guard: &'g S::Guard<'c>,
    ) -> TryRange<'g, K, V, S::Guard<'c>, Q, R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        self.check(guard);
        TryRange::new(self.tree(), guard, range)
    }
}

impl<K, V, S, A> FromIterator<(K, V)> for OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme + Default,
    A: NodeAlloc + Default,
{
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map = OrderedMap::in_alloc(S::default(), A::default());
        let pinned = map.pin();
        for (key, value) in entries {
            pinned.insert(key, value);
        }
        drop(pinned);
        map
    }
}
