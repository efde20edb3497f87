//! [`RdbError`]: why bytes are no RDB, and where.

use std::fmt;

/// Why a file or payload could not be read; nothing of it counts.
#[derive(Debug)]
pub(crate) struct RdbError {
    /// Offset in bytes of what was being read.
    pub(crate) at: u64,
    pub(crate) why: Why,
}

/// The reasons.
#[non_exhaustive]
#[derive(Debug)]
pub(crate) enum Why {
    /// The bytes end within something.
    Truncated,
    /// The file could not be read.
    Io(std::io::Error),
    /// Something that no writer writes.
    Corrupt(&'static str),
    /// A version that is not known.
    Version(u16),
    /// A type of value, or an opcode, that is not known or not supported.
    Type(u8),
    /// The checksum is another one.
    Checksum { expected: u64, found: u64 },
    /// The store refused the value.
    Store(String),
}

impl RdbError {
    /// Of a file that could not be opened.
    pub(crate) fn unreadable(error: std::io::Error) -> Self {
        RdbError { at: 0, why: Why::Io(error) }
    }
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Truncated => write!(f, "the data end unexpectedly"),
            Why::Io(error) => write!(f, "cannot be read: {error}"),
            Why::Corrupt(what) => write!(f, "corrupt: {what}"),
            Why::Version(version) => write!(f, "format version {version} is not supported"),
            Why::Type(byte) => write!(f, "type or opcode {byte} is not supported"),
            Why::Checksum { expected, found } => {
                write!(f, "wrong checksum: {found:016x} is written, {expected:016x} was computed")
            }
            Why::Store(error) => write!(f, "the value was refused: {error}"),
        }?;
        write!(f, " (at offset {})", self.at)
    }
}
