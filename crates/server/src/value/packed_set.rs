//! A small set as one byte string, members in the order of their coming.
//!
//! ```text
//!  count: u32 LE │ member length · member │ …        lengths: LEB128, one byte up to 127
//! ```
//!
//! # Invariants
//! 1. Whatever bytes are read, no read goes past their end; bytes that are no packed set read as a shorter one.

use super::counted_bytes::{COUNT_BYTES, CountedBytes, row_count};
use super::element::{Elements, push_element};
use std::ops::Range;

/// A packed set.
#[derive(Clone, Copy)]
pub(crate) struct PackedSet<'a> {
    bytes: &'a [u8],
}

impl<'a> PackedSet<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        PackedSet { bytes }
    }

    pub(crate) fn len(self) -> usize {
        row_count(self.bytes)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        Elements::new(self.bytes, COUNT_BYTES)
    }

    pub(crate) fn contains(self, member: &[u8]) -> bool {
        self.iter().any(|there| there == member)
    }

    fn place(self, member: &[u8]) -> Option<Range<usize>> {
        let mut parts = Elements::new(self.bytes, COUNT_BYTES);
        let mut start = parts.at;
        while let Some(there) = parts.next() {
            if there == member {
                return Some(start..parts.at);
            }
            start = parts.at;
        }
        None
    }
}

/// A packed set that is being changed.
#[derive(Clone)]
pub(crate) struct PackedSetEdit {
    bytes: CountedBytes,
}

impl PackedSetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        PackedSetEdit { bytes: CountedBytes::new() }
    }

    pub(crate) fn of(set: PackedSet<'_>) -> Self {
        PackedSetEdit { bytes: CountedBytes::of(set.bytes) }
    }

    pub(crate) fn view(&self) -> PackedSet<'_> {
        PackedSet::new(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Adds a member that is not there.
    pub(crate) fn push(&mut self, member: &[u8]) {
        self.bytes.push(|bytes| push_element(bytes, member));
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let place = self.view().place(member);
        place.map(|place| self.bytes.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let mut edit = PackedSetEdit::new();
        [&b"a"[..], &[7; 300], b"", b"z"].iter().for_each(|member| edit.push(member));
        assert!(edit.remove(&[7; 300]) && !edit.remove(b"b"));
        assert!(edit.view().iter().eq([&b"a"[..], b"", b"z"]));
        assert!(edit.view().contains(b"") && edit.view().len() == 3);
    }

    #[test]
    fn bytes_that_are_no_packed_set_end_somewhere() {
        for bytes in [&b""[..], b"\x01", b"\x05\0\0\0\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(PackedSet::new(bytes).iter().count(), 0);
        }
    }
}
