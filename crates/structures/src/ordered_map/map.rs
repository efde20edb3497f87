//! The map itself, and what only reads. Tags: none of its own.

use super::node::{Node, Route, Seek};
use super::order::CAPACITY;
use super::pinned::Pinned;
use super::tree::{MAX_HEIGHT, Tree};
use std::borrow::Borrow;
use std::fmt;
use stillpoint_primitive::{CachePadded, OwnerCounter, PerThread, thread_slot};
use stillpoint_reclaim::{Atomic, Collector, Heap, NodeAlloc, Owned, Protect, Restart, Scheme};

/// An ordered map for any number of threads; see the [module's page](super).
///
/// # Cost
/// 264 bytes a leaf of up to 14 entries of 8-byte keys, half to three quarters full; a value is an allocation of its own.
///
/// # Examples
/// ```
/// use stillpoint_structures::OrderedMap;
///
/// let map = OrderedMap::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         map.pin().insert(2, "b");
///     });
///     scope.spawn(|| {
///         map.pin().insert(1, "a");
///     });
/// });
/// let pinned = map.pin();
/// assert_eq!(pinned.range(1..).map(|(_, value)| *value).collect::<String>(), "ab");
/// ```
pub struct OrderedMap<K, V, S: Scheme = Collector, A: NodeAlloc = Heap> {
    pub(super) root: Atomic<Node<K, V>>,
    pub(super) scheme: S,
    pub(super) alloc: A,
    pub(super) fanout: usize,
    /// Insertions less removals, a thread; wraps around.
    changes: PerThread<CachePadded<OwnerCounter>, 16>,
    /// The same of threads past their exit.
    late_changes: OwnerCounter,
    #[cfg(stillpoint_loom)]
    pub(super) mutation: super::Mutation,
}

impl<K, V> Default for OrderedMap<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn default() -> Self {
        OrderedMap::new()
    }
}

impl<K, V> OrderedMap<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty map with a collector of its own.
    pub fn new() -> Self {
        OrderedMap::with_scheme(Collector::new())
    }
}

impl<K, V, S> OrderedMap<K, V, S>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
{
    /// An empty map whose nodes and values `scheme` reclaims.
    pub fn with_scheme(scheme: S) -> Self {
        OrderedMap::in_alloc(scheme, Heap)
    }
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// An empty map whose nodes and values come from `alloc` and are reclaimed by `scheme`. A scheme that cannot carry it does not
    /// compile.
    pub fn in_alloc(scheme: S, alloc: A) -> Self {
        const { assert!(S::FROZEN_LINKS_OK, "the scheme must let frozen links be followed") };
        const { assert!(!S::PER_POINTER, "the scheme must protect all that is loaded") };
        let root = {
            let guard = scheme.pin();
            Atomic::new(Owned::new_in(&guard, Node::leaf(), &alloc))
        };
        OrderedMap {
            root,
            scheme,
            alloc,
            fanout: CAPACITY,
            changes: PerThread::new(),
            late_changes: OwnerCounter::new(),
            #[cfg(stillpoint_loom)]
            mutation: super::Mutation::None,
        }
    }

    /// The same map with nodes of `fanout` slots: for tests, that nodes fill and split at once.
    ///
    /// # Panics
    /// When it is not between 3 and 14.
    pub fn with_fanout(mut self, fanout: usize) -> Self {
        assert!((3..=CAPACITY).contains(&fanout), "a fanout of {fanout}, not 3 to {CAPACITY}");
        self.fanout = fanout;
        self
    }

