//! What `std`'s maps are, this one is: `Debug`, `Clone`, `PartialEq`, `Default`, `Extend`, `FromIterator`, `IntoIterator` of the facade.

use super::{HashMap, Iter, Pinned};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Scheme};

impl<K, V, H: Default> Default for HashMap<K, V, H> {
    fn default() -> Self {
        HashMap::with_hasher(H::default())
    }
}

impl<K, V, H, S, A> fmt::Debug for HashMap<K, V, H, S, A>
where
    K: Hash + Eq + fmt::Debug,
    V: fmt::Debug,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if S::PER_POINTER {
            return f.debug_struct("HashMap").field("len", &self.len()).finish_non_exhaustive();
        }
        let guard = self.scheme.pin();
        f.debug_map().entries(Iter::new(self, &guard)).finish()
    }
}

impl<K, V, H, S, A> fmt::Debug for Pinned<'_, K, V, H, S, A>
where
    K: Hash + Eq + fmt::Debug,
    V: fmt::Debug,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V, H> Clone for HashMap<K, V, H, Collector, Heap>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + 'static,
    H: BuildHasher + Clone,
{
    /// A map of its own, with the same collector. What others change meanwhile may be in it or not.
    fn clone(&self) -> Self {
        let hasher = self.hasher.clone();
        let mut clone = HashMap::with_all(self.len(), hasher, self.scheme.clone(), Heap);
        clone.extend(self.pin().iter().map(|(key, value)| (key.clone(), value.clone())));
        clone
    }
}

impl<K, V, H, S, A> PartialEq for HashMap<K, V, H, S, A>
where
    K: Hash + Eq,
    V: PartialEq,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    /// Whether both have the same keys with the same values; while others change them, of no one moment.
    fn eq(&self, other: &Self) -> bool {
        let (own, other) = (self.pin(), other.pin());
        own.len() == other.len()
            && own.iter().all(|(key, value)| other.get(key).is_some_and(|there| there == value))
    }
}

impl<K, V, H, S, A> Eq for HashMap<K, V, H, S, A>
where
    K: Hash + Eq,
    V: Eq,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
}

impl<K, V, H, S, A> Extend<(K, V)> for HashMap<K, V, H, S, A>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| {
            self.set(key, value);
        });
    }
}

impl<K, V, H> FromIterator<(K, V)> for HashMap<K, V, H>
where
    K: Hash + Eq + Send + 'static,
    V: Send + 'static,
    H: BuildHasher + Default,
{
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = HashMap::default();
        map.extend(entries);
        map
    }
}

impl<'p, 'm, K, V, H, S, A> IntoIterator for &'p Pinned<'m, K, V, H, S, A>
where
    K: Hash + Eq,
    H: BuildHasher,
    S: Scheme,
    A: NodeAlloc,
{
    type Item = (&'p K, &'p V);
    type IntoIter = Iter<'p, 'm, K, V, H, S, A>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
