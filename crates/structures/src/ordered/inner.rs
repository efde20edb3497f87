//! [`Inner`]: a node above the leaves. Its keys never change; its links do, when a child is replaced.
//!
//! ```text
//! replaced · lock · len · keys [K; 31] · children [→; 32]         child i: keys k with keys[i − 1] ≤ k < keys[i]
//! ```
//! All children of a node are leaves, or all are inner nodes: all leaves are equally far from the root.
//!
//! # Invariants
//! 1. A link is stored to by who holds the node's lock, and only while the node is in the tree.
//! 2. `replaced` is set by who holds the lock and has taken the node out of the tree, before it gives up any of its locks, and before it retires
//!    anything. So a child that was loaded from a link of a node that is not `replaced` afterwards had not been retired when it was loaded
//!    ([`Inner::child`]): this holds whatever has happened to the guard's lease before.
//! 3. Dropping a node drops its keys, never a child.
//!
//! Tags: `[link]` a link is stored with Release and loaded with Acquire; `[replaced]` set with Release, read with Acquire after a link's load, which
//! keeps it there; `[own]` a node of one's own, published with the link to it.

use super::leaf::Leaf;
use std::borrow::Borrow;
use std::mem::MaybeUninit;
use stillpoint_primitive::sync::Mutex;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Protect, Restart, Shared};

/// Children of an inner node.
pub(super) const FANOUT: usize =
    if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 3 } else { 32 };

/// Keys that do not change, in one place.
struct Keys<K> {
    len: usize,
    keys: [MaybeUninit<K>; FANOUT - 1],
}

impl<K> Keys<K> {
    /// At most `FANOUT - 1`.
    fn new(from: impl IntoIterator<Item = K>) -> Self {
        let mut keys = Keys { len: 0, keys: [const { MaybeUninit::uninit() }; FANOUT - 1] };
        for key in from {
            keys.keys[keys.len].write(key);
            keys.len += 1;
        }
        keys
    }

    #[inline(always)]
    fn as_slice(&self) -> &[K] {
        let first: *const K = self.keys.as_ptr().cast();
        // SAFETY: the first `len` have been written, and `len` is at most the array's length.
        unsafe { std::slice::from_raw_parts(first, self.len) }
    }
}

impl<K> Drop for Keys<K> {
    fn drop(&mut self) {
        let keys = std::ptr::slice_from_raw_parts_mut(self.keys.as_mut_ptr().cast::<K>(), self.len);
        // SAFETY: the first `len` have been written, and this is their end.
        unsafe { keys.drop_in_place() };
    }
}

pub(super) enum Children<K, V> {
    Leaves([Atomic<Leaf<K, V>>; FANOUT]),
    Inners([Atomic<Inner<K, V>>; FANOUT]),
}

