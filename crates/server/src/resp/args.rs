//! [`Args`]: the arguments of one request, borrowed from the buffer that they arrived in.
//!
//! ```text
//! buffer   *2\r\n$3\r\nGET\r\n$5\r\nhello\r\n
//! ranges            └─┘       └───┘           (start: u32, len: u32), relative to the request's first byte
//! ```
//!
//! Invariants:
//! 1. Every range lies inside `buffer`.
//! 2. Argument 0 is the command's name; `Args` of a request that reaches a handler are never empty.

use std::ops::{Index, Range};

/// Where one argument lies in its buffer. 32 bits suffice: a request never exceeds 4 GiB - 1 (`MAX_QUERY_BYTES`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArgRange {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl ArgRange {
    /// Its bytes in the buffer.
    pub(crate) fn within(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// The arguments of one request, the command's name included. `Copy`: hand it around by value.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    buffer: &'a [u8],
    ranges: &'a [ArgRange],
}

impl<'a> Args<'a> {
    pub(crate) fn new(buffer: &'a [u8], ranges: &'a [ArgRange]) -> Self {
        Args { buffer, ranges }
    }
    /// Number of arguments, the command's name included.
    pub(crate) fn len(self) -> usize {
        self.ranges.len()
    }
    /// Bytes that the request took as it came, but for blanks and quotes of an inline one.
    pub(crate) fn extent(self) -> usize {
        self.ranges.last().map_or(0, |last| last.start as usize + last.len as usize + 2)
    }
    /// Argument `i`; the lifetime is the buffer's, so the result outlives any borrow of the context.
    ///
    /// # Panics
    /// When there is no such argument.
    pub(crate) fn at(self, i: usize) -> &'a [u8] {
        &self.buffer[self.ranges[i].within()]
    }
    /// Argument `i` if there is one.
    pub(crate) fn get(self, i: usize) -> Option<&'a [u8]> {
        (i < self.ranges.len()).then(|| self.at(i))
    }
    /// Whether argument `i` is this word, whatever its case.
    pub(crate) fn is(self, i: usize, word: &str) -> bool {
        self.at(i).eq_ignore_ascii_case(word.as_bytes())
    }
    /// The arguments from `first` on, as a request of their own.
    pub(crate) fn without(self, first: usize) -> Args<'a> {
        Args { buffer: self.buffer, ranges: &self.ranges[first.min(self.ranges.len())..] }
    }
    /// All arguments from `first` on.
    pub(crate) fn iter_from(self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        (first.min(self.len())..self.len()).map(move |i| self.at(i))
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}
