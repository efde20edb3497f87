//! Ranges: [`Range`] and [`TryRange`] under a guard, [`OrderedMap::for_each_in`] without one, [`Prefix`] for keys of bytes.
//!
//! ```text
//! front ─▶ [entries of one leaf]  …  [entries of one leaf] ◀─ back
//!          then: the leaf at this one's upper end             then: the leaf below this one's lower end
//! ```
//! A step that needs another leaf searches from the root: nothing but keys and values is held from one step to the next, so a guard may be renewed in
//! between. Of a leaf, only keys within its range at that moment count: a frozen one may have more.

use super::map::OrderedMap;
use super::node::Seek;
use super::order::CAPACITY;
use super::tree::{Place, Tree};
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, RangeBounds};
use stillpoint_reclaim::{NodeAlloc, Protect, Restart, Scheme};

/// Entries that [`OrderedMap::for_each_in`] visits under one guard.
const CHUNK: usize = 1024;

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
        if self.begin == self.end {
            return None;
        }
        self.begin += 1;
        self.entries[self.begin - 1]
    }

    #[inline(always)]
    fn pop_back(&mut self) -> Option<(&'g K, &'g V)> {
        if self.begin == self.end {
            return None;
        }
        self.end -= 1;
        self.entries[self.end]
    }
}

/// How far one end has come.
enum Cursor<'g, K> {
    /// It has not begun.
    Bound,
    /// The next leaf begins (seen from the back: ends, below) here.
    At(&'g K),
    /// There are no more leaves.
    Done,
}

/// The entries in a range, in order, from either end; see [`Pinned::range`](super::Pinned::range). Made by
/// [`range_with`](OrderedMap::range_with).
pub struct TryRange<'g, K, V, G, Q: ?Sized, R> {
    tree: Tree<'g, K, V>,
    guard: &'g G,
    range: R,
    front: Cursor<'g, K>,
    back: Cursor<'g, K>,
    front_entries: Buffer<'g, K, V>,
    back_entries: Buffer<'g, K, V>,
    /// The last keys given at either end.
    front_key: Option<&'g K>,
    back_key: Option<&'g K>,
    borrowed: PhantomData<fn(&Q)>,
}

impl<'g, K, V, G, Q, R> TryRange<'g, K, V, G, Q, R>
where
    K: Borrow<Q> + Ord,
    G: Protect,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
{
    pub(super) fn new(tree: Tree<'g, K, V>, guard: &'g G, range: R) -> Self {
        TryRange {
            tree,
            guard,
            range,
            front: Cursor::Bound,
            back: Cursor::Bound,
            front_entries: Buffer::empty(),
            back_entries: Buffer::empty(),
            front_key: None,
            back_key: None,
            borrowed: PhantomData,
        }
    }

    /// Reads the next leaf at the front.
    fn fill_front(&mut self) -> Result<(), Restart> {
        let (tree, guard, range) = (self.tree, self.guard, &self.range);
        let (place, entries) = match (&self.front, range.start_bound()) {
            (Cursor::Done, _) => return Ok(()),
            (&Cursor::At(key), _) => guard.retrying(|guard| {
                let place = tree.place::<K, G>(Seek::At(key), guard)?;
                let entries = place.entries::<K, G>(
                    Bound::Included(key),
                    Bound::Unbounded,
                    tree.fanout,
                    guard,
                );
                Ok((place, entries?))
            })?,
            (Cursor::Bound, from) => guard.retrying(|guard| {
                let place = tree.place(at(from, Seek::Least), guard)?;
                let entries = place.entries(from, Bound::Unbounded, tree.fanout, guard)?;
                Ok((place, entries))
            })?,
        };
        let (entries, end) = entries;
        self.front_entries = Buffer { entries, begin: 0, end };
        let Place { upper, .. } = place;
        self.front = match upper {
            Some(upper) if is_below(upper.borrow(), self.range.end_bound()) => Cursor::At(upper),
            _ => Cursor::Done,
        };
        Ok(())
    }

    /// Reads the next leaf at the back.
    fn fill_back(&mut self) -> Result<(), Restart> {
        let (tree, guard, range) = (self.tree, self.guard, &self.range);
        let (place, entries) = match (&self.back, range.end_bound()) {
            (Cursor::Done, _) => return Ok(()),
            (&Cursor::At(key), _) => guard.retrying(|guard| {
                let place = tree.place::<K, G>(Seek::Below(key), guard)?;
                let entries = place.entries::<K, G>(
                    Bound::Unbounded,
                    Bound::Excluded(key),
                    tree.fanout,
                    guard,
                );
                Ok((place, entries?))
            })?,
            (Cursor::Bound, to) => guard.retrying(|guard| {
                let place = tree.place(at(to, Seek::Greatest), guard)?;
                let entries = place.entries(Bound::Unbounded, to, tree.fanout, guard)?;
                Ok((place, entries))
            })?,
        };
        let (entries, end) = entries;
        self.back_entries = Buffer { entries, begin: 0, end };
        let Place { lower, .. } = place;
        self.back = match lower {
            Some(lower) if is_above(lower.borrow(), self.range.start_bound()) => Cursor::At(lower),
            _ => Cursor::Done,
        };
        Ok(())
    }

    fn next_front(&mut self) -> Result<Option<(&'g K, &'g V)>, Restart> {
        loop {
            if let Some((key, value)) = self.front_entries.pop_front() {
                let met = self.back_key.is_some_and(|back| key >= back);
                if met || !is_below(key.borrow(), self.range.end_bound()) {
                    self.front_entries = Buffer::empty();
                    self.front = Cursor::Done;
                    return Ok(None);
                }
                self.front_key = Some(key);
                return Ok(Some((key, value)));
            }
            if matches!(self.front, Cursor::Done) {
                return Ok(None);
            }
            self.fill_front()?;
        }
    }

    fn next_back_entry(&mut self) -> Result<Option<(&'g K, &'g V)>, Restart> {
        loop {
            if let Some((key, value)) = self.back_entries.pop_back() {
                let met = self.front_key.is_some_and(|front| key <= front);
                if met || !is_above(key.borrow(), self.range.start_bound()) {
                    self.back_entries = Buffer::empty();
                    self.back = Cursor::Done;
                    return Ok(None);
                }
                self.back_key = Some(key);
                return Ok(Some((key, value)));
            }
            if matches!(self.back, Cursor::Done) {
                return Ok(None);
            }
            self.fill_back()?;
        }
    }
}

