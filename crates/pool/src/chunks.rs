//! [`Chunks`]: a growing array whose elements never move.
//!
//! Chunk `k` holds `FIRST << k` elements and is made whole when its first element is asked for.

use std::sync::OnceLock;

pub(crate) struct Chunks<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

pub(crate) const CHUNKS: usize = 26;
/// Elements of the first chunk; few enough for a model.
const FIRST: u32 = if cfg!(stillpoint_loom) { 4 } else { 64 };

impl<T> Chunks<T> {
    pub(crate) fn new() -> Chunks<T> {
        Chunks { chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// Chunk and index of a number, which is below `FIRST * (2^CHUNKS - 1)`.
    pub(crate) fn place(number: u32) -> (usize, usize) {
        let chunk = (number / FIRST + 1).ilog2();
        let before = FIRST * ((1 << chunk) - 1);
        (chunk as usize, (number - before) as usize)
    }

    /// How many elements a chunk has.
    pub(crate) fn len_of(chunk: usize) -> usize {
        (FIRST as usize) << chunk
    }

    /// The element, if its chunk has been made.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, index) = Self::place(number);
        self.chunks.get(chunk)?.get()?.get(index)
    }

    /// The element; makes its chunk if need be. `None` past the end of what the array can be.
    pub(crate) fn get_or_make(&self, number: u32, make: impl Fn() -> T) -> Option<&T> {
        let (chunk, index) = Self::place(number);
        let elements = || (0..Self::len_of(chunk)).map(|_| make()).collect();
        self.chunks.get(chunk)?.get_or_init(elements).get(index)
    }

    /// All elements there are.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().filter_map(OnceLock::get_mut).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_their_places() {
        let mut expected = (0, 0);
        for number in 0..10_000 {
            assert_eq!(Chunks::<()>::place(number), expected);
            expected.1 += 1;
            if expected.1 == (FIRST << expected.0) as usize {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn elements_stay_where_they_are() {
        let mut chunks = Chunks::new();
        assert_eq!(chunks.get(700), None);
        let before = chunks.get_or_make(700, || 7).map(std::ptr::from_ref);
        chunks.get_or_make(7_000, || 7);
        assert_eq!(chunks.get(700).map(std::ptr::from_ref), before);
        assert!(chunks.iter_mut().count() > 700);
        assert_eq!(chunks.get_or_make(u32::MAX, || 7), None);
    }
}
