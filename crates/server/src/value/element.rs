//! Elements packed one behind the other: a small collection, or a stretch of a large list.
//!
//! ```text
//!  length · bytes │ length · bytes │ …        lengths: LEB128, one byte up to 127
//! ```
//!
//! # Invariants
//! 1. Whatever bytes are read, no read goes past their end; bytes that are no packed elements read as fewer of them.

/// So many packed elements.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) count: usize,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Run<'a> {
    pub(crate) fn elements(self) -> Elements<'a> {
        Elements::new(self.bytes, 0)
    }

    /// Where the element of that number begins, or the end.
    pub(crate) fn offset(self, number: usize) -> usize {
        if number >= self.count {
            return self.bytes.len();
        }
        let mut elements = self.elements();
        for _ in 0..number {
            elements.next();
        }
        elements.at
    }
}

/// Packed elements, in order.
#[derive(Clone)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    /// Where the next one begins.
    pub(super) at: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Elements { bytes, at }
    }

    /// So many bytes without a length before them.
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let part = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(part)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (mut len, mut shift) = (0usize, 0);
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            len |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return None;
            }
        }
        let element = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(element)
    }
}

/// Appends an element.
pub(crate) fn push_element(bytes: &mut Vec<u8>, element: &[u8]) {
    let mut len = element.len();
    while len > 0x7f {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(element);
}

/// Bytes that an element takes.
pub(crate) fn packed_bytes(element: &[u8]) -> usize {
    let bits = (usize::BITS - element.len().leading_zeros()).max(1);
    element.len() + bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_any_length_come_back() {
        let mut bytes = Vec::new();
        let lens = [0, 1, 127, 128, 16_383, 16_384, 70_000];
        for len in lens {
            let before = bytes.len();
            push_element(&mut bytes, &vec![7; len]);
            assert_eq!(bytes.len() - before, packed_bytes(&vec![7; len]));
        }
        let run = Run { count: lens.len(), bytes: &bytes };
        assert!(run.elements().map(<[u8]>::len).eq(lens));
        assert_eq!(run.offset(2), 3);
        assert_eq!(run.offset(99), bytes.len());
        assert_eq!(Run { count: 1, bytes: b"\x05abc" }.elements().count(), 0);
    }
}
