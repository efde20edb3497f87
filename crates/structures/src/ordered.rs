//! [`OrderedMap`]: a map in the order of its keys, with ranges; a B+tree whose readers write nothing and wait for nobody.
//!
//! ```text
//! root ─▶ inner │ k₁ k₂ …      │ ─▶ child  ─▶ child  ─▶ child            up to 31 keys that never change, 32 links
//!                                   < k₁      k₁ ≤ · < k₂
//!                                     │
//!                                     ▼
//!                   leaf │ order │ keys │ ─▶ value  ─▶ value …           up to 13 entries; each slot is written once
//! ```
//! A leaf's *order*, one word, says which slots hold an entry and in what order their keys are: whoever has read it has a sorted array that nobody
//! changes. Writers of a leaf take its lock. A node that has to get another form (a leaf that is full, or empty; what is above it) is not changed: others are
//! built and put in its place with one store, under the locks of what is replaced and of what names it.
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | `get`, `contains_key` | lock-free: looks again only when a node on its way was replaced; never waits for a writer, stopped ones included | a binary search a level; no write |
//! | `range`, `iter`, from both ends | a step is lock-free | a search from the root a leaf; no write |
//! | `insert`, `update`, `compute`, … | blocking, per node: waits for writers of the same leaf, and while nodes are replaced for those of the nodes on the way | an allocation, a lock; every few new keys a leaf is copied |
//! | `remove`, `pop_first`, `pop_last` | the same | a lock; an empty leaf is taken out |
//! | `len` | wait-free | a load a thread |
//!
//! (Under `leased` an operation that outlives its lease starts again, with twice the lease each time.) A writer that is stopped while it holds a lock stops the
//! writers of that leaf, and those that want to replace it; no reader. No code of the user's runs under a lock.
//!
//! # Two ways in
//! - [`OrderedMap::pin`]: a facade that holds a guard; what it gives lives as long as it does. It has all operations, and none can fail. One that
//!   is used for longer than the collector's longest lease holds back everything retired since, and is counted
//!   ([`overdraw`](stillpoint_reclaim::Protect::overdraw)).
//! - A guard of one's own: [`OrderedMap::get`] and its like take it and say [`Restart`](stillpoint_reclaim::Restart) past the longest lease, so
//!   that it holds back a bounded number of nodes, however long it is kept.
//!
//! Schemes that protect per pointer cannot carry it (a restructuring holds a whole path, a range a whole leaf): a map on one does not compile.
//!
//! # Ranges
//! Each key at most once, in strict order; a key that is there from the first step to the last is met. Not a snapshot: see `range`.
//!
//! # Memory
//! 232 bytes a leaf of 8-byte keys, half to quite full; a value is an allocation of its own. Leaves that are not empty are not merged: a map from
//! which most keys are removed at random keeps up to one leaf a key that is left. Of a tree that shrinks, inner nodes go with their last child, and the root when
//! one inner node is left below it; a chain of nodes with one child each may stay, at most the tree's height.
//!
//! # How it works
//! | page | invariants of |
//! |---|---|
//! | `order` | the word that says what is in a leaf |
//! | `leaf`, `inner` | nodes: who may change what |
//! | `find` | searches, and what protects what they find |
//! | `write` | changes to one leaf |
//! | `restructure` | nodes in the place of others; the proof |
//! | `range` | why no key comes twice |
//!
//! Tags: none of its own.
//!
//! Sources: the order is the permutation word of Masstree (Mao, Kohler, Morris, EuroSys 2012) without its reuse of slots; locks for writers, atomic publication
//! for readers: *read-optimized write exclusion* (Leis, Scheibner, Kemper, Neumann, *The ART of practical synchronization*, DaMoN 2016). That nodes'
//! ranges never shrink, so that readers need neither versions nor links to the right, is Stillpoint's own.
//!
//! # Examples
//! ```
//! use std::ops::Bound;
//! use stillpoint_structures::OrderedMap;
//!
//! let map: OrderedMap<String, u32> = OrderedMap::new();
//! let map = map.pin();
//! map.insert("b".into(), 2);
//! map.insert("a".into(), 1);
//! assert_eq!(map.insert("b".into(), 3), Some(&2));
//! assert_eq!(map.get("b"), Some(&3));
//! assert_eq!(map.range::<str, _>((Bound::Excluded("a"), Bound::Unbounded)).count(), 1);
//! assert_eq!(map.pop_first(), Some((&"a".to_string(), &1)));
//! assert_eq!(map.len(), 1);
//! ```

