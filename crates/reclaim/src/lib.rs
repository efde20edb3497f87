//! Memory reclamation for lock-free structures: one interface, several schemes, **leased epochs** the default.
//!
//! A writer that has unlinked a node cannot free it: a reader may be looking at it. It *retires* the node to a collector, and the
//! collector *reclaims* it once no reader can hold it any more. Schemes differ in what a load costs, in what a stalled reader
//! holds back, and in which structures they carry.
//!
//! # Which scheme
//! | scheme | one load | behind a stalled reader | carries | choose it |
//! |---|---|---|---|---|
//! | [`leased`] | one compare | bounded: the nodes of a lease; so behind one that goes on loading | everything; may say [`Restart`] | by default |
//! | [`ebr`] | nothing | **unbounded** | everything | guards are short and cannot stall |
//! | [`hp`] | a store and a reload | bounded: its slots | what marks links before unlinking; may say [`Restart`] | few links, the tightest bound |
//! | [`rcu`] | nothing; nor does a pin | everything; also behind an idle thread that does not say so | everything | for loops with a resting point |
//! | [`rc`] | nothing | **unbounded** | everything; any node can be kept by a handle | many nodes are kept beyond guards |
//! | [`leak`] | nothing | everything: nothing is ever freed | everything | as a bench's lower bound |
//!
//! Each module's page has the idea, a picture, progress, the memory bound, the orderings and the source.
//!
//! # Two ways in
//! - **One scheme, directly:** [`Collector`] and [`Guard`] of leased epochs, re-exported here; [`Guard::protect`] for roots and
//!   [`Guard::follow`] for links. The store is built on these.
//! - **Any scheme:** a structure written over the traits [`Scheme`] and [`Protect`] runs on all that can carry it; what it needs is a
//!   constant that is checked when it is compiled.
//!
//! The pointer types [`Atomic`], [`Owned`], [`Shared`] and [`Unprotected`] are the same for all.
//!
//! # Around the default scheme
//! | for | there is |
//! |---|---|
//! | seeing who holds back memory | [`Collector::stats`], [`Collector::pin_named`], [`OldestGuard`] with its age |
//! | doing something about it | [`Builder::soft_limit`], [`Builder::hard_limit`] in nodes and bytes |
//! | destructors off one's own threads | [`Collector::background`], [`Builder::reclaim_on_retire`] |
//! | values that borrow | [`leased::Scoped`] |
//! | processes that fork | [`Builder::survive_fork`] |
//! | pins that ask no thread-local | [`Collector::register`], [`Participant`] |
//! | structures written for crossbeam-epoch | [`compat`] |
//! | longer reads | [`guide`] |
//!
//! # Without `std`
//! With `default-features = false` there are `core` and `alloc`, and atomics of 64 bits. No thread is known by itself then, so each holds a
//! [`Participant`], and pins through it.
//!
//! | | without `std` |
//! |---|---|
//! | [`leased`], and structures over [`Protect`] | yes, by participants; fences are strict (one a pin); [`OldestGuard::age`] is zero; a destructor must not panic |
//! | [`Collector::pin`], [`ebr`], [`rc`], [`compat`] | yes, slowly: each outermost pin claims a number under a lock that spins, and hands its bags over |
//! | [`hp`], [`rcu`], [`leak`], background threads, `fork`, the guides | no: they need threads that are known, and that end |
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Collector, Owned};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let collector = Collector::new();
//! let guard = collector.pin();
//! let cell = Atomic::new(Owned::new(&guard, 7));
//! let seen = guard.insisting(|guard| guard.protect(&cell));
//! // SAFETY: protected by `guard`, and only ever replaced, never freed in place.
//! assert_eq!(unsafe { seen.deref() }, &7);
//! let old = cell.swap(Owned::new(&guard, 8), Ordering::AcqRel);
//! // SAFETY: unlinked just now, by us alone.
//! unsafe { old.retire(&guard) };
//! # let last = cell.take(Ordering::AcqRel);
//! # // SAFETY: the cell is about to go.
//! # unsafe { last.retire(&guard) };
//! ```

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "what `hp`, forks and background threads need")
)]

extern crate alloc;

mod atomic;
mod chunks;
mod counted;
mod epoch;
mod node;
mod plain_loads;
mod retired;
mod scheme;

pub mod compat;
pub mod ebr;
#[cfg(feature = "std")]
pub mod guide;
#[cfg(feature = "std")]
pub mod hp;
#[cfg(feature = "std")]
pub mod leak;
pub mod leased;
pub mod rc;
#[cfg(feature = "std")]
pub mod rcu;

pub use atomic::{Atomic, Owned, Refused, Shared, Unprotected};
pub use counted::{Countable, Counted};
pub use epoch::Epoch;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use leased::Mutation;
#[cfg(feature = "std")]
pub use leased::{Background, BackgroundBuilder};
pub use leased::{
    Builder, Collector, Expired, Guard, Lease, Limit, OldestGuard, Participant, Stats,
    WeakCollector,
};
pub use node::{AllocError, Header, Heap, NodeAlloc};
pub use scheme::{Protect, Restart, Scheme};
