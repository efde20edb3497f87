//! A small set as one byte string, members in the order of their coming.
//!
//! ```text
//!  count: u32 LE │ member length · member │ …        lengths: LEB128, one byte up to 127
//! ```
//!
//! # Invariants
//! 1. Whatever bytes are read, no read goes past their end; bytes that are no packed set read as a shorter one.

use super::element::{Elements, push_element};
use super::packed::COUNT_BYTES;
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
        self.bytes.first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize)
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
    bytes: Vec<u8>,
}

impl PackedSetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        PackedSetEdit { bytes: vec![0; COUNT_BYTES] }
    }

    pub(crate) fn of(set: PackedSet<'_>) -> Self {
        PackedSetEdit { bytes: set.bytes.to_vec() }
    }

    pub(crate) fn view(&self) -> PackedSet<'_> {
        PackedSet::new(&self.bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn count(&mut self, count: usize) {
        self.bytes[..COUNT_BYTES].copy_from_slice(&(count as u32).to_le_bytes());
    }

    /// Adds a member that is not there.
    pub(crate) fn push(&mut self, member: &[u8]) {
        push_element(&mut self.bytes, member);
        self.count(self.view().len() + 1);
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let Some(place) = self.view().place(member) else { return false };
        self.bytes.drain(place);
        self.count(self.view().len() - 1);
        true
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
