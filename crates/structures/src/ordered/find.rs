//! Finding the leaf of a key, and the key in it. Nothing is written, and no lock is looked at.
//!
//! A search goes from the root to a leaf. Where it finds that the node which it has come to has been replaced, it starts again: whoever says so of a node
//! has already put another in its place, so a search waits for nobody, and starts again only because a writer has done something.
//!
//! Why what is loaded is protected, whatever keys are compared with in between (a comparison is the user's code; it may use the same guard, and renew its
//! lease): a child is followed only if its parent is not `replaced` after the load, so it was not retired at the load ([inner](super::inner), invariant
//! 2), and the lease was tested after it. The same goes for values ([leaf](super::leaf), invariant 2).
//!
//! Tags: none of its own.

use super::OrderedMap;
use super::inner::{Child, Inner, Seek};
use super::leaf::{Leaf, View};
use std::borrow::Borrow;
use stillpoint_primitive::prefetch_lines;
use stillpoint_reclaim::{NodeAlloc, Protect, Restart, Scheme, Shared};

/// Levels of inner nodes. A node that has come out of a split has at most `fanout − 1` children, and splits at `fanout + 1`: so a level's splits
/// are at least twice as many as those of the level above, and a tree of so many levels has taken 2⁶² of them.
pub(super) const MAX_HEIGHT: usize = 64;

/// A node on the way to a leaf, and the child that was taken.
pub(super) struct Step<'g, K, V> {
    pub(super) node: Shared<'g, Inner<K, V>>,
    pub(super) inner: &'g Inner<K, V>,
    pub(super) index: usize,
}

/// The way to a leaf, from the root.
pub(super) struct Path<'g, K, V> {
    pub(super) steps: Vec<Step<'g, K, V>>,
    pub(super) node: Shared<'g, Leaf<K, V>>,
    pub(super) leaf: &'g Leaf<K, V>,
}

/// A leaf, and between which keys its entries are to be: those at the nodes on the way to it.
pub(super) struct Fenced<'g, K, V> {
    pub(super) leaf: &'g Leaf<K, V>,
    /// The least key that may be there.
    pub(super) lower: Option<&'g K>,
    /// The least key that may not.
    pub(super) upper: Option<&'g K>,
}

/// An entry, and where it was found.
pub(super) struct Found<'g, K, V> {
    pub(super) view: View<'g, K, V>,
    pub(super) position: usize,
    pub(super) value: Shared<'g, V>,
    pub(super) entry: (&'g K, &'g V),
}

/// Where a key was looked for.
pub(super) enum Located<'g, K, V> {
    Found(Found<'g, K, V>),
    /// It is not there; it would be at this position.
    Vacant(View<'g, K, V>, usize),
}

impl<K, V, S: Scheme, A: NodeAlloc> OrderedMap<K, V, S, A> {
    /// Goes to the leaf that is responsible for what is sought; `step` hears of each node on the way. `None` when a node
    /// has been replaced.
    #[inline(always)]
    fn descend<'g, Q>(
        &'g self,
        seek: Seek<'_, Q>,
        guard: &'g S::Guard<'_>,
        mut step: impl FnMut(Step<'g, K, V>),
    ) -> Result<Option<Shared<'g, Leaf<K, V>>>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut node = guard.protect_root(0, &self.root)?;
        for _ in 0..MAX_HEIGHT {
            // SAFETY: never null; protected, see the header.
            let inner = unsafe { node.deref() };
            fetch(inner);
            let index = inner.route(seek);
            let child = inner.child(index, guard)?;
            step(Step { node, inner, index });
            match child {
                None => return Ok(None),
                Some(Child::Leaf(leaf)) => return Ok(Some(leaf)),
                Some(Child::Inner(next)) => node = next,
            }
        }
        unreachable!("a tree of more than {MAX_HEIGHT} levels")
    }

    /// What is in the leaf of `key`.
    #[inline(always)]
    fn view_at<'g, Q>(&'g self, key: &Q, guard: &'g S::Guard<'_>) -> Result<View<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let Some(leaf) = self.descend(Seek::At(key), guard, |_| {})? else { continue };
            // SAFETY: never null; protected, see the header.
            let leaf = unsafe { leaf.deref() };
            fetch(leaf);
            let view = leaf.view();
            if !view.order().is_replaced() {
                return Ok(view);
            }
        }
    }

    /// Looks for a key.
    #[inline(always)]
    pub(super) fn locate<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Located<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let view = self.view_at(key, guard)?;
            let position = match view.find(key) {
                Ok(position) => position,
                Err(position) => return Ok(Located::Vacant(view, position)),
            };
            let value = guard.protect(0, view.value(position))?;
            if view.still_names(position..position + 1) {
                // SAFETY: a named slot has a value; protected, see the header.
                let entry = (view.key(position), unsafe { value.deref() });
                return Ok(Located::Found(Found { view, position, value, entry }));
            }
        }
    }

    /// The way to the leaf of `key`.
    pub(super) fn path<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Path<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let mut steps = Vec::with_capacity(8);
            let leaf = self.descend(Seek::At(key), guard, |step| steps.push(step))?;
            let Some(node) = leaf else { continue };
            // SAFETY: never null; protected, see the header.
            return Ok(Path { steps, node, leaf: unsafe { node.deref() } });
        }
    }

    /// The leaf that is responsible for what is sought, and its range on the way there.
    pub(super) fn fenced<'g, Q>(
        &'g self,
        seek: Seek<'_, Q>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Fenced<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let (mut lower, mut upper) = (None, None);
            let leaf = self.descend(seek, guard, |Step { inner, index, .. }| {
                let keys = inner.keys();
                lower = index.checked_sub(1).map(|below| &keys[below]).or(lower);
                upper = keys.get(index).or(upper);
            })?;
            let Some(leaf) = leaf else { continue };
            // SAFETY: never null; protected, see the header.
            let leaf = unsafe { leaf.deref() };
            fetch(leaf);
            return Ok(Fenced { leaf, lower, upper });
        }
    }
}

/// Lines of a node that are fetched at once: an inner node's keys of 32 bytes each.
const FETCHED_LINES: usize = 16;

/// Has a node's lines come together, and not one by one as a search in it asks for them.
#[inline(always)]
fn fetch<T>(node: &T) {
    let node: *const u8 = std::ptr::from_ref(node).cast();
    prefetch_lines(node, size_of::<T>().div_ceil(64).min(FETCHED_LINES));
}
