//! [`Carving`]: where a class's blocks that were never used come from.
//!
//! ```text
//! word   slab's address (its low 16 bits are 0) | blocks carved from it (16)        null: no slab
//! ```
//! | from | to | by |
//! |---|---|---|
//! | (s, n) | (s, n + k), n + k ≤ blocks | whoever carves k blocks |
//! | (s, blocks) or null | (fresh, 0) | whoever brings a slab |
//! | (s, n) | null | a trim that has all n blocks in hand |
//!
//! One word says which slab and how far, so a thread that was stalled between reading and writing it takes nothing from a slab that has
//! been given back meanwhile: its CAS fails, or the word has come to say the same again and the blocks it names are free again.
//! Pages are touched in the order of carving, so those that nobody used stay with the system.
//!
//! Tags: `[carve]` Release stores and CAS: the slab's header was written before, or its blocks were all in the writer's hand; Acquire
//! loads and CAS: whoever carves comes after that.

use crate::slab::{SLAB_BYTES, Slab};
use std::ops::Range;
use std::ptr::NonNull;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

/// The slab that a class carves from.
pub(crate) struct Carving {
    word: AtomicPtr<Slab>,
}

const CARVED_MASK: usize = SLAB_BYTES - 1;

fn split(word: *mut Slab) -> Option<(NonNull<Slab>, usize)> {
    let slab = NonNull::new(word.map_addr(|addr| addr & !CARVED_MASK))?;
    Some((slab, word.addr() & CARVED_MASK))
}

impl Carving {
    pub(crate) fn new() -> Carving {
        Carving { word: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// Takes up to `want` blocks of the `blocks` that a slab of the class has.
    pub(crate) fn take(&self, want: usize, blocks: usize) -> Option<(NonNull<Slab>, Range<usize>)> {
        // Acquire [carve]: see the header.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let (slab, carved) = split(word)?;
            let end = (carved + want).min(blocks);
            if carved == end {
                return None;
            }
            let new = word.map_addr(|addr| (addr & !CARVED_MASK) | end);
            // AcqRel [carve]: passes the header on; Acquire [carve] on failure: again with what is there.
            match self.word.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some((slab, carved..end)),
                Err(now) => word = now,
            }
        }
    }

    /// The slab, and how many blocks have been carved from it.
    pub(crate) fn current(&self) -> Option<(NonNull<Slab>, usize)> {
        // Acquire [carve]: see the header.
        split(self.word.load(Ordering::Acquire))
    }

    /// Puts a fresh slab in the place of one that is used up (of which `blocks` have been carved), or of none; `false` if there is another.
    pub(crate) fn put(&self, slab: NonNull<Slab>, blocks: usize) -> bool {
        // Acquire [carve]: see the header.
        let word = self.word.load(Ordering::Acquire);
        if split(word).is_some_and(|(_, carved)| carved < blocks) {
            return false;
        }
        let new = slab.as_ptr();
        // Release [carve]: the header goes with it.
        self.word.compare_exchange(word, new, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Takes the slab away if no more than `carved` blocks have been carved from it, all of them in the caller's hands.
    pub(crate) fn withdraw(&self, slab: NonNull<Slab>, carved: usize) -> bool {
        let word = slab.as_ptr().map_addr(|addr| addr | carved);
        let null = std::ptr::null_mut();
        // AcqRel [carve]: nobody carves from it any more.
        self.word.compare_exchange(word, null, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(stillpoint_shuttle)))]
mod tests;
