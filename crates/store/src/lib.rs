//! MVCC in memory: versions, snapshots, transactions, garbage collection, expiry.
#![forbid(unsafe_code)]

mod draft;
mod entry;
mod error;
mod snapshot;
mod stats;
mod store;
mod transaction;

pub use draft::Draft;
pub use entry::{Entry, Value, VersionStamp};
pub use error::{CommitError, SnapshotExpired, WriteError};
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use store::{At, Config, Store};
pub use transaction::Transaction;
