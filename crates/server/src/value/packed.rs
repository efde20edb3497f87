//! A small hash as one byte string, fields in the order of their first setting.
//!
//! ```text
//!  count: u32 LE │ field length · field · value length · value │ …        lengths: LEB128, one byte up to 127
//! ```
//!
//! # Invariants
//! 1. Whatever bytes are read, no read goes past their end; bytes that are no packed hash read as a shorter one.

use super::counted_bytes::{COUNT_BYTES, CountedBytes, row_count};
use super::element::{Elements, push_element};
use std::ops::Range;

/// A packed hash.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    bytes: &'a [u8],
}

/// A field with its value, and where the pair lies.
pub(crate) struct Row<'a> {
    pub(crate) field: &'a [u8],
    pub(crate) value: &'a [u8],
    place: Range<usize>,
}

impl<'a> Packed<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Packed { bytes }
    }

    pub(crate) fn len(self) -> usize {
        row_count(self.bytes)
    }

    pub(crate) fn rows(self) -> Rows<'a> {
        Rows { elements: Elements::new(self.bytes, COUNT_BYTES) }
    }

    pub(crate) fn find(self, field: &[u8]) -> Option<Row<'a>> {
        self.rows().find(|row| row.field == field)
    }
}

/// The pairs of a packed hash, in order.
pub(crate) struct Rows<'a> {
    elements: Elements<'a>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let start = self.elements.at;
        let field = self.elements.next()?;
        let value = self.elements.next()?;
        Some(Row { field, value, place: start..self.elements.at })
    }
}

/// A packed hash that is being changed.
pub(crate) struct PackedEdit {
    bytes: CountedBytes,
}

impl PackedEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        PackedEdit { bytes: CountedBytes::new() }
    }

    pub(crate) fn of(packed: Packed<'_>) -> Self {
        PackedEdit { bytes: CountedBytes::of(packed.bytes) }
    }

    pub(crate) fn view(&self) -> Packed<'_> {
        Packed::new(self.bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Sets a field; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let place = self.view().find(field).map(|row| row.place);
        let write = |bytes: &mut Vec<u8>| {
            push_element(bytes, field);
            push_element(bytes, value);
        };
        let is_new = place.is_none();
        match place {
            Some(place) => {
                let mut row = Vec::with_capacity(field.len() + value.len() + 4);
                write(&mut row);
                self.bytes.replace(place, &row);
            }
            None => self.bytes.push(write),
        }
        is_new
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let place = self.view().find(field).map(|row| row.place);
        place.map(|place| self.bytes.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_through_changes_of_any_length() {
        let mut edit = PackedEdit::new();
        assert!(edit.set(b"a", b"1") && edit.set(b"b", &[7; 300]) && edit.set(b"", b""));
        assert!(!edit.set(b"a", &[9; 20_000]) && edit.remove(b"b") && !edit.remove(b"b"));
        let rows: Vec<_> =
            edit.view().rows().map(|row| (row.field.to_vec(), row.value.len())).collect();
        assert_eq!(rows, [(b"a".to_vec(), 20_000), (b"".to_vec(), 0)]);
        assert_eq!(edit.view().len(), 2);
    }

    #[test]
    fn bytes_that_are_no_packed_hash_end_somewhere() {
        for bytes in
            [&b""[..], b"\x01", b"\x05\0\0\0\xff\xff\xff\xff\xff\xff", b"\x01\0\0\0\x05abc"]
        {
            assert_eq!(Packed::new(bytes).rows().count(), 0);
        }
    }
}
