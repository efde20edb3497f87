//! Changing a key: a new entry in a free slot, a new entry in place of the old one, removal.
//!
//! ```text
//!  new key   slot: empty ──CAS──▶ e|TENTATIVE     claimed, seen by nobody; its mark is set
//!            header: h ──CAS──▶ h + valid[i]      published, if nothing changed in the bin since the key was not found
//!            slot: e|TENTATIVE ──CAS──▶ e         readers need no second look at the header any more
//!  replace   slot: old ──CAS──▶ e                 the old entry is retired
//!  remove    slot: e ──CAS──▶ e|DEAD              the key is gone
//!            header: valid[i] ──CAS──▶ 0          this call owns the slot; the entry is retired
//!            slot: ──store──▶ empty
//! ```
//! # Invariants
//! 1. Until its header CAS succeeds a claimed slot is its insert's, and so is the entry; whatever happens, a panic included, both are taken
//!    back by [`Claim`].
//! 2. The remover is the only one who clears the valid bit. If the bin is frozen first, the bit stays, and who sets MOVED retires the entry.
//! 3. A CAS on a slot is made while the entry that it expects is protected, so its address is not used again. For the CAS that confirms,
//!    the own entry is.
//!
//! # Orderings
//! `[publish]` the header CASes are Release for slot, mark and entry, Acquire for what they found. Those of slots are [`Atomic`]'s.

use super::HashMap;
use super::bin::{Bin, FROZEN, MAX_SLOTS, MOVED, VALID, changed};
use super::entry::{DEAD, Entry, TENTATIVE};
use super::find::{Look, Place, Vacant, protected};
use std::borrow::Borrow;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Protect, Restart, Scheme, Shared};

/// Where a key is or would go.
pub(super) enum Located<'g, K, V> {
    Found(Place<'g, K, V>),
    Vacant(Vacant<'g, K, V>),
}

/// A slot taken for a new entry, and the entry. Gives both back unless they were published.
struct Claim<'g, K, V, A: NodeAlloc> {
    slot: &'g Atomic<Entry<K, V>>,
    bit: u32,
    entry: Atomic<Entry<K, V>>,
    back: &'g mut Option<Owned<Entry<K, V>, A>>,
}

impl<K, V, A: NodeAlloc> Claim<'_, K, V, A> {
    /// Published: the entry is everybody's.
    fn confirm(mut self) -> *const Entry<K, V> {
        let mut entry = std::mem::replace(&mut self.entry, Atomic::null());
        let settled = entry.load_exclusive();
        // Failure means that the entry was replaced, removed or frozen meanwhile, which confirms it as well.
        let _ = self.slot.compare_exchange(settled.with_tag(TENTATIVE), settled);
        settled.as_ptr()
    }
}

impl<K, V, A: NodeAlloc> Drop for Claim<'_, K, V, A> {
    fn drop(&mut self) {
        if self.entry.load_exclusive().is_null() {
            return;
        }
        Bin::give_back(self.slot);
        // SAFETY: never published: nobody follows a TENTATIVE slot that is not valid (bin invariant 3).
        *self.back = unsafe { self.entry.take_owned() };
    }
}

