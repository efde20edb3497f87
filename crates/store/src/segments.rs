//! [`Segments`]: an array that grows by doubling segments and never moves what is in it.
//!
//! ```text
//!  first: [0 … f)   level 0: [f]   level 1: [f+1 f+2]   level 2: [f+3 … f+6]   …
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
    /// Those that are commonly enough: there from the beginning, and found in fewer steps.
    first: Box<[T]>,
    levels: [OnceLock<Box<[T]>>; LEVELS],
    make: Box<dyn Fn() -> T + Send + Sync>,
}

fn place(index: usize) -> (usize, usize) {
    let level = (index + 1).ilog2() as usize;
    (level, index + 1 - (1 << level))
}

impl<T> Segments<T> {
    /// An array whose first so many elements are made at once.
    pub(crate) fn new(first: usize, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Segments {
            first: (0..first).map(|_| make()).collect(),
            levels: [const { OnceLock::new() }; LEVELS],
            make: Box::new(make),
        }
    }

    /// The element, made if it is not there yet.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> &T {
        match self.first.get(index) {
            Some(element) => element,
            None => self.later(index - self.first.len()),
        }
    }

    #[inline(never)]
    fn later(&self, index: usize) -> &T {
        let (level, offset) = place(index);
        let make = || (0..1 << level).map(|_| (self.make)()).collect();
        &self.levels[level].get_or_init(make)[offset]
    }

    /// All elements that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let later = self.levels.iter().filter_map(OnceLock::get).flat_map(|level| level.iter());
        self.first.iter().chain(later)
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
        for first in 0..4 {
            let segments = Segments::new(first, || 0u8);
            assert_eq!(segments.iter().count(), first);
            let place = |index| std::ptr::from_ref(segments.at(index));
            let before: Vec<_> = (0..8).map(place).collect();
            segments.at(1000);
            let after: Vec<_> = (0..8).map(place).collect();
            assert_eq!(before, after);
            assert!((0..8).all(|at| !before[at + 1..].contains(&before[at])), "each its own");
            assert!(segments.iter().count() >= first + 7 + 256);
        }
    }
}
