//! The errors of the store, one small enum per kind of operation.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use stillpoint_structures::AllocError;

/// Why a write was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The memory for a version of so many bytes was not to be had.
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The store holds as much as it may, and no key may be evicted.
    Full {
        /// Its limit.
        max_bytes: u64,
    },
    /// The value is longer than 4 GiB - 1.
    TooLarge {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The log that must have every change cannot take any more. A write that was waiting for it (see
    /// [`CommitStream::hold_writers`](crate::CommitStream::hold_writers)) *is* done in memory, and may or may not be in the log; one that comes later is refused.
    LogFailed,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::OutOfMemory { bytes } => {
                write!(f, "no memory for a version of {bytes} bytes")
            }
            WriteError::Full { max_bytes } => {
                write!(f, "the store holds more than {max_bytes} bytes, and no key may be evicted")
            }
            WriteError::TooLarge { bytes } => write!(f, "a value of {bytes} bytes is too large"),
            WriteError::LogFailed => f.write_str("the log has failed"),
        }
    }
}
impl std::error::Error for WriteError {}

impl From<AllocError> for WriteError {
    fn from(error: AllocError) -> Self {
        match error {
            AllocError::ValueTooLong(bytes) | AllocError::KeyTooLong(bytes) => {
                WriteError::TooLarge { bytes }
            }
            AllocError::OutOfMemory(bytes) => WriteError::OutOfMemory { bytes },
            _ => WriteError::OutOfMemory { bytes: 0 },
        }
    }
}

/// The store publishes no changes: see [`Config::stream`](crate::Config::stream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOff;

impl fmt::Display for StreamOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store publishes no changes")
    }
}
impl std::error::Error for StreamOff {}

/// A feed was too slow, and changes that it wanted are gone: take a snapshot, read what is wanted, and
/// [`restart`](crate::Feed::restart) the feed from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged {
    /// The feed has handed out everything up to this timestamp; of what came after, some is gone.
    pub since: u64,
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "changes after timestamp {} are gone", self.since)
    }
}
impl std::error::Error for Lagged {}

/// Why history has no answer.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryError {
    /// No [`Config::retention`](crate::Config::retention) is for the key.
    NotRetained,
    /// The key's versions of that timestamp are not retained any more.
    Gone,
    /// Something may still be committed at that timestamp.
    NotYet,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HistoryError::NotRetained => "the key's past versions are not retained",
            HistoryError::Gone => "the key's versions of that time are gone",
            HistoryError::NotYet => "that timestamp is not over yet",
        })
    }
}
impl std::error::Error for HistoryError {}

/// Snapshots are switched off: see [`Config::mvcc_enabled`](crate::Config::mvcc_enabled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MvccDisabled;

impl fmt::Display for MvccDisabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("snapshots are switched off")
    }
}
impl std::error::Error for MvccDisabled {}

/// The snapshot was ended (its time ran out, or it was the oldest under memory pressure): read again in a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotExpired;

impl fmt::Display for SnapshotExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("snapshot too old")
    }
}
impl std::error::Error for SnapshotExpired {}

/// Why a transaction did not commit. Nothing of it was applied.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A key that was read (or expected) has changed since: run the transaction again.
    Conflict {
        /// The first such key, where known.
        key: Vec<u8>,
    },
    /// A version could not be written.
    Write(WriteError),
    /// The transaction's own snapshot was expired under memory pressure.
    SnapshotExpired,
    /// An `add`, `max` or `append` did not suit what the key was.
    Merge {
        /// The key.
        key: Vec<u8>,
        /// What was wrong with it.
        reason: MergeError,
    },
}

/// Why an operation could not be applied to what a key was at the commit.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// The value is an object, or of another kind than the operation's.
    OtherKind,
    /// The value is not a number of `i64` in decimal.
    NotANumber,
    /// The sum is beyond `i64`.
    Overflow,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MergeError::OtherKind => "holds a value of another kind",
            MergeError::NotANumber => "is not an integer in range",
            MergeError::Overflow => "would overflow",
        })
    }
}
impl std::error::Error for MergeError {}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict { key } => {
                write!(f, "key {:?} changed since it was read", String::from_utf8_lossy(key))
            }
            CommitError::Write(e) => e.fmt(f),
            CommitError::SnapshotExpired => SnapshotExpired.fmt(f),
            CommitError::Merge { key, reason } => {
                write!(f, "key {:?} {reason}", String::from_utf8_lossy(key))
            }
        }
    }
}
impl std::error::Error for CommitError {}

/// Why a transaction that was run as a closure has no result. Nothing of it was applied.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionError<E = Infallible> {
    /// The closure gave it up, with this.
    Aborted(E),
    /// All attempts that were allowed met conflicts.
    Conflict {
        /// The key at which the last one failed, where known.
        key: Vec<u8>,
        /// Attempts that were made.
        attempts: u32,
    },
    /// The deadline came first.
    TimedOut {
        /// Attempts that were made.
        attempts: u32,
    },
    /// It failed for a reason that another attempt would not mend.
    Failed(CommitError),
    /// The closure waits for a change of what it read, and it read nothing.
    NothingToWaitFor,
}

impl<E: fmt::Display> fmt::Display for TransactionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransactionError::Aborted(error) => error.fmt(f),
            TransactionError::Conflict { key, attempts } => {
                let key = String::from_utf8_lossy(key);
                write!(f, "{attempts} attempts met conflicts, the last at key {key:?}")
            }
            TransactionError::TimedOut { attempts } => {
                write!(f, "the deadline came after {attempts} attempts")
            }
            TransactionError::Failed(error) => error.fmt(f),
            TransactionError::NothingToWaitFor => {
                f.write_str("a transaction that read nothing would wait for ever")
            }
        }
    }
}
impl<E: fmt::Debug + fmt::Display> std::error::Error for TransactionError<E> {}

/// Why a value was not loaded.
#[non_exhaustive]
#[derive(Debug)]
pub enum LoadError<E = Infallible> {
    /// The loader's error, which all who waited for it share.
    Failed(Arc<E>),
    /// The loader asks for what waits for it: its own key, or one whose loader waits for this one.
    Circular {
        /// The key that was asked for.
        key: Vec<u8>,
    },
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            LoadError::Failed(error) => LoadError::Failed(Arc::clone(error)),
            LoadError::Circular { key } => LoadError::Circular { key: key.clone() },
        }
    }
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Failed(error) => error.fmt(f),
            LoadError::Circular { key } => {
                let key = String::from_utf8_lossy(key);
                write!(f, "the loader of key {key:?} waits for itself")
            }
        }
    }
}
impl<E: fmt::Debug + fmt::Display> std::error::Error for LoadError<E> {}
