//! [`HashMap`] and [`HashSet`]: hash tables whose readers write nothing, and which grow without anybody waiting.
//!
//! ```text
//!  root ─▶ Table  bin 0 [header|marks|5 slots|link]  bin 1 …            a bin is one cache line
//!                               └─▶ Entry { hash, key, value }          one allocation a key
//!  get: root · bin: header, marks, the slot whose mark is the hash's · entry      two cache misses when nothing is cached
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | `get`, `contains_key` | lock-free: looks again when it met an unconfirmed insert of the same mark, or when its bin moved meanwhile (once a growth); wait-free otherwise | no write |
//! | `insert`, `update`, `compute`, … | lock-free | an allocation; 1 CAS to replace, 4 atomic writes for a new key; while the map grows, 4 bins moved |
//! | `remove` | lock-free | 2 CASes |
//! | `iter` | lock-free; a step is a bin | no write |
//! | `len` | wait-free | a load a thread |
//!
//! (Under `leased` an operation that outlives its lease starts again, with twice the lease each time.)
//!
//! # Two ways in
//! - [`HashMap::pin`]: a facade that holds a guard; what it gives lives as long as it does. It has all operations, and none can fail. One that
//!   is used for longer than the collector's longest lease holds back everything retired since, and [is counted](Protect::overdraw).
//! - A guard of one's own: [`HashMap::get`] and its like take it and say [`Restart`](stillpoint_reclaim::Restart) past the longest lease, so a
//!   reader who holds it holds back a bounded number of entries, however long. He calls [`repin`](Protect::repin) and asks again.
//!
//! Neither can be had on a scheme that protects per pointer, where a reference would lose its protection at the next operation. There one has
//! [`with`](HashMap::with), [`set`](HashMap::set), [`unset`](HashMap::unset) and [`has`](HashMap::has), which run on every scheme.
//!
//! # How it works
//! | page | invariants of |
//! |---|---|
//! | `entry` | the words in slots |
//! | `bin` | bins: who may change what, and when an operation takes effect |
//! | `find` | looking, and what protects what is found |
//! | `write` | putting in, replacing, removing |
//! | `growth` | moving to a larger table |
//!
//! Tags on this page: `[publish]` reading headers and slots of a map that is being dropped.
//!
//! Values do not change in place: a new value is a new entry in the slot of the old one, so references to the old one stay good under their
//! guards. Tables only grow.
//!
//! Up to 23 keys may have the very same 64-bit hash: a bin has no more slots, and no growth separates them. One more, and the insert panics, after
//! the table has grown to 16 bins a key. With [`DefaultHasher`] and a `Hash` that looks at the whole key that does not come about; a `Hash` that
//! gives only a few values does not suit this map.
//!
//! The bins are those of the store's [`index`](crate::index), for typed entries: marks instead of tags in pointers, so that entries go through
//! [`Protect`] on any scheme. The form of bins goes back to MICA and DLHT (A. Katsarakis et al., *DLHT: a
//! non-blocking resizable hashtable with fast deletes and memory-awareness*, 2024); freezing before moving to C. Click's hash table.

mod bin;
mod compute;
mod entry;
mod find;
mod growth;
mod guarded;
mod iter;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod mutation;
mod pinned;
mod set;
mod table;
mod traits;
mod write;

pub use compute::{Compute, Operation};
pub use iter::{Iter, Keys, Values};
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
#[doc(hidden)]
pub use mutation::Mutation;
pub use pinned::{Occupied, Pinned};
pub use set::{HashSet, PinnedSet, SetIter};

use crate::len::Len;
use bin::{Bin, MOVED, VALID};
use entry::{Entry, mixed};
use find::protected;
use std::hash::{BuildHasher, Hash};
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Heap, NodeAlloc, Owned, Protect, Scheme};
use table::{FIRST_BINS, Table};

/// How a map hashes unless told otherwise: foldhash, seeded at random for each map.
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
pub type DefaultHasher = foldhash::fast::RandomState;
/// How a model's map hashes: always the same.
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
pub type DefaultHasher = foldhash::fast::FixedState;

/// A hash map for any number of threads; see the [module's page](self).
///
/// # Examples
/// ```
/// use stillpoint_structures::HashMap;
///
/// let stock = HashMap::new();
/// std::thread::scope(|scope| {
///     for crate_number in 0..4 {
///         let stock = &stock;
///         scope.spawn(move || {
///             let stock = stock.pin();
///             for fruit in ["apple", "pear"] {
///                 stock.update_or_insert(fruit, |count| count + crate_number, crate_number);
///             }
///         });
///     }
/// });
/// let stock = stock.pin();
/// assert_eq!(stock.get("apple"), Some(&6));
/// assert_eq!(stock.remove("pear"), Some(&6));
/// assert_eq!(stock.iter().collect::<Vec<_>>(), [(&"apple", &6)]);
/// ```
pub struct HashMap<K, V, H = DefaultHasher, S: Scheme = Collector, A: NodeAlloc = Heap> {
    root: Atomic<Table<K, V>>,
    scheme: S,
    hasher: H,
    alloc: A,
    len: Len,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: Mutation,
}

