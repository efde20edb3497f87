//! [`Pinned`]: an ordered map under a guard, with all operations.
//!
//! Tags: none of its own.

use super::range::{Iter, Keys, Range, Values};
use super::write::Stored;
use super::{Compute, Occupied, Operation, OrderedMap};
use std::borrow::Borrow;
use std::cell::Cell;
use std::ops::RangeBounds;
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Protect, Scheme};

/// A map under a guard of this thread: see [`OrderedMap::pin`]. What it gives stays allocated as long as it lives.
///
/// Nothing here fails: a facade that is used for longer than its collector's longest lease goes on [past it](Protect::overdraw), and
/// holds back everything retired after it began. So it is for an operation or a few; who keeps one calls [`repin`](Pinned::repin) now and then.
pub struct Pinned<'m, K, V, S: Scheme = Collector, A: NodeAlloc = Heap> {
    map: &'m OrderedMap<K, V, S, A>,
    guard: S::Guard<'m>,
}

impl<'m, K: Ord, V, S: Scheme, A: NodeAlloc> Pinned<'m, K, V, S, A> {
    #[inline]
    pub(super) fn new(map: &'m OrderedMap<K, V, S, A>) -> Self {
        Pinned { map, guard: map.scheme.pin() }
    }

    /// The map.
    pub fn map(&self) -> &'m OrderedMap<K, V, S, A> {
        self.map
    }

    /// The value of `key`.
    ///
    /// # Progress
    /// Lock-free: waits for nobody, and looks again only when a node on its way was replaced.
    ///
    /// # Cost
    /// A binary search a level; writes nothing.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The key as it is in the map, and its value.
    ///
    /// # Progress
    /// As [`get`](Pinned::get).
    #[inline]
    pub fn get_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.guard.insisting(|guard| self.map.try_get(key, guard))
    }

    /// Whether `key` is there.
    ///
    /// # Progress
    /// As [`get`](Pinned::get).
    #[inline]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get_key_value(key).is_some()
    }

    /// How many keys there are: see [`OrderedMap::len`].
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The entry with the least key, at some moment of the call.
    ///
    /// # Progress
    /// As [`range`](Pinned::range).
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the greatest key, at some moment of the call.
    ///
    /// # Progress
    /// As [`range`](Pinned::range).
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }

    /// The entries whose keys are in `range`, in order, from either end. Each key at most once, and in strict order. A key that is there from the
    /// first step to the last is met; one that comes or goes meanwhile, perhaps. Not a snapshot: the entries need not have been there at one
    /// moment. A range that ends before it starts is empty.
    ///
    /// # Progress
    /// A step is lock-free: as [`get`](Pinned::get), and passes leaves that are being emptied.
    ///
    /// # Cost
    /// A search from the root for each leaf; a buffer for one leaf's entries at each end. Writes nothing.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::OrderedMap;
    ///
    /// let map: OrderedMap<u32, u32> = (0..100).map(|i| (i, i * i)).collect();
    /// let map = map.pin();
    /// let squares: Vec<u32> = map.range(3..6).map(|(_, square)| *square).collect();
    /// assert_eq!(squares, [9, 16, 25]);
    /// assert_eq!(map.range(..=50).next_back(), Some((&50, &2500)));
    /// ```
    pub fn range<Q, R>(&self, range: R) -> Range<'_, 'm, K, V, Q, R, S, A>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        Range(self.map.range(range, &self.guard))
    }

    /// All entries, in the order of their keys; as [`range`](Pinned::range).
    pub fn iter(&self) -> Iter<'_, 'm, K, V, S, A> {
        self.range(..)
    }

    /// All keys, in order; as [`range`](Pinned::range).
    pub fn keys(&self) -> Keys<'_, 'm, K, V, S, A> {
        Keys(self.iter())
    }

    /// All values, in the order of their keys; as [`range`](Pinned::range).
    pub fn values(&self) -> Values<'_, 'm, K, V, S, A> {
        Values(self.iter())
    }

    /// Pins anew, so that what was retired since can be reclaimed: now and then, when this is held for long.
    ///
    /// # Progress
    /// Wait-free.
    pub fn repin(&mut self) {
        self.guard.repin();
    }
}

