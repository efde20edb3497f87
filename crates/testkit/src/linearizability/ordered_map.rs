//! [`OrderedMap`]: a map whose ranges are answered at one moment, or step by step.

use super::map::MapEvent;
use super::specification::Specification;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::RangeInclusive;

/// What was called on an ordered map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderedMapEvent<K, V> {
    /// A call that concerns one key.
    At(MapEvent<K, V>),
    /// A range, and all that was in it at one moment.
    Range(RangeInclusive<K>, Vec<(K, V)>),
    /// The first entry after the key (of all: `None`), one step of a scan that is not of one moment.
    After(Option<K>, Option<(K, V)>),
    /// The last entry before the key (of all: `None`).
    Before(Option<K>, Option<(K, V)>),
    /// How many entries there were.
    Len(usize),
}

impl<K, V> From<MapEvent<K, V>> for OrderedMapEvent<K, V> {
    fn from(event: MapEvent<K, V>) -> Self {
        OrderedMapEvent::At(event)
    }
}

/// An ordered map, empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct OrderedMap<K, V>(std::marker::PhantomData<(K, V)>);

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        OrderedMap(std::marker::PhantomData)
    }
}

impl<K, V> Specification for OrderedMap<K, V>
where
    K: Clone + Ord + Hash + Debug,
    V: Clone + Eq + Hash + Debug,
{
    type Event = OrderedMapEvent<K, V>;
    type State = BTreeMap<K, V>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State> {
        let possible = match event {
            OrderedMapEvent::At(event) => return event.apply(state),
            OrderedMapEvent::Range(range, found) => {
                let given = found.iter().map(|(key, value)| (key, value));
                range.is_empty() && found.is_empty()
                    || !range.is_empty() && state.range(range.clone()).eq(given)
            }
            OrderedMapEvent::After(key, found) => {
                let from = key.as_ref().map_or(Unbounded, Excluded);
                let next = state.range::<K, _>((from, Unbounded)).next();
                next == found.as_ref().map(|(key, value)| (key, value))
            }
            OrderedMapEvent::Before(key, found) => {
                let to = key.as_ref().map_or(Unbounded, Excluded);
                let last = state.range::<K, _>((Unbounded, to)).next_back();
                last == found.as_ref().map(|(key, value)| (key, value))
            }
            OrderedMapEvent::Len(len) => *len == state.len(),
        };
        possible.then(|| state.clone())
    }
}