impl<K, V> HashMap<K, V> {
    /// An empty map with a collector of its own.
    ///
    /// # Cost
    /// About 3 KB beside the collector's, most of it counters of threads.
    pub fn new() -> Self {
        HashMap::with_hasher(DefaultHasher::default())
    }

    /// An empty map with room for as many keys.
    pub fn with_capacity(capacity: usize) -> Self {
        HashMap::with_all(capacity, DefaultHasher::default(), Collector::new(), Heap)
    }
}

impl<K, V, H> HashMap<K, V, H> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: H) -> Self {
        HashMap::with_all(0, hasher, Collector::new(), Heap)
    }
}

impl<K, V, S: Scheme> HashMap<K, V, DefaultHasher, S> {
    /// An empty map whose entries `scheme` reclaims.
    pub fn with_scheme(scheme: S) -> Self {
        HashMap::with_all(0, DefaultHasher::default(), scheme, Heap)
    }
}

impl<K, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// An empty map with room for `capacity` keys, whose entries come from `alloc` and are reclaimed by `scheme`. Does not compile for a
    /// scheme that has too few slots.
    ///
    /// # Panics
    /// When there is no memory for that many.
    pub fn with_all(capacity: usize, hasher: H, scheme: S, alloc: A) -> Self {
        const { assert!(S::SLOTS >= protected::COUNT, "a map protects five pointers at once") };
        let guard = scheme.pin();
        let table = Table::live(bins_for(capacity)).expect("memory for the first table of a map");
        let root = Atomic::new(Owned::new(&guard, table));
        drop(guard);
        HashMap {
            root,
            scheme,
            hasher,
            alloc,
            len: Len::new(),
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

    /// The scheme that reclaims its entries.
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// What it hashes with.
    pub fn hasher(&self) -> &H {
        &self.hasher
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

    /// Whether there is nothing in it; as [`len`](HashMap::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn check(&self, guard: &S::Guard<'_>) {
        assert!(self.scheme.owns(guard), "the guard is of another collector than the map");
    }
}

impl<K, V, H: BuildHasher, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    #[inline(always)]
    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        mixed(self.hasher.hash_one(key))
    }
}

impl<K: Eq, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// Makes room for `additional` keys more than there are now, so that they are put in without growth.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Cost
    /// O(bins) for each doubling.
    pub fn reserve(&self, additional: usize) {
        let wanted = bins_for(self.len().saturating_add(additional));
        self.scheme.pin().complete(|guard| {
            loop {
                let table = self.root(guard)?;
                if table.count() >= wanted || !self.begin(table, guard) {
                    return Ok(());
                }
                self.finish_growth(guard)?;
            }
        });
    }
}

/// Bins that hold as many keys before a growth begins: three a bin.
fn bins_for(capacity: usize) -> usize {
    (capacity / 3).max(FIRST_BINS).next_power_of_two()
}

impl<K, V, H, S: Scheme, A: NodeAlloc> Drop for HashMap<K, V, H, S, A> {
    fn drop(&mut self) {
        let table = std::mem::replace(&mut self.root, Atomic::null());
        drop_all(Remains::<K, V, A> { table, at: 0, entries: Vec::new() });
    }
}

/// The entries of a map that goes. Its tables go as they are passed.
struct Remains<K, V, A: NodeAlloc> {
    table: Atomic<Table<K, V>>,
    at: usize,
    /// Of one bin.
    entries: Vec<Owned<Entry<K, V>, A>>,
}

impl<K, V, A: NodeAlloc> Remains<K, V, A> {
    /// Takes over what a bin holds.
    fn take_bin(entries: &mut Vec<Owned<Entry<K, V>, A>>, bin: &Bin<K, V>) {
        // Relaxed [publish]: exclusive
        let header = bin.header.load(Ordering::Relaxed);
        let valid = if header & MOVED == 0 { header & VALID } else { 0 };
        for slot in bin.slots().filter(|slot| valid & 1 << slot.bit != 0) {
            // Acquire [publish]: exclusive
            let word = slot.word.take(Ordering::Acquire);
            // SAFETY: valid in a bin that is not moved: the entry is here and nowhere else, and nobody has retired it.
            entries.push(unsafe { word.into_owned() });
        }
    }
}

impl<K, V, A: NodeAlloc> Iterator for Remains<K, V, A> {
    type Item = Owned<Entry<K, V>, A>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.entries.is_empty() {
            let table = self.table.load_exclusive();
            // SAFETY: null, or a table of the map that is being dropped.
            let table = unsafe { table.as_ref() }?;
            if self.at < table.count() {
                Self::take_bin(&mut self.entries, table.bin(self.at));
                self.at += 1;
                continue;
            }
            // SAFETY: exclusive; a table that is still reached has not been retired.
            let mut passed: Owned<Table<K, V>> = unsafe { self.table.take_owned() }?;
            self.table = std::mem::replace(&mut passed.next, Atomic::null());
            self.at = 0;
        }
        self.entries.pop()
    }
}
