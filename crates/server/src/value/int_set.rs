//! A set of integers as one byte string, in ascending order.
//!
//! ```text
//!  width: u8 (2, 4 or 8) │ integer: width bytes LE │ …
//! ```
//!
//! # Invariants
//! 1. Integers ascend, no two are equal.
//! 2. The width holds every integer; it grows when it must and never falls.

use std::ops::Range;

/// A set of integers.
#[derive(Clone, Copy)]
pub(crate) struct IntSet<'a> {
    bytes: &'a [u8],
}

impl<'a> IntSet<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        IntSet { bytes }
    }

    fn width(self) -> usize {
        match self.bytes.first() {
            Some(2) => 2,
            Some(4) => 4,
            _ => 8,
        }
    }

    pub(crate) fn len(self) -> usize {
        self.bytes.len().saturating_sub(1) / self.width()
    }

    /// The integer of that number in ascending order.
    pub(crate) fn get(self, number: usize) -> Option<i64> {
        let part = self.bytes.get(place(number, self.width()))?;
        Some(match *part {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => i64::from_le_bytes(part.try_into().ok()?),
        })
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i64> + use<'a> {
        (0..self.len()).map_while(move |number| self.get(number))
    }

    /// Its number, or that which it would have.
    fn search(self, integer: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle) {
                Some(there) if there == integer => return Ok(middle),
                Some(there) if there < integer => low = middle + 1,
                _ => high = middle,
            }
        }
        Err(low)
    }

    pub(crate) fn contains(self, integer: i64) -> bool {
        self.search(integer).is_ok()
    }
}

fn place(number: usize, width: usize) -> Range<usize> {
    1 + number * width..1 + (number + 1) * width
}

fn width_of(integer: i64) -> usize {
    match integer {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

/// A set of integers that is being changed.
#[derive(Clone)]
pub(crate) struct IntSetEdit {
    bytes: Vec<u8>,
}

impl IntSetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        IntSetEdit { bytes: vec![2] }
    }

    pub(crate) fn of(set: IntSet<'_>) -> Self {
        IntSetEdit { bytes: set.bytes.to_vec() }
    }

    pub(crate) fn view(&self) -> IntSet<'_> {
        IntSet::new(&self.bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds an integer; whether it is new.
    pub(crate) fn add(&mut self, integer: i64) -> bool {
        let Err(number) = self.view().search(integer) else { return false };
        if width_of(integer) > self.view().width() {
            self.widen(width_of(integer));
        }
        let width = self.view().width();
        let at = place(number, width).start;
        self.bytes.splice(at..at, integer.to_le_bytes().into_iter().take(width));
        true
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = vec![width as u8];
        for integer in self.view().iter() {
            bytes.extend_from_slice(&integer.to_le_bytes()[..width]);
        }
        self.bytes = bytes;
    }

    /// Removes an integer; whether it was there.
    pub(crate) fn remove(&mut self, integer: i64) -> bool {
        let Ok(number) = self.view().search(integer) else { return false };
        let place = place(number, self.view().width());
        self.bytes.drain(place);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_width_come_in_order() {
        let mut edit = IntSetEdit::new();
        let mut model = std::collections::BTreeSet::new();
        let mut random = fastrand::Rng::with_seed(3);
        for step in 0..3_000u32 {
            let range = [100, 40_000, 3_000_000_000, i64::MAX][step as usize / 750];
            let integer = random.i64(-range..range) % 500 + random.i64(-1..2) * (range - 500);
            if random.bool() {
                assert_eq!(edit.add(integer), model.insert(integer));
            } else {
                assert_eq!(edit.remove(integer), model.remove(&integer));
            }
            assert_eq!(edit.view().contains(integer), model.contains(&integer));
        }
        for integer in [i64::MIN, i64::MAX, -32_769, 32_768] {
            assert_eq!(edit.add(integer), model.insert(integer));
        }
        assert!(edit.view().iter().eq(model.iter().copied()));
        assert_eq!(edit.view().len(), model.len());
    }

    #[test]
    fn bytes_that_are_no_set_of_integers_end_somewhere() {
        for bytes in [&b""[..], b"\x02", b"\x02\x01", b"\x08\x01\x02", b"\xff"] {
            assert_eq!(IntSet::new(bytes).iter().count(), 0);
        }
    }
}
