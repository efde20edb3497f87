//! [`Chunks`]: a queue in pieces of one size, for lists whose length nobody can foresee.
//!
//! A list that doubles as it grows asks the allocator for ever larger blocks, fresh from the system and to be zeroed by it; one in pieces gets
//! back what it gave back a moment ago.
//!
//! 1. Pieces of `rest` are in order, and so is each inside; `front` is turned round, so that the first element is its last.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Elements of a piece: about 6 KB of aged nodes.
pub(crate) const PIECE: usize = 128;

pub(crate) struct Chunks<T> {
    front: Vec<T>,
    rest: VecDeque<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { front: Vec::new(), rest: VecDeque::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push_back(&mut self, element: T) {
        self.len += 1;
        match self.rest.back_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(element),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(element);
                self.rest.push_back(piece);
            }
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if self.front.is_empty() {
            self.front = self.rest.pop_front()?;
            self.front.reverse();
        }
        self.len -= 1;
        self.front.pop()
    }

    /// Takes the first elements off, about `most` of them (whole pieces: up to one piece more).
    ///
    /// # Cost
    /// O(most / piece); no element is touched but those of a piece that was begun.
    pub(crate) fn split_front(&mut self, most: usize) -> Chunks<T> {
        let mut taken = Chunks::default();
        if most > 0 && !self.front.is_empty() {
            self.front.reverse();
            taken.take_piece(core::mem::take(&mut self.front));
        }
        while taken.len < most {
            let Some(piece) = self.rest.pop_front() else { break };
            taken.take_piece(piece);
        }
        self.len -= taken.len;
        taken
    }

    fn take_piece(&mut self, piece: Vec<T>) {
        self.len += piece.len();
        self.rest.push_back(piece);
    }

    /// The elements, from the first on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.front.iter().rev().chain(self.rest.iter().flatten())
    }

    /// Takes over the elements of `other`. Whole pieces change hands; those that are less than half full are moved into fuller ones.
    pub(crate) fn append(&mut self, mut other: Chunks<T>) {
        other.front.reverse();
        for piece in core::iter::once(other.front).chain(other.rest) {
            if piece.len() * 2 > PIECE {
                self.take_piece(piece);
            } else {
                piece.into_iter().for_each(|element| self.push_back(element));
            }
        }
    }
}

impl<T> IntoIterator for Chunks<T> {
    type Item = T;
    type IntoIter = core::iter::Chain<
        core::iter::Rev<alloc::vec::IntoIter<T>>,
        core::iter::Flatten<alloc::collections::vec_deque::IntoIter<Vec<T>>>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.front.into_iter().rev().chain(self.rest.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunks, PIECE};

    #[test]
    fn elements_come_out_in_the_order_of_their_coming_in() {
        let mut chunks = Chunks::default();
        (0..1000).for_each(|n| chunks.push_back(n));
        assert!((0..300).all(|n| chunks.pop_front() == Some(n)));
        (1000..1100).for_each(|n| chunks.push_back(n));
        assert_eq!(chunks.len(), 800);
        assert!(chunks.iter().copied().eq(300..1100));
        assert!(chunks.into_iter().eq(300..1100));
    }

    #[test]
    fn splitting_takes_the_first_and_leaves_the_rest() {
        let mut chunks = Chunks::default();
        (0..1000).for_each(|n| chunks.push_back(n));
        assert_eq!(chunks.split_front(0).len(), 0);
        assert!((0..5).all(|n| chunks.pop_front() == Some(n)));
        let first = chunks.split_front(300);
        assert!((300..300 + PIECE).contains(&first.len()));
        let (taken, left) = (first.len(), chunks.len());
        assert_eq!(taken + left, 995);
        assert!(first.into_iter().chain(chunks.split_front(usize::MAX)).eq(5..1000));
        assert!(chunks.is_empty() && chunks.pop_front().is_none());
    }

    #[test]
    fn appending_keeps_everything_and_leaves_few_small_pieces() {
        let mut all = Chunks::default();
        for n in 0..500 {
            let mut few = Chunks::default();
            (0..n % 7).for_each(|_| few.push_back(n));
            all.append(few);
        }
        let expected = (0..500).map(|n| n % 7).sum::<usize>();
        assert_eq!(all.len(), expected);
        assert!(all.rest.len() <= expected.div_ceil(PIECE / 2) + 1);
        assert_eq!(all.into_iter().count(), expected);
    }
}
