//! [`Specification`]: the sequential object that a history is held against.

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential object: a state, and which events it can answer.
///
/// # Examples
/// A counter:
/// ```
/// use stillpoint_testkit::linearizability::{History, Specification, check};
///
/// struct Counter;
///
/// impl Specification for Counter {
///     /// `fetch_add(1)` and what it returned.
///     type Event = u64;
///     type State = u64;
///     fn initial(&self) -> u64 { 0 }
///     fn step(&self, state: &u64, returned: &u64) -> Option<u64> {
///         (state == returned).then_some(state + 1)
///     }
/// }
/// // (thread, began, returned, event): both threads saw 0.
/// let history = History::of([(0, 0, 3, 0), (1, 1, 2, 0)]);
/// assert!(check(&Counter, &history).is_err());
/// ```
pub trait Specification {
    /// A call with its arguments and its results.
    type Event: Clone + Debug;
    /// What the object holds.
    type State: Clone + Eq + Hash + Debug;

    /// The state at the beginning.
    fn initial(&self) -> Self::State;

    /// The state after `event`, or `None` if the object in `state` could not have answered so. Several answers may be possible in a state; each must
    /// lead to one state.
    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State>;

    /// A number for the independent part of the object that `event` is about: events of one part give one number, and two parts may share one only
    /// if the state tells them apart.
    fn part(&self, event: &Self::Event) -> u64 {
        let _ = event;
        0
    }
}
