//! Lock-free structures over a reclamation scheme.
//!
//! | module | what it is |
//! |---|---|
//! | [`stack`] | last in, first out: Treiber's |
//! | [`queue`] | first in, first out: Michael and Scott's, a node a value |
//! | [`segment_queue`] | first in, first out: segments of 32 cells, the faster one |
//! | [`array_queue`] | first in, first out, bounded: Vyukov's ring |
//! | [`channel`] | bounded and unbounded channels for threads and tasks |
//! | [`slot`] | one value that many read and a few replace |
//! | [`map`] | hash map and set: lock-free reads, growth without a stall |
//! | [`list`] | sorted linked list: Harris', with a wait-free `get` |
//! | [`ordered_map`] | a map in the order of its keys, with ranges: a B+tree |
//! | [`index`] | the store's version index: key → chain of versions, newest first |

mod backoff;
mod drop_all;
mod linked;
mod returned;
#[cfg(stillpoint_loom)]
mod weakened;

pub mod array_queue;
pub mod channel;
pub mod index;
pub mod list;
pub mod map;
pub mod ordered_map;
pub mod queue;
pub mod segment_queue;
pub mod slot;
pub mod stack;

pub use array_queue::ArrayQueue;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use index::Mutation;
pub use index::{
    AllocError, AlreadyStamped, Batch, Head, IndexStats, MAX_KEY_BYTES, MAX_VALUE_BYTES, NewValue,
    NewVersion, Pruned, Refused, RefusedReason, Stamp, ValueRef, VersionIndex, VersionRef,
};
pub use list::List;
pub use map::{HashMap, HashSet};
pub use ordered_map::OrderedMap;
pub use queue::Queue;
pub use returned::Returned;
pub use segment_queue::SegmentQueue;
pub use slot::Slot;
pub use stack::Stack;
pub use stillpoint_reclaim::{Collector, Expired, Guard};
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use weakened::Weakened;
