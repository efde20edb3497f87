//! The map's operations: under a guard of the caller's, for schemes that protect all that is loaded; and those for every scheme.

use super::compute::{Compute, Operation};
use super::entry::Entry;
use super::write::{Located, Put};
use super::{HashMap, Pinned};
use std::borrow::Borrow;
use std::cell::Cell;
use std::hash::{BuildHasher, Hash};
use stillpoint_primitive::prefetch;
use stillpoint_reclaim::{NodeAlloc, Owned, Protect, Restart, Scheme};

/// What [`HashMap::put`] found and left, once the guard protects both.
pub(super) enum Stored<'g, K, V> {
    New(&'g Entry<K, V>),
    Replaced { old: &'g Entry<K, V>, new: &'g Entry<K, V> },
    There(&'g Entry<K, V>),
}

impl<K, V, H, S, A> HashMap<K, V, H, S, A>
where
    K: Hash + Eq,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// The map under a guard of this thread, with all operations. Does not compile on schemes that protect per pointer.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Examples
    /// ```
    /// let map = stillpoint_structures::HashMap::new();
    /// let map = map.pin();
    /// assert_eq!(map.insert("a", 1), None);
    /// assert_eq!(map.insert("a", 2), Some(&1));
    /// assert_eq!(map.get("a"), Some(&2));
    /// ```
    #[inline]
    pub fn pin(&self) -> Pinned<'_, K, V, H, S, A> {
        Pinned::new(self)
    }

    /// The value of `key`. It stays allocated as long as the guard, also when it is replaced or removed. Does not compile on schemes that
    /// protect per pointer.
    ///
    /// # Progress
    /// As the [module's page](super) has it.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    ///
    /// # Examples
    /// ```
    /// let map = stillpoint_structures::HashMap::new();
    /// let guard = map.scheme().pin();
    /// assert_eq!(map.insert(1, "one", &guard)?, None);
    /// assert_eq!(map.get(&1, &guard)?, Some(&"one"));
    /// assert_eq!(map.remove(&1, &guard)?, Some((&1, &"one")));
    /// # Ok::<(), stillpoint_reclaim::Restart>(())
    /// ```
    #[inline]
    pub fn get<'g, Q>(&'g self, key: &Q, guard: &'g S::Guard<'_>) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        const { assert!(!S::PER_POINTER, "the scheme protects per pointer: use `with`") };
        self.check(guard);
        let hash = self.hash(key);
        let found = guard.retrying(|guard| self.look_up(hash, key, guard))?;
        Ok(found.map(|entry| &entry.value))
    }

    /// Calls `read` with the value of `key`, protected meanwhile. Runs on every scheme.
    ///
    /// # Progress
    /// As the [module's page](super) has it.
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (hash, mut read) = (self.hash(key), Some(read));
        self.scheme.pin().complete(|guard| {
            let found = self.look_up(hash, key, guard)?;
            Ok(found.and_then(|entry| read.take().map(|read| read(&entry.value))))
        })
    }

    /// Whether `key` is there. Runs on every scheme.
    ///
    /// # Progress
    /// As [`with`](HashMap::with).
    pub fn has<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.with(key, |_| ()).is_some()
    }
}

