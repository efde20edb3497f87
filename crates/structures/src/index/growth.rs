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
//! 1. After step 2 every migrator reads the same words, hence fills the same slots, lines and header in the same way.
//! 2. A new bin's header is set after its slots and lines; MOVED is set after both new headers.
//! 3. DEAD words are not moved. Who sets MOVED retires what the frozen header still called valid and was DEAD; what was cleared from the header
//!    before the freeze is retired by who cleared it. So each removed chain is retired once.
//! 4. A stalled helper delays nobody: its chunk is handed out again when the cursor wraps, and the end is also reached by whoever has
//!    looked at all bins himself.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[freeze]` | fetch_or of header and slots, AcqRel: a slot's CAS is ordered before or after it by the word itself |
//! | `[fill]` | CAS of new slots is Relaxed, released by the new header's CAS; which pairs with `[publish]` loads |
//! | `[moved]` | SeqCst fetch_or of the old header after both new ones; pairs with the header load of `find` |
//! | `[root]` | Release CAS of the root; pairs with the Acquire load in the index |

use crate::index::VersionIndex;
use crate::index::bin::{self, BIN_SLOTS, Bin, FROZEN, LINE_SLOTS, MAX_SLOTS, MOVED, VALID};
use crate::index::slot;
use crate::index::table::Table;
use crate::index::version;
use stillpoint_primitive::prefetch;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Epoch, Expired, Guard};

/// Bins that an insert moves while the index grows: with two or more the move ends before the new table is full; this many take about as
/// long as one insert, so that a growth is over soon.
const CHUNK: usize = 4;

/// A growth begins when there is an overflow line for every so many bins (as a shift): about five keys to a bin of six slots.
const LINES_SHIFT: u32 = 2;

/// A table of so many bytes is to go soon after its end.
const LARGE_TABLE_BYTES: usize = 64 << 10;

/// Words of one bin.
struct Words {
    words: [u64; MAX_SLOTS],
    count: usize,
}

impl Words {
    fn new() -> Self {
        Self { words: [0; MAX_SLOTS], count: 0 }
    }

    fn push(&mut self, word: u64) {
        self.words[self.count] = word;
        self.count += 1;
    }

