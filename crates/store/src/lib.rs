//! MVCC in memory: versions, snapshots, transactions, garbage collection, expiry.
//!
//! | file | concept |
//! |---|---|
//! | `store`, `snapshot`, `transaction`, `draft`, `entry`, `config`, `stats`, `error` | the public interface |
//! | `db/` | a map of the program's own types |
//! | `stm/` | variables that change together |
//! | `engine` | what all handles of one store share |
//! | `commit_clock`, `lease`, `lease_view` | timestamps, and who still reads at which |
//! | `reader`, `walk` | reading by a lease; walking over all keys |
//! | `ordered`, `key_range`, `range`, `space_set` | keys in order, and reading them so |
//! | `settle` | how a version stands: stamping, helping, deciding, validating |
//! | `transaction/` | attempts, isolation, operations at the commit, savepoints |
//! | `write`, `commit`, `descriptor` | writes of one key; commits of several |
//! | `cache/` | what is absent is loaded, once for all who ask |
//! | `bulk` | filling a store at once |
//! | `waiters` | who sleeps until a key changes |
//! | `prune`, `limbo` | cutting out what no snapshot needs |
//! | `eviction`, `listener` | staying within a limit of bytes; who is told of what went |
//! | `expiry`, `maintenance` | what is done beside the operations |
//! | `stream` | every committed change, once, in order |
//! | `counters`, `settings`, `segments` | figures per thread, live settings, arrays that grow in place |
//! | `step` | where tests stop a thread |
#![forbid(unsafe_code)]

mod bulk;
mod cache;
mod call;
mod commit;
mod commit_clock;
mod config;
mod counters;
mod db;
mod descriptor;
mod draft;
mod engine;
mod entry;
mod error;
mod eviction;
mod expiry;
mod key_range;
mod lease;
mod lease_view;
mod limbo;
mod listener;
mod maintenance;
#[cfg(stillpoint_loom)]
mod mutation;
mod ordered;
mod owned_entry;
mod prefetch;
mod prune;
mod range;
mod reader;
mod segments;
mod settings;
mod settle;
mod shared_key;
mod snapshot;
mod space_set;
mod stats;
mod step;
mod stm;
mod store;
mod stream;
mod transaction;
mod waiters;
mod walk;
mod write;

pub use bulk::{BulkLoad, NewestFirst, Vacant};
pub use cache::{LoadOptions, Loaded};
pub use config::{At, Config, PressurePolicy, Retention, StreamConfig};
pub use db::{
    Db, DbIter, DbRange, DbSnapshot, DbTransaction, DbTransactionRange, EncodeKey, Key, KeyBuffer,
};
pub use draft::Draft;
pub use entry::{Entry, Value, VersionStamp};
pub use error::{
    CommitError, HistoryError, Lagged, LoadError, MergeError, MvccDisabled, SnapshotExpired,
    StreamOff, TransactionError, WriteError,
};
pub use eviction::{Eviction, EvictionPolicy, Room, Usage};
pub use key_range::KeyRange;
pub use listener::{Removal, RemovalReason};
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use mutation::Mutation;
pub use owned_entry::OwnedEntry;
pub use prefetch::KeyHint;
pub use range::{LatestRange, SnapshotRange};
pub use snapshot::Snapshot;
pub use space_set::SpaceSet;
pub use stats::Stats;
#[cfg(feature = "steps")]
#[doc(hidden)]
pub use step::Step;
pub use stm::{Held, Stm, StmTransaction, TVar};
pub use store::Store;
pub use stream::{Batch, Change, CommitStream, Feed, Group, Groups, PastVersion, Watch};
pub use transaction::{
    Isolation, Savepoint, Stop, Transaction, TransactionOptions, TransactionRange, abort,
};
