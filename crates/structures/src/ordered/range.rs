//! [`Range`] and [`TryRange`]: over a map in the order of its keys, a leaf at a time, from either end.
//!
//! ```text
//!   given ◀─ entries of one leaf ─┤ front … what has not been looked at … back ├─ entries of one leaf ─▶ given
//! ```
//! What has not been looked at is an interval of keys. Each end's next step searches from the root for the leaf at its end of the interval, takes what is
//! both in that leaf and in the interval, and cuts the leaf's range off the interval: as it stood at the nodes on the way there, up to its upper end
//! from the front, down to its lower end from the back. Both cuts are needed: meanwhile the leaf may have got, or lost, keys beyond.
//!
//! So each step's keys are beyond those of all steps before, whatever becomes of the leaves: no key comes twice, and all come in order. A key that is there
//! from the first step to the last is in the interval at first, so in what some step cuts off, so in the leaf that the step finds.
//!
//! Between two steps only keys and values are held, nothing of the tree; so the guard may be renewed.
//!
//! Tags: none of its own.

use super::OrderedMap;
use super::inner::Seek;
use super::leaf::View;
use super::order::CAPACITY;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds, RangeFull};
use stillpoint_reclaim::{NodeAlloc, Protect, Restart, Scheme};

/// The entries of one leaf that are still to be given.
struct Buffer<'g, K, V> {
    entries: [Option<(&'g K, &'g V)>; CAPACITY],
    begin: usize,
    end: usize,
}

impl<'g, K, V> Buffer<'g, K, V> {
    fn empty() -> Self {
        Buffer { entries: [None; CAPACITY], begin: 0, end: 0 }
    }

    #[inline(always)]
    fn pop_front(&mut self) -> Option<(&'g K, &'g V)> {
        let at = (self.begin < self.end).then_some(self.begin)?;
        self.begin += 1;
        self.entries[at]
    }

    #[inline(always)]
    fn pop_back(&mut self) -> Option<(&'g K, &'g V)> {
        self.end = (self.begin < self.end).then(|| self.end - 1)?;
        self.entries[self.end]
    }
}

/// See [`OrderedMap::range`].
pub struct TryRange<'g, 'm, K, V, Q: ?Sized, R, S: Scheme, A: NodeAlloc> {
    map: &'g OrderedMap<K, V, S, A>,
    guard: &'g S::Guard<'m>,
    /// What was asked for.
    given: R,
    /// The least key, and the least key beyond, of what has not been looked at; at first, the ends that were given.
    front: Option<&'g K>,
    back: Option<&'g K>,
    /// Whether all has been looked at.
    is_over: bool,
    front_entries: Buffer<'g, K, V>,
    back_entries: Buffer<'g, K, V>,
    keys: PhantomData<fn(&Q)>,
}

