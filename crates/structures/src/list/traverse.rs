//! The two ways along a [`List`]: looking only, and looking for a place to change.

use super::{List, Node, REMOVED};
use std::borrow::Borrow;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::hint::assert_unchecked;
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
        let mut current = untagged(guard.protect_root(0, &self.head)?);
        // SAFETY: protected by the guard: loaded from a root, or a link that may be followed though it is frozen; and untagged.
        while let Some(node) = unsafe { named(current) } {
            if wanted(node) {
                return Ok(Some(node));
            }
            current = untagged(guard.protect(0, &node.next)?);
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
            let mut current = untagged(guard.protect_root(this, link)?);
            loop {
                // SAFETY: protected by `this`: loaded from a root, or from a link without REMOVED (invariant 5); and untagged.
                let Some(node) = (unsafe { named(current) }) else {
                    return Ok(Place { link, current, found: None, next: Shared::null() });
                };
                let next = guard.protect(free, &node.next)?;
                if next.tag() != 0 {
                    let next = untagged(next);
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

/// A link without its tag. Most have none: the test for that runs beside the way along the list, where to take a tag off always would be a step of it,
/// between one node's load and the next.
#[inline(always)]
fn untagged<'g, K, V>(link: Shared<'g, Node<K, V>>) -> Shared<'g, Node<K, V>> {
    if link.tag() == 0 { link } else { take_tag_off(link) }
}

/// Apart, lest the compiler make one mask of both cases.
#[cold]
#[inline(never)]
fn take_tag_off<'g, K, V>(link: Shared<'g, Node<K, V>>) -> Shared<'g, Node<K, V>> {
    link.with_tag(0)
}

/// The node that a link without a tag names.
///
/// # Safety
/// As [`Shared::as_ref`], and the link has no tag.
#[inline(always)]
unsafe fn named<'g, K, V>(link: Shared<'g, Node<K, V>>) -> Option<&'g Node<K, V>> {
    // SAFETY: the caller's promise.
    unsafe { assert_unchecked(link.tag() == 0) };
    // SAFETY: the caller's promise.
    unsafe { link.as_ref() }
}

impl<K, V> Node<K, V> {
    #[inline(always)]
    pub(super) fn is_removed(&self) -> bool {
        self.next.load_unprotected().tag() == REMOVED
    }
}
