//! Removing a key, and retiring a chain that nobody can reach any more.
//!
//! ```text
//!  slot: v ──CAS──▶ v|DEAD          the key is gone
//!  header: valid[i] ──CAS──▶ 0      this call owns slot and chain; retires the chain
//!  slot: ──store──▶ EMPTY           free for the next insert
//! ```
//! # Invariants
//! 1. DEAD is final: nobody but the remover and migrators cares for the slot any more, and nobody waits for them. An insert of the same key takes
//!    another slot meanwhile.
//! 2. The remover is the only one who clears the valid bit. If the bin is frozen first, the bit stays, and who sets MOVED retires the chain.
//! 3. A version is retired by who cut it out: by a CAS on the unmarked `next` of the version above it (prune), or, for a whole chain that nobody
//!    reaches any more, by the one walker who marks each `next` as it goes. Marking freezes the link, so what the walker reaches can be cut
//!    out by nobody else; what was cut out before, it does not reach.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[replace]` | SeqCst CAS to DEAD, pairs with the slot load of `find` |
//! | `[publish]` | the header CAS that clears the bit, SeqCst like the one that sets it |
//! | `[next]` | AcqRel fetch_or of the mark, pairs with the CAS of `prune` |

use crate::index::VersionIndex;
use crate::index::bin::{self, Bin, FROZEN, VALID};
use crate::index::find::{Head, Place};
use crate::index::slot;
use crate::index::version::{self, PRUNED};
use std::ptr::NonNull;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Expired, Guard};

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Removes the key if `head` is still its newest version: the head and all that is older are gone at once. Whether it was.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// `Expired` when the guard is past its collector's `max_lease`; nothing was removed.
    pub fn remove(&self, head: &Head<'_, O, D>) -> Result<bool, Expired> {
        self.check(head.guard);
        let mut place = head.place;
        loop {
            let dead = place.word & !slot::TENTATIVE | slot::DEAD;
            // SeqCst [replace]: the removal; pairs with the slot load of `find`
            match place.slot.compare_exchange(place.word, dead, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => {
                    self.bury(head.guard, &place);
                    return Ok(true);
                }
                Err(actual) => match self.again(head.guard, place, actual)? {
                    Some(moved) => place = moved,
                    None => return Ok(false),
                },
            }
        }
    }

    /// Clears the valid bit of a slot that this call made DEAD, unless the bin is frozen, and retires the chain.
    fn bury(&self, guard: &Guard<'_>, place: &Place<'_>) {
        let valid = 1u64 << place.bit;
        // Relaxed [publish]: the CAS decides
        let mut header = place.bin.header.load(Ordering::Relaxed);
        while header & FROZEN == 0 {
            let cleared = bin::changed(header, header & VALID & !valid);
            // SeqCst [publish]: after DEAD; readers of the old header find DEAD, of the new one nothing
            match place.bin.header.compare_exchange(
                header,
                cleared,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    Bin::give_back(place.slot);
                    // SAFETY: this call cleared the bit, so it alone retires the chain (invariant 2), and no new reader gets there.
                    unsafe { self.retire_chain(guard, slot::address(place.word)) };
                    return;
                }
                Err(actual) => header = actual,
            }
        }
    }

    /// Retires a version and all that is older.
    ///
    /// # Safety
    /// No new reader may be able to reach the version, and only one caller may retire it. The guard must have been pinned while it was linked.
    pub(crate) unsafe fn retire_chain(&self, guard: &Guard<'_>, newest: u64) {
        let mut address = newest;
        while let Some(version) = NonNull::new(version::at(address)) {
            // SAFETY: not retired before this call does it, or protected by the pin (version invariants 4, 5).
            let header = unsafe { version.as_ref() };
            // AcqRel [next]: the link is final from here (invariant 3)
            let next = header.next.fetch_or(PRUNED, Ordering::AcqRel);
            // SAFETY: initialised, and protected as above.
            let bytes = unsafe { version::block_bytes(version.as_ptr()) };
            // SAFETY: unreachable, and ours since only frozen links lead here (invariant 3).
            unsafe { version::retire::<O>(guard, version, bytes) };
            address = version::link(next);
        }
    }
}
