//! The index as a value: what it owns, its hash, its statistics, its end.
//!
//! # Invariants
//! 1. The root is the oldest table that is not entirely moved. It is set only by growth, to the root's next.
//! 2. Every operation asserts that its guard is of the index's collector; without that a guard protects nothing here.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[root]` | Acquire load here pairs with the CAS that moves the root on; the table needs no lease test (table invariant 2) |

use crate::index::bin::{MOVED, VALID};
use crate::index::error::AllocError;
use crate::index::slot;
use crate::index::table::Table;
use crate::index::version::{self, NewValue, NewVersion};
#[cfg(stillpoint_loom)]
use foldhash::quality::FixedState as HashState;
#[cfg(not(stillpoint_loom))]
use foldhash::quality::RandomState as HashState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};
use stillpoint_reclaim::{Collector, Guard};

/// Key → chain of versions, newest first. `O` is what object values are, `D` what pending stamps point to.
///
/// # Progress
/// `find`: wait-free in the chain and in a bin that does not change; it rescans a bin only if somebody changed it just then *and* an insert into it is
/// unconfirmed; it takes one step more for each growth. Writers: lock-free; nobody waits for anybody.
///
/// # Cost
/// 64 bytes per bin of six slots, 64 per overflow line of seven, 24 bytes per version beside key and value.
pub struct VersionIndex<O: Send + Sync + 'static, D: Send + Sync + 'static> {
    pub(crate) root: AtomicPtr<Table>,
    pub(crate) collector: Collector,
    pool: Pool,
    hasher: HashState,
    object_bytes: fn(&O) -> usize,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: crate::index::mutation::Mutation,
    types: PhantomData<Types<O, D>>,
}

/// Owns objects, refers to descriptors.
type Types<O, D> = (Arc<O>, fn(D) -> D);

/// Keys to a bin that room is made for: growth begins at about five.
const KEYS_A_BIN: usize = 4;
/// Bins that are made room for at most: a terabyte of them.
const MOST_RESERVED: usize = 1 << 34;

