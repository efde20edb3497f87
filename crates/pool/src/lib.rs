//! Where memory comes from and goes back to: slabs, magazines, a lock-free depot.
//!
//! ```text
//! thread ── loaded, spare magazine a class ──▶ depot (magazines, whole) ──▶ slabs (64 KiB) ──▶ segments (2 MiB)
//! ```
//! # Progress and cost
//! | operation | a magazine at hand | else, once in a magazine (up to 64 blocks) | costs, at hand |
//! |---|---|---|---|
//! | [`Pool::alloc`] | wait-free | lock-free: a depot's stack; a fresh slab or magazine: a lock, and the system | 17 instructions |
//! | [`Pool::free_sized`] | wait-free | lock-free, as above | as much: 1.2 times a thread's own list with `alloc` |
//! | [`Pool::free`], [`PoolBox`]'s drop | wait-free | lock-free, as above | a load of the slab's header before, two stores around |
//! | [`Pool::free_batch`] | wait-free for each run of one slab or class | lock-free: whole magazines to the depot | that of `free` for each run |
//! | [`Pool::prepare`] | the system's time for 2 MiB, taken beside the others | | |
//! | [`Pool::trim`], [`Pool::trim_idle`] | blocking against another trim | | O(free blocks + slabs) |
//! | [`Pool::stats`] | lock-free but for the slabs' lock | | O(threads × classes) |
//!
//! Threads past the 16th that there are at a time look for their shelf first: 20 instructions a call, where a block is freed by its address 130.
//!
//! Figures are not counted by hits: they follow from what lies in the magazines.
//!
//! # Memory
//! A block costs its class's size (steps of 8 bytes up to 256) and 4 bytes for its birth; a slab's header is 64 bytes. A free one costs
//! 8 bytes more, in its magazine. A thread holds at most two magazines a class, of at most 8 KiB or 2 blocks each; the rest of what is
//! free is in the depot, for everybody, until [`Pool::trim`] or [`Pool::trim_idle`] gives wholly free slabs, and the magazines that held
//! their blocks, back to the system: a tenfold spike leaves 1.1 times what lives. A pool itself costs about 200 KB, and half as much
//! again for each 16 threads past the 16th.
//!
//! From 2 MiB on ([`PoolConfig::huge_pages_after_bytes`]) slabs lie in huge pages where the system has such: the newest one's part that is not
//! in use yet, less than 2 MiB, is resident too until a trim. [`Pool::prepare`] gets the next one ready, 2 MiB more.
//!
//! Where the system gives slabs but no memory for magazines, blocks come and go one by one, under a lock.
//!
//! The last handle may go before the blocks: the last block freed then takes the pool's memory with it.
//!
//! # Fork
//! In the child of a `fork` a pool may be used if [`PoolConfig::survive_fork`] is set, or if the process had one thread.
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
mod fork;
mod handle_pool;
mod index_stack;
mod local;
mod magazine;
mod mapping;
mod nodes;
mod numbers;
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