/// Where a bound is.
fn at<'q, Q: ?Sized>(bound: Bound<&'q Q>, unbounded: Seek<'q, Q>) -> Seek<'q, Q> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Seek::At(key),
        Bound::Unbounded => unbounded,
    }
}

fn is_below<Q: Ord + ?Sized>(key: &Q, end: Bound<&Q>) -> bool {
    match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    }
}

fn is_above<Q: Ord + ?Sized>(key: &Q, start: Bound<&Q>) -> bool {
    match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    }
}

impl<'g, K, V, G, Q, R> Iterator for TryRange<'g, K, V, G, Q, R>
where
    K: Borrow<Q> + Ord,
    G: Protect,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
{
    /// [`Restart`] on a collector with a cap, past it: pin anew, and go on behind the last key.
    type Item = Result<(&'g K, &'g V), Restart>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_front().transpose()
    }
}

impl<K, V, G, Q, R> DoubleEndedIterator for TryRange<'_, K, V, G, Q, R>
where
    K: Borrow<Q> + Ord,
    G: Protect,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_back_entry().transpose()
    }
}

/// The entries in a range, in order, from either end. Made by [`Pinned::range`](super::Pinned::range).
pub struct Range<'g, K, V, G, Q: ?Sized, R>(pub(super) TryRange<'g, K, V, G, Q, R>);

impl<'g, K, V, G, Q, R> Iterator for Range<'g, K, V, G, Q, R>
where
    K: Borrow<Q> + Ord,
    G: Protect,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
{
    type Item = (&'g K, &'g V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_front().expect(super::pinned::NOT_CAPPED)
    }
}

impl<K, V, G, Q, R> DoubleEndedIterator for Range<'_, K, V, G, Q, R>
where
    K: Borrow<Q> + Ord,
    G: Protect,
    Q: Ord + ?Sized,
    R: RangeBounds<Q>,
{
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back_entry().expect(super::pinned::NOT_CAPPED)
    }
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Calls `f` for the entries in a range, in ascending order, until it breaks. For long scans: it pins anew every 1,024 entries, so it holds
    /// back little, and it works on collectors with a cap too. Weakly consistent, as [`range`](super::Pinned::range) is.
    ///
    /// # Progress
    /// As [`range`](super::Pinned::range).
    ///
    /// # Cost
    /// That of the range; a clone of a key every 1,024 entries.
    pub fn for_each_in<B>(
        &self,
        range: impl RangeBounds<K>,
        mut f: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut guard = self.scheme.pin();
        let mut from = range.start_bound().cloned();
        loop {
            let mut last = None;
            let mut visited = 0;
            let mut entries = TryRange::<K, V, _, K, _>::new(
                self.tree(),
                &guard,
                (from.as_ref(), range.end_bound()),
            );
            let ended = loop {
                if visited == CHUNK {
                    break false;
                }
                match entries.next() {
                    None => break true,
                    Some(Err(Restart)) => break false,
                    Some(Ok((key, value))) => {
                        last = Some(key);
                        visited += 1;
                        f(key, value)?;
                    }
                }
            };
            if ended {
                return ControlFlow::Continue(());
            }
            let last = last.cloned();
            if let Some(last) = last {
                from = Bound::Excluded(last);
            }
            guard.repin();
        }
    }
}

/// The keys that begin with some bytes, as a range.
///
/// # Examples
/// ```
/// use stillpoint_structures::OrderedMap;
/// use stillpoint_structures::ordered_map::Prefix;
///
/// let map: OrderedMap<Vec<u8>, u32> =
///     [("a", 1), ("user:1", 2), ("user:2", 3), ("v", 4)].map(|(k, v)| (k.into(), v)).into_iter().collect();
/// let pinned = map.pin();
/// let users: Vec<u32> = pinned.range(Prefix::new(b"user:")).map(|(_, value)| *value).collect();
/// assert_eq!(users, [2, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct Prefix<'p> {
    prefix: &'p [u8],
    /// The least key behind them, if there is one.
    end: Option<Vec<u8>>,
}

impl<'p> Prefix<'p> {
    /// The keys that begin with `prefix`.
    pub fn new(prefix: &'p [u8]) -> Self {
        let last = prefix.iter().rposition(|&byte| byte != u8::MAX);
        let end = last.map(|last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        });
        Prefix { prefix, end }
    }
}

impl RangeBounds<[u8]> for Prefix<'_> {
    fn start_bound(&self) -> Bound<&[u8]> {
        Bound::Included(self.prefix)
    }

    fn end_bound(&self) -> Bound<&[u8]> {
        self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded)
    }
}
