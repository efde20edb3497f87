//! The errors of durability: opening, and what the log says when it can go on no longer.

use std::fmt;
use std::io;
use std::sync::Arc;
use stillpoint_store::{SnapshotExpired, WriteError};

/// Why a store could not be opened. No file was changed.
#[non_exhaustive]
#[derive(Debug)]
pub enum OpenError {
    /// Another process, or another handle of this one, has the directory open.
    Locked,
    /// The file system refused something.
    Io {
        /// What was asked of it.
        operation: &'static str,
        /// The file, or `.` for the directory.
        file: String,
        /// What it answered.
        error: io::Error,
    },
    /// A file that is named as one of ours is none.
    NotOurs {
        /// The file.
        file: String,
    },
    /// A file was written by a version that this one does not know.
    UnknownVersion {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// A file belongs to another store.
    Foreign {
        /// The file.
        file: String,
        /// The store that it belongs to.
        found: u64,
        /// The store that the other files belong to.
        expected: u64,
    },
    /// A file's name and what it says of itself do not agree.
    Misnamed {
        /// The file.
        file: String,
        /// The number or timestamp that it has inside.
        found: u64,
    },
    /// Something that had been written is not there any more as it was.
    Corrupt {
        /// The file.
        file: String,
        /// The first byte of what is wrong.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A segment of the log is not there.
    MissingSegment {
        /// Its number.
        number: u64,
    },
    /// The log does not begin at its beginning, and there is no checkpoint.
    MissingCheckpoint {
        /// The number of the first segment that is there.
        first_segment: u64,
    },
    /// The codec could not make an object of its bytes.
    Object {
        /// The key that has the object.
        key: Vec<u8>,
        /// What the codec said.
        reason: String,
    },
    /// The store has fewer spaces than when the files were written.
    NoSuchSpace {
        /// The space that is missing.
        space: u8,
    },
    /// The store could not take a value.
    Store(WriteError),
}

impl OpenError {
    pub(crate) fn io<'e>(
        operation: &'static str,
        file: &'e str,
    ) -> impl FnOnce(io::Error) -> OpenError + 'e {
        move |error| OpenError::Io { operation, file: file.to_owned(), error }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked => f.write_str("the directory is open elsewhere"),
            OpenError::Io { operation, file, error } => {
                write!(f, "cannot {operation} {file}: {error}")
            }
            OpenError::NotOurs { file } => write!(f, "{file} is not a file of a store"),
            OpenError::UnknownVersion { file, version } => {
                write!(f, "{file} has the unknown version {version}")
            }
            OpenError::Foreign { file, found, expected } => {
                write!(f, "{file} belongs to store {found:016x}, not to {expected:016x}")
            }
            OpenError::Misnamed { file, found } => {
                write!(f, "{file} says inside that it is number {found:016x}")
            }
            OpenError::Corrupt { file, offset, what } => {
                write!(f, "{file} is damaged at byte {offset}: {what}")
            }
            OpenError::MissingSegment { number } => {
                write!(f, "segment {number:016x} of the log is missing")
            }
            OpenError::MissingCheckpoint { first_segment } => write!(
                f,
                "the log begins with segment {first_segment:016x}, and the checkpoint before it is missing"
            ),
            OpenError::Object { key, reason } => {
                write!(f, "no object of key {:?}: {reason}", String::from_utf8_lossy(key))
            }
            OpenError::NoSuchSpace { space } => {
                write!(f, "the files have keys in space {space}, which the store has not")
            }
            OpenError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { error, .. } => Some(error),
            OpenError::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// The log takes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEnded {
    /// Why it failed; `None`: it was closed.
    pub reason: Option<Arc<str>>,
}

impl fmt::Display for LogEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            None => f.write_str("the log is closed"),
            Some(reason) => write!(f, "the log has failed: {reason}"),
        }
    }
}
impl std::error::Error for LogEnded {}

/// Why there is no new checkpoint. The one before, and the log behind it, are still there.
#[non_exhaustive]
#[derive(Debug)]
pub enum CheckpointError {
    /// The log is closed or has failed.
    LogEnded(LogEnded),
    /// The file could not be written, or what it makes needless not be removed.
    Io(io::Error),
    /// Its snapshot was ended for want of memory.
    SnapshotExpired,
}

impl From<io::Error> for CheckpointError {
    fn from(error: io::Error) -> Self {
        CheckpointError::Io(error)
    }
}

impl From<SnapshotExpired> for CheckpointError {
    fn from(SnapshotExpired: SnapshotExpired) -> Self {
        CheckpointError::SnapshotExpired
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::LogEnded(ended) => ended.fmt(f),
            CheckpointError::Io(error) => write!(f, "cannot write the checkpoint: {error}"),
            CheckpointError::SnapshotExpired => SnapshotExpired.fmt(f),
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CheckpointError::LogEnded(error) => Some(error),
            CheckpointError::Io(error) => Some(error),
            CheckpointError::SnapshotExpired => None,
        }
    }
}
