//! A bin of the index, and the protocol on it.
//!
//! ```text
//!  Bin 64 B                                           Line 64 B
//! ┌────────┬──────────────────┬──────┐               ┌────────────────────────┬──────┐
//! │ header │ slot 0 … slot 5  │ link ┼──────────────▶│ slot 6 … slot 12       │ link ┼─▶ … 13–19 ─▶ 20–26
//! └────────┴──────────────────┴──────┘               └────────────────────────┴──────┘
//!  header: bits 0–26 slot i is valid · 27 FROZEN · 28 MOVED · 29–63 version (35 bits, never 0 in a live bin)
//!  header 0 = the bin belongs to a new table and is not filled yet
//! ```
//!
//! # Invariants
//! 1. A key is present iff some slot that is valid in the header holds a version of it and is not DEAD. At most one such slot per key: every
//!    insert into the bin CASes the header from the very value under which it did not find the key.
//! 2. A slot is changed by others than its owner only while it is valid; EMPTY is never valid. The bit is set after the version is in the slot and
//!    cleared after DEAD is in the slot.
//! 3. Only what was once made valid is ever dereferenced by anybody but its owner: a TENTATIVE slot counts only if the header, read again after
//!    the slot, is still the one that said valid (then the slot was valid all along, since the header's version grows at each change). A
//!    version is published once, so no TENTATIVE word comes back after it was cleared.
//! 4. Freezing: header first, then each slot that the frozen header calls valid. A CAS on a slot either comes before the slot's freeze and is
//!    moved with it, or fails. A CAS on the header after the freeze fails, so nothing becomes valid any more.
//! 5. Nothing of the new table's bins is changed by a writer, and nothing that the frozen bin holds is retired, before MOVED is set. So a frozen
//!    bin, read under a header without MOVED, is the truth.
//! 6. Linearisation: insert at its header CAS; replace and remove at their slot CAS; a hit at the load of its slot; a miss at the load of the
//!    header, or, if the key was valid there, at the removal that must have happened between that load and the slot's.
//! 7. The header's version wraps after 2^35 changes of one bin; a thread would have to sleep between two loads for exactly that many.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[claim]` | an inserter takes an EMPTY slot by CAS; the header CAS `[publish]` releases it |
//! | `[line]` | an overflow line is filled privately, linked by a Release CAS, and found by Acquire loads |
//! | `[give back]` | a slot that is no longer anybody's is stored EMPTY (Release) and claimed by CAS |

use crate::index::slot;
use crate::lines::Lines;
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[cfg(not(stillpoint_loom))]
mod shape {
    pub(crate) const BIN_SLOTS: usize = 6;
    pub(crate) const LINE_SLOTS: usize = 7;
    /// Three lines: a probe never loads more than four lines of the index, and 27 bits of the header suffice.
    pub(crate) const MAX_LINES: usize = 3;
}

/// A model's bin is as small as can be, so that all interleavings fit.
#[cfg(stillpoint_loom)]
mod shape {
    pub(crate) const BIN_SLOTS: usize = 2;
    pub(crate) const LINE_SLOTS: usize = 1;
    pub(crate) const MAX_LINES: usize = 1;
}

pub(crate) use shape::{BIN_SLOTS, LINE_SLOTS, MAX_LINES};

/// Slots of a bin with all its lines.
pub(crate) const MAX_SLOTS: usize = BIN_SLOTS + LINE_SLOTS * MAX_LINES;

pub(crate) const VALID: u64 = (1 << 27) - 1;
/// The bin is being moved; its contents are final.
pub(crate) const FROZEN: u64 = 1 << 27;
/// The bin's contents are in the next table.
pub(crate) const MOVED: u64 = 1 << 28;
const VERSION_ONE: u64 = 1 << 29;
const VERSIONS: u64 = !(VERSION_ONE - 1);
const _: () = assert!(MAX_SLOTS <= 27);

/// The header after a change of its valid bits.
#[inline]
pub(crate) const fn changed(header: u64, valid: u64) -> u64 {
    let version = (header & VERSIONS).wrapping_add(VERSION_ONE);
    valid | if version == 0 { VERSION_ONE } else { version }
}

/// The header of a bin that holds its first `count` slots.
pub(crate) const fn filled(count: usize) -> u64 {
    ((1 << count) - 1) | VERSION_ONE
}

#[repr(C, align(64))]
pub(crate) struct Bin {
    pub(crate) header: AtomicU64,
    pub(crate) slots: [AtomicU64; BIN_SLOTS],
    pub(crate) link: AtomicPtr<Line>,
}

