//! A bin of the map, and the words of its header.
//!
//! ```text
//!  Bin 64 B                                                  Line 64 B
//! ┌────────┬───────┬──────────────────┬──────┐              ┌───────┬──────────────────┬──────┐
//! │ header │ marks │ slot 0 … slot 4  │ link ┼─────────────▶│ marks │ slot 5 … slot 10 │ link ┼─▶ … 16 ─▶ … 22
//! └────────┴───────┴──────────────────┴──────┘              └───────┴──────────────────┴──────┘
//!  header: bits 0–26 slot i is valid · 27 FROZEN · 28 MOVED · 29–63 version (35 bits, never 0 in a live bin)
//!  header 0 = the bin belongs to a new table and is not filled yet
//!  marks:  byte i = the top byte of the hash in slot i · bit 63 set once the word is filled
//! ```
//!
//! # Invariants
//! 1. A key is present iff some slot that is valid in the header holds an entry of it without DEAD. At most one slot per key: every insert
//!    CASes the header from the very value under which it did not find the key.
//! 2. A slot is changed by others than its owner only while it is valid; an empty one is never valid. The bit is set after the entry is
//!    in the slot and cleared after DEAD is.
//! 3. A TENTATIVE slot counts only if the header, read again after the slot, is still the one that said valid: its version grows at each
//!    change, so the slot was valid all along. What an insert has taken back was never valid.
//! 4. A slot's mark is changed by its owner only, between taking it and making it valid. So under a header that calls the slot valid the mark
//!    is right, or the key has been removed since.
//! 5. Freezing: header first, then each slot that the frozen header calls valid. A CAS on a slot comes before the slot's freeze and is
//!    moved with it, or fails. A CAS on the header after the freeze fails, so nothing becomes valid any more.
//! 6. Nothing in the new table's bins is changed by a writer, and nothing that the frozen bin holds is retired, before MOVED is set. So a
//!    frozen bin, read under a header without MOVED, is the truth.
//! 7. Linearisation: insert at its header CAS; replace and remove at their slot CAS; a hit at the load of its slot; a miss at the load of
//!    the header, or, if the key was valid there, at the removal that must have come between that load and the slot's.
//! 8. The header's version wraps after 2^35 changes of one bin; a thread would have to sleep between two loads for exactly that many.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[claim]` | an insert takes an empty slot and sets its mark; the header CAS `[publish]` releases both |
//! | `[line]` | a line is filled privately, linked by a Release CAS, and found by Acquire loads |
//! | `[give back]` | a slot that is nobody's any more is stored empty (Release) and taken by CAS |

use super::entry::{Entry, empty};
use crate::lines::Lines;
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use stillpoint_reclaim::{Atomic, Shared};

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
mod shape {
    pub(crate) const BIN_SLOTS: usize = 5;
    pub(crate) const LINE_SLOTS: usize = 6;
    /// A probe never loads more than four lines of the table.
    pub(crate) const MAX_LINES: usize = 3;
}

/// A model's bin is as small as can be, so that all interleavings fit.
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod shape {
    pub(crate) const BIN_SLOTS: usize = 2;
    pub(crate) const LINE_SLOTS: usize = 1;
    pub(crate) const MAX_LINES: usize = 1;
}

pub(super) use shape::{BIN_SLOTS, LINE_SLOTS, MAX_LINES};

/// Slots of a bin with all its lines.
pub(super) const MAX_SLOTS: usize = BIN_SLOTS + LINE_SLOTS * MAX_LINES;

pub(super) const VALID: u64 = (1 << 27) - 1;
/// The bin is being moved; its contents are final.
pub(super) const FROZEN: u64 = 1 << 27;
/// The bin's contents are in the next table.
pub(super) const MOVED: u64 = 1 << 28;
const VERSION_ONE: u64 = 1 << 29;
const VERSIONS: u64 = !(VERSION_ONE - 1);
const _: () = assert!(MAX_SLOTS <= 27);

/// Set in marks that have been filled, so that they are never 0 again.
const FILLED: u64 = 1 << 63;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The header after a change of its valid bits.
#[inline]
pub(super) const fn changed(header: u64, valid: u64) -> u64 {
    let version = (header & VERSIONS).wrapping_add(VERSION_ONE);
    valid | if version == 0 { VERSION_ONE } else { version }
}

