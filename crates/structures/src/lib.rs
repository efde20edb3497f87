//! Lock-free structures over a reclamation scheme.
//!
//! | module | what it is |
//! |---|---|
//! | [`index`] | the store's version index: key → chain of versions, newest first |

pub mod index;

#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use index::Mutation;
pub use index::{
    AllocError, AlreadyStamped, Batch, Head, IndexStats, MAX_KEY_BYTES, MAX_VALUE_BYTES, NewValue,
    NewVersion, Pruned, Refused, RefusedReason, Stamp, ValueRef, VersionIndex, VersionRef,
};
pub use stillpoint_reclaim::{Collector, Expired, Guard};
