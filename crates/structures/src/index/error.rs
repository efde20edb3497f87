//! What can go wrong, and how the caller gets its version back.

use crate::index::version::NewVersion;
use std::fmt;

/// A version could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// The pool is at its limit or the system has no memory; the bytes asked for.
    OutOfMemory(usize),
    /// The value is longer than [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES); its length.
    ValueTooLong(usize),
    /// The key is longer than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES); its length.
    KeyTooLong(usize),
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory(bytes) => write!(f, "no memory for a version of {bytes} bytes"),
            Self::ValueTooLong(bytes) => {
                write!(f, "a value of {bytes} bytes is longer than a version can hold")
            }
            Self::KeyTooLong(bytes) => {
                write!(f, "a key of {bytes} bytes is longer than a version can hold")
            }
        }
    }
}

impl std::error::Error for AllocError {}

/// Why an install was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedReason {
    /// Somebody was faster: the key's newest version is not the one that was expected. Find it again.
    Raced,
    /// The guard is past its collector's `max_lease_ticks`. Pin anew.
    Expired,
    /// The bin is full and the table cannot grow for lack of memory.
    OutOfMemory,
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raced => "another writer changed the key first",
            Self::Expired => "the guard is older than the collector's longest lease",
            Self::OutOfMemory => "no memory to grow the index",
        })
    }
}

impl std::error::Error for RefusedReason {}

/// An install that was refused, with the version to try again with.
pub struct Refused<O: Send + Sync + 'static> {
    /// The version, still unpublished.
    pub version: NewVersion<O>,
    /// Why.
    pub reason: RefusedReason,
}

impl<O: Send + Sync + 'static> fmt::Debug for Refused<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("reason", &self.reason)
            .field("version", &self.version)
            .finish()
    }
}

impl<O: Send + Sync + 'static> fmt::Display for Refused<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<O: Send + Sync + 'static> std::error::Error for Refused<O> {}
