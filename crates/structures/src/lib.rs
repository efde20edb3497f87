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
//! | [`ordered`] | a map in the order of its keys, with ranges: a B+tree |
//! | [`index`] | the store's version index: key → chain of versions, newest first |
//!
//! # Operations
//! | structure | reads | writes | cost of an operation, beside the pin |
//! |---|---|---|---|
//! | [`Stack`] | `peek` wait-free | push, pop lock-free; `take_all` wait-free | push: an allocation and a CAS; pop: a CAS |
//! | [`Queue`] | `is_empty` wait-free | push, pop lock-free | push: an allocation and two CASes; pop: a CAS |
//! | [`SegmentQueue`] | `is_empty` wait-free | push, pop lock-free | push: a fetch-and-add and a CAS, an allocation every 32nd time; pop: a CAS |
//! | [`ArrayQueue`] | `len` wait-free | push, pop wait for whoever has taken that very cell | a CAS and a store |
//! | [`channel`] | – | `try_` forms as the queue below; others block, or are futures | the queue's, and a look for sleepers |
//! | [`Slot`] | wait-free | `store`, `swap` wait-free, `update` lock-free | read: a load; write: an allocation and a swap or a CAS |
//! | [`List`] | wait-free (hazard pointers: lock-free) | lock-free | a step a key on the way; insert: an allocation and a CAS; remove: two CASes |
//! | [`HashMap`], [`HashSet`] | lock-free; wait-free unless an insert of the same mark is under way, or a growth overtakes it | lock-free, growth included | get: two cache misses, no write; replace: an allocation and a CAS; new key: an allocation and 4 atomic writes, while the map grows 4 bins moved; remove: two CASes |
//! | [`OrderedMap`] | lock-free: never wait for a writer; ranges too | blocking, per leaf | a binary search a level; get: no write; write: an allocation and a lock, a leaf copied every few new keys |
//!
//! Each is as its scheme's loads at best.
//!
//! # Schemes
//! | structure | `leased` `ebr` `rcu` `rc` `leak` | `hp` | a guard past the longest lease (`leased`) |
//! |---|---|---|---|
//! | [`Stack`], [`Queue`], [`SegmentQueue`], unbounded channels | yes | yes | `…_with` gives the value back, or says `Restart`; the others pin for themselves |
//! | [`Slot`] | yes | `read`, not `load` | `try_load` says `Restart`, `load` goes on |
//! | [`List`] | yes | `with`, not `get` or `iter` | `get` says `Restart`, `iter` goes on |
//! | [`HashMap`], [`HashSet`] | yes | `with`, `set`, `unset`, `has`; no facade | with a guard of one's own: `Restart`; the facade goes on |
//! | [`OrderedMap`] | yes | does not compile | as [`HashMap`] |
//! | [`ArrayQueue`], bounded channels | none needed | | |
//! | [`index`] | `leased` only | | `Expired` |
//!
//! *Goes on* means: as a guard of plain epochs would, holding back everything retired since it began, and counted in
//! [`Stats::overdrafts`](stillpoint_reclaim::Stats::overdrafts). What is not given a guard pins for itself, and always ends.

mod backoff;
mod container;
mod len;
mod lines;
mod linked;
mod returned;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod weakened;

pub mod array_queue;
pub mod channel;
pub mod index;
pub mod list;
pub mod map;
pub mod ordered;
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
pub use ordered::OrderedMap;
pub use queue::Queue;
pub use returned::Returned;
pub use segment_queue::SegmentQueue;
pub use slot::Slot;
pub use stack::Stack;
pub use stillpoint_reclaim::{Collector, Expired, Guard};
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
#[doc(hidden)]
pub use weakened::Weakened;