/// The header of a bin that holds its first `count` slots.
pub(super) const fn filled(count: usize) -> u64 {
    ((1 << count) - 1) | VERSION_ONE
}

/// The slots, of `slots` that have marks in this word, whose mark may be the hash's: bit 8·i + 7 for slot i. Never misses one; may name
/// one too many.
#[inline(always)]
pub(super) const fn matching(marks: u64, hash: u64, slots: usize) -> u64 {
    let differ = marks ^ (hash >> 56).wrapping_mul(LOW_BITS);
    let zero = differ.wrapping_sub(LOW_BITS) & !differ & HIGH_BITS;
    zero & ((1 << (8 * slots)) - 1)
}

/// The marks of the first hashes.
pub(super) fn marks_of(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.enumerate().fold(FILLED, |marks, (at, hash)| marks | (hash >> 56) << (8 * at))
}

#[repr(C, align(64))]
pub(super) struct Bin<K, V> {
    pub(super) header: AtomicU64,
    pub(super) marks: AtomicU64,
    pub(super) slots: [Atomic<Entry<K, V>>; BIN_SLOTS],
    pub(super) link: AtomicPtr<Line<K, V>>,
}

#[repr(C, align(64))]
pub(super) struct Line<K, V> {
    pub(super) marks: AtomicU64,
    pub(super) slots: [Atomic<Entry<K, V>>; LINE_SLOTS],
    pub(super) link: AtomicPtr<Line<K, V>>,
}

impl<K, V> Default for Line<K, V> {
    fn default() -> Self {
        Line {
            marks: AtomicU64::new(0),
            slots: std::array::from_fn(|_| Atomic::null()),
            link: AtomicPtr::new(std::ptr::null_mut()),
        }
    }
}

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const _: () = assert!(size_of::<Bin<u8, u8>>() == 64 && size_of::<Line<u8, u8>>() == 64);

/// A slot with its place.
pub(super) struct Slot<'t, K, V> {
    pub(super) bit: u32,
    pub(super) word: &'t Atomic<Entry<K, V>>,
    marks: &'t AtomicU64,
    byte: u32,
}

impl<K, V> Slot<'_, K, V> {
    /// Sets the mark of a slot that the caller owns.
    fn mark(&self, hash: u64) {
        let shift = 8 * self.byte;
        // Relaxed [claim]: nobody else changes this byte; published by the header
        let was = self.marks.load(Ordering::Relaxed) >> shift & 0xff;
        let differs = (hash >> 56).wrapping_sub(was) << shift;
        if differs != 0 {
            // Relaxed [claim]: as above. The sum leaves the other bytes, which others change, as they are
            self.marks.fetch_add(differs, Ordering::Relaxed);
        }
    }
}

impl<K, V> Bin<K, V> {
    /// A bin of a table under construction: all zeroes.
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    pub(super) fn unfilled() -> Self {
        Bin {
            header: AtomicU64::new(0),
            marks: AtomicU64::new(0),
            slots: std::array::from_fn(|_| Atomic::null()),
            link: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The line behind `link`.
    #[inline(always)]
    pub(super) fn follow(link: &AtomicPtr<Line<K, V>>) -> Option<&Line<K, V>> {
        // Acquire [line]: pairs with the Release of the CAS in `append`
        let line = link.load(Ordering::Acquire);
        // SAFETY: a link is null or a line of the table's, which live as long as the table that this bin is part of.
        unsafe { line.as_ref() }
    }

    /// The bin's lines, in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line<K, V>> {
        std::iter::successors(Self::follow(&self.link), |line| Self::follow(&line.link))
    }

    /// All slots, in the order of their bits.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'_, K, V>> {
        let of_bin = self.slots.iter().zip(0..).map(|(word, byte)| (word, &self.marks, byte));
        let of_lines = self.lines().flat_map(|line| {
            line.slots.iter().zip(0..).map(|(word, byte)| (word, &line.marks, byte))
        });
        let slots = of_bin.chain(of_lines).zip(0..);
        slots.map(|((word, marks, byte), bit)| Slot { bit, word, marks, byte })
    }