    /// The same map with a step of the protocol left out.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn weakened(mut self, mutation: super::Mutation) -> Self {
        self.mutation = mutation;
        self
    }

    /// The map under a guard: where its operations are.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Panics
    /// When the collector's leases are capped: operations could fail then, so they are only there in their `_with` forms.
    #[inline]
    pub fn pin(&self) -> Pinned<'_, K, V, S, A> {
        assert!(!self.scheme.is_capped(), "a collector with capped leases needs the `_with` forms");
        Pinned { map: self, guard: self.scheme.pin() }
    }

    /// The scheme that reclaims its nodes; its guards are for the `_with` forms.
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// How many entries there are: a sum over threads, exact when nobody is changing the map.
    ///
    /// # Progress
    /// Wait-free: a step a thread.
    pub fn len(&self) -> usize {
        let sum = self
            .changes
            .iter()
            .fold(self.late_changes.get(), |sum, changes| sum.wrapping_add(changes.get()));
        // Seen between the two sides of a change, the sum may be below zero.
        if (sum as i64) < 0 { 0 } else { sum as usize }
    }

    /// Whether [`len`](OrderedMap::len) is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts entries in, or out (`u64::MAX`).
    #[inline]
    pub(super) fn count(&self, change: u64) {
        match thread_slot::current().or_else(thread_slot::claim_current) {
            Some(slot) => {
                let changes =
                    self.changes.get(slot).unwrap_or_else(|| self.changes.get_or_grow(slot));
                if changes.get() == 0 {
                    self.changes.mark_used(slot);
                }
                changes.add(change);
            }
            None => self.late_changes.add_shared(change),
        }
    }

    pub(super) fn check(&self, guard: &S::Guard<'_>) {
        assert!(self.scheme.owns(guard), "a guard of another collector protects nothing here");
    }

    /// See [`Node::route`].
    #[inline(always)]
    pub(super) fn route<'g, Q, G>(
        &self,
        node: &Node<K, V>,
        children: &[Atomic<Node<K, V>>; CAPACITY + 1],
        seek: Seek<'_, Q>,
        guard: &'g G,
    ) -> Result<Route<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        #[cfg(stillpoint_loom)]
        if self.mutation == super::Mutation::NoSecondLook {
            return node.look(children, seek, guard);
        }
        node.route(children, seek, guard)
    }

    /// The tree, for reading.
    #[inline(always)]
    pub(super) fn tree(&self) -> Tree<'_, K, V> {
        Tree { root: &self.root, fanout: self.fanout }
    }

    /// The leaf that is responsible for `key`; `None` when there is a frozen link on the way.
    #[inline]
    pub(super) fn leaf_at<'g, Q, G>(
        &self,
        key: &Q,
        guard: &'g G,
    ) -> Result<Option<&'g Node<K, V>>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        // SAFETY: protected, and never null.
        let mut node = unsafe { guard.protect_root(0, &self.root)?.deref() };
        for _ in 0..MAX_HEIGHT {
            let Some(children) = node.children() else { return Ok(Some(node)) };
            let child = self.route(node, children, Seek::At(key), guard)?.child;
            if child.tag() != 0 {
                return Ok(None);
            }
            // SAFETY: protected, never null; its parent was not frozen when it was loaded.
            node = unsafe { child.deref() };
        }
        unreachable!("a tree of more than {MAX_HEIGHT} levels")
    }

    /// Looks a key up.
    #[inline]
    pub(super) fn lookup<'g, Q, G>(&self, key: &Q, guard: &'g G) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let Some(leaf) = self.leaf_at(key, guard)? else { return self.lookup_frozen(key, guard) };
        let (_, Some(slot)) = leaf.find(leaf.order(), key) else { return Ok(None) };
        let values = leaf.values().expect("a leaf");
        let value = guard.protect(0, &values[slot])?;
        if value.tag() != 0 {
            return self.lookup_frozen(key, guard);
        }
        // SAFETY: protected; its leaf was not frozen when it was loaded.
        Ok(unsafe { value.as_ref() })
    }

    /// As [`lookup`](OrderedMap::lookup), past nodes that are being replaced.
    #[cold]
    fn lookup_frozen<'g, Q, G>(&self, key: &Q, guard: &'g G) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let root = &self.root;
        let tree = Tree { root, fanout: self.fanout };
        tree.place(Seek::At(key), guard)?.get(key, self.fanout, guard)
    }

    /// As [`Pinned::get`], under a guard of this map's scheme.
    ///
    /// # Progress
    /// As there.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it: pin anew.
    ///
    /// # Panics
    /// When the guard is of another collector.
    ///
    /// # Examples
    /// What it gives lives as long as the guard and the map, both:
    /// ```compile_fail,E0505
    /// use stillpoint_reclaim::Collector;
    /// use stillpoint_structures::OrderedMap;
    ///
    /// let collector = Collector::new();
    /// let map: OrderedMap<u32, String> = OrderedMap::with_scheme(collector.clone());
    /// let guard = collector.pin();
    /// let value = map.get_with(&1, &guard);
    /// drop(map);
    /// println!("{value:?}");
    /// ```
    pub fn get_with<'g, Q>(
        &'g self,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.check(guard);
        guard.retrying(|guard| self.lookup(key, guard))
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> Drop for OrderedMap<K, V, S, A> {
    /// Drops all that is left.
    fn drop(&mut self) {
        // SAFETY: the map's own; nobody else has it any more.
        let Some(root) = (unsafe { self.root.take_owned::<A>() }) else { return };
        super::teardown::drop_tree::<K, V, A>(root, self.fanout);
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> fmt::Debug for OrderedMap<K, V, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedMap").field("scheme", &S::NAME).finish_non_exhaustive()
    }
}
