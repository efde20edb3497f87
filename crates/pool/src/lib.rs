//! Where memory comes from and goes back to: slabs, magazines, a lock-free depot.
//!
//! ```text
//! thread ── loaded, spare magazine a class ──▶ depot (magazines, whole) ──▶ slabs (64 KiB) ──▶ segments (2 MiB)
//! ```
//! # Progress
//! Allocation and freeing are wait-free on a magazine hit and lock-free through the depot; new slabs and large blocks are the
//! operating system's business.
//!
//! # Memory
//! A block costs its class's size (steps of 8 bytes up to 256) and 4 bytes for its birth; a slab's header is 64 bytes. A thread holds at
//! most two magazines a class, of at most 8 KiB or 2 blocks each; the rest of what is free is in the depot, for everybody, until
//! [`Pool::trim`] or [`Pool::trim_idle`] gives wholly free slabs back to the system. A pool itself costs about 100 KB, and as much again
//! for each 16 threads past the 16th.
//!
//! The last handle may go before the blocks: the last block freed then takes the pool's memory with it.
//!
//! # Births
//! A node of a reclaimed structure carries its birth epoch. The pool keeps it beside the block, so the node itself is 8 bytes smaller.
//!
//! # Examples
//! ```
//! use stillpoint_pool::Pool;
//!
//! let pool = Pool::new();
//! let block = pool.alloc(104)?;
//! assert_eq!(pool.stats().bytes, 104);
//! // SAFETY: allocated just now, freed once.
//! unsafe { Pool::free(block) };
//! # Ok::<(), stillpoint_pool::AllocError>(())
//! ```
//!
//! Sources: Bonwick and Adams, "Magazines and Vmem" (USENIX 2001); the tagged 32-bit id in place of a 128-bit CAS follows folly's
//! `IndexedMemPool`.

mod carve;
mod chunks;
mod class;
mod closing;
mod core;
mod depot;
mod handle_pool;
mod index_stack;
mod local;
mod nodes;
mod object;
mod pool;
mod quarantine;
mod segment;
mod shelf;
mod slab;
mod slabs;
mod stats;
mod trim;

pub use handle_pool::{Handle, HandlePool, InsertError, Pinned};
pub use object::{ObjectPool, PoolBox};
pub use pool::{AllocError, Pool, PoolConfig};
pub use stats::{ClassStats, ClassTable, PoolStats};
