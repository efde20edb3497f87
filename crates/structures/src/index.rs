//! The version index: key → chain of versions, newest first, without a lock anywhere.
//!
//! [`VersionIndex`] is the one structure the store is built on. A bin of the hash index points straight at the newest version of a key (the
//! key is inside the version), so a hit touches one line of the index and one of the version. Readers write no shared memory at all; writers of
//! different keys meet in a line only if their keys share a bin; growth is done by the writers, a bin at a time, while readers read on.
//!
//! ```text
//!  root ─▶ Table ─┬─ Bin 64 B: header · 6 slots · link ─▶ Line 64 B: 7 slots · link ─▶ … (at most 3 lines, 27 slots)
//!                 │                     │
//!                 ├─ Bin                ▼ tag16 | pointer48 | flags3
//!                 └─ …             Version: stamp · next ─▶ older version ─▶ …
//!                                           lens · [expire_at] · [object] · key · value
//! ```
//!
//! | type | what it is |
//! |---|---|
//! | [`VersionIndex`] | the index: `find`, `install`, `remove`, `prune`, `scan`, `sample`, `stats` |
//! | [`Head`] | where a key was found: its slot and its newest version at that moment |
//! | [`VersionRef`] | a version under a guard: key, value, stamp, the next older one |
//! | [`NewVersion`] | a version that nobody else can see yet |
//! | [`Stamp`] | unset · aborted · plain (opaque to this crate) · pending on a descriptor |
//! | [`Batch`] | the only way to publish pending stamps, over one index or several |
//!
//! Operations take a guard and say `Expired` past its collector's longest lease: the caller pins anew and asks again. Who holds no guard for
//! longer than an operation, as the store does, gives the index a collector without one, and need not.
//!
//! The interface is safe: whatever a caller does with these types, in whatever order, memory stays sound. What this crate does not know is what
//! stamps mean; that is the store's.
//!
//! # Examples
//! ```
//! use stillpoint_pool::Pool;
//! use stillpoint_reclaim::Collector;
//! use stillpoint_structures::{NewValue, ValueRef, VersionIndex};
//!
//! let collector = Collector::new();
//! let index: VersionIndex<(), ()> = VersionIndex::new(collector.clone(), Pool::new());
//! let guard = collector.pin();
//! let hash = index.hash(b"answer");
//! let new = index.new_version(b"answer", NewValue::Bytes(b"42"), 0, None)?;
//! let version = index.install(&guard, hash, None, new).map_err(|refused| refused.reason)?;
//! assert!(version.try_stamp(1000).is_ok());
//! let head = index.find(&guard, hash, b"answer")?.expect("was just installed");
//! assert!(matches!(head.version().value(), ValueRef::Bytes(b"42")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod bin;
mod error;
mod find;
mod growth;
#[cfg(stillpoint_loom)]
mod mutation;
mod prune;
mod publish;
mod remove;
mod scan;
mod slot;
mod stamp;
mod table;
mod version;
mod version_index;

pub use batch::Batch;
pub use error::{AllocError, Refused, RefusedReason};
pub use find::Head;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use mutation::Mutation;
pub use prune::Pruned;
pub use stamp::Stamp;
pub use version::{
    AlreadyStamped, MAX_KEY_BYTES, MAX_VALUE_BYTES, NewValue, NewVersion, ValueRef, VersionRef,
};
pub use version_index::{IndexStats, VersionIndex};
