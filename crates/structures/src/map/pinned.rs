//! [`Pinned`]: a map under a guard, with all operations.

use super::compute::{Compute, Operation};
use super::entry::Entry;
use super::guarded::Stored;
use super::{HashMap, Iter, Keys, Values};
use std::borrow::Borrow;
use std::cell::Cell;
use std::hash::{BuildHasher, Hash};
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Protect, Scheme};

/// A map under a guard of this thread: see [`HashMap::pin`]. What it gives stays allocated as long as it lives.
///
/// Nothing here fails: a facade that is used for longer than its collector's longest lease goes on [past it](Protect::overdraw), and
/// holds back everything retired after it began. So it is for an operation or a few; who keeps one calls [`repin`](Pinned::repin) now and then.
pub struct Pinned<'m, K, V, H = super::DefaultHasher, S: Scheme = Collector, A: NodeAlloc = Heap> {
    map: &'m HashMap<K, V, H, S, A>,
    guard: S::Guard<'m>,
}

impl<'m, K, V, H, S, A> Pinned<'m, K, V, H, S, A>
where
    K: Hash + Eq,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    #[inline]
    pub(super) fn new(map: &'m HashMap<K, V, H, S, A>) -> Self {
        const { assert!(!S::PER_POINTER, "the scheme protects per pointer: use `with`, `set`, `unset`") };
        Pinned { map, guard: map.scheme.pin() }
    }

    /// The map.
    pub fn map(&self) -> &'m HashMap<K, V, H, S, A> {
        self.map
    }

    /// Holds back no longer what it has given up to now, which is gone therefore.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Examples
    /// ```
    /// let map = stillpoint_structures::HashMap::new();
    /// let mut map = map.pin();
    /// for key in 0..1000 {
    ///     assert_eq!(map.get_or_insert(key, key * 2), &(key * 2));
    ///     map.repin();
    /// }
    /// ```
    pub fn repin(&mut self) {
        self.guard.repin();
    }

    /// The value of `key`.
    ///
    /// # Progress
    /// As the [module's page](super) has it.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key).map(|entry| &entry.value)
    }

    /// The key as it is in the map, and its value.
    ///
    /// # Progress
    /// As [`get`](Pinned::get).
    #[inline]
    pub fn get_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key).map(|entry| (&entry.key, &entry.value))
    }

    /// Whether `key` is there.
    ///
    /// # Progress
    /// As [`get`](Pinned::get).
    #[inline]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key).is_some()
    }

    #[inline(always)]
    fn find<Q>(&self, key: &Q) -> Option<&Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.map.hash(key);
        self.guard.insisting(|guard| self.map.look_up(hash, key, guard))
    }

    /// How many keys there are: see [`HashMap::len`].
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// All keys and values, in no order: each key that is there all the time once, one that comes or goes meanwhile perhaps.
    ///
    /// # Progress
    /// Lock-free; a step is a bin.
    pub fn iter(&self) -> Iter<'_, 'm, K, V, H, S, A> {
        Iter::new(self.map, &self.guard)
    }

    /// All keys; as [`iter`](Pinned::iter).
    pub fn keys(&self) -> Keys<'_, 'm, K, V, H, S, A> {
        Keys(self.iter())
    }

    /// All values; as [`iter`](Pinned::iter).
    pub fn values(&self) -> Values<'_, 'm, K, V, H, S, A> {
        Values(self.iter())
    }
}

impl<K, V, H, S, A> Pinned<'_, K, V, H, S, A>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// Gives `key` a value, and shows the one before. The entry's key is the new one.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn insert(&self, key: K, value: V) -> Option<&V> {
        let mut new = Some(self.map.new_entry(key, value, &self.guard));
        match self.guard.insisting(|guard| self.map.try_put(&mut new, true, guard)) {
            Stored::Replaced { old, .. } => Some(&old.value),
            Stored::New(_) | Stored::There(_) => None,
        }
    }

    /// Gives `key` a value if it has none, and shows it.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// [`Occupied`]: what is there, and the value that was not put in.
    pub fn try_insert(&self, key: K, value: V) -> Result<&V, Occupied<'_, V>> {
        let mut new = Some(self.map.new_entry(key, value, &self.guard));
        match self.guard.insisting(|guard| self.map.try_put(&mut new, false, guard)) {
            Stored::New(new) | Stored::Replaced { new, .. } => Ok(&new.value),
            Stored::There(there) => {
                let refused = new.expect("not put in").into_value();
                Err(Occupied { current: &there.value, refused: refused.value })
            }
        }
    }

    /// The value of `key`, which is this one if it had none.
    ///
    /// # Progress
    /// Lock-free.
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
    /// Lock-free.
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> &V {
        match self.find(&key) {
            Some(entry) => &entry.value,
            None => self.get_or_insert(key, make()),
        }
    }

    /// Takes `key` out, and shows its value.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn remove<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_entry(key).map(|(_, value)| value)
    }

    /// Takes `key` out, and shows what was there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn remove_entry<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(key, |_, _| true)
    }

    /// Takes `key` out if `wanted` says so of what is there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn remove_if<Q>(&self, key: &Q, mut wanted: impl FnMut(&K, &V) -> bool) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.map.hash(key);
        self.guard.insisting(|guard| self.map.try_remove_if(hash, key, &mut wanted, guard))
    }

    /// Looks at `key` and does in one step what `decide` says; calls it again when the key has changed meanwhile.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_structures::map::{Compute, HashMap, Operation};
    ///
    /// let tickets = HashMap::new();
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
        let (hash, mut key) = (self.map.hash(&key), Some(key));
        self.guard
            .insisting(|guard| self.map.try_compute(hash, &mut key, &mut decide, spare, guard))
    }

    /// Gives `key` the value that `update` makes of the one that it has, and shows the new one; `None` if it has none.
    ///
    /// # Progress
    /// Lock-free; `update` may be called several times.
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
    /// Lock-free; `update` may be called several times.
    pub fn update_or_insert(&self, key: K, update: impl FnMut(&V) -> V, value: V) -> &V {
        self.update_or_insert_with(key, update, || value)
    }

    /// As [`update_or_insert`](Pinned::update_or_insert), with a value that is made if need be, once at most.
    ///
    /// # Progress
    /// Lock-free; `update` may be called several times.
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

    /// Takes out all that is there.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Cost
    /// O(bins + keys). What is put in meanwhile may stay.
    pub fn clear(&self) {
        for key in self.keys() {
            self.remove_entry(key);
        }
    }

    /// Takes out what `keep` says no to.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Cost
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

    /// Makes room: see [`HashMap::reserve`].
    pub fn reserve(&self, additional: usize) {
        self.map.reserve(additional);
    }
}

/// A key that was to be put in has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupied<'g, V> {
    /// What it has.
    pub current: &'g V,
    /// What was not put in.
    pub refused: V,
}
