//! Installing a version: a new key, or on top of a key's newest version.
//!
//! ```text
//!  new key   slot: EMPTY ──CAS──▶ v|TENTATIVE     claimed, seen by nobody
//!            header: h ──CAS──▶ h + valid[i]      published, if nothing changed in the bin since the key was not found
//!            slot: v|TENTATIVE ──CAS──▶ v         readers need no second look at the header any more
//!  replace   slot: old ──CAS──▶ v                 v.next = old
//! ```
//! # Invariants
//! 1. Until its header CAS succeeds a claimed slot is its inserter's; it is given back by a plain store, and the version is fit for the next try.
//! 2. A replace fails iff the key's newest version changed, was removed, or its bin was frozen; in the last case it is tried again where the
//!    version was moved to.
//! 3. A version's birth is set before its publication, under the guard that publishes it, so that guard covers it.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[publish]` | SeqCst header CAS, pairs with the header load of `find` |
//! | `[replace]` | SeqCst slot CAS, pairs with the slot load of `find` |
//! | `[confirm]` | the TENTATIVE bit is cleared by a Release CAS: who sees the bare word sees the version |

use crate::index::VersionIndex;
use crate::index::bin::{self, Bin, FROZEN, MAX_SLOTS, MOVED, VALID};
use crate::index::error::{Refused, RefusedReason};
use crate::index::find::{Head, Look, Place, moved_to};
use crate::index::slot;
use crate::index::stamp;
use crate::index::table::Table;
use crate::index::version::{NewVersion, VersionRef};
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::{Expired, Guard};