/// The size of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IndexStats {
    /// Bins of the current table.
    pub bins: usize,
    /// Overflow lines of the current table.
    pub overflow_lines: usize,
    /// Bytes of the current table and, during growth, of the next one.
    pub table_bytes: usize,
    /// Whether the index is growing.
    pub growing: bool,
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// An empty index that retires to `collector` and allocates from `pool`. Its hash is seeded at random.
    ///
    /// # Panics
    /// If there is not even memory for the first table of about a kilobyte.
    pub fn new(collector: Collector, pool: Pool) -> Self {
        let table = Table::first().expect("memory for the first kilobyte of an index");
        Self {
            root: AtomicPtr::new(Box::into_raw(table)),
            collector,
            pool,
            hasher: HashState::default(),
            object_bytes: |_| 0,
            #[cfg(stillpoint_loom)]
            mutation: crate::index::mutation::Mutation::default(),
            types: PhantomData,
        }
    }

    /// The same, which asks each object that goes into a new version how many bytes it has beside the version; without it objects count as none.
    #[must_use]
    pub fn with_object_bytes(mut self, object_bytes: fn(&O) -> usize) -> Self {
        self.object_bytes = object_bytes;
        self
    }

    /// Makes room for so many keys, so that it need not grow while they come. A hint: an index that has keys, or no memory, stays as it is.
    ///
    /// # Cost
    /// As much memory at once as growth would have come to.
    pub fn reserve(&mut self, keys: usize) {
        let count = keys.div_ceil(KEYS_A_BIN).min(MOST_RESERVED).next_power_of_two();
        // Relaxed [root]: `&mut self`
        let root = self.root.load(Ordering::Relaxed);
        // SAFETY: the root is owned by the index, and never null.
        let table = unsafe { &*root };
        // Relaxed [root]: `&mut self`
        let is_empty = |at| table.bin(at).header.load(Ordering::Relaxed) & (VALID | MOVED) == 0;
        if count <= table.count() || table.next().is_some() || !(0..table.count()).all(is_empty) {
            return;
        }
        let Some(larger) = Table::empty(count) else { return };
        // Relaxed [root]: `&mut self`; whoever shares the index later is handed it in some way that orders this before
        self.root.store(Box::into_raw(larger), Ordering::Relaxed);
        // SAFETY: it was the root, holds nothing, and nobody else can look at it.
        unsafe { Table::free(root.cast()) };
    }

    /// The same with a step left out.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn weakened(
        collector: Collector,
        pool: Pool,
        mutation: crate::index::mutation::Mutation,
    ) -> Self {
        let mut index = Self::new(collector, pool);
        index.mutation = mutation;
        index
    }

    /// The hash of a key in this index.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// Makes a version to [`install`](Self::install) later. `kind` is the caller's; `expire_at` takes 8 bytes if it is there.
    ///
    /// # Errors
    /// When memory is short, or key or value are longer than a version can hold.
    #[inline]
    pub fn new_version(
        &self,
        key: &[u8],
        value: NewValue<'_, O>,
        kind: u8,
        expire_at: Option<u64>,
    ) -> Result<NewVersion<O>, AllocError> {
        NewVersion::build(&self.pool, key, value, kind, expire_at, self.object_bytes)
    }

    /// As [`new_version`](Self::new_version) with [`NewValue::Bytes`], in fewer steps.
    ///
    /// # Errors
    /// As `new_version`.
    #[inline]
    pub fn new_version_of_bytes(
        &self,
        key: &[u8],
        bytes: &[u8],
        kind: u8,
        expire_at: Option<u64>,
    ) -> Result<NewVersion<O>, AllocError> {
        NewVersion::of_bytes(&self.pool, key, bytes, kind, expire_at)
    }

    /// The collector that guards of this index must come from.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The pool of this index.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How big the index is.
    pub fn stats(&self) -> IndexStats {
        let guard = self.collector.pin();
        let table = self.table(&guard);
        let next = table.next();
        IndexStats {
            bins: table.count(),
            overflow_lines: table.line_count(),
            table_bytes: table.bytes() + next.map_or(0, Table::bytes),
            growing: next.is_some(),
        }
    }

    /// The root table.
    #[inline]
    pub(crate) fn table<'g>(&self, guard: &'g Guard<'_>) -> &'g Table {
        debug_assert!(guard.is_from(&self.collector));
        // Acquire [root]: pairs with the CAS in `advance_root`
        let table = self.root.load(Ordering::Acquire);
        // SAFETY: the root is never null, and a table is retired as born in epoch 0, so the pin protects it (table invariant 2).
        unsafe { &*table }
    }

    #[inline]
    pub(crate) fn check(&self, guard: &Guard<'_>) {
        assert!(
            guard.is_from(&self.collector),
            "a guard of another collector protects nothing in this index"
        );
    }

    /// Frees a chain.
    ///
    /// # Safety
    /// The caller must be alone with the chain.
    unsafe fn free_chain(mut address: u64) {
        while address != 0 {
            let version = version::at(address);
            // SAFETY: the caller is alone with a chain of initialised versions.
            let header = unsafe { &*version };
            // Relaxed [root]: the caller is alone
            let older = version::link(header.next.load(Ordering::Relaxed));
            // SAFETY: as above; each version is in one chain once.
            unsafe { version::reclaim::<O>(version.cast()) };
            address = older;
        }
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Drop for VersionIndex<O, D> {
    /// Frees everything. Whatever refers to a version borrows the index, so there is nobody else.
    fn drop(&mut self) {
        // Relaxed [root]: `&mut self`
        let mut table = self.root.load(Ordering::Relaxed);
        while !table.is_null() {
            // SAFETY: the root and its next tables are owned by the index.
            let bins = unsafe { &*table };
            for bin in (0..bins.count()).map(|at| bins.bin(at)) {
                // Relaxed [root]: `&mut self`
                let header = bin.header.load(Ordering::Relaxed);
                let valid = if header & MOVED == 0 { header & VALID } else { 0 };
                for (_, slot) in bin.slots().enumerate().filter(|(bit, _)| valid & 1 << bit != 0) {
                    // Relaxed [root]: `&mut self`
                    let word = slot.load(Ordering::Relaxed);
                    // SAFETY: valid in a bin that is not moved: the chain is here and nowhere else, and nobody has retired it.
                    unsafe { Self::free_chain(slot::address(word)) };
                }
            }
            let next = bins
                .next()
                .map_or(std::ptr::null_mut(), |next| std::ptr::from_ref(next).cast_mut());
            // SAFETY: owned, and not looked at again.
            unsafe { Table::free(table.cast()) };
            table = next;
        }
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> fmt::Debug for VersionIndex<O, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionIndex").field("stats", &self.stats()).finish()
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    fn insert(index: &VersionIndex<(), ()>, keys: std::ops::Range<u32>) {
        for key in keys.map(u32::to_le_bytes) {
            let guard = index.collector.pin();
            let new = index.new_version(&key, NewValue::Bytes(b""), 0, None).unwrap();
            assert!(index.install(&guard, index.hash(&key), None, new).is_ok());
        }
    }

    fn finds(index: &VersionIndex<(), ()>, key: u32) -> bool {
        let (guard, key) = (index.collector.pin(), key.to_le_bytes());
        index.find(&guard, index.hash(&key), &key).unwrap().is_some()
    }

    #[test]
    fn an_index_with_room_does_not_grow_until_it_is_full() {
        let mut index = VersionIndex::new(Collector::new(), Pool::new());
        index.reserve(10_000);
        let bins = index.stats().bins;
        assert!((2_500..5_000).contains(&bins), "{bins}");
        insert(&index, 0..10_000);
        assert_eq!((index.stats().bins, index.stats().growing), (bins, false));
        insert(&index, 10_000..100_000);
        assert!(index.stats().bins > bins);
        assert!((0..100_000).all(|key| finds(&index, key)) && !finds(&index, 100_000));
    }

    #[test]
    fn an_index_that_has_keys_or_room_stays_as_it_is() {
        let mut index = VersionIndex::new(Collector::new(), Pool::new());
        index.reserve(0);
        index.reserve(1);
        let bins = index.stats().bins;
        insert(&index, 0..1);
        index.reserve(1_000_000);
        assert_eq!(index.stats().bins, bins);
        assert!(finds(&index, 0));
        index.reserve(usize::MAX);
        assert!(finds(&index, 0));
    }
}
