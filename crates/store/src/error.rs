//! The errors of the store, one small enum per kind of operation.

use std::fmt;
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
    /// The value is longer than 4 GiB - 1.
    TooLarge {
        /// Bytes asked for.
        bytes: usize,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::OutOfMemory { bytes } => {
                write!(f, "no memory for a version of {bytes} bytes")
            }
            WriteError::TooLarge { bytes } => write!(f, "a value of {bytes} bytes is too large"),
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
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict { key } => {
                write!(f, "key {:?} changed since it was read", String::from_utf8_lossy(key))
            }
            CommitError::Write(e) => e.fmt(f),
            CommitError::SnapshotExpired => SnapshotExpired.fmt(f),
        }
    }
}
impl std::error::Error for CommitError {}