    /// Takes a free slot for `word`, of that hash, or says how many slots there are if none is free.
    pub(super) fn claim(
        &self,
        header: u64,
        word: Shared<'_, Entry<K, V>>,
        hash: u64,
    ) -> Result<Slot<'_, K, V>, usize> {
        let mut count = 0;
        for slot in self.slots() {
            count += 1;
            let free = header & 1 << slot.bit == 0
                && slot.word.load_unprotected() == empty().unprotected();
            if free && slot.word.compare_exchange_unprotected(empty(), word.unprotected()).is_ok() {
                slot.mark(hash);
                return Ok(slot);
            }
        }
        Err(count)
    }

    /// Frees a slot that the caller owns: it never became valid, or the caller cleared its valid bit.
    pub(super) fn give_back(word: &Atomic<Entry<K, V>>) {
        // Release [give back]: pairs with the CAS in `claim`
        word.store(empty(), Ordering::Release);
    }

    /// Appends a line that holds `entries` first, where the bin has `slots` slots now. True if this call did it; somebody else may have
    /// been first.
    pub(super) fn append<'e>(
        &self,
        lines: &Lines<Line<K, V>>,
        slots: usize,
        entries: &[(Shared<'e, Entry<K, V>>, u64)],
    ) -> bool {
        let mut link = &self.link;
        for line in self.lines().take((slots - BIN_SLOTS) / LINE_SLOTS) {
            link = &line.link;
        }
        if Self::follow(link).is_some() {
            return false;
        }
        let line = lines.take();
        for (at, slot) in line.slots.iter().enumerate() {
            let word = entries.get(at).map_or(empty(), |(entry, _)| *entry);
            // Relaxed [line]: published by the CAS
            slot.store(word, Ordering::Relaxed);
        }
        // Relaxed [line]: as above
        line.marks.store(marks_of(entries.iter().map(|(_, hash)| *hash)), Ordering::Relaxed);
        let (none, line) = (std::ptr::null_mut(), std::ptr::from_ref(line).cast_mut());
        // Release [line]: the line's slots; pairs with the Acquire in `follow`
        link.compare_exchange(none, line, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Fills a bin of a new table with `entries`, as everybody else does who moves the same bin. Says how many lines it appended.
    pub(super) fn fill(
        &self,
        lines: &Lines<Line<K, V>>,
        entries: &[(Shared<'_, Entry<K, V>>, u64)],
    ) -> usize {
        // Acquire [publish]: somebody has filled it
        if self.header.load(Ordering::Acquire) != 0 {
            return 0;
        }
        let (inline, rest) = entries.split_at(entries.len().min(BIN_SLOTS));
        for (at, slot) in self.slots.iter().enumerate() {
            let word = inline.get(at).map_or(empty(), |(entry, _)| *entry);
            let _ = slot.compare_exchange_unprotected(Shared::null(), word.unprotected());
        }
        let marks = marks_of(inline.iter().map(|(_, hash)| *hash));
        // Relaxed [claim]: released by the header below; failure means that another did the same
        let _ = self.marks.compare_exchange(0, marks, Ordering::Relaxed, Ordering::Relaxed);
        let mut appended = 0;
        for (line, entries) in rest.chunks(LINE_SLOTS).enumerate() {
            appended += usize::from(self.append(lines, BIN_SLOTS + line * LINE_SLOTS, entries));
        }
        let header = filled(entries.len());
        // AcqRel [publish]: the bin is live from here; pairs with every header load
        let _ = self.header.compare_exchange(0, header, Ordering::AcqRel, Ordering::Relaxed);
        appended
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_never_zero_even_when_its_version_wraps() {
        assert_eq!(changed(VERSIONS, 0), VERSION_ONE);
        assert_eq!(changed(filled(0), 5), 5 | VERSION_ONE << 1);
    }

    #[test]
    fn marks_match_their_slot() {
        for hash in [0u64, 1 << 56, 0x80 << 56, 0xff << 56, 0x7f << 56] {
            for at in 0..BIN_SLOTS {
                let other = !hash;
                let marks = marks_of((0..BIN_SLOTS).map(|i| if i == at { hash } else { other }));
                assert_eq!(matching(marks, hash, BIN_SLOTS).trailing_zeros() as usize, 8 * at + 7);
            }
            assert_eq!(matching(marks_of([!hash; BIN_SLOTS].into_iter()), hash, BIN_SLOTS), 0);
        }
    }
}