impl<'g, 'm, K, V, Q, R, S, A> TryRange<'g, 'm, K, V, Q, R, S, A>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
    S: Scheme,
    A: NodeAlloc,
{
    pub(super) fn new(map: &'g OrderedMap<K, V, S, A>, given: R, guard: &'g S::Guard<'m>) -> Self {
        TryRange {
            map,
            guard,
            given,
            front: None,
            back: None,
            is_over: false,
            front_entries: Buffer::empty(),
            back_entries: Buffer::empty(),
            keys: PhantomData,
        }
    }

    fn start(&self) -> Bound<&Q> {
        self.front.map_or(self.given.start_bound(), |key| Bound::Included(key.borrow()))
    }

    fn end(&self) -> Bound<&Q> {
        self.back.map_or(self.given.end_bound(), |key| Bound::Excluded(key.borrow()))
    }

    /// Looks at the next leaf from the front.
    fn fill_front(&mut self) -> Result<(), Restart> {
        let seek = match self.start() {
            Bound::Included(key) | Bound::Excluded(key) => Seek::At(key),
            Bound::Unbounded => Seek::Least,
        };
        let (entries, _, upper) = self.guard.retrying(|_| self.leaf(seek))?;
        self.front_entries = entries;
        self.is_over = upper.is_none_or(|upper| match self.end() {
            Bound::Included(end) => upper.borrow() > end,
            Bound::Excluded(end) => upper.borrow() >= end,
            Bound::Unbounded => false,
        });
        self.front = upper.or(self.front);
        Ok(())
    }

    /// Looks at the next leaf from the back.
    fn fill_back(&mut self) -> Result<(), Restart> {
        let seek = match self.end() {
            Bound::Included(key) => Seek::At(key),
            Bound::Excluded(key) => Seek::Below(key),
            Bound::Unbounded => Seek::Greatest,
        };
        let (entries, lower, _) = self.guard.retrying(|_| self.leaf(seek))?;
        self.back_entries = entries;
        self.is_over = lower.is_none_or(|lower| match self.start() {
            Bound::Included(start) | Bound::Excluded(start) => lower.borrow() <= start,
            Bound::Unbounded => false,
        });
        self.back = lower.or(self.back);
        Ok(())
    }

    /// What is in the interval and in the leaf of what is sought, with the leaf's lower and upper end.
    #[allow(clippy::type_complexity, reason = "a triple that is taken apart at once")]
    fn leaf(
        &self,
        seek: Seek<'_, Q>,
    ) -> Result<(Buffer<'g, K, V>, Option<&'g K>, Option<&'g K>), Restart> {
        loop {
            let leaf = self.map.fenced(seek, self.guard)?;
            let view = leaf.leaf.view();
            if view.order().is_replaced() {
                continue;
            }
            let (lower, upper) = (leaf.lower.map(K::borrow), leaf.upper.map(K::borrow));
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            let lower = lower.filter(|_| self.map.mutation != super::Mutation::LowerEndNotCut);
            let begin = begin(view, self.start()).max(lower.map_or(0, |key| view.rank(key, false)));
            let end = end(view, self.end());
            let end = upper.map_or(end, |key| end.min(view.rank(key, false)));
            if let Some(entries) = self.entries(view, begin.min(end)..end)? {
                return Ok((entries, leaf.lower, leaf.upper));
            }
        }
    }

    /// What is at these positions; `None` if the leaf has lost some of it.
    fn entries(
        &self,
        view: View<'g, K, V>,
        positions: std::ops::Range<usize>,
    ) -> Result<Option<Buffer<'g, K, V>>, Restart> {
        let mut values = [None; CAPACITY];
        for position in positions.clone() {
            values[position] = Some(self.guard.protect(0, view.value(position))?);
        }
        if !view.still_names(positions.clone()) {
            return Ok(None);
        }
        let mut buffer = Buffer { begin: positions.start, end: positions.end, ..Buffer::empty() };
        for position in positions {
            // SAFETY: a named slot has a value; it had not been retired when it was loaded, and the lease was tested after that.
            let value = values[position].map(|value| unsafe { value.deref() });
            buffer.entries[position] = value.map(|value| (view.key(position), value));
        }
        Ok(Some(buffer))
    }

    fn try_next(&mut self) -> Result<Option<(&'g K, &'g V)>, Restart> {
        loop {
            if let Some(entry) = self.front_entries.pop_front() {
                return Ok(Some(entry));
            }
            if self.is_over {
                return Ok(self.back_entries.pop_front());
            }
            self.fill_front()?;
        }
    }

    fn try_next_back(&mut self) -> Result<Option<(&'g K, &'g V)>, Restart> {
        loop {
            if let Some(entry) = self.back_entries.pop_back() {
                return Ok(Some(entry));
            }
            if self.is_over {
                return Ok(self.front_entries.pop_back());
            }
            self.fill_back()?;
        }
    }
}

/// The first position in a range that starts there.
fn begin<K: Borrow<Q>, V, Q: Ord + ?Sized>(view: View<'_, K, V>, start: Bound<&Q>) -> usize {
    match start {
        Bound::Included(key) => view.rank(key, false),
        Bound::Excluded(key) => view.rank(key, true),
        Bound::Unbounded => 0,
    }
}

