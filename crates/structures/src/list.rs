//! [`List`]: a sorted linked list, Harris' with Michael's traversal, and a wait-free `get` where the scheme allows it.
//!
//! ```text
//! head ─▶ Node 3 ─▶ Node 5 ─▶ Node 8 ─▶ null            keys ascend, each at most once
//! remove 5:  ① CAS Node 5's link to itself with REMOVED   (5 is gone)      head ─▶ 3 ─▶ 5 ─R▶ 8
//!            ② CAS Node 3's link from 5 to 8              (5 is unlinked)  head ─▶ 3 ─▶ 8        5 is retired
//! insert 4:  link 4 to 5, CAS Node 3's link from 5 to 4; fails if 3 is removed, or anything came between
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`get`](List::get), [`iter`](List::iter) | wait-free: a step a node, on a scheme whose frozen links may be followed; see below | no write |
//! | [`with`](List::with), [`contains_key`](List::contains_key) | as `get`; lock-free with restarts on a scheme that protects per pointer | no write |
//! | [`insert`](List::insert) | lock-free | the way to the key, an allocation, a CAS |
//! | [`remove`](List::remove) | lock-free | the way to the key, two CASes |
//!
//! Wait-free means: a reader never goes back, whatever others do. (Under `leased` a traversal that outlives its lease starts again, with
//! twice the lease each time: at most 64 times.) Keys inserted ahead of a reader lengthen its way.
//!
//! # Invariants
//! 1. Keys ascend strictly along links, removed nodes included.
//! 2. A key is present iff a node with it is reachable from the head and its link has no REMOVED.
//! 3. A link with REMOVED never changes again. So a node after which something is inserted, or unlinked, is not removed itself at that
//!    moment: the CAS expects a link without REMOVED.
//! 4. A node is unlinked after its link has REMOVED, by one CAS of the link that leads to it; that CAS's owner retires it.
//! 5. What a link without REMOVED leads to was reachable when the link was loaded: that is the test which a scheme per pointer needs. What a
//!    link with REMOVED leads to is followed only (a) where frozen links may be, or (b) after the CAS that has unlinked the node, until
//!    which the node after it could not be unlinked.
//!
//! # Orderings
//! Those of [`Atomic`]: CASes Release, loads Acquire. `[link]`: a new node's own link, published with it.
//!
//! # Slots
//! Three in turn: the node whose link is looked at, the node that it leads to, and the next.
//!
//! Source: T. Harris, *A pragmatic implementation of non-blocking linked lists* (2001); M. Michael, *High performance dynamic lock-free
//! hash tables and list-based sets* (2002). `get` goes through removed nodes, as M. Herlihy and N. Shavit's book has it.

mod iter;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod mutation;
mod traverse;

pub use iter::Iter;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
#[doc(hidden)]
pub use mutation::Mutation;

use crate::backoff::Backoff;
use std::borrow::Borrow;
use std::fmt;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{
    Atomic, Collector, Heap, NodeAlloc, Owned, Protect, Restart, Scheme, Shared,
};

/// Tag of a node's own link: the node is removed.
const REMOVED: usize = 1;

pub(crate) struct Node<K, V> {
    next: Atomic<Node<K, V>>,
    key: K,
    value: V,
}

/// A sorted list of keys and values for any number of threads; see the [module's page](self).
///
/// Each operation goes along the list: right for tens of keys, not for thousands.
///
/// # Examples
/// ```
/// use stillpoint_structures::List;
///
/// let list = List::new();
/// assert!(list.insert(2, "two").is_ok());
/// assert!(list.insert(1, "one").is_ok());
/// assert_eq!(list.insert(2, "zwei"), Err((2, "zwei")));
/// assert_eq!(list.with(&2, |value| *value), Some("two"));
///
/// let guard = list.pin();
/// assert_eq!(list.get(&1, &guard)?, Some(&"one"));
/// assert_eq!(list.iter(&guard).map(|(key, _)| *key).collect::<Vec<_>>(), [1, 2]);
/// assert!(list.remove(&1) && !list.remove(&1));
/// # Ok::<(), stillpoint_reclaim::Restart>(())
/// ```
pub struct List<K, V, S: Scheme = Collector, A: NodeAlloc = Heap> {
    head: Atomic<Node<K, V>>,
    scheme: S,
    alloc: A,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: Mutation,
}