impl<K: Eq, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// Finds the key's slot, or its bin, in a bin that is not frozen; moves the bin first if it is.
    #[inline(always)]
    pub(super) fn locate<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Located<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut table = self.root(guard)?;
        loop {
            let bin = table.bin_of(hash);
            // Acquire [publish]: as in `find`
            let header = bin.header.load(Ordering::Acquire);
            if header & (MOVED | FROZEN) != 0 {
                let next = self.next(table, guard)?.expect("a bin is moved into a next table");
                if header & MOVED != 0 {
                    table = next;
                } else {
                    self.move_bin(table, next, table.at(hash), guard)?;
                    // From the root: invariant 4 of `find`.
                    table = self.root(guard)?;
                }
                continue;
            }
            match self.look(bin, header, guard, hash, key)? {
                Look::Found(place) => return Ok(Located::Found(place)),
                Look::Absent => return Ok(Located::Vacant(Vacant { table, bin, header })),
                Look::Changed => table = self.root(guard)?,
            }
        }
    }

    /// Puts `new` in, as a new key or (if `replaces`) in place of an entry. On success `new` is `None`.
    pub(super) fn try_insert<'g>(
        &'g self,
        new: &mut Option<Owned<Entry<K, V>, A>>,
        replaces: bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Put<'g, K, V>, Restart> {
        self.help_growth(guard)?;
        loop {
            let entry = new.as_ref().expect("an attempt that fails leaves the entry");
            match self.locate(entry.hash, &entry.key, guard)? {
                Located::Found(place) if !replaces => return Ok(Put::There(place.entry)),
                Located::Found(place) => {
                    if let Some(new) = self.replace(&place, new, guard) {
                        return Ok(Put::Replaced { old: place.entry, new });
                    }
                }
                Located::Vacant(vacant) => {
                    if let Some(new) = self.add(&vacant, new, guard)? {
                        return Ok(Put::New(new));
                    }
                }
            }
        }
    }

    /// Puts `new`, of the same key, in the place of an entry, which is retired. None if the slot has changed.
    pub(super) fn replace(
        &self,
        place: &Place<'_, K, V>,
        new: &mut Option<Owned<Entry<K, V>, A>>,
        guard: &S::Guard<'_>,
    ) -> Option<*const Entry<K, V>> {
        let entry = new.take()?;
        match place.slot.compare_exchange_owned(place.word, entry, guard) {
            Ok(published) => {
                // SAFETY: unlinked just now, by us alone.
                unsafe { self.retire(place.word, guard) };
                Some(published.as_ptr())
            }
            Err(refused) => {
                *new = Some(refused.new);
                None
            }
        }
    }

    /// Puts `new` into a bin that does not hold its key. None if the bin has changed: look again.
    pub(super) fn add<'g>(
        &'g self,
        vacant: &Vacant<'g, K, V>,
        new: &mut Option<Owned<Entry<K, V>, A>>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<*const Entry<K, V>>, Restart> {
        let hash = new.as_ref().expect("an entry to add").hash;
        let mut entry = Atomic::new(new.take().expect("an entry to add"));
        let tentative = entry.load_exclusive().with_tag(TENTATIVE);
        let taken = vacant.bin.claim(vacant.header, tentative, hash);
        match taken {
            Ok(slot) => {
                let claim = Claim { slot: slot.word, bit: slot.bit, entry, back: new };
                self.publish(claim, vacant, hash, guard)
            }
            Err(slots) => {
                // SAFETY: it did not get into any slot.
                *new = unsafe { entry.take_owned() };
                self.widen(vacant, hash, slots, guard)?;
                Ok(None)
            }
        }
    }

    /// Makes a claimed slot valid, looking for the key again whenever the header changed. None if the bin was frozen, or the key is there.
    fn publish<'g>(
        &'g self,
        mut claim: Claim<'_, K, V, A>,
        vacant: &Vacant<'g, K, V>,
        hash: u64,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<*const Entry<K, V>>, Restart> {
        if S::PER_POINTER {
            guard.protect(protected::OWN, claim.slot)?;
        }
        let own: *const Entry<K, V> = claim.entry.load_exclusive().as_ptr();
        let mut header = vacant.header;
        loop {
            let valid = changed(header, header & VALID | 1 << claim.bit);
            let bits = &vacant.bin.header;
            // AcqRel [publish]: releases slot, mark and entry; Acquire [publish] on failure: a header under which the key may be there
            match bits.compare_exchange(header, valid, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(actual) => header = actual,
            }
            // SAFETY: ours until it is published.
            let key = unsafe { &(*own).key };
            if !self.still_absent(vacant.bin, &mut header, hash, key, guard)? {
                return Ok(None);
            }
        }
        self.len.add(1);
        Ok(Some(claim.confirm()))
    }

    /// Looks for the key under a header that changed, and goes on if that changes too. False if the bin was frozen, or the key is there.
    fn still_absent(
        &self,
        bin: &Bin<K, V>,
        header: &mut u64,
        hash: u64,
        key: &K,
        guard: &S::Guard<'_>,
    ) -> Result<bool, Restart> {
        loop {
            if *header & (FROZEN | MOVED) != 0 {
                return Ok(false);
            }
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            if self.mutation == super::Mutation::NoHeaderCheck {
                return Ok(true);
            }
            match self.look(bin, *header, guard, hash, key)? {
                Look::Absent => return Ok(true),
                Look::Found(_) => return Ok(false),
                Look::Changed => {}
            }
            // Acquire [publish]: as in `find`
            *header = bin.header.load(Ordering::Acquire);
        }
    }

    /// Room for more in a full bin: a line, or a table of twice the bins.
    #[cold]
    fn widen(
        &self,
        vacant: &Vacant<'_, K, V>,
        hash: u64,
        slots: usize,
        guard: &S::Guard<'_>,
    ) -> Result<(), Restart> {
        if slots < MAX_SLOTS {
            if vacant.bin.append(&vacant.table.lines, slots, &[]) {
                self.lines_added(vacant.table, 1, guard)?;
            }
            return Ok(());
        }
        self.check_sparse(vacant.table);
        self.grow(vacant.table, vacant.table.at(hash), guard)
    }

    /// Takes an entry out. False if the slot has changed.
    pub(super) fn remove_at(&self, place: &Place<'_, K, V>, guard: &S::Guard<'_>) -> bool {
        if place.slot.compare_exchange(place.word, place.word.with_tag(DEAD)).is_err() {
            return false;
        }
        self.len.add(u64::MAX);
        let valid = 1 << place.bit;
        // Relaxed [publish]: the CAS decides
        let mut header = place.bin.header.load(Ordering::Relaxed);
        while header & FROZEN == 0 {
            let cleared = changed(header, header & VALID & !valid);
            // AcqRel [publish]: after DEAD; readers of the old header find DEAD, of the new one nothing
            match place.bin.header.compare_exchange(
                header,
                cleared,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    Bin::give_back(place.slot);
                    // SAFETY: this call cleared the bit, so it alone retires the entry (invariant 2), and no new reader gets there.
                    unsafe { self.retire(place.word, guard) };
                    return true;
                }
                Err(actual) => header = actual,
            }
        }
        true
    }

    /// The entry of `key`, taken out; still protected. Only if `wanted` says so.
    pub(super) fn try_remove<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        mut wanted: impl FnMut(&'g Entry<K, V>) -> bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Entry<K, V>>, Restart>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        loop {
            match self.locate(hash, key, guard)? {
                Located::Vacant(_) => return Ok(None),
                Located::Found(place) if !wanted(place.entry) => return Ok(None),
                Located::Found(place) if self.remove_at(&place, guard) => {
                    return Ok(Some(place.entry));
                }
                Located::Found(_) => {}
            }
        }
    }

    /// An entry that is not published.
    #[inline]
    pub(super) fn entry(
        &self,
        hash: u64,
        key: K,
        value: V,
        guard: &S::Guard<'_>,
    ) -> Owned<Entry<K, V>, A> {
        Owned::new_in(guard, Entry { hash, key, value }, &self.alloc)
    }
}

/// What an insert did. The new entry may be looked at where a guard protects all that is made under it.
pub(super) enum Put<'g, K, V> {
    /// The key was not there.
    New(*const Entry<K, V>),
    /// The key had another entry.
    Replaced { old: &'g Entry<K, V>, new: *const Entry<K, V> },
    /// The key is there, and the entry was not put in.
    There(&'g Entry<K, V>),
}

impl<K, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// # Safety
    /// As [`Shared::retire_in`].
    pub(super) unsafe fn retire(&self, entry: Shared<'_, Entry<K, V>>, guard: &S::Guard<'_>) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == super::Mutation::FreeAtOnce {
            // SAFETY: none; that is the point.
            drop(unsafe { entry.into_owned::<A>() });
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { entry.retire_in::<A, _>(guard) };
    }
}
