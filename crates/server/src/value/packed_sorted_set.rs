//! A small sorted set as one byte string, members in order.
//!
//! ```text
//!  count: u32 LE │ score: f64 LE · member length · member │ …        lengths: LEB128, one byte up to 127
//! ```
//!
//! # Invariants
//! 1. Entries ascend by score, those of one score by member; no two have the same member.
//! 2. Whatever bytes are read, no read goes past their end; bytes that are no packed sorted set read as a shorter one.

use super::counted_bytes::{COUNT_BYTES, CountedBytes, row_count};
use super::element::{Elements, push_element};
use super::ranked_tree::order;
use std::ops::Range;

/// A packed sorted set.
#[derive(Clone, Copy)]
pub(crate) struct PackedSortedSet<'a> {
    bytes: &'a [u8],
}

/// A member with its score, and where the pair lies.
pub(crate) struct Row<'a> {
    pub(crate) score: f64,
    pub(crate) member: &'a [u8],
    place: Range<usize>,
}

impl<'a> PackedSortedSet<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        PackedSortedSet { bytes }
    }

    pub(crate) fn len(self) -> usize {
        row_count(self.bytes)
    }

    pub(crate) fn rows(self) -> Rows<'a> {
        Rows { parts: Elements::new(self.bytes, COUNT_BYTES) }
    }

    pub(crate) fn find(self, member: &[u8]) -> Option<Row<'a>> {
        self.rows().find(|row| row.member == member)
    }
}

/// The pairs, in order.
pub(crate) struct Rows<'a> {
    parts: Elements<'a>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let start = self.parts.at;
        let score = f64::from_le_bytes(*self.parts.fixed()?);
        let member = self.parts.next()?;
        Some(Row { score, member, place: start..self.parts.at })
    }
}

/// A packed sorted set that is being changed.
#[derive(Clone)]
pub(crate) struct PackedSortedSetEdit {
    bytes: CountedBytes,
}

impl PackedSortedSetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        PackedSortedSetEdit { bytes: CountedBytes::new() }
    }

    pub(crate) fn of(set: PackedSortedSet<'_>) -> Self {
        PackedSortedSetEdit { bytes: CountedBytes::of(set.bytes) }
    }

    pub(crate) fn view(&self) -> PackedSortedSet<'_> {
        PackedSortedSet::new(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Adds a member that is not there.
    pub(crate) fn insert(&mut self, score: f64, member: &[u8]) {
        let follows = |row: &Row<'_>| order((row.score, row.member), (score, member)).is_gt();
        let next = self.view().rows().find(follows).map(|row| row.place.start);
        let mut row = score.to_le_bytes().to_vec();
        push_element(&mut row, member);
        self.bytes.insert(next.unwrap_or(self.bytes().len()), &row);
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let place = self.view().find(member).map(|row| row.place);
        place.map(|place| self.bytes.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_in_the_order_of_their_scores() {
        let mut edit = PackedSortedSetEdit::new();
        let infinity = f64::INFINITY;
        for (score, member) in
            [(2.0, "b"), (2.0, "a"), (-1.5, ""), (infinity, "z"), (0.0, "y"), (-infinity, "n")]
        {
            edit.insert(score, member.as_bytes());
        }
        assert!(edit.remove(b"y") && !edit.remove(b"y"));
        let rows: Vec<_> = edit.view().rows().map(|row| (row.score, row.member)).collect();
        let expected: [(f64, &[u8]); 5] =
            [(-infinity, b"n"), (-1.5, b""), (2.0, b"a"), (2.0, b"b"), (infinity, b"z")];
        assert_eq!(rows, expected);
        assert_eq!((edit.view().len(), edit.view().find(b"b").unwrap().score), (5, 2.0));
    }

    #[test]
    fn bytes_that_are_no_packed_sorted_set_end_somewhere() {
        for bytes in [&b""[..], b"\x01", b"\x05\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(PackedSortedSet::new(bytes).rows().count(), 0);
        }
    }
}