impl<K, V> List<K, V> {
    /// An empty list with a collector of its own.
    pub fn new() -> Self {
        List::with_scheme(Collector::new())
    }
}

impl<K, V, S: Scheme> List<K, V, S> {
    /// An empty list whose nodes `scheme` reclaims. Does not compile for a scheme with fewer than three slots.
    pub fn with_scheme(scheme: S) -> Self {
        List::in_alloc(scheme, Heap)
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> List<K, V, S, A> {
    /// An empty list whose nodes come from `alloc` and are reclaimed by `scheme`.
    ///
    /// # Cost
    /// One word beside the handles of scheme and allocator; a node has two words beside key and value.
    pub fn in_alloc(scheme: S, alloc: A) -> Self {
        const { assert!(S::SLOTS >= 3, "a list protects three nodes at once") };
        List {
            head: Atomic::null(),
            scheme,
            alloc,
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: Mutation::default(),
        }
    }

    /// The same with a step left out.
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    #[doc(hidden)]
    pub fn weakened(mut self, mutation: Mutation) -> Self {
        self.mutation = mutation;
        self
    }

    /// A guard for [`get`](List::get), [`iter`](List::iter) and [`remove_entry`](List::remove_entry).
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn pin(&self) -> S::Guard<'_> {
        self.scheme.pin()
    }

    /// The scheme that reclaims its nodes.
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// Whether nothing was in it at this moment. Removed nodes that are still linked do not count.
    ///
    /// # Progress
    /// As [`contains_key`](List::contains_key).
    pub fn is_empty(&self) -> bool {
        self.scheme.pin().complete(|guard| Ok(self.first(guard)?.is_none()))
    }

    #[inline(always)]
    fn check(&self, guard: &S::Guard<'_>) {
        assert!(self.scheme.owns(guard), "the guard is of another collector than the list");
    }
}

impl<K: Ord, V, S: Scheme, A: NodeAlloc> List<K, V, S, A> {
    /// The value of `key`. It stays allocated as long as the guard, also when it is removed. For schemes whose guards protect all that is
    /// loaded; on others this does not compile, and [`with`](List::with) does.
    ///
    /// # Progress
    /// Wait-free: a step a node.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    #[inline]
    pub fn get<'g, Q>(&'g self, key: &Q, guard: &'g S::Guard<'_>) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        const {
            assert!(!S::PER_POINTER, "the scheme protects per pointer: use `with`");
        }
        self.check(guard);
        // A guard of its own: a key's `Ord` could renew the caller's, under which frozen links may not be followed any further then.
        let own = guard.nested();
        let found = own.retrying(|own| Ok(self.look_up(key, own)?.map(std::ptr::from_ref)))?;
        // SAFETY: found under a guard that shares its protection with the caller's, which lives for 'g.
        Ok(found.map(|node| &unsafe { &*node }.value))
    }

    /// Calls `read` with the value of `key`, protected meanwhile. Runs on every scheme.
    ///
    /// # Progress
    /// That of the [module's page](self).
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut read = Some(read);
        self.scheme.pin().complete(|guard| {
            let found = self.look_up(key, guard)?;
            Ok(found.and_then(|node| read.take().map(|read| read(&node.value))))
        })
    }

    /// Whether `key` is there.
    ///
    /// # Progress
    /// As [`with`](List::with).
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.with(key, |_| ()).is_some()
    }

    /// What is in it, in the order of keys; each step looks at the list as it is then: a key that is there all the time is met, one that
    /// comes or goes meanwhile perhaps. What it gives stays allocated as long as `guard`. For schemes as [`get`](List::get) is. It goes on past
    /// its collector's longest lease, and [is counted](Protect::overdraw): what it has given must stay.
    ///
    /// # Progress
    /// Wait-free, a step a node.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn iter<'g, 'm>(&'g self, guard: &'g S::Guard<'m>) -> Iter<'g, 'm, K, V, S, A> {
        self.check(guard);
        Iter::new(self, guard)
    }
}