/// A child as it was loaded.
pub(super) enum Child<'g, K, V> {
    Leaf(Shared<'g, Leaf<K, V>>),
    Inner(Shared<'g, Inner<K, V>>),
}

/// All children of a node, as they were loaded.
pub(super) enum Siblings<'g, K, V> {
    Leaves(Vec<Shared<'g, Leaf<K, V>>>),
    Inners(Vec<Shared<'g, Inner<K, V>>>),
}

/// Leaves, or inner nodes, that are being dropped with their map.
type Taken<K, V, A> = (Vec<Owned<Leaf<K, V>, A>>, Vec<Owned<Inner<K, V>, A>>);

/// Where a search is going.
pub(super) enum Seek<'q, Q: ?Sized> {
    /// To the key, or where it would be.
    At(&'q Q),
    /// To the keys below this one.
    Below(&'q Q),
    /// To the least key.
    Least,
    /// To the greatest.
    Greatest,
}

impl<Q: ?Sized> Clone for Seek<'_, Q> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Q: ?Sized> Copy for Seek<'_, Q> {}

pub(super) struct Inner<K, V> {
    replaced: AtomicBool,
    pub(super) lock: Mutex<()>,
    keys: Keys<K>,
    pub(super) children: Children<K, V>,
}

impl<K, V> Inner<K, V> {
    /// A node with these keys, above leaves or above inner nodes, still without children.
    pub(super) fn new(keys: impl IntoIterator<Item = K>, above_leaves: bool) -> Self {
        let children = if above_leaves {
            Children::Leaves(std::array::from_fn(|_| Atomic::null()))
        } else {
            Children::Inners(std::array::from_fn(|_| Atomic::null()))
        };
        Inner {
            replaced: AtomicBool::new(false),
            lock: Mutex::new(()),
            keys: Keys::new(keys),
            children,
        }
    }

    #[inline(always)]
    pub(super) fn keys(&self) -> &[K] {
        self.keys.as_slice()
    }

    #[inline(always)]
    pub(super) fn is_above_leaves(&self) -> bool {
        matches!(self.children, Children::Leaves(_))
    }

    /// Which child is responsible for what is sought.
    #[inline(always)]
    pub(super) fn route<Q>(&self, seek: Seek<'_, Q>) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        match seek {
            Seek::At(key) => self.keys().partition_point(|other| other.borrow() <= key),
            Seek::Below(key) => self.keys().partition_point(|other| other.borrow() < key),
            Seek::Least => 0,
            Seek::Greatest => self.keys.len,
        }
    }

    /// Loads a child; `None` if the node has been replaced, and the search has to start again.
    ///
    /// # Errors
    /// [`Restart`] from the load.
    #[inline(always)]
    pub(super) fn child<'g>(
        &self,
        index: usize,
        guard: &'g impl Protect,
    ) -> Result<Option<Child<'g, K, V>>, Restart> {
        let child = match &self.children {
            Children::Leaves(links) => Child::Leaf(guard.protect(0, &links[index])?),
            Children::Inners(links) => Child::Inner(guard.protect(0, &links[index])?),
        };
        Ok((!self.is_replaced()).then_some(child))
    }

    #[inline(always)]
    pub(super) fn is_replaced(&self) -> bool {
        // Acquire [replaced]: after the load of a link, which was an Acquire.
        self.replaced.load(Ordering::Acquire)
    }

    /// Says that the node is not in the tree any more; its lock is held.
    pub(super) fn mark_replaced(&self) {
        // Release [replaced]: before anything is retired.
        self.replaced.store(true, Ordering::Release);
    }

    /// Loads all children; `None` if the node has been replaced.
    ///
    /// # Errors
    /// [`Restart`] from the loads.
    pub(super) fn siblings<'g>(
        &self,
        guard: &'g impl Protect,
    ) -> Result<Option<Siblings<'g, K, V>>, Restart> {
        let count = self.keys.len + 1;
        let siblings = match &self.children {
            Children::Leaves(links) => Siblings::Leaves(loaded(&links[..count], guard)?),
            Children::Inners(links) => Siblings::Inners(loaded(&links[..count], guard)?),
        };
        Ok((!self.is_replaced()).then_some(siblings))
    }

    /// Takes the children out, of a node that is being dropped with its map.
    ///
    /// # Safety
    /// The node is the only one with these children, which are from an `A`, and nobody has one.
    pub(super) unsafe fn take_children<A: NodeAlloc>(&mut self) -> Taken<K, V, A> {
        let count = self.keys.len + 1;
        match &mut self.children {
            Children::Leaves(links) => {
                // SAFETY: the caller's promise.
                let taken =
                    links[..count].iter_mut().filter_map(|link| unsafe { link.take_owned() });
                (taken.collect(), Vec::new())
            }
            Children::Inners(links) => {
                // SAFETY: the caller's promise.
                let taken =
                    links[..count].iter_mut().filter_map(|link| unsafe { link.take_owned() });
                (Vec::new(), taken.collect())
            }
        }
    }
}

impl<K, V> Siblings<'_, K, V> {
    /// Whether they are the node's children; its lock is held.
    pub(super) fn are_still_in(&self, inner: &Inner<K, V>) -> bool {
        match self {
            Siblings::Leaves(leaves) => are_in(leaves, inner.children.leaves()),
            Siblings::Inners(inners) => are_in(inners, inner.children.inners()),
        }
    }
}

fn are_in<T>(children: &[Shared<'_, T>], links: &[Atomic<T>]) -> bool {
    children.iter().zip(links).all(|(child, link)| link.load_unprotected() == child.unprotected())
}

fn loaded<'g, T>(
    links: &[Atomic<T>],
    guard: &'g impl Protect,
) -> Result<Vec<Shared<'g, T>>, Restart> {
    links.iter().map(|link| guard.protect(0, link)).collect()
}

/// Gives nodes of one's own their children, in order, each as many as it has keys and one more.
pub(super) fn adopt<'g, K, V, T, A: NodeAlloc>(
    nodes: &[Owned<Inner<K, V>, A>],
    children: Vec<Shared<'g, T>>,
    links: impl Fn(&Inner<K, V>) -> &[Atomic<T>],
) {
    let mut children = children.into_iter();
    for node in nodes {
        for link in &links(node)[..=node.keys.len] {
            let child = children.next().expect("a child for each link");
            // Relaxed [own]: see the header.
            link.store(child, Ordering::Relaxed);
        }
    }
    assert!(children.next().is_none(), "a link for each child");
}

impl<K, V> Children<K, V> {
    pub(super) fn leaves(&self) -> &[Atomic<Leaf<K, V>>] {
        match self {
            Children::Leaves(links) => links,
            Children::Inners(_) => &[],
        }
    }

    pub(super) fn inners(&self) -> &[Atomic<Inner<K, V>>] {
        match self {
            Children::Leaves(_) => &[],
            Children::Inners(links) => links,
        }
    }
}