mod find;
mod guarded;
mod inner;
mod leaf;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod mutation;
mod order;
mod pinned;
mod prefix;
mod range;
mod restructure;
mod traits;
mod write;

pub use crate::map::{Compute, Occupied, Operation};
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
#[doc(hidden)]
pub use mutation::Mutation;
pub use pinned::Pinned;
pub use prefix::Prefix;
pub use range::{Iter, Keys, Range, TryRange, Values};

use crate::len::Len;
use inner::{FANOUT, Inner, adopt};
use leaf::{Leaf, shared};
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::Mutex;
use stillpoint_reclaim::{Atomic, Collector, Heap, NodeAlloc, Owned, Scheme};

/// An ordered map for any number of threads; see the [module's page](self).
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
/// let map = map.pin();
/// assert_eq!(map.range(1..).map(|(_, value)| *value).collect::<String>(), "ab");
/// ```
pub struct OrderedMap<K, V, S: Scheme = Collector, A: NodeAlloc = Heap> {
    root: Atomic<Inner<K, V>>,
    /// Held to replace the root.
    root_lock: Mutex<()>,
    scheme: S,
    alloc: A,
    /// Children of an inner node, and slots of a leaf if that is less.
    fanout: usize,
    len: Len,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: Mutation,
}

impl<K, V> OrderedMap<K, V> {
    /// An empty map with a collector of its own.
    pub fn new() -> Self {
        OrderedMap::with_scheme(Collector::new())
    }
}

impl<K, V, S: Scheme> OrderedMap<K, V, S> {
    /// An empty map whose nodes and values `scheme` reclaims.
    pub fn with_scheme(scheme: S) -> Self {
        OrderedMap::with_all(scheme, Heap)
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> OrderedMap<K, V, S, A> {
    /// An empty map whose nodes and values come from `alloc` and are reclaimed by `scheme`. Does not compile for a scheme that protects per
    /// pointer.
    pub fn with_all(scheme: S, alloc: A) -> Self {
        const { assert!(!S::PER_POINTER, "the scheme must protect all that is loaded") };
        let guard = scheme.pin();
        let leaf = shared(Owned::new_in(&guard, Leaf::new(), &alloc));
        let root = [Owned::new_in(&guard, Inner::new([], true), &alloc)];
        adopt(&root, vec![leaf], |node| node.children.leaves());
        let [root] = root.map(Atomic::new);
        drop(guard);
        OrderedMap {
            root,
            root_lock: Mutex::new(()),
            scheme,
            alloc,
            fanout: FANOUT,
            len: Len::new(),
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: Mutation::default(),
        }
    }

    /// The same map with smaller nodes: for tests, that they fill and split at once.
    ///
    /// # Panics
    /// When it is less than 3.
    #[doc(hidden)]
    pub fn with_fanout(mut self, fanout: usize) -> Self {
        assert!(fanout >= 3, "a fanout of {fanout}, less than 3");
        self.fanout = fanout;
        self
    }

    /// The same with a step left out.
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    #[doc(hidden)]
    pub fn weakened(mut self, mutation: Mutation) -> Self {
        self.mutation = mutation;
        self
    }

    /// The scheme that reclaims its nodes and values.
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// How many keys there are: exact when nobody puts in or takes out at this moment.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Cost
    /// A load a thread that has changed the map.
    pub fn len(&self) -> usize {
        self.len.sum()
    }

    /// Whether there is nothing in it; as [`len`](OrderedMap::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn check(&self, guard: &S::Guard<'_>) {
        assert!(self.scheme.owns(guard), "the guard is of another collector than the map");
    }
}

impl<K, V, S: Scheme, A: NodeAlloc> Drop for OrderedMap<K, V, S, A> {
    /// Drops all that is left. When a destructor panics, the others still run.
    fn drop(&mut self) {
        // SAFETY: the map's own; nobody else has it any more, and no node or value is named twice.
        let mut inners: Vec<_> = unsafe { self.root.take_owned::<A>() }.into_iter().collect();
        let mut leaves = Vec::new();
        let mut at = 0;
        while at < inners.len() {
            // SAFETY: as above.
            let (below, more) = unsafe { inners[at].take_children::<A>() };
            leaves.extend(below);
            inners.extend(more);
            at += 1;
        }
        // SAFETY: as above.
        let values = leaves.iter_mut().flat_map(|leaf| unsafe { leaf.take_values::<A>() });
        drop_all(values);
        drop_all(leaves.into_iter());
        drop_all(inners.into_iter());
    }
}