impl<K, V, S, A> Pinned<'_, K, V, S, A>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Gives `key` a value, and shows the one before. A key that is there stays; the new one is dropped.
    ///
    /// # Progress
    /// Blocking, as all writes are: one leaf's writers wait for each other.
    ///
    /// # Cost
    /// As [`OrderedMap::insert`].
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Option<&V> {
        let mut new = self.map.new_entry(key, value, &self.guard);
        match self.guard.insisting(|guard| self.map.try_insert(&mut new, true, guard)) {
            Stored::Replaced { old: (_, old), .. } => Some(old),
            Stored::New(_) | Stored::There(_) => None,
        }
    }

    /// Gives `key` a value if it has none, and shows it.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    ///
    /// # Errors
    /// [`Occupied`]: what is there, and the value that was not put in.
    pub fn try_insert(&self, key: K, value: V) -> Result<&V, Occupied<'_, V>> {
        let mut new = self.map.new_entry(key, value, &self.guard);
        match self.guard.insisting(|guard| self.map.try_insert(&mut new, false, guard)) {
            Stored::New(value) | Stored::Replaced { new: value, .. } => Ok(value),
            Stored::There(current) => {
                let (_, refused) = new.expect("not put in");
                Err(Occupied { current, refused: refused.into_value() })
            }
        }
    }

    /// The value of `key`, which is this one if it had none.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    pub fn get_or_insert(&self, key: K, value: V) -> &V {
        match self.try_insert(key, value) {
            Ok(value) => value,
            Err(occupied) => occupied.current,
        }
    }

    /// As [`get_or_insert`](Pinned::get_or_insert), with a value that is made if need be. (It may be made and not be needed, if another
    /// thread was faster.)
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> &V {
        match self.get(&key) {
            Some(value) => value,
            None => self.get_or_insert(key, make()),
        }
    }

    /// Takes `key` out, and shows its value.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    ///
    /// # Cost
    /// A search. An empty leaf is taken out, with a copy of the node above it; leaves that are not empty are not merged.
    #[inline]
    pub fn remove<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.remove_entry(key).map(|(_, value)| value)
    }

    /// Takes `key` out, and shows what was there.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    pub fn remove_entry<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.remove_if(key, |_, _| true)
    }

    /// Takes `key` out if `wanted` says so of what is there.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert); no lock is held while `wanted` runs.
    pub fn remove_if<Q>(&self, key: &Q, mut wanted: impl FnMut(&K, &V) -> bool) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.guard.insisting(|guard| self.map.try_remove(key, &mut wanted, guard))
    }

    /// Takes out an entry that had the least key when it was found.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    pub fn pop_first(&self) -> Option<(&K, &V)> {
        loop {
            let (key, _) = self.first_key_value()?;
            // Another thread may have been faster: then the end is elsewhere.
            if let Some(entry) = self.remove_entry(key) {
                return Some(entry);
            }
        }
    }

    /// Takes out an entry that had the greatest key when it was found.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert).
    pub fn pop_last(&self) -> Option<(&K, &V)> {
        loop {
            let (key, _) = self.last_key_value()?;
            // As above.
            if let Some(entry) = self.remove_entry(key) {
                return Some(entry);
            }
        }
    }

    /// Looks at `key` and does in one step what `decide` says; calls it again when the key has changed meanwhile.
    ///
    /// # Progress
    /// As [`insert`](Pinned::insert); no lock is held while `decide` runs.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::ordered::{Compute, Operation, OrderedMap};
    ///
    /// let tickets = OrderedMap::new();
    /// let tickets = tickets.pin();
    /// tickets.insert("seat", 1);
    /// let take = |left: Option<(&&str, &u32)>| match left {
    ///     Some((_, 0)) | None => Operation::Abort("sold out"),
    ///     Some((_, 1)) => Operation::Remove,
    ///     Some((_, n)) => Operation::Insert(n - 1),
    /// };
    /// assert_eq!(tickets.compute("seat", take), Compute::Removed(&"seat", &1));
    /// assert_eq!(tickets.compute("seat", take), Compute::Aborted("sold out"));
    /// ```
    pub fn compute<'g, T>(
        &'g self,
        key: K,
        decide: impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
    ) -> Compute<'g, K, V, T> {
        self.compute_with(key, decide, &Cell::new(None))
    }

    fn compute_with<'g, T>(
        &'g self,
        key: K,
        mut decide: impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        spare: &Cell<Option<V>>,
    ) -> Compute<'g, K, V, T> {
        let mut key = Some(key);
        let (map, decide) = (self.map, &mut decide);
        self.guard.insisting(|guard| map.try_compute(&mut key, decide, spare, guard))
    }

    /// Gives `key` the value that `update` makes of the one that it has, and shows the new one; `None` if it has none.
    ///
    /// # Progress
    /// As [`compute`](Pinned::compute); `update` may be called several times.
    pub fn update(&self, key: K, mut update: impl FnMut(&V) -> V) -> Option<&V> {
        let done = self.compute(key, |old| match old {
            Some((_, value)) => Operation::Insert(update(value)),
            None => Operation::Abort(()),
        });
        match done {
            Compute::Updated { new: (_, value), .. } => Some(value),
            _ => None,
        }
    }

    /// As [`update`](Pinned::update), or gives `key` this value if it has none.
    ///
    /// # Progress
    /// As [`update`](Pinned::update).
    pub fn update_or_insert(&self, key: K, update: impl FnMut(&V) -> V, value: V) -> &V {
        self.update_or_insert_with(key, update, || value)
    }

    /// As [`update_or_insert`](Pinned::update_or_insert), with a value that is made if need be, once at most.
    ///
    /// # Progress
    /// As [`update`](Pinned::update).
    pub fn update_or_insert_with(
        &self,
        key: K,
        update: impl FnMut(&V) -> V,
        make: impl FnOnce() -> V,
    ) -> &V {
        let (mut update, mut make, spare) = (update, Some(make), Cell::new(None));
        let decide = |old: Option<(&K, &V)>| {
            Operation::<V, ()>::Insert(match old {
                Some((_, value)) => update(value),
                None => spare.take().unwrap_or_else(|| {
                    let make = make.take().expect("what was made comes back if it is not put in");
                    make()
                }),
            })
        };
        match self.compute_with(key, decide, &spare) {
            Compute::Inserted(_, value) | Compute::Updated { new: (_, value), .. } => value,
            _ => unreachable!("only told to insert"),
        }
    }

    /// Takes out all that is met on the way from the first key to the last.
    ///
    /// # Progress
    /// Each removal as [`remove`](Pinned::remove).
    pub fn clear(&self) {
        for key in self.keys() {
            self.remove_entry(key);
        }
    }

    /// Takes out what `keep` says no to.
    ///
    /// # Progress
    /// As [`clear`](Pinned::clear).
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) {
        for (key, value) in self.iter() {
            if !keep(key, value) {
                // What has been put there meanwhile is asked about too.
                self.remove_if(key, |key, current| {
                    std::ptr::eq(current, value) || !keep(key, current)
                });
            }
        }
    }
}