impl<K, V, S, A> List<K, V, S, A>
where
    K: Ord + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Puts a new key in.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// The key is there; both are given back.
    pub fn insert(&self, key: K, value: V) -> Result<(), (K, V)> {
        let mut guard = self.scheme.pin();
        let node = Node { next: Atomic::null(), key, value };
        let mut node = Some(Owned::new_in(&guard, node, &self.alloc));
        guard.complete(|guard| self.try_insert(&mut node, guard));
        match node {
            None => Ok(()),
            Some(refused) => {
                let Node { key, value, .. } = refused.into_value();
                Err((key, value))
            }
        }
    }

    /// Takes a key out. Whether it was there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.scheme.pin().complete(|guard| Ok(self.try_remove(key, guard)?.is_some()))
    }

    /// Takes a key out and shows what was there, for as long as the guard lives. For schemes as [`get`](List::get) is.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As [`get`](List::get).
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn remove_entry<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        const {
            assert!(!S::PER_POINTER, "the scheme protects per pointer: use `remove`");
        }
        self.check(guard);
        let removed = guard.retrying(|guard| self.try_remove(key, guard))?;
        Ok(removed.map(|node| (&node.key, &node.value)))
    }

    /// `node` is `None` afterwards if it is in the list.
    fn try_insert(
        &self,
        node: &mut Option<Owned<Node<K, V>, A>>,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        let mut backoff = Backoff::default();
        while let Some(new) = node.as_ref() {
            let place = self.find(&new.key, guard)?;
            if place.found.is_some() {
                return Ok(());
            }
            let Some(new) = node.take() else { break };
            // Relaxed [link]: published with the node by the CAS.
            new.next.store(place.current, Ordering::Relaxed);
            if let Err(refused) = place.link.compare_exchange_owned(place.current, new, guard) {
                *node = Some(refused.new);
                backoff.spin();
            }
        }
        Ok(())
    }

    /// The node that this call removed; still protected.
    fn try_remove<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Node<K, V>>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut backoff = Backoff::default();
        loop {
            let place = self.find(key, guard)?;
            let Some(node) = place.found else { return Ok(None) };
            if self.mark(node, place.next) {
                // If it fails, whoever comes by next does it: from here on there is no way back.
                if place.link.compare_exchange(place.current, place.next).is_ok() {
                    // SAFETY: unlinked just now, by us alone (invariant 4).
                    unsafe { self.retire(place.current, guard) };
                }
                return Ok(Some(node));
            }
            backoff.spin();
        }
    }

    /// Sets REMOVED, if the link is still `next`.
    fn mark(&self, node: &Node<K, V>, next: Shared<'_, Node<K, V>>) -> bool {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == Mutation::NoMark {
            return true;
        }
        node.next.compare_exchange(next, next.with_tag(REMOVED)).is_ok()
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> List<K, V, S, A> {
    /// # Safety
    /// As [`Shared::retire_in`].
    unsafe fn retire(&self, node: Shared<'_, Node<K, V>>, guard: &S::Guard<'_>) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == Mutation::FreeAtOnce {
            // SAFETY: none; that is the point.
            drop(unsafe { node.into_owned::<A>() });
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { node.retire_in::<A, _>(guard) };
    }
}

impl<K, V> Default for List<K, V> {
    fn default() -> Self {
        List::new()
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> Drop for List<K, V, S, A> {
    fn drop(&mut self) {
        // SAFETY: exclusive; what is linked has not been retired.
        let mut next = unsafe { self.head.take_owned::<A>() };
        drop_all(std::iter::from_fn(|| {
            let mut node = next.take()?;
            // SAFETY: as above.
            next = unsafe { node.next.take_owned() };
            Some(node)
        }));
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> fmt::Debug for List<K, V, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("is_empty", &self.is_empty()).finish_non_exhaustive()
    }
}
