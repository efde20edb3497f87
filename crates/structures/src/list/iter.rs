//! [`Iter`]: along a [`List`], in the order of keys.
//!
//! It has a guard of its own, nested in the caller's: what it loads stays allocated as long as the caller's guard, while no other operation
//! can renew the lease under which it goes on from node to node. When that lease runs out, it renews it and looks for its place again
//! from the head; past the cap too, since what it has given must stay.
//!
//! The end is the end: the node given last is then one that was found under an earlier lease, perhaps, and its link is not to be followed
//! under a later one.

use super::{List, Node};
use std::fmt;
use std::iter::FusedIterator;
use stillpoint_reclaim::{NodeAlloc, Protect, Restart, Scheme};

/// See [`List::iter`].
pub struct Iter<'g, 'm, K, V, S: Scheme + 'm, A: NodeAlloc> {
    list: &'g List<K, V, S, A>,
    guard: S::Guard<'m>,
    /// The node given last: its link is where it goes on.
    last: Option<&'g Node<K, V>>,
    is_over: bool,
}

impl<'g, 'm, K: Ord, V, S: Scheme, A: NodeAlloc> Iter<'g, 'm, K, V, S, A> {
    pub(super) fn new(list: &'g List<K, V, S, A>, guard: &'g S::Guard<'m>) -> Self {
        const {
            assert!(!S::PER_POINTER && S::FROZEN_LINKS_OK, "iterates over frozen links");
        }
        Iter { list, guard: guard.nested(), last: None, is_over: false }
    }

    /// Goes on from the node given last, without looking for it.
    fn step(&self) -> Result<Option<*const Node<K, V>>, Restart> {
        let Some(last) = self.last else {
            return self
                .list
                .first_above(None, &self.guard)
                .map(|node| node.map(std::ptr::from_ref));
        };
        let mut current = self.guard.protect(0, &last.next)?;
        // SAFETY: protected: the link is of a protected node, and may be followed though it is frozen.
        while let Some(node) = unsafe { current.as_ref() } {
            if !node.is_removed() {
                return Ok(Some(node));
            }
            current = self.guard.protect(0, &node.next)?;
        }
        Ok(None)
    }

    fn seek(&self) -> Option<*const Node<K, V>> {
        let bound = self.last.map(|node| &node.key);
        self.guard
            .insisting(|guard| Ok(self.list.first_above(bound, guard)?.map(std::ptr::from_ref)))
    }
}

impl<'g, K: Ord, V, S: Scheme, A: NodeAlloc> Iterator for Iter<'g, '_, K, V, S, A> {
    type Item = (&'g K, &'g V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let node = match self.step() {
            Ok(found) => found,
            Err(Restart) => {
                if self.guard.renew().is_err() {
                    self.guard.overdraw();
                }
                self.seek()
            }
        };
        self.is_over = node.is_none();
        // SAFETY: protected under a guard that shares its protection with the caller's, which lives for 'g.
        let node = unsafe { &*node? };
        self.last = Some(node);
        Some((&node.key, &node.value))
    }
}

impl<K: Ord, V, S: Scheme, A: NodeAlloc> FusedIterator for Iter<'_, '_, K, V, S, A> {}

impl<K, V, S: Scheme, A: NodeAlloc> fmt::Debug for Iter<'_, '_, K, V, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("begun", &self.last.is_some()).finish_non_exhaustive()
    }
}