    fn as_slice(&self) -> &[u64] {
        &self.words[..self.count]
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Gives `table` a next one. False for lack of memory.
    pub(crate) fn grow(&self, guard: &Guard<'_>, table: &Table) -> Result<bool, Expired> {
        while table.next().is_none() && !std::ptr::eq(self.table(guard), table) {
            self.finish_growth(guard)?;
        }
        Ok(table.next().is_some() || table.grow())
    }

    /// Begins to grow if there are too many overflow lines. Called when a line was added.
    pub(crate) fn line_added(&self, guard: &Guard<'_>, table: &Table) {
        let crowded = table.count_line() > table.count() >> LINES_SHIFT;
        if crowded && table.next().is_none() && std::ptr::eq(self.table(guard), table) {
            // Without memory the bins just stay long.
            table.grow();
        }
    }

    /// Moves a chunk of bins if the index grows. Called by each insert.
    #[inline]
    pub(crate) fn help_growth(&self, guard: &Guard<'_>, table: &Table) -> Result<(), Expired> {
        match table.next() {
            Some(next) => self.move_chunk(guard, table, next),
            None => Ok(()),
        }
    }

    #[cold]
    fn move_chunk(&self, guard: &Guard<'_>, table: &Table, next: &Table) -> Result<(), Expired> {
        let chunk = table.next_chunk(CHUNK);
        for at in chunk.clone() {
            for slot in &table.bin(at).slots {
                // Relaxed [freeze]: a hint, never dereferenced
                prefetch(version::at(slot::address(slot.load(Ordering::Relaxed))).cast());
            }
        }
        for at in chunk {
            self.move_bin(guard, table, next, at)?;
        }
        Ok(())
    }

    /// Moves everything that is left, however little others do.
    fn finish_growth(&self, guard: &Guard<'_>) -> Result<(), Expired> {
        let table = self.table(guard);
        let Some(next) = table.next() else { return Ok(()) };
        for at in 0..table.count() {
            self.move_bin(guard, table, next, at)?;
        }
        self.advance_root(guard, table, next);
        Ok(())
    }

    /// Moves bin `at` of `table`, unless somebody has.
    pub(crate) fn move_bin(
        &self,
        guard: &Guard<'_>,
        table: &Table,
        next: &Table,
        at: usize,
    ) -> Result<(), Expired> {
        let bin = table.bin(at);
        // Acquire [moved]: pairs with the fetch_or below
        if bin.header.load(Ordering::Acquire) & MOVED != 0 {
            return Ok(());
        }
        // AcqRel [freeze]: what was valid before is seen here; no header CAS succeeds after
        let header = bin.header.fetch_or(FROZEN, Ordering::AcqRel);
        if header & MOVED != 0 {
            return Ok(());
        }
        let (live, dead) = self.freeze(bin, header);
        guard.still_valid()?;
        let (low, high) = self.split(table, &live);
        fill(next, at, low.as_slice());
        fill(next, at + table.count(), high.as_slice());
        // SeqCst [moved]: after both new headers; before any change of the new bins in the order that the store's handshake looks at
        if bin.header.fetch_or(MOVED, Ordering::SeqCst) & MOVED != 0 {
            return Ok(());
        }
        for &word in dead.as_slice() {
            // SAFETY: this call set MOVED, so it alone retires what was DEAD and valid in the frozen header (invariant 3); nobody gets there any more.
            unsafe { self.retire_chain(guard, slot::address(word)) };
        }
        if table.count_moved() {
            self.advance_root(guard, table, next);
        }
        Ok(())
    }

    /// Freezes the slots that are valid in a frozen header. Gives the live words, settled, and the dead ones.
    fn freeze(&self, bin: &Bin, header: u64) -> (Words, Words) {
        let (mut live, mut dead) = (Words::new(), Words::new());
        for (bit, slot) in bin.slots().enumerate() {
            if header & VALID & 1 << bit == 0 {
                continue;
            }
            #[cfg(stillpoint_loom)]
            let frozen = if self.mutation == crate::index::mutation::Mutation::NoSlotFreeze {
                0
            } else {
                slot::FROZEN
            };
            #[cfg(not(stillpoint_loom))]
            let frozen = slot::FROZEN;
            // AcqRel [freeze]: the last change of the slot is seen here; no CAS on it succeeds after
            let word = slot.fetch_or(frozen, Ordering::AcqRel);
            if word & slot::DEAD == 0 {
                prefetch(version::at(slot::address(word)).cast());
                live.push(slot::settled(word));
            } else {
                dead.push(word);
            }
        }
        (live, dead)
    }

    /// Which of the two new bins each word goes to. The guard was tested after the words were loaded.
    fn split(&self, table: &Table, live: &Words) -> (Words, Words) {
        let (mut low, mut high) = (Words::new(), Words::new());
        for &word in live.as_slice() {
            // SAFETY: valid in the frozen header of a bin that was not moved after the guard was pinned, so not retired before (bin invariant 5); its
            // birth is covered by the caller's test.
            let key = unsafe { version::key_of(version::at(slot::address(word))) };
            if self.hash(key) & table.count() as u64 == 0 {
                low.push(word)
            } else {
                high.push(word)
            }
        }
        (low, high)
    }

    /// Makes `next` the root, and retires `table`, all of whose bins are moved.
    fn advance_root(&self, guard: &Guard<'_>, table: &Table, next: &Table) {
        let (old, new) =
            (std::ptr::from_ref(table).cast_mut(), std::ptr::from_ref(next).cast_mut());
        let bytes = table.bytes();
        // AcqRel [root]: all bins were seen moved; pairs with the Acquire load of the root
        if self.root.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            // SAFETY: unreachable from the root; the CAS makes this the only call. Epoch 0 as table invariant 2 has it.
            unsafe { guard.retire(old.cast(), Epoch::ZERO, bytes, Table::free) };
            // Whoever only inserts retires nothing else.
            if bytes >= LARGE_TABLE_BYTES {
                guard.hand_over();
            }
        }
    }
}

/// Fills bin `at` of a new table with `words`, as every other migrator does.
fn fill(table: &Table, at: usize, words: &[u64]) {
    let bin = table.bin(at);
    // Acquire [fill]: somebody has filled it
    if bin.header.load(Ordering::Acquire) != 0 {
        return;
    }
    let (inline, rest) = words.split_at(words.len().min(BIN_SLOTS));
    for (slot, at) in bin.slots.iter().zip(0..) {
        let word = inline.get(at).copied().unwrap_or(slot::EMPTY);
        // Relaxed [fill]: released by the header below; failure means that another migrator did the same
        let _ = slot.compare_exchange(slot::UNINIT, word, Ordering::Relaxed, Ordering::Relaxed);
    }
    for (line, words) in rest.chunks(LINE_SLOTS).enumerate() {
        if bin.append(&table.lines, BIN_SLOTS + line * LINE_SLOTS, words, slot::EMPTY) {
            table.count_line();
        }
    }
    // AcqRel [fill]: the bin is live from here; pairs with every header load
    let _ = bin.header.compare_exchange(
        0,
        bin::filled(words.len()),
        Ordering::AcqRel,
        Ordering::Relaxed,
    );
}