impl<K, V, H, S, A> HashMap<K, V, H, S, A>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// Gives `key` a value; whether it was there. Runs on every scheme.
    ///
    /// # Progress
    /// Lock-free.
    pub fn set(&self, key: K, value: V) -> bool {
        let hash = self.hash(&key);
        let mut guard = self.scheme.pin();
        let mut new = Some(self.entry(hash, key, value, &guard));
        guard.complete(|guard| Ok(!matches!(self.try_insert(&mut new, true, guard)?, Put::New(_))))
    }

    /// Takes `key` out; whether it was there. Runs on every scheme.
    ///
    /// # Progress
    /// Lock-free.
    pub fn unset<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hash(key);
        let mut guard = self.scheme.pin();
        guard.complete(|guard| Ok(self.try_remove(hash, key, |_| true, guard)?.is_some()))
    }

    /// Gives `key` a value, and shows the one before. Like [`get`](HashMap::get) not for schemes that protect per pointer.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`get`](HashMap::get); key and value are dropped then.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn insert<'g>(
        &'g self,
        key: K,
        value: V,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g V>, Restart> {
        let mut new = Some(self.new_entry(key, value, guard));
        Ok(match self.put(&mut new, true, guard)? {
            Stored::Replaced { old, .. } => Some(&old.value),
            Stored::New(_) | Stored::There(_) => None,
        })
    }

    /// Takes `key` out, and shows what was there. Like [`get`](HashMap::get) not for schemes that protect per pointer.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`get`](HashMap::get).
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
        Q: Hash + Eq + ?Sized,
    {
        self.remove_if(key, |_, _| true, guard)
    }

    /// Takes `key` out if `wanted` says so of what is there.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`get`](HashMap::get).
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
        Q: Hash + Eq + ?Sized,
    {
        const { assert!(!S::PER_POINTER, "the scheme protects per pointer: use `unset`") };
        self.check(guard);
        let hash = self.hash(key);
        guard.retrying(|guard| self.try_remove_if(hash, key, &mut wanted, guard))
    }

    /// One attempt of [`remove_if`](HashMap::remove_if).
    #[inline]
    pub(super) fn try_remove_if<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        wanted: &mut impl FnMut(&K, &V) -> bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let wanted = |entry: &Entry<K, V>| wanted(&entry.key, &entry.value);
        let removed = self.try_remove(hash, key, wanted, guard)?;
        Ok(removed.map(|entry| (&entry.key, &entry.value)))
    }

    /// Looks at `key` and does in one step what `decide` says; calls it again when the key has changed meanwhile.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`get`](HashMap::get); the key is dropped then.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn compute<'g, T>(
        &'g self,
        key: K,
        mut decide: impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Compute<'g, K, V, T>, Restart> {
        const { assert!(!S::PER_POINTER, "the scheme protects per pointer") };
        self.check(guard);
        let (hash, spare) = (self.hash(&key), Cell::new(None));
        let mut key = Some(key);
        guard.retrying(|guard| self.try_compute(hash, &mut key, &mut decide, &spare, guard))
    }

    /// One attempt of [`compute`](HashMap::compute). `key` is there again unless something was done. A value that was decided on where the key
    /// was absent, and could not be put in, comes to lie in `spare`.
    pub(super) fn try_compute<'g, T>(
        &'g self,
        hash: u64,
        key: &mut Option<K>,
        decide: &mut impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        spare: &Cell<Option<V>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Compute<'g, K, V, T>, Restart> {
        self.help_growth(guard)?;
        loop {
            if let Some(done) = self.try_compute_once(hash, key, decide, spare, guard)? {
                return Ok(done);
            }
        }
    }

    /// One look and one try.
    fn try_compute_once<'g, T>(
        &'g self,
        hash: u64,
        key: &mut Option<K>,
        decide: &mut impl FnMut(Option<(&'g K, &'g V)>) -> Operation<V, T>,
        spare: &Cell<Option<V>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<Compute<'g, K, V, T>>, Restart> {
        let located = self.locate(hash, key.as_ref().expect("not put in yet"), guard)?;
        let old = match &located {
            Located::Found(place) => Some((&place.entry.key, &place.entry.value)),
            Located::Vacant(_) => None,
        };
        let value = match decide(old) {
            Operation::Abort(result) => return Ok(Some(Compute::Aborted(result))),
            Operation::Remove => {
                let Located::Found(place) = &located else { return Ok(Some(Compute::Absent)) };
                let removed = self.remove_at(place, guard);
                return Ok(
                    removed.then_some(Compute::Removed(&place.entry.key, &place.entry.value))
                );
            }
            Operation::Insert(value) => value,
        };
        let mut new = Some(self.entry(hash, key.take().expect("as above"), value, guard));
        let put = match &located {
            Located::Found(place) => Ok(self.replace(place, &mut new, guard)),
            Located::Vacant(vacant) => self.add(vacant, &mut new, guard),
        };
        if let Some(refused) = new {
            let refused = refused.into_value();
            *key = Some(refused.key);
            if old.is_none() {
                spare.set(Some(refused.value));
            }
        }
        let Some(new) = put? else { return Ok(None) };
        // SAFETY: made under this guard, which protects all that is.
        let new = unsafe { &*new };
        Ok(Some(match old {
            None => Compute::Inserted(&new.key, &new.value),
            Some(old) => Compute::Updated { old, new: (&new.key, &new.value) },
        }))
    }

    #[inline]
    pub(super) fn new_entry(
        &self,
        key: K,
        value: V,
        guard: &S::Guard<'_>,
    ) -> Owned<Entry<K, V>, A> {
        self.check(guard);
        let hash = self.hash(&key);
        self.fetch_bin(hash, guard);
        self.entry(hash, key, value, guard)
    }

    /// Has the hash's bin come while an entry is being made.
    #[inline(always)]
    fn fetch_bin(&self, hash: u64, guard: &S::Guard<'_>) {
        // A model would take the load of the root for a step of the protocol.
        if cfg!(any(stillpoint_loom, stillpoint_shuttle)) {
            return;
        }
        if let Ok(table) = self.root(guard) {
            prefetch(std::ptr::from_ref(table.bin_of(hash)).cast());
        }
    }

    /// Puts an entry in. It is `None` afterwards unless the key was there and is to stay.
    #[inline]
    pub(super) fn put<'g>(
        &'g self,
        new: &mut Option<Owned<Entry<K, V>, A>>,
        replaces: bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Stored<'g, K, V>, Restart> {
        const { assert!(!S::PER_POINTER, "the scheme protects per pointer: use `set`") };
        guard.retrying(|guard| self.try_put(new, replaces, guard))
    }

    /// One attempt of [`put`](HashMap::put).
    #[inline]
    pub(super) fn try_put<'g>(
        &'g self,
        new: &mut Option<Owned<Entry<K, V>, A>>,
        replaces: bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Stored<'g, K, V>, Restart> {
        Ok(match self.try_insert(new, replaces, guard)? {
            // SAFETY: made under this guard, which protects all that is.
            Put::New(new) => Stored::New(unsafe { &*new }),
            // SAFETY: as above.
            Put::Replaced { old, new } => Stored::Replaced { old, new: unsafe { &*new } },
            Put::There(old) => Stored::There(old),
        })
    }
}
