//! Finding a key.
//!
//! Table → bin header → slots with the key's tag → the version's key. Nothing shared is written.
//!
//! # Invariants
//! 1. A slot's word is dereferenced only after (a) it was seen valid: not TENTATIVE, or TENTATIVE under an unchanged header (bin invariant 3), and
//!    (b) the lease was tested after the load. A lease that ran out means: renew, and start over from the root.
//! 2. What a CAS expects of a slot never has FROZEN, also if the slot was found frozen: a frozen slot is read, not changed (bin invariant 4).
//! 3. A miss under a header without MOVED is a miss at that load (bin invariant 6).
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[publish]` | the header load pairs with the inserter's header CAS; SeqCst so that the store may order its clock against installs |
//! | `[replace]` | the slot load pairs with the slot CASes of install and remove; SeqCst for the same reason |

use crate::index::VersionIndex;
use crate::index::bin::{BIN_SLOTS, Bin, FROZEN, MOVED, VALID};
use crate::index::slot;
use crate::index::table::Table;
use crate::index::version::{self, Header, VersionRef};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use stillpoint_pool::Pool;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::{prefetch, prefetch_lines};
use stillpoint_reclaim::{Expired, Guard};

/// Where a key was found, and its newest version at that moment.
pub struct Head<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> {
    pub(crate) place: Place<'g>,
    pub(crate) guard: &'g Guard<'g>,
    types: PhantomData<(&'g O, &'g D)>,
}

impl<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> Head<'g, O, D> {
    pub(crate) fn new(place: Place<'g>, guard: &'g Guard<'g>) -> Self {
        Self { place, guard, types: PhantomData }
    }

    /// The newest version at the moment of the find.
    #[inline]
    pub fn version(&self) -> VersionRef<'g, O, D> {
        // SAFETY: a place is made from a protected word only (find invariant 1).
        unsafe { VersionRef::new(self.place.version(), self.guard) }
    }

    /// Fetches what it takes to retire the newest version, for who is about to replace it.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_birth(&self) {
        // SAFETY: a block of the pool's that holds a version, protected (find invariant 1).
        unsafe { Pool::prefetch_birth(self.place.version().cast()) };
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Clone for Head<'_, O, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Copy for Head<'_, O, D> {}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> fmt::Debug for Head<'_, O, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Head").field(&self.version()).finish()
    }
}

/// A slot that held a live version of the key.
#[derive(Clone, Copy)]
pub(crate) struct Place<'g> {
    pub(crate) bin: &'g Bin,
    pub(crate) slot: &'g AtomicU64,
    pub(crate) bit: u32,
    /// What a CAS on the slot expects: the word without FROZEN, so that the CAS fails if the slot is frozen, then or by now.
    pub(crate) word: u64,
}

impl<'g> Place<'g> {
    #[inline]
    pub(crate) fn new(bin: &'g Bin, slot: &'g AtomicU64, bit: u32, word: u64) -> Self {
        Self { bin, slot, bit, word: word & !slot::FROZEN }
    }

    #[inline]
    pub(crate) fn version(&self) -> NonNull<version::Header> {
        NonNull::new(version::at(slot::address(self.word))).expect("a place holds a version")
    }
}

/// What a look into one bin gave.
pub(crate) enum Look<'g> {
    Found(Place<'g>),
    Absent,
    /// The header changed under an unconfirmed insert; look again.
    Changed,
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// The key's newest version.
    ///
    /// # Progress
    /// See the type's page. Renews the guard's lease where it ran out.
    ///
    /// # Errors
    /// `Expired` when the guard is past its collector's `max_lease_ticks`.
    ///
    /// # Panics
    /// If the guard is of another collector.
    #[inline(always)]
    pub fn find<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<Head<'g, O, D>>, Expired> {
        self.check(guard);
        loop {
            match self.try_find(guard, hash, key) {
                Ok(found) => return Ok(found.map(|place| Head::new(place, guard))),
                Err(Expired) => guard.renew()?,
            }
        }
    }

    #[inline(always)]
    fn try_find<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<Place<'g>>, Expired> {
        let mut table = self.table(guard);
        loop {
            let bin = table.bin_of(hash);
            // SeqCst [publish]: whoever's key is valid in this header has its slot written
            let header = bin.header.load(Ordering::SeqCst);
            if header & MOVED != 0 {
                table = moved_to(table);
                continue;
            }
            match self.look(bin, header, guard, hash, key)? {
                Look::Found(place) => return Ok(Some(place)),
                Look::Absent => return Ok(None),
                Look::Changed => {}
            }
        }
    }

    /// Looks for the key among the slots that `header` calls valid.
    #[inline(always)]
    pub(crate) fn look<'g>(
        &self,
        bin: &'g Bin,
        header: u64,
        guard: &Guard<'_>,
        hash: u64,
        key: &[u8],
    ) -> Result<Look<'g>, Expired> {
        let tag = slot::tag(hash);
        let probe = Probe {
            bin,
            header,
            guard,
            tag,
            key,
            #[cfg(stillpoint_loom)]
            mutation: self.mutation,
        };
        for (bit, slot) in bin.slots.iter().enumerate() {
            if let Some(look) = probe.slot(bit as u32, slot)? {
                return Ok(look);
            }
        }
        if header & VALID >> BIN_SLOTS << BIN_SLOTS == 0 {
            Ok(Look::Absent)
        } else {
            probe.overflow()
        }
    }

    /// Fetches the bin of a hash into the cache, for callers that have several keys to find.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch(&self, guard: &Guard<'_>, hash: u64) {
        self.check(guard);
        prefetch(std::ptr::from_ref(self.table(guard).bin_of(hash)).cast());
    }

    /// Fetches the versions that may be the key's into the cache, and if they are to be replaced what [`prefetch_births`](Self::prefetch_births) looks at; best
    /// called when [`prefetch`](Self::prefetch) has had time.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_version(&self, guard: &Guard<'_>, hash: u64, replaces: bool) {
        self.check(guard);
        let tag = slot::tag(hash);
        for slot in &self.table(guard).bin_of(hash).slots {
            // Relaxed [replace]: a hint, never dereferenced
            let word = slot.load(Ordering::Relaxed);
            if slot::has_tag(word, tag) {
                let version: *const u8 = version::at(slot::address(word)).cast();
                prefetch_lines(version, FETCHED_LINES);
                if replaces {
                    Pool::prefetch_header(version);
                }
            }
        }
    }

    /// Fetches what it takes to retire the versions that may be the key's, for who is about to replace them; best called when
    /// [`prefetch_version`](Self::prefetch_version) has had time.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_births(&self, guard: &Guard<'_>, hash: u64) {
        self.each_tagged(guard, hash, |version| {
            // SAFETY: a block of the pool's, protected as in a find (invariant 1).
            unsafe { Pool::prefetch_birth(version.cast()) };
        });
    }

    /// Fetches what [`prefetch_version`](Self::prefetch_version) left of long versions that may be the key's, for who is about to read one; best called
    /// when that has had time.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_rest(&self, guard: &Guard<'_>, hash: u64) {
        self.each_tagged(guard, hash, |version| {
            // SAFETY: an initialised version, protected as in a find (invariant 1).
            let bytes = unsafe { version::block_bytes(version.as_ptr()) };
            let lines = (bytes / LINE_BYTES).min(MOST_LINES);
            let from = version.as_ptr().cast::<u8>().wrapping_add(FETCHED_LINES * LINE_BYTES);
            prefetch_lines(from, lines.saturating_sub(FETCHED_LINES));
        });
    }

    /// The versions that may be the key's, unless they may have been retired before the pin.
    #[inline]
    fn each_tagged(&self, guard: &Guard<'_>, hash: u64, mut visit: impl FnMut(NonNull<Header>)) {
        self.check(guard);
        let (tag, bin) = (slot::tag(hash), self.table(guard).bin_of(hash));
        // SeqCst [publish]: as for a find
        let header = bin.header.load(Ordering::SeqCst);
        if header & MOVED != 0 {
            // What its slots name may have been retired before the pin.
            return;
        }
        for (bit, slot) in bin.slots.iter().enumerate() {
            // SeqCst [replace]: as for a find
            let word = slot.load(Ordering::SeqCst);
            let is_live = header & 1 << bit != 0 && word & (slot::DEAD | slot::TENTATIVE) == 0;
            if slot::has_tag(word, tag)
                && is_live
                && guard.still_valid().is_ok()
                && let Some(version) = NonNull::new(version::at(slot::address(word)))
            {
                visit(version);
            }
        }
    }
}

/// Lines of a version that are fetched: what a key and a value of a few dozen bytes take. Of longer values the processor sees that they are read in order.
const FETCHED_LINES: usize = 3;
/// Lines of a long version that are fetched, those included: before the last of them the processor has seen that they are read in order.
const MOST_LINES: usize = 24;
const LINE_BYTES: usize = 64;

/// One look into one bin.
struct Probe<'p, 'g> {
    bin: &'g Bin,
    header: u64,
    guard: &'p Guard<'p>,
    tag: u64,
    key: &'p [u8],
    #[cfg(stillpoint_loom)]
    mutation: crate::index::mutation::Mutation,
}

impl<'g> Probe<'_, 'g> {
    /// None: not here, go on.
    #[inline(always)]
    fn slot(&self, bit: u32, slot: &'g AtomicU64) -> Result<Option<Look<'g>>, Expired> {
        // SeqCst [replace]: pairs with the CAS that put the version there
        let word = slot.load(Ordering::SeqCst);
        if !slot::has_tag(word, self.tag) || self.header & 1 << bit == 0 {
            return Ok(None);
        }
        self.matching(bit, slot, word)
    }

    #[inline(always)]
    fn matching(
        &self,
        bit: u32,
        slot: &'g AtomicU64,
        word: u64,
    ) -> Result<Option<Look<'g>>, Expired> {
        if word & slot::DEAD != 0 {
            return Ok(None);
        }
        if word & slot::TENTATIVE != 0 && self.unconfirmed() {
            return Ok(Some(Look::Changed));
        }
        self.guard.still_valid()?;
        let place = Place::new(self.bin, slot, bit, word);
        #[cfg(stillpoint_loom)]
        let place = if self.mutation == crate::index::mutation::Mutation::FrozenExpected {
            Place { word, ..place }
        } else {
            place
        };
        // SAFETY: valid at the slot's load, which came after the pin, and its birth is covered by the test just made (find invariant 1).
        let found = unsafe { version::key_of(place.version().as_ptr()) };
        Ok(same(found, self.key).then_some(Look::Found(place)))
    }

    /// Whether the header is no longer the one that called the slot valid.
    #[cold]
    fn unconfirmed(&self) -> bool {
        #[cfg(stillpoint_loom)]
        if self.mutation == crate::index::mutation::Mutation::TentativeVisible {
            return false;
        }
        // SeqCst [publish]: after the slot's load; unchanged means that the slot was valid all along
        self.bin.header.load(Ordering::SeqCst) & !FROZEN != self.header & !FROZEN
    }

    /// Inlined, so that what is found comes in registers on either way: a result in memory, written in parts and read as a whole, waits until the misses
    /// before it are over.
    #[inline(always)]
    fn overflow(&self) -> Result<Look<'g>, Expired> {
        for (bit, slot) in self.bin.slots().enumerate().skip(BIN_SLOTS) {
            if let Some(look) = self.slot(bit as u32, slot)? {
                return Ok(look);
            }
        }
        Ok(Look::Absent)
    }
}

/// Whether two keys are the same. Those of 8 to 16 bytes, as most are, are told apart here: for so few bytes a call takes longer than the comparison.
#[inline(always)]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ends = |key: &[u8]| Some((*key.first_chunk::<8>()?, *key.last_chunk::<8>()?));
    match (ends(one), ends(other)) {
        (Some(one_ends), Some(other_ends)) if one.len() <= 16 => one_ends == other_ends,
        _ => one == other,
    }
}

/// The table that a moved bin's contents are in.
#[inline]
pub(crate) fn moved_to(table: &Table) -> &Table {
    table.next().expect("a bin is moved only into a next table")
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::same;

    #[test]
    fn keys_that_differ_in_one_byte_are_told_apart_whatever_their_length() {
        for len in 0..40 {
            let key: Vec<u8> = (0..len).collect();
            assert!(same(&key, &key.clone()));
            for at in 0..key.len() {
                let mut other = key.clone();
                other[at] ^= 0x80;
                assert!(!same(&key, &other), "{len} bytes, byte {at}");
                assert!(!same(&key, &key[..at]));
            }
        }
    }
}
