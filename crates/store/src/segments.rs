//! [`Segments`]: an array that grows by doubling segments and never moves what is in it.
//!
//! ```text
//!  level 0: [0]   level 1: [1 2]   level 2: [3 4 5 6]   level 3: [7 … 14]   …
//! ```
//! # Invariants
//! 1. A level, once there, stays until the array is dropped; so references live as long as the array is borrowed.
//!
//! # Progress
//! Reading is wait-free. The first access to a level allocates it, and threads that need the same new level at that moment wait for each other:
//! at most 32 times in a life.

use std::sync::OnceLock;

const LEVELS: usize = 32;

pub(crate) struct Segments<T> {
    levels: [OnceLock<Box<[T]>>; LEVELS],
    make: Box<dyn Fn() -> T + Send + Sync>,
}

fn place(index: usize) -> (usize, usize) {
    let level = (index + 1).ilog2() as usize;
    (level, index + 1 - (1 << level))
}

impl<T> Segments<T> {
    pub(crate) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let segments =
            Segments { levels: [const { OnceLock::new() }; LEVELS], make: Box::new(make) };
        segments.at(0);
        segments
    }

    /// The element, made if it is not there yet.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> &T {
        let (level, offset) = place(index);
        match self.levels[level].get() {
            Some(segment) => &segment[offset],
            None => self.grow(level, offset),
        }
    }

    #[cold]
    fn grow(&self, level: usize, offset: usize) -> &T {
        &self.levels[level].get_or_init(|| (0..1 << level).map(|_| (self.make)()).collect())[offset]
    }

    /// All elements that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.levels.iter().filter_map(OnceLock::get).flat_map(|segment| segment.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_dense_and_distinct() {
        let places: Vec<_> = (0..15).map(place).collect();
        assert_eq!(places[0], (0, 0));
        assert_eq!(places[1], (1, 0));
        assert_eq!(places[14], (3, 7));
        assert!(places.windows(2).all(|p| p[0] < p[1]));
    }

    #[test]
    fn an_element_stays_where_it_is_while_the_array_grows() {
        let segments = Segments::new(|| 0u8);
        let first = segments.at(0) as *const u8;
        segments.at(1000);
        assert_eq!(first, segments.at(0) as *const u8);
        assert_eq!(segments.iter().count(), 1 + 512);
    }
}
