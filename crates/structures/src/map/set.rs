//! [`HashSet`]: a [`HashMap`] without values.

use super::{DefaultHasher, HashMap, Keys, Pinned};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Scheme};

/// A hash set for any number of threads: a [`HashMap`] without values, see the [module's page](super) for progress and cost.
///
/// # Examples
/// ```
/// use stillpoint_structures::HashSet;
///
/// let seen: HashSet<_> = ["a", "b"].into_iter().collect();
/// assert!(!seen.insert("a") && seen.insert("c"));
/// assert!(seen.remove("b"));
/// let mut all: Vec<_> = seen.pin().iter().copied().collect();
/// all.sort();
/// assert_eq!(all, ["a", "c"]);
/// ```
pub struct HashSet<T, H = DefaultHasher, S: Scheme = Collector, A: NodeAlloc = Heap> {
    map: HashMap<T, (), H, S, A>,
}

/// A set under a guard of this thread: see [`HashSet::pin`].
pub struct PinnedSet<'m, T, H = DefaultHasher, S: Scheme = Collector, A: NodeAlloc = Heap> {
    map: Pinned<'m, T, (), H, S, A>,
}

/// See [`PinnedSet::iter`].
pub type SetIter<'g, 'm, T, H, S, A> = Keys<'g, 'm, T, (), H, S, A>;

impl<T> HashSet<T> {
    /// An empty set with a collector of its own.
    pub fn new() -> Self {
        HashSet { map: HashMap::new() }
    }
}

impl<T, S: Scheme> HashSet<T, DefaultHasher, S> {
    /// An empty set whose entries `scheme` reclaims.
    pub fn with_scheme(scheme: S) -> Self {
        HashSet { map: HashMap::with_scheme(scheme) }
    }
}

impl<T, H, S: Scheme, A: NodeAlloc> HashSet<T, H, S, A> {
    /// As [`HashMap::with_all`].
    ///
    /// # Panics
    /// When there is no memory for that many.
    pub fn with_all(capacity: usize, hasher: H, scheme: S, alloc: A) -> Self {
        HashSet { map: HashMap::with_all(capacity, hasher, scheme, alloc) }
    }

    /// The scheme that reclaims its entries.
    pub fn scheme(&self) -> &S {
        self.map.scheme()
    }

    /// How many there are: see [`HashMap::len`].
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl<T: Hash + Eq, H: BuildHasher, S: Scheme, A: NodeAlloc> HashSet<T, H, S, A> {
    /// Whether it is there. Runs on every scheme.
    ///
    /// # Progress
    /// As [`HashMap::with`].
    pub fn contains<Q>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.has(value)
    }

    /// The set under a guard of this thread: see [`HashMap::pin`].
    ///
    /// # Panics
    /// As [`HashMap::pin`].
    pub fn pin(&self) -> PinnedSet<'_, T, H, S, A> {
        PinnedSet { map: self.map.pin() }
    }
}

impl<T, H, S, A> HashSet<T, H, S, A>
where
    T: Hash + Eq + Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// Puts it in; whether it was not there. Runs on every scheme.
    ///
    /// # Progress
    /// Lock-free.
    pub fn insert(&self, value: T) -> bool {
        !self.map.set(value, ())
    }

    /// Takes it out; whether it was there. Runs on every scheme.
    ///
    /// # Progress
    /// Lock-free.
    pub fn remove<Q>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.unset(value)
    }
}

impl<'m, T: Hash + Eq, H: BuildHasher, S: Scheme, A: NodeAlloc> PinnedSet<'m, T, H, S, A> {
    /// As [`Pinned::repin`].
    ///
    /// # Progress
    /// Wait-free.
    pub fn repin(&mut self) {
        self.map.repin();
    }

    /// As it is in the set.
    ///
    /// # Progress
    /// As [`Pinned::get`].
    pub fn get<Q>(&self, value: &Q) -> Option<&T>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.get_key_value(value).map(|(value, ())| value)
    }

    /// All of them: see [`Pinned::iter`].
    ///
    /// # Progress
    /// Lock-free; a step is a bin.
    pub fn iter(&self) -> SetIter<'_, 'm, T, H, S, A> {
        self.map.keys()
    }
}

impl<T, H, S, A> PinnedSet<'_, T, H, S, A>
where
    T: Hash + Eq + Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// Takes it out and shows it.
    ///
    /// # Progress
    /// Lock-free.
    pub fn take<Q>(&self, value: &Q) -> Option<&T>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.remove_entry(value).map(|(value, ())| value)
    }

    /// Takes out what `keep` says no to.
    ///
    /// # Progress
    /// Lock-free.
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool) {
        self.map.retain(|value, ()| keep(value));
    }
}

impl<T, H: Default> Default for HashSet<T, H> {
    fn default() -> Self {
        HashSet { map: HashMap::default() }
    }
}

impl<T, H, S, A> Extend<T> for HashSet<T, H, S, A>
where
    T: Hash + Eq + Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.map.extend(values.into_iter().map(|value| (value, ())));
    }
}

impl<T, H> FromIterator<T> for HashSet<T, H>
where
    T: Hash + Eq + Send + 'static,
    H: BuildHasher + Default,
{
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = HashSet::default();
        set.extend(values);
        set
    }
}

impl<T, H, S, A> fmt::Debug for HashSet<T, H, S, A>
where
    T: Hash + Eq + fmt::Debug,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

impl<T, H, S, A> fmt::Debug for PinnedSet<'_, T, H, S, A>
where
    T: Hash + Eq + fmt::Debug,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
