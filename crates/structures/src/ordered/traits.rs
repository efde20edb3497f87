//! What `std`'s maps are, this one is: `Debug`, `Default`, `Extend`, `FromIterator`, `IntoIterator` of the facade.
//!
//! Tags: none of its own.

use super::range::Iter;
use super::{OrderedMap, Pinned};
use std::fmt;
use stillpoint_reclaim::{NodeAlloc, Scheme};

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        OrderedMap::new()
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug, S: Scheme, A: NodeAlloc> fmt::Debug
    for OrderedMap<K, V, S, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pin().fmt(f)
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug, S: Scheme, A: NodeAlloc> fmt::Debug
    for Pinned<'_, K, V, S, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V, S, A> Extend<(K, V)> for OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| {
            self.set(key, value);
        });
    }
}

impl<K, V> FromIterator<(K, V)> for OrderedMap<K, V>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = OrderedMap::default();
        map.extend(entries);
        map
    }
}

impl<'p, 'm, K: Ord, V, S: Scheme, A: NodeAlloc> IntoIterator for &'p Pinned<'m, K, V, S, A> {
    type Item = (&'p K, &'p V);
    type IntoIter = Iter<'p, 'm, K, V, S, A>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
