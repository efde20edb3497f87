//! [`Map`] and [`Set`], checked key by key.

use super::specification::Specification;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What was called on a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapEvent<K, V> {
    /// Looked up the key, found this.
    Get(K, Option<V>),
    /// Put the value there, whatever was there: this.
    Insert(K, V, Option<V>),
    /// Put the value there if the key was absent; `Err` with what was there instead.
    InsertNew(K, V, Result<(), V>),
    /// Took the key away, and with it this.
    Remove(K, Option<V>),
    /// Expected the first, wanted the second (`None`: absent); `Err` with what was there instead.
    CompareExchange(K, Option<V>, Option<V>, Result<(), Option<V>>),
    /// In one step: saw the first, left the second (`None`: absent). Serves any read-modify-write.
    Update(K, Option<V>, Option<V>),
}

impl<K: Ord + Clone, V: Clone + Eq> MapEvent<K, V> {
    /// Its key.
    pub fn key(&self) -> &K {
        match self {
            MapEvent::Get(key, ..)
            | MapEvent::Insert(key, ..)
            | MapEvent::InsertNew(key, ..)
            | MapEvent::Remove(key, ..)
            | MapEvent::CompareExchange(key, ..)
            | MapEvent::Update(key, ..) => key,
        }
    }

    /// What it leaves at its key, if it is possible where `now` is.
    fn after<'a>(&'a self, now: Option<&'a V>) -> Option<Option<&'a V>> {
        let (possible, after) = match self {
            MapEvent::Get(_, found) => (found.as_ref() == now, now),
            MapEvent::Insert(_, new, found) => (found.as_ref() == now, Some(new)),
            MapEvent::InsertNew(_, new, Ok(())) => (now.is_none(), Some(new)),
            MapEvent::InsertNew(_, _, Err(found)) => (now == Some(found), now),
            MapEvent::Remove(_, found) => (found.as_ref() == now, None),
            MapEvent::CompareExchange(_, expected, new, Ok(())) => {
                (expected.as_ref() == now, new.as_ref())
            }
            MapEvent::CompareExchange(_, expected, _, Err(found)) => {
                (found.as_ref() == now && expected != found, now)
            }
            MapEvent::Update(_, seen, left) => (seen.as_ref() == now, left.as_ref()),
        };
        possible.then_some(after)
    }

    /// The entries after it, if it is possible.
    pub(super) fn apply(&self, entries: &BTreeMap<K, V>) -> Option<BTreeMap<K, V>> {
        let key = self.key();
        let after = self.after(entries.get(key))?;
        let mut entries = entries.clone();
        match after {
            Some(value) => entries.insert(key.clone(), value.clone()),
            None => entries.remove(key),
        };
        Some(entries)
    }
}

fn part(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// A map, empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Map<K, V>(std::marker::PhantomData<(K, V)>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Map(std::marker::PhantomData)
    }
}

impl<K, V> Specification for Map<K, V>
where
    K: Clone + Ord + Hash + Debug,
    V: Clone + Eq + Hash + Debug,
{
    type Event = MapEvent<K, V>;
    type State = BTreeMap<K, V>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State> {
        event.apply(state)
    }

    fn part(&self, event: &Self::Event) -> u64 {
        part(event.key())
    }
}

/// What was called on a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetEvent<K> {
    /// Whether the key was there.
    Contains(K, bool),
    /// Whether the key was new.
    Insert(K, bool),
    /// Whether the key was there.
    Remove(K, bool),
}

/// A set, empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Set<K>(std::marker::PhantomData<K>);

impl<K> Default for Set<K> {
    fn default() -> Self {
        Set(std::marker::PhantomData)
    }
}

impl<K: Clone + Ord + Hash + Debug> Specification for Set<K> {
    type Event = SetEvent<K>;
    type State = BTreeSet<K>;

    fn initial(&self) -> Self::State {
        BTreeSet::new()
    }

    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State> {
        let mut after = state.clone();
        let (answer, given) = match event {
            SetEvent::Contains(key, given) => (state.contains(key), given),
            SetEvent::Insert(key, given) => (after.insert(key.clone()), given),
            SetEvent::Remove(key, given) => (after.remove(key), given),
        };
        (answer == *given).then_some(after)
    }

    fn part(&self, event: &Self::Event) -> u64 {
        let (SetEvent::Contains(key, _) | SetEvent::Insert(key, _) | SetEvent::Remove(key, _)) =
            event;
        part(key)
    }
}