impl From<Expired> for RefusedReason {
    fn from(Expired: Expired) -> Self {
        Self::Expired
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Installs `new`, unset, as the key's newest version: on top of `head`, or as a new key if there is none.
    ///
    /// # Progress
    /// Lock-free. An insert also moves a few bins while the index grows.
    ///
    /// # Errors
    /// [`Refused`] gives the version back: `Raced` if the key's newest version is not `head` (or the key is there), else for want of memory or lease.
    ///
    /// # Panics
    /// If the guard or the head is of another collector.
    #[inline]
    pub fn install<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        hash: u64,
        head: Option<&Head<'g, O, D>>,
        new: NewVersion<O>,
    ) -> Result<VersionRef<'g, O, D>, Refused<O>> {
        self.install_stamped(guard, hash, head, new, stamp::UNSET)
    }

    #[inline(always)]
    pub(crate) fn install_stamped<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        hash: u64,
        head: Option<&Head<'g, O, D>>,
        mut new: NewVersion<O>,
        stamp: u64,
    ) -> Result<VersionRef<'g, O, D>, Refused<O>> {
        self.check(guard);
        if let Some(head) = head.filter(|head| !std::ptr::eq(head.guard, guard)) {
            // A head of another index would do no harm, one of another collector would: its epochs say nothing about our births.
            self.check(head.guard);
        }
        let older = head.map_or(0, |head| slot::address(head.place.word));
        new.prepare(guard, older, stamp);
        let done = match head {
            Some(head) => self.replace(guard, hash, &head.place, &new),
            None => self.insert(guard, hash, &new),
        };
        match done {
            // SAFETY: just published under this guard, which covers its birth (invariant 3).
            Ok(()) => Ok(unsafe { VersionRef::new(new.published(), guard) }),
            Err(reason) => Err(Refused { version: new, reason }),
        }
    }

    #[inline(always)]
    fn replace<'g>(
        &self,
        guard: &'g Guard<'_>,
        hash: u64,
        place: &Place<'g>,
        new: &NewVersion<O>,
    ) -> Result<(), RefusedReason> {
        let word = slot::word(new.address(), slot::tag(hash));
        // SeqCst [replace]: releases the version; pairs with the slot load of `find`
        match place.slot.compare_exchange(place.word, word, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Ok(()),
            Err(actual) => self.replace_again(guard, *place, actual, word),
        }
    }

    /// The same, after it has failed.
    #[cold]
    fn replace_again<'g>(
        &self,
        guard: &'g Guard<'_>,
        mut place: Place<'g>,
        mut actual: u64,
        word: u64,
    ) -> Result<(), RefusedReason> {
        loop {
            place = self.again(guard, place, actual)?.ok_or(RefusedReason::Raced)?;
            // SeqCst [replace]: as in `replace`
            match place.slot.compare_exchange(place.word, word, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return Ok(()),
                Err(other) => actual = other,
            }
        }
    }

    /// After a failed CAS on a slot: where the same version is the key's newest one now, if it still is.
    #[cold]
    pub(crate) fn again<'g>(
        &self,
        guard: &'g Guard<'_>,
        place: Place<'g>,
        actual: u64,
    ) -> Result<Option<Place<'g>>, Expired> {
        if slot::address(actual) != slot::address(place.word) || actual & slot::DEAD != 0 {
            return Ok(None);
        }
        if actual & slot::FROZEN == 0 {
            // Confirmed meanwhile.
            return Ok(Some(Place { word: actual, ..place }));
        }
        loop {
            match self.place_of(guard, place) {
                Err(Expired) => guard.renew()?,
                found => return found,
            }
        }
    }

    /// Finds the slot that holds the very version of `old` now, in a bin that was not frozen yet.
    fn place_of<'g>(
        &self,
        guard: &'g Guard<'_>,
        old: Place<'g>,
    ) -> Result<Option<Place<'g>>, Expired> {
        // SAFETY: the old place was protected by this thread's pin, and still is.
        let key = unsafe { crate::index::version::key_of(old.version().as_ptr()) };
        let hash = self.hash(key);
        let mut table = self.table(guard);
        loop {
            let bin = table.bin_of(hash);
            // SeqCst [publish]: as in `find`
            let header = bin.header.load(Ordering::SeqCst);
            if header & (MOVED | FROZEN) != 0 {
                table = self.moved(guard, table, hash)?;
                continue;
            }
            return match self.look(bin, header, guard, hash, key)? {
                Look::Changed => continue,
                Look::Found(at) if slot::address(at.word) != slot::address(old.word) => Ok(None),
                Look::Found(at) => Ok(Some(at)),
                Look::Absent => Ok(None),
            };
        }
    }

    /// The table that a frozen bin's contents are in; moves them there first if need be.
    #[cold]
    fn moved<'t>(
        &self,
        guard: &Guard<'_>,
        table: &'t Table,
        hash: u64,
    ) -> Result<&'t Table, Expired> {
        let next = moved_to(table);
        self.move_bin(guard, table, next, table.at(hash))?;
        Ok(next)
    }

    /// Apart, so that who replaces a version need not make room for what an insert keeps.
    #[inline(never)]
    fn insert(
        &self,
        guard: &Guard<'_>,
        hash: u64,
        new: &NewVersion<O>,
    ) -> Result<(), RefusedReason> {
        loop {
            match self.try_insert(guard, hash, new) {
                Ok(()) => return Ok(()),
                Err(RefusedReason::Expired) => guard.renew()?,
                Err(reason) => return Err(reason),
            }
        }
    }

    fn try_insert(
        &self,
        guard: &Guard<'_>,
        hash: u64,
        new: &NewVersion<O>,
    ) -> Result<(), RefusedReason> {
        let word = slot::word(new.address(), slot::tag(hash));
        let mut table = self.table(guard);
        self.help_growth(guard, table)?;
        loop {
            let bin = table.bin_of(hash);
            // SeqCst [publish]: as in `find`
            let header = bin.header.load(Ordering::SeqCst);
            if header & (MOVED | FROZEN) != 0 {
                table = self.moved(guard, table, hash)?;
                continue;
            }
            match self.look(bin, header, guard, hash, new.key())? {
                Look::Found(_) => return Err(RefusedReason::Raced),
                Look::Changed => continue,
                Look::Absent => {}
            }
            match bin.claim(header, word | slot::TENTATIVE) {
                Ok((bit, slot)) => {
                    let claim = Claim { bin, slot, bit, word };
                    if self.publish(guard, hash, new.key(), &claim, header)? {
                        return Ok(());
                    }
                }
                Err(MAX_SLOTS) => {
                    if !self.grow(guard, table)? {
                        return Err(RefusedReason::OutOfMemory);
                    }
                    table = self.moved(guard, table, hash)?;
                }
                Err(slots) => {
                    if bin.append(&table.lines, slots, &[], slot::EMPTY) {
                        self.line_added(guard, table);
                    }
                }
            }
        }
    }

    /// Makes a claimed slot valid, looking for the key again whenever the header changed. False if the bin was frozen.
    fn publish(
        &self,
        guard: &Guard<'_>,
        hash: u64,
        key: &[u8],
        claim: &Claim<'_>,
        found_absent: u64,
    ) -> Result<bool, RefusedReason> {
        let mut header = found_absent;
        loop {
            let valid = bin::changed(header, header & VALID | 1 << claim.bit);
            // SeqCst [publish]: releases the slot and the version; fails if the header is not the one under which the key was absent
            match claim.bin.header.compare_exchange(
                header,
                valid,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => {
                    claim.confirm();
                    return Ok(true);
                }
                Err(actual) => header = actual,
            }
            match self.look_again(guard, hash, key, claim.bin, &mut header) {
                Ok(Look::Absent) => {}
                other => {
                    Bin::give_back(claim.slot);
                    return match other? {
                        Look::Found(_) => Err(RefusedReason::Raced),
                        _ => Ok(false),
                    };
                }
            }
        }
    }

    /// Looks for the key under a header that changed, and goes on if that changes too. `Changed` if the bin was frozen.
    fn look_again<'g>(
        &self,
        guard: &Guard<'_>,
        hash: u64,
        key: &[u8],
        bin: &'g Bin,
        header: &mut u64,
    ) -> Result<Look<'g>, Expired> {
        loop {
            if *header & (FROZEN | MOVED) != 0 {
                return Ok(Look::Changed);
            }
            if self.skips_check() {
                return Ok(Look::Absent);
            }
            match self.look(bin, *header, guard, hash, key)? {
                // SeqCst [publish]: as in `find`
                Look::Changed => *header = bin.header.load(Ordering::SeqCst),
                look => return Ok(look),
            }
        }
    }

    #[cfg(stillpoint_loom)]
    fn skips_check(&self) -> bool {
        self.mutation == crate::index::mutation::Mutation::NoHeaderCheck
    }

    #[cfg(not(stillpoint_loom))]
    #[inline(always)]
    fn skips_check(&self) -> bool {
        false
    }
}

/// A slot taken for a new key.
struct Claim<'b> {
    bin: &'b Bin,
    slot: &'b AtomicU64,
    bit: u32,
    word: u64,
}

impl Claim<'_> {
    fn confirm(&self) {
        // Release [confirm]: failure means that the version was replaced, removed or frozen meanwhile, which confirms it as well
        let tentative = self.word | slot::TENTATIVE;
        let _ =
            self.slot.compare_exchange(tentative, self.word, Ordering::Release, Ordering::Relaxed);
    }
}