#[repr(C, align(64))]
pub(crate) struct Line {
    pub(crate) slots: [AtomicU64; LINE_SLOTS],
    pub(crate) link: AtomicPtr<Line>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            slots: std::array::from_fn(|_| AtomicU64::new(slot::UNINIT)),
            link: AtomicPtr::new(std::ptr::null_mut()),
        }
    }
}

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const _: () = assert!(size_of::<Bin>() == 64 && size_of::<Line>() == 64);

impl Bin {
    /// A bin of a table under construction.
    #[cfg(stillpoint_loom)]
    pub(crate) fn uninit() -> Self {
        Self {
            header: AtomicU64::new(0),
            slots: std::array::from_fn(|_| AtomicU64::new(slot::UNINIT)),
            link: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// A live bin without keys.
    pub(crate) fn empty() -> Self {
        Self {
            header: AtomicU64::new(filled(0)),
            slots: std::array::from_fn(|_| AtomicU64::new(slot::EMPTY)),
            link: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The line behind `link`.
    #[inline]
    fn follow(link: &AtomicPtr<Line>) -> Option<&Line> {
        // Acquire [line]: pairs with the Release of the CAS in `append`
        let line = link.load(Ordering::Acquire);
        // SAFETY: a link is null or a line of the table's, which live as long as the table that this bin is part of.
        unsafe { line.as_ref() }
    }

    /// The bin's lines, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::successors(Self::follow(&self.link), |line| Self::follow(&line.link))
    }

    /// All slots in the order of their bits.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &AtomicU64> {
        self.slots.iter().chain(self.lines().flat_map(|line| &line.slots))
    }

    /// Takes a free slot for `word`, or says how many slots there are if none is free.
    pub(crate) fn claim(&self, header: u64, word: u64) -> Result<(u32, &AtomicU64), usize> {
        // Most bins have a free slot in their first line: no walk over what is taken.
        let mut free = !header & ((1 << BIN_SLOTS) - 1);
        while free != 0 {
            let bit = free.trailing_zeros();
            let slot = &self.slots[bit as usize];
            if take(slot, word) {
                return Ok((bit, slot));
            }
            free &= free - 1;
        }
        let mut count = BIN_SLOTS;
        for (bit, slot) in (BIN_SLOTS as u32..).zip(self.lines().flat_map(|line| &line.slots)) {
            count += 1;
            if header & 1 << bit == 0 && take(slot, word) {
                return Ok((bit, slot));
            }
        }
        Err(count)
    }

    /// Frees a slot that the caller owns: its tentative version never became valid, or its valid bit was cleared by the caller.
    pub(crate) fn give_back(slot: &AtomicU64) {
        // Release [give back]: pairs with the CAS in `claim`
        slot.store(slot::EMPTY, Ordering::Release);
    }

    /// Appends a line that holds `words` first and then `rest`, where the bin has `slots` slots now. True if this call did it; somebody else may
    /// have been first.
    pub(crate) fn append(
        &self,
        lines: &Lines<Line>,
        slots: usize,
        words: &[u64],
        rest: u64,
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
            // Relaxed [line]: published by the CAS
            slot.store(words.get(at).copied().unwrap_or(rest), Ordering::Relaxed);
        }
        let (none, line) = (std::ptr::null_mut(), std::ptr::from_ref(line).cast_mut());
        // Release [line]: the line's slots; pairs with the Acquire in `follow`
        link.compare_exchange(none, line, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

/// Puts `word` into a slot if it is free. Whether it was.
#[inline]
fn take(slot: &AtomicU64, word: u64) -> bool {
    // Relaxed [claim]: the CAS decides
    slot.load(Ordering::Relaxed) == slot::EMPTY
        // AcqRel [claim]: takes over from who gave the slot back; the content is released again by the header CAS
        && slot.compare_exchange(slot::EMPTY, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_never_zero_even_when_its_version_wraps() {
        assert_eq!(changed(VERSIONS, 0), VERSION_ONE);
        assert_eq!(changed(filled(0), 5), 5 | VERSION_ONE << 1);
    }

    #[test]
    fn slots_are_claimed_until_every_line_is_full() {
        let (bin, lines) = (Bin::empty(), Lines::new());
        let mut header = filled(0);
        for expected in 0..MAX_SLOTS as u32 {
            let claimed = match bin.claim(header, 1 << 20) {
                Ok(claimed) => claimed.0,
                Err(slots) => {
                    assert!(bin.append(&lines, slots, &[], slot::EMPTY));
                    bin.claim(header, 1 << 20).expect("a fresh line is free").0
                }
            };
            assert_eq!(claimed, expected);
            header = changed(header, header & VALID | 1 << claimed);
        }
        assert_eq!(bin.claim(header, 1 << 20).map(|_| ()), Err(MAX_SLOTS));
        assert_eq!(bin.lines().count(), MAX_LINES);
    }
}
