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
//! 3. What goes with a key is counted by its remover, once: it marks each `next` of the chain as it counts, after DEAD. So what somebody cuts out before
//!    is counted there alone, and afterwards nobody cuts anything out, whoever retires the chain.
//! 4. A version is retired by who cut it out: by a CAS on the unmarked `next` of the version above it (prune), or, for a whole chain that nobody
//!    reaches any more, by the one who walks over it marking each `next`, or finding it marked. That freezes the link, so what is reached can be cut
//!    out by nobody else; what was cut out before, it does not reach.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[replace]` | SeqCst CAS to DEAD, pairs with the slot load of `find` |
//! | `[publish]` | the header CAS that clears the bit, SeqCst like the one that sets it |
//! | `[next]` | AcqRel fetch_or of the mark, pairs with the CAS of `prune`; Acquire load of one that may be marked already |

use crate::index::VersionIndex;
use crate::index::bin::{self, Bin, FROZEN, VALID};
use crate::index::find::{Head, Place};
use crate::index::prune::Pruned;
use crate::index::slot;
use crate::index::version::{self, Header, PRUNED, VersionRef};
use std::ptr::NonNull;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Expired, Guard};

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Removes the key if `head` is still its newest version: the head and all that is older are gone at once. What is gone, or `None` if it was not.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// `Expired` when the guard is past its collector's `max_lease_ticks`; nothing was removed.
    pub fn remove(&self, head: &Head<'_, O, D>) -> Result<Option<Pruned>, Expired> {
        self.check(head.guard);
        let mut place = head.place;
        loop {
            let dead = place.word & !slot::TENTATIVE | slot::DEAD;
            // SeqCst [replace]: the removal; pairs with the slot load of `find`
            match place.slot.compare_exchange(place.word, dead, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => {
                    let gone = self.freeze_chain(head.version());
                    self.bury(head.guard, &place);
                    return Ok(Some(gone));
                }
                Err(actual) => match self.again(head.guard, place, actual)? {
                    Some(moved) => place = moved,
                    None => return Ok(None),
                },
            }
        }
    }

    /// Marks the links of a removed chain, so that nothing is cut out of it any more (invariant 3). What it consists of.
    fn freeze_chain(&self, newest: VersionRef<'_, O, D>) -> Pruned {
        let mut gone = Pruned::default();
        let mut at = Some(newest);
        while let Some(version) = at {
            gone.versions += 1;
            gone.bytes += version.bytes();
            gone.object_bytes += version.object_bytes();
            let older = version::at(version::link(freeze(version.header())));
            // SAFETY: reached from a version of this index over its links (version invariants 4, 5).
            at = NonNull::new(older).map(|older| unsafe { VersionRef::new(older, newest.guard()) });
        }
        gone
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
            let next = freeze(header);
            // SAFETY: initialised, and protected as above.
            let bytes = unsafe { version::block_bytes(version.as_ptr()) };
            // SAFETY: unreachable, and ours since only frozen links lead here (invariant 4).
            unsafe { version::retire::<O>(guard, version, bytes) };
            address = version::link(next);
        }
    }
}

/// Makes a version's link final; what it is.
fn freeze(header: &Header) -> u64 {
    // Acquire [next]: pairs with the CAS that published or relinked the version
    let next = header.next.load(Ordering::Acquire);
    if next & PRUNED != 0 {
        return next;
    }
    // AcqRel [next]: the link is final from here (invariant 4)
    header.next.fetch_or(PRUNED, Ordering::AcqRel)
}
