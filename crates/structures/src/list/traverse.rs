//! The two ways along a [`List`]: looking only, and looking for a place to change.

use super::{List, Node, REMOVED};
use std::borrow::Borrow;
use std::cmp::Ordering::{Equal, Greater, Less};
use stillpoint_reclaim::{Atomic, NodeAlloc, Protect, Restart, Scheme, Shared};

/// Slots of the nodes along the way.
const SLOTS: usize = 3;

/// Where a key is, or would be.
pub(super) struct Place<'g, K, V> {
    /// The link that leads to `current`; had no REMOVED when it was loaded.
    pub(super) link: &'g Atomic<Node<K, V>>,
    /// The first node whose key is not smaller, or null.
    pub(super) current: Shared<'g, Node<K, V>>,
    /// `current`, if the key is there.
    pub(super) found: Option<&'g Node<K, V>>,
    /// What `current` leads to, without REMOVED.
    pub(super) next: Shared<'g, Node<K, V>>,
}

impl<K: Ord, V, S: Scheme, A: NodeAlloc> List<K, V, S, A> {
    /// The node of `key`.
    #[inline]
    pub(super) fn look_up<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Node<K, V>>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if S::FROZEN_LINKS_OK {
            let at = self.first_where(|node| node.key.borrow() >= key, guard)?;
            Ok(at.filter(|node| node.key.borrow() == key && !node.is_removed()))
        } else {
            Ok(self.find(key, guard)?.found)
        }
    }

    /// The first node that is not removed and whose key is above `bound`. For schemes whose frozen links may be followed.
    pub(super) fn first_above<'g>(
        &'g self,
        bound: Option<&K>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Node<K, V>>, Restart> {
        self.first_where(
            |node| bound.is_none_or(|bound| node.key > *bound) && !node.is_removed(),
            guard,
        )
    }

    /// Where `key` is or belongs; unlinks the removed nodes that it meets.
    pub(super) fn find<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Place<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.seek(|node| node.key.borrow().cmp(key), guard)
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> List<K, V, S, A> {
    /// Goes along the list, removed nodes included, to the first node that is `wanted`.
    #[inline]
    fn first_where<'g>(
        &'g self,
        wanted: impl Fn(&Node<K, V>) -> bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Node<K, V>>, Restart> {
        let mut current = guard.protect_root(0, &self.head)?;
        // SAFETY: protected by the guard: loaded from a root, or a link that may be followed though it is frozen.
        while let Some(node) = unsafe { current.as_ref() } {
            if wanted(node) {
                return Ok(Some(node));
            }
            current = guard.protect(0, &node.next)?;
        }
        Ok(None)
    }

    /// The first node that is not removed.
    pub(super) fn first<'g>(
        &'g self,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Node<K, V>>, Restart> {
        Ok(self.seek(|_| Equal, guard)?.found)
    }

    /// As [`find`](List::find), for any order that agrees with the list's. After a lost race it starts over: lock-free.
    fn seek<'g>(
        &'g self,
        order: impl Fn(&Node<K, V>) -> std::cmp::Ordering,
        guard: &'g S::Guard<'_>,
    ) -> Result<Place<'g, K, V>, Restart> {
        'over: loop {
            // The slots of the node before, of this one, and of the next.
            let (mut before, mut this, mut free) = (SLOTS - 1, 0, 1);
            let mut link = &self.head;
            let mut current = guard.protect_root(this, link)?;
            loop {
                // SAFETY: protected by `this`: loaded from a root, or from a link without REMOVED (invariant 5).
                let Some(node) = (unsafe { current.as_ref() }) else {
                    return Ok(Place { link, current, found: None, next: Shared::null() });
                };
                let next = guard.protect(free, &node.next)?;
                if next.tag() == REMOVED {
                    let next = next.with_tag(0);
                    if link.compare_exchange(current, next).is_err() {
                        continue 'over;
                    }
                    // SAFETY: unlinked just now, by us alone (invariant 4).
                    unsafe { self.retire(current, guard) };
                    // Linked until that CAS, so still protected (invariant 5).
                    current = next;
                    (this, free) = (free, this);
                    continue;
                }
                match order(node) {
                    Less => {
                        (link, current) = (&node.next, next);
                        (before, this, free) = (this, free, before);
                    }
                    Equal => return Ok(Place { link, current, found: Some(node), next }),
                    Greater => return Ok(Place { link, current, found: None, next }),
                }
            }
        }
    }
}

impl<K, V> Node<K, V> {
    #[inline(always)]
    pub(super) fn is_removed(&self) -> bool {
        self.next.load_unprotected().tag() == REMOVED
    }
}
