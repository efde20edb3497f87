//! Growth: moving to a table of twice the bins while everybody goes on.
//!
//! ```text
//!  bin i of N          1 freeze header   2 freeze its valid slots   3 fill bins i and i+N of the next table   4 header MOVED
//!  [k1 k2 k3] ───────▶ [k1*k2*k3*]F ─────────────────────────────▶ next: [k1 k3] [k2]                        [k1*k2*k3*]F M
//! ```
//! Writers do it: for the bin they need, and for a chunk of others with each insert. Any number may move one bin at the same time: what is
//! frozen is final, so all compute the same filling, and each word of it is set by CAS from 0, which no live word ever returns to.
//!
//! # Invariants
//! 1. After step 2 everybody who moves the bin reads the same words, hence fills slots, marks, lines and header in the same way.
//! 2. A new bin's header is set after its slots and lines; MOVED is set after both new headers. Between filling and MOVED nothing can fail.
//! 3. DEAD entries are not moved. Who sets MOVED retires those that the frozen header still called valid; what was cleared from the header
//!    before the freeze is retired by who cleared it. So each removed entry is retired once.
//! 4. A stalled helper delays nobody: its chunk is handed out again when the cursor wraps.
//! 5. `next` of a table is set only while it is the root: so there are two tables at most. (The root has moved on only when all bins were.)
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[freeze]` | fetch_or of the header, AcqRel: what was valid before is seen, no header CAS succeeds after; slots by CAS |
//! | `[moved]` | Release fetch_or of the old header after both new ones; pairs with the header loads of `find` |
//!
//! The root is moved on by an [`Atomic`](stillpoint_reclaim::Atomic)'s CAS, after all bins were counted as moved.

use super::HashMap;
use super::bin::{Bin, FROZEN as BIN_FROZEN, MAX_SLOTS, MOVED, VALID};
use super::entry::{DEAD, Entry, FROZEN};
use super::find::protected;
use super::table::Table;
use std::alloc::{Layout, handle_alloc_error};
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Heap, NodeAlloc, Owned, Protect, Restart, Scheme, Shared};

/// Bins that an insert moves while the map grows: with two or more the move ends before the new table is full; this many take about as
/// long as one insert, so that a growth is over soon.
const CHUNK: usize = if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 1 } else { 4 };

/// A growth begins when there is an overflow line for every so many bins (as a shift).
const LINES_SHIFT: u32 = 2;

/// Entries of one bin.
struct Entries<'g, K, V> {
    entries: [(Shared<'g, Entry<K, V>>, u64); MAX_SLOTS],
    count: usize,
}

impl<'g, K, V> Entries<'g, K, V> {
    fn new() -> Self {
        Entries { entries: [(Shared::null(), 0); MAX_SLOTS], count: 0 }
    }

    fn push(&mut self, word: Shared<'g, Entry<K, V>>, hash: u64) {
        self.entries[self.count] = (word.with_tag(0), hash);
        self.count += 1;
    }

    fn as_slice(&self) -> &[(Shared<'g, Entry<K, V>>, u64)] {
        &self.entries[..self.count]
    }
}

/// What a frozen bin holds: for the bin of the same number, for the other one, and what was removed.
struct Parts<'g, K, V> {
    low: Entries<'g, K, V>,
    high: Entries<'g, K, V>,
    dead: Entries<'g, K, V>,
}

impl<K: Eq, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// Begins to grow if there are too many overflow lines.
    pub(super) fn lines_added(
        &self,
        table: &Table<K, V>,
        appended: usize,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        let crowded = table.count_lines(appended) > table.count() >> LINES_SHIFT;
        if crowded && table.next.load_unprotected().is_null() && self.is_root(table, guard)? {
            // Without memory the bins just stay long.
            self.begin(table, guard);
        }
        Ok(())
    }

    /// Gives `table`, whose bin `at` is full, a next one, and moves that bin. Or finishes the growth that made it, if it is not the root
    /// yet.
    #[cold]
    pub(super) fn grow(
        &self,
        table: &Table<K, V>,
        at: usize,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        if !self.is_root(table, guard)? {
            return self.finish_growth(guard);
        }
        if !self.begin(table, guard) {
            handle_alloc_error(Layout::new::<Bin<K, V>>());
        }
        match self.next(table, guard)? {
            Some(next) => self.move_bin(table, next, at, guard),
            None => Ok(()),
        }
    }

    /// Makes `table`, the root, have a next one. False for lack of memory.
    pub(super) fn begin(&self, table: &Table<K, V>, guard: &S::Guard<'_>) -> bool {
        if !table.next.load_unprotected().is_null() {
            return true;
        }
        let next = table.count().checked_mul(2).and_then(Table::unfilled);
        let Some(next) = next.and_then(|next| Owned::try_new_in(guard, next, &Heap).ok()) else {
            return false;
        };
        // If it fails, somebody else's is there.
        let _ = table.next.compare_exchange_owned(Shared::null(), next, guard);
        true
    }

    /// Moves a chunk of bins if the map grows.
    #[inline]
    pub(super) fn help_growth(&self, guard: &S::Guard<'_>) -> Result<(), Restart> {
        let table = self.root(guard)?;
        if table.next.load_unprotected().is_null() {
            return Ok(());
        }
        self.move_chunk(table, guard)
    }

    #[cold]
    fn move_chunk(&self, table: &Table<K, V>, guard: &S::Guard<'_>) -> Result<(), Restart> {
        let Some(next) = self.next(table, guard)? else { return Ok(()) };
        for at in table.next_chunk(CHUNK) {
            self.move_bin(table, next, at, guard)?;
        }
        // Whoever counted the last bin may have had to restart.
        if table.is_moved() { self.advance_root(table, guard) } else { Ok(()) }
    }

    /// Moves everything that is left, however little others do.
    pub(super) fn finish_growth(&self, guard: &S::Guard<'_>) -> Result<(), Restart> {
        let table = self.root(guard)?;
        let Some(next) = self.next(table, guard)? else { return Ok(()) };
        for at in 0..table.count() {
            self.move_bin(table, next, at, guard)?;
        }
        self.advance_root(table, guard)
    }

    /// Moves bin `at` of `table`, unless somebody has.
    pub(super) fn move_bin(
        &self,
        table: &Table<K, V>,
        next: &Table<K, V>,
        at: usize,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        let bin = table.bin(at);
        // Acquire [moved]: pairs with the fetch_or below
        if bin.header.load(Ordering::Acquire) & MOVED != 0 {
            return Ok(());
        }
        // AcqRel [freeze]: what was valid before is seen here; no header CAS succeeds after
        let header = bin.header.fetch_or(BIN_FROZEN, Ordering::AcqRel);
        if header & MOVED != 0 {
            return Ok(());
        }
        let Some(parts) = self.freeze(table, bin, header & VALID, guard)? else { return Ok(()) };
        let mut lines = bin_fill(next, at, &parts.low);
        lines += bin_fill(next, at + table.count(), &parts.high);
        // AcqRel [moved]: after both new headers; the dead are retired after it
        if bin.header.fetch_or(MOVED, Ordering::AcqRel) & MOVED != 0 {
            return Ok(());
        }
        for &(word, _) in parts.dead.as_slice() {
            // SAFETY: this call set MOVED, so it alone retires what was DEAD and valid in the frozen header (invariant 3); nobody gets there any more.
            unsafe { self.retire(word, guard) };
        }
        if lines > 0 {
            next.count_lines(lines);
        }
        if table.count_moved() {
            self.advance_root(table, guard)?;
        }
        Ok(())
    }

    /// Freezes the slots that are valid in a frozen header. None if the bin has been moved meanwhile.
    fn freeze<'g>(
        &self,
        table: &Table<K, V>,
        bin: &Bin<K, V>,
        valid: u64,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<Parts<'g, K, V>>, Restart> {
        let (low, high, dead) = (Entries::new(), Entries::new(), Entries::new());
        let mut parts = Parts { low, high, dead };
        for slot in bin.slots().filter(|slot| valid & 1 << slot.bit != 0) {
            let word = self.freeze_slot(slot.word, guard)?;
            // Acquire [moved]: nothing is retired before MOVED is set
            if S::PER_POINTER && bin.header.load(Ordering::Acquire) & MOVED != 0 {
                return Ok(None);
            }
            if word.tag() & DEAD != 0 {
                parts.dead.push(word, 0);
                continue;
            }
            // SAFETY: valid in the frozen header of a bin that was not moved after the guard was pinned, so not retired before; loaded as protected.
            let hash = unsafe { word.deref() }.hash;
            let part =
                if hash & table.count() as u64 == 0 { &mut parts.low } else { &mut parts.high };
            part.push(word, hash);
        }
        Ok(Some(parts))
    }

    /// Ends when no CAS of a writer comes between the load and ours: each that does has made progress.
    fn freeze_slot<'g>(
        &self,
        slot: &Atomic<Entry<K, V>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Shared<'g, Entry<K, V>>, Restart> {
        loop {
            let word = guard.protect(protected::ENTRY, slot)?;
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            if self.mutation == super::Mutation::NoSlotFreeze {
                return Ok(word);
            }
            let frozen = word.with_tag(word.tag() | FROZEN);
            if word.tag() & FROZEN != 0 || slot.compare_exchange(word, frozen).is_ok() {
                return Ok(frozen);
            }
        }
    }

    /// Makes the next table of `table`, all of whose bins are moved, the root, and retires `table`.
    fn advance_root(&self, table: &Table<K, V>, guard: &S::Guard<'_>) -> Result<(), Restart> {
        // Not by ROOT: whoever called goes on with `table`, which that may be what protects.
        let root = guard.protect_root(protected::ENTRY, &self.root)?;
        if !std::ptr::eq(root.as_ptr(), table) {
            return Ok(());
        }
        let next = table.next.load_unprotected();
        if self.root.compare_exchange_unprotected(root, next).is_ok() {
            // SAFETY: unreachable from the root; the CAS makes this the only call.
            unsafe { root.retire_in::<Heap, _>(guard) };
        }
        Ok(())
    }

    /// A full bin in a table with many bins and few keys: more keys of one hash than a bin can hold, which no growth separates.
    pub(super) fn check_sparse(&self, table: &Table<K, V>) {
        let (keys, bins) = (self.len.sum(), table.count());
        assert!(
            bins < 1024 || bins / 16 < keys,
            "{keys} keys in {bins} bins, and one of them is full: the hasher gives more than {MAX_SLOTS} keys the same hash"
        );
    }
}

fn bin_fill<K, V>(table: &Table<K, V>, at: usize, entries: &Entries<'_, K, V>) -> usize {
    table.bin(at).fill(&table.lines, entries.as_slice())
}
