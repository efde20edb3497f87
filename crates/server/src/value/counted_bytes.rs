//! [`CountedBytes`]: the bytes of a packed collection that is being changed, behind the number of its rows.
//!
//! ```text
//!  count: u32 LE │ row │ row │ …
//! ```

use std::ops::Range;

pub(super) const COUNT_BYTES: usize = 4;

/// How many rows the bytes say they have; none if they are too short to say.
pub(super) fn row_count(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize)
}

/// Rows, counted. What a row looks like is its collection's matter, and where it lies is for the collection to say.
#[derive(Clone)]
pub(super) struct CountedBytes(Vec<u8>);

impl CountedBytes {
    /// No rows.
    pub(super) fn new() -> Self {
        CountedBytes(vec![0; COUNT_BYTES])
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        CountedBytes(bytes.to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Puts a row at the end, as `write` writes it.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.0);
        self.count(row_count(&self.0) + 1);
    }

    /// Puts a row there.
    pub(super) fn insert(&mut self, at: usize, row: &[u8]) {
        self.0.splice(at..at, row.iter().copied());
        self.count(row_count(&self.0) + 1);
    }

    /// Puts a row in the place of another.
    pub(super) fn replace(&mut self, place: Range<usize>, row: &[u8]) {
        self.0.splice(place, row.iter().copied());
    }

    pub(super) fn remove(&mut self, place: Range<usize>) {
        self.0.drain(place);
        self.count(row_count(&self.0) - 1);
    }

    fn count(&mut self, count: usize) {
        self.0[..COUNT_BYTES].copy_from_slice(&(count as u32).to_le_bytes());
    }
}
