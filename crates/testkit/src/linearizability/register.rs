//! [`Register`]: one place.

use super::specification::Specification;
use std::fmt::Debug;
use std::hash::Hash;

/// What was called on a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterEvent<V> {
    /// Read: found this.
    Read(V),
    /// Wrote this.
    Write(V),
    /// Wrote the first, found the second.
    Swap(V, V),
    /// Expected the first, wanted the second; `Err` with what was there instead.
    CompareExchange(V, V, Result<(), V>),
}

/// A place that holds one value.
#[derive(Clone, Debug, Default)]
pub struct Register<V> {
    /// What it holds at the beginning.
    pub initial: V,
}

impl<V: Clone + Eq + Hash + Debug> Specification for Register<V> {
    type Event = RegisterEvent<V>;
    type State = V;

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, event: &Self::Event) -> Option<V> {
        let (possible, after) = match event {
            RegisterEvent::Read(found) => (found == state, state),
            RegisterEvent::Write(new) => (true, new),
            RegisterEvent::Swap(new, found) => (found == state, new),
            RegisterEvent::CompareExchange(expected, new, Ok(())) => (expected == state, new),
            RegisterEvent::CompareExchange(expected, _, Err(found)) => {
                (found == state && expected != found, state)
            }
        };
        possible.then(|| after.clone())
    }
}
