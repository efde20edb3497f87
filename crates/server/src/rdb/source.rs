//! [`Source`]: bytes to decode, with their offset and checksum.
//!
//! ```text
//!            ┌ checked      ┌ at            ┌ buffer.len()
//! [ taken, in the checksum │ taken │ to come │      next fill ▶
//! ```
//! The checksum is brought up to date once a buffer, not once a number.

use super::error::{RdbError, Why};
use crc::{CRC_64_REDIS, Crc, Digest, Table};
use std::io::{Empty, Read};

type Checksum = Crc<u64, Table<16>>;
/// Redis's CRC-64.
pub(super) static CHECKSUM: Checksum = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

const BUFFER_BYTES: u64 = 1 << 20;
/// A string is read in pieces of so many bytes: a length that lies costs no memory.
const PIECE_BYTES: usize = 1 << 20;
/// The longest string that Redis writes, with room to spare.
pub(super) const MAX_STRING_BYTES: u64 = 1 << 32;

/// Reads from `R`, which ends or fails.
pub(super) struct Source<R> {
    from: R,
    buffer: Vec<u8>,
    at: usize,
    checked: usize,
    /// Offset of the buffer's first byte.
    base: u64,
    digest: Digest<'static, u64, Table<16>>,
}

impl Source<Empty> {
    /// Over bytes that are all there.
    pub(super) fn over(bytes: &[u8]) -> Self {
        let buffer = bytes.to_vec();
        Source { buffer, ..Source::new(std::io::empty()) }
    }
}

impl<R: Read> Source<R> {
    pub(super) fn new(from: R) -> Self {
        Source { from, buffer: Vec::new(), at: 0, checked: 0, base: 0, digest: CHECKSUM.digest() }
    }

    /// Bytes taken so far.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    pub(super) fn fail<T>(&self, why: Why) -> Result<T, RdbError> {
        Err(RdbError { at: self.offset(), why })
    }

    pub(super) fn corrupt<T>(&self, what: &'static str) -> Result<T, RdbError> {
        self.fail(Why::Corrupt(what))
    }

    /// The checksum of all that was taken.
    pub(super) fn checksum(&mut self) -> u64 {
        self.digest.update(&self.buffer[self.checked..self.at]);
        self.checked = self.at;
        self.digest.clone().finalize()
    }

    /// Fetches the next bytes; whether there were any.
    fn fill(&mut self) -> Result<bool, RdbError> {
        debug_assert_eq!(self.at, self.buffer.len());
        self.digest.update(&self.buffer[self.checked..]);
        self.base += self.buffer.len() as u64;
        (self.at, self.checked) = (0, 0);
        self.buffer.clear();
        match self.from.by_ref().take(BUFFER_BYTES).read_to_end(&mut self.buffer) {
            Err(error) if self.buffer.is_empty() => self.fail(Why::Io(error)),
            // What was read before an error counts; the error comes again.
            _ => Ok(!self.buffer.is_empty()),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, RdbError> {
        if self.at == self.buffer.len() && !self.fill()? {
            return self.fail(Why::Truncated);
        }
        self.at += 1;
        Ok(self.buffer[self.at - 1])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        if let Some(bytes) = self.buffer[self.at..].first_chunk::<N>() {
            self.at += N;
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// The next `length` bytes.
    pub(super) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, RdbError> {
        if length > MAX_STRING_BYTES {
            return self.corrupt("a string is longer than any may be");
        }
        let mut left = length as usize;
        let mut bytes = Vec::with_capacity(left.min(PIECE_BYTES));
        while left > 0 {
            if self.at == self.buffer.len() && !self.fill()? {
                return self.fail(Why::Truncated);
            }
            let piece = left.min(self.buffer.len() - self.at);
            bytes.extend_from_slice(&self.buffer[self.at..self.at + piece]);
            self.at += piece;
            left -= piece;
        }
        Ok(bytes)
    }

    /// Whether everything was taken.
    pub(super) fn is_at_end(&mut self) -> Result<bool, RdbError> {
        Ok(self.at == self.buffer.len() && !self.fill()?)
    }
}
