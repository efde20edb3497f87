//! Finding a key: table → bin header and marks → the slot with the hash's mark → the entry. Nothing shared is written.
//!
//! # Invariants
//! 1. A slot's entry is looked at only after it was seen valid: not TENTATIVE, or TENTATIVE under an unchanged header (bin invariant 3); and
//!    loaded by [`Protect::protect`], as from a link: in a frozen bin it may have been retired meanwhile. Epochs protect it then, since the
//!    header without MOVED was loaded under the guard; for schemes that protect per pointer the header is read again (bin invariant 6).
//! 2. What a CAS expects of a slot never has FROZEN, also if the slot was found frozen: a frozen slot is read, not changed.
//! 3. A table is loaded from the root, or from `next` of a table that was the root under the same guard; on schemes that protect per pointer
//!    it still is the root after `next` was protected, so `next` has not been retired. Only `HashMap::root` sets the place ROOT, so a table
//!    that it gave stays protected until it is called again.
//! 4. Between the loads of the root and of a `next` no code of the caller's runs: not a key's `Eq`, and no destructor in a `retire`. It might
//!    use the same guard and renew its lease, and `next` of a table that has been retired meanwhile may be reclaimed before the renewal.
//!    After such code the way begins at the root again; a bin may be looked through to its end, since what it holds is linked or FROZEN.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[publish]` | the header's load (Acquire) pairs with the CAS that made the slot valid |
//! | `[claim]` | the marks' load is Acquire, so that slots are loaded after it; the marks came with the header |

use super::HashMap;
use super::bin::{BIN_SLOTS, Bin, FROZEN, LINE_SLOTS, Line, MOVED, matching};
use super::entry::{self, DEAD, Entry, TENTATIVE};
use super::table::Table;
use std::borrow::Borrow;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, NodeAlloc, Protect, Restart, Scheme, Shared};

/// Slots of a scheme that protects per pointer. A table after the root alternates between two of them.
pub(super) mod protected {
    pub(in crate::map) const ROOT: usize = 0;
    pub(in crate::map) const ENTRY: usize = 1;
    pub(in crate::map) const NEXT: usize = 2;
    pub(in crate::map) const OWN: usize = 4;
    pub(in crate::map) const COUNT: usize = 5;
}

/// A slot that held a live entry of the key.
pub(super) struct Place<'g, K, V> {
    pub(super) bin: &'g Bin<K, V>,
    pub(super) slot: &'g Atomic<Entry<K, V>>,
    pub(super) bit: u32,
    /// What a CAS on the slot expects: without FROZEN, so that it fails if the slot is frozen, then or by now.
    pub(super) word: Shared<'g, Entry<K, V>>,
    pub(super) entry: &'g Entry<K, V>,
}

/// What a look into one bin gave.
pub(super) enum Look<'g, K, V> {
    Found(Place<'g, K, V>),
    Absent,
    /// The header changed under an unconfirmed insert, or the bin was moved; look again.
    Changed,
}

/// A bin that was not frozen, and did not hold the key under this header.
pub(super) struct Vacant<'g, K, V> {
    pub(super) table: &'g Table<K, V>,
    pub(super) bin: &'g Bin<K, V>,
    pub(super) header: u64,
}

impl<K, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    #[inline(always)]
    pub(super) fn root<'g>(&'g self, guard: &'g S::Guard<'_>) -> Result<&'g Table<K, V>, Restart> {
        let root = guard.protect_root(protected::ROOT, &self.root)?;
        // SAFETY: protected, and never null.
        Ok(unsafe { root.deref() })
    }

    /// The table that `table` is being moved to.
    #[cold]
    pub(super) fn next<'g>(
        &'g self,
        table: &'g Table<K, V>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Table<K, V>>, Restart> {
        let parity = table.count().trailing_zeros() as usize & 1;
        let next = guard.protect(protected::NEXT + parity, &table.next)?;
        if S::PER_POINTER && !self.is_root(table, guard)? {
            return Err(Restart);
        }
        // SAFETY: protected (invariant 3).
        Ok(unsafe { next.as_ref() })
    }

    /// Whether `table` is the root.
    pub(super) fn is_root(
        &self,
        table: &Table<K, V>,
        guard: &S::Guard<'_>,
    ) -> Result<bool, Restart> {
        let root = guard.protect_root(protected::ENTRY, &self.root)?;
        Ok(std::ptr::eq(root.as_ptr(), table))
    }
}