/// The first position behind a range that ends there.
fn end<K: Borrow<Q>, V, Q: Ord + ?Sized>(view: View<'_, K, V>, end: Bound<&Q>) -> usize {
    match end {
        Bound::Included(key) => view.rank(key, true),
        Bound::Excluded(key) => view.rank(key, false),
        Bound::Unbounded => view.order().len(),
    }
}

impl<'g, K, V, Q, R, S, A> Iterator for TryRange<'g, '_, K, V, Q, R, S, A>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
    S: Scheme,
    A: NodeAlloc,
{
    /// [`Restart`] on a collector with a cap, past it, from then on: pin anew, and go on behind the last key.
    type Item = Result<(&'g K, &'g V), Restart>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

impl<K, V, Q, R, S, A> DoubleEndedIterator for TryRange<'_, '_, K, V, Q, R, S, A>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
    S: Scheme,
    A: NodeAlloc,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.try_next_back().transpose()
    }
}

impl<K, V, Q: ?Sized, R, S: Scheme, A: NodeAlloc> fmt::Debug
    for TryRange<'_, '_, K, V, Q, R, S, A>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryRange").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

/// See [`Pinned::range`](super::Pinned::range).
#[derive(Debug)]
pub struct Range<'g, 'm, K, V, Q: ?Sized, R, S: Scheme, A: NodeAlloc>(
    pub(super) TryRange<'g, 'm, K, V, Q, R, S, A>,
);

/// See [`Pinned::iter`](super::Pinned::iter).
pub type Iter<'g, 'm, K, V, S, A> = Range<'g, 'm, K, V, K, RangeFull, S, A>;

/// What a step of a [`TryRange`] comes to.
type Step<'g, K, V> = Result<Option<(&'g K, &'g V)>, Restart>;

impl<'g, 'm, K, V, Q: ?Sized, R, S: Scheme, A: NodeAlloc> Range<'g, 'm, K, V, Q, R, S, A> {
    /// Takes the step, [past a cap](Protect::overdraw) if need be.
    #[inline(always)]
    fn insist(
        &mut self,
        step: impl Fn(&mut TryRange<'g, 'm, K, V, Q, R, S, A>) -> Step<'g, K, V>,
    ) -> Option<(&'g K, &'g V)> {
        loop {
            match step(&mut self.0) {
                Ok(entry) => return entry,
                Err(Restart) => self.0.guard.overdraw(),
            }
        }
    }
}

impl<'g, K, V, Q, R, S, A> Iterator for Range<'g, '_, K, V, Q, R, S, A>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
    S: Scheme,
    A: NodeAlloc,
{
    type Item = (&'g K, &'g V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.insist(TryRange::try_next)
    }
}

impl<K, V, Q, R, S, A> DoubleEndedIterator for Range<'_, '_, K, V, Q, R, S, A>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
    S: Scheme,
    A: NodeAlloc,
{
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.insist(TryRange::try_next_back)
    }
}

/// An iterator over one part of a map's entries.
macro_rules! part {
    ($name:ident, $see:literal, $item:ident, $take:expr) => {
        #[doc = $see]
        #[derive(Debug)]
        pub struct $name<'g, 'm, K, V, S: Scheme, A: NodeAlloc>(
            pub(super) Iter<'g, 'm, K, V, S, A>,
        );

        impl<'g, K: Ord, V, S: Scheme, A: NodeAlloc> Iterator for $name<'g, '_, K, V, S, A> {
            type Item = &'g $item;

            fn next(&mut self) -> Option<&'g $item> {
                self.0.next().map($take)
            }
        }

        impl<K: Ord, V, S: Scheme, A: NodeAlloc> DoubleEndedIterator for $name<'_, '_, K, V, S, A> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map($take)
            }
        }
    };
}

part!(Keys, "See [`Pinned::keys`](super::Pinned::keys).", K, |(key, _)| key);
part!(Values, "See [`Pinned::values`](super::Pinned::values).", V, |(_, value)| value);