impl<K: Eq, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// The entry of `key`.
    #[inline]
    pub(super) fn look_up<'g, Q>(
        &'g self,
        hash: u64,
        key: &Q,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<&'g Entry<K, V>>, Restart>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut table = self.root(guard)?;
        loop {
            let bin = table.bin_of(hash);
            // Acquire [publish]: whoever's key is valid in this header has its slot written
            let header = bin.header.load(Ordering::Acquire);
            if header & MOVED != 0 {
                table = self.next(table, guard)?.expect("a bin is moved into a next table");
                continue;
            }
            match self.look(bin, header, guard, hash, key)? {
                Look::Found(place) => return Ok(Some(place.entry)),
                Look::Absent => return Ok(None),
                // From the root: invariant 4.
                Look::Changed => table = self.root(guard)?,
            }
        }
    }

    /// Looks for the key among the slots that `header` calls valid.
    #[inline(always)]
    pub(super) fn look<'g, Q>(
        &'g self,
        bin: &'g Bin<K, V>,
        header: u64,
        guard: &'g S::Guard<'_>,
        hash: u64,
        key: &Q,
    ) -> Result<Look<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let probe = Probe { map: self, bin, header, guard, hash, key };
        // Acquire [claim]: before the slots
        let mut matches = matching(bin.marks.load(Ordering::Acquire), hash, BIN_SLOTS);
        while matches != 0 {
            let at = matches.trailing_zeros() >> 3;
            matches &= matches - 1;
            if let Some(look) = probe.slot(at, &bin.slots[at as usize])? {
                return Ok(look);
            }
        }
        match Bin::follow(&bin.link) {
            None => Ok(Look::Absent),
            // A probe of its own: one whose address is passed on would be in memory from the start, where the common look needs none.
            Some(line) => Probe { map: self, bin, header, guard, hash, key }.overflow(line),
        }
    }

    /// Whether what was found unconfirmed or frozen under `header` is not certain: the header has changed, or the bin has been moved.
    #[cold]
    pub(super) fn is_unsettled(&self, bin: &Bin<K, V>, header: u64) -> bool {
        // Acquire [publish]: after the slot's load; unchanged means that the slot was valid all along
        bin.header.load(Ordering::Acquire) & !FROZEN != header & !FROZEN
    }
}

/// One look into one bin.
struct Probe<'p, 'g, K, V, H, S: Scheme, A: NodeAlloc, Q: ?Sized, G> {
    map: &'g HashMap<K, V, H, S, A>,
    bin: &'g Bin<K, V>,
    header: u64,
    guard: &'g G,
    hash: u64,
    key: &'p Q,
}

impl<'g, K, V, H, S, A, Q, G> Probe<'_, 'g, K, V, H, S, A, Q, G>
where
    K: Eq + Borrow<Q>,
    Q: Eq + ?Sized,
    S: Scheme,
    A: NodeAlloc,
    G: Protect,
{
    /// None: not here, go on.
    #[inline(always)]
    fn slot(
        &self,
        bit: u32,
        slot: &'g Atomic<Entry<K, V>>,
    ) -> Result<Option<Look<'g, K, V>>, Restart> {
        if self.header & 1 << bit == 0 {
            return Ok(None);
        }
        let word = self.guard.protect(protected::ENTRY, slot)?;
        if word.tag() != 0 {
            if word.tag() & DEAD != 0 {
                return Ok(None);
            }
            if self.map.is_unsettled(self.bin, self.header) {
                return Ok(Some(Look::Changed));
            }
        }
        // SAFETY: valid in the header at the slot's load or since, and protected (invariant 1); a valid slot is never unfilled.
        let entry = unsafe { word.deref() };
        if entry.hash != self.hash || entry.key.borrow() != self.key {
            return Ok(None);
        }
        let word = word.with_tag(word.tag() & TENTATIVE);
        let word = self.expected(word);
        Ok(Some(Look::Found(Place { bin: self.bin, slot, bit, word, entry })))
    }

    #[inline(always)]
    fn expected(&self, word: Shared<'g, Entry<K, V>>) -> Shared<'g, Entry<K, V>> {
        debug_assert_eq!(word.tag() & entry::FROZEN, 0);
        word
    }

    #[cold]
    fn overflow(self, first: &'g Line<K, V>) -> Result<Look<'g, K, V>, Restart> {
        let lines = std::iter::successors(Some(first), |line| Bin::follow(&line.link));
        for (line, from) in lines.zip((BIN_SLOTS..).step_by(LINE_SLOTS)) {
            // Acquire [claim]: before the slots
            let mut matches = matching(line.marks.load(Ordering::Acquire), self.hash, LINE_SLOTS);
            while matches != 0 {
                let at = matches.trailing_zeros() as usize >> 3;
                matches &= matches - 1;
                if let Some(look) = self.slot((from + at) as u32, &line.slots[at])? {
                    return Ok(look);
                }
            }
        }
        Ok(Look::Absent)
    }
}
