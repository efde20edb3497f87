//! Walking over all keys, a bin at a time, without state between the steps.
//!
//! The cursor is Redis's: its bits are counted up from the most significant bit of the table's mask. A bin i of N becomes bins i and i+N, which
//! follow each other in that order, so a cursor taken before a growth means the same set of keys after it.
//!
//! # Invariants
//! 1. A key that is present from the first step (cursor 0) to the last (cursor 0 returned) is visited at least once.
//! 2. A moved bin is visited in the tables it was moved to, all of its descendants within one step. They are gathered before the first of their
//!    keys is visited, so that a step that has to begin again has visited nothing.
//! 3. So a key that is neither removed nor added meanwhile is visited exactly once: its bin's descendants follow each other in the cursor's order,
//!    and the table never becomes smaller.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[publish]`, `[replace]` | the loads of header and slots, as in `find` |

use crate::index::VersionIndex;
use crate::index::bin::{Bin, MAX_SLOTS, MOVED, VALID};
use crate::index::find::{Head, Place, moved_to};
use crate::index::slot;
use crate::index::table::Table;
use stillpoint_primitive::prefetch;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Expired, Guard};

/// The cursor of the bin that comes next, in a table of that mask: counted up in reversed bit order.
fn after(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Visits the keys of one bin and returns the next cursor; 0 begins, and 0 is returned after the last bin.
    ///
    /// Every key present during the whole scan is visited exactly once, also if the table grows within it; one that is removed and added
    /// again may be visited twice.
    ///
    /// # Progress
    /// Lock-free; one bin, plus what it was split into while the index grows.
    ///
    /// # Errors
    /// `Expired` when the guard is past its collector's `max_lease_ticks`; nothing of this bin's was visited that a repeated call would not visit again.
    pub fn scan<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        cursor: u64,
        mut visit: impl FnMut(Head<'g, O, D>),
    ) -> Result<u64, Expired> {
        self.check(guard);
        let mask = self.visit_bin(guard, cursor, &mut visit)?;
        Ok(after(cursor, mask))
    }

    /// Fetches the next `bins` bins of a scan that is at `cursor` into the cache. A hint: if the index grows meanwhile, some are not needed.
    ///
    /// # Progress
    /// Wait-free.
    pub fn prefetch_scan(&self, guard: &Guard<'_>, mut cursor: u64, bins: usize) {
        self.check(guard);
        let table = self.table(guard);
        for _ in 0..bins {
            prefetch(std::ptr::from_ref(table.bin_of(cursor)).cast());
            cursor = after(cursor, table.mask());
        }
    }

    /// Visits the keys of one bin chosen by `random`. May be an empty one; draw again.
    ///
    /// # Progress
    /// As [`scan`](Self::scan).
    ///
    /// # Errors
    /// As `scan`.
    pub fn sample<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        random: u64,
        mut visit: impl FnMut(Head<'g, O, D>),
    ) -> Result<(), Expired> {
        self.check(guard);
        self.visit_bin(guard, random, &mut visit).map(|_| ())
    }

    /// Visits all keys whose hash ends in the lower bits of `at`, as many as the root table's mask has. Returns that mask.
    fn visit_bin<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        at: u64,
        visit: &mut impl FnMut(Head<'g, O, D>),
    ) -> Result<u64, Expired> {
        loop {
            let table = self.table(guard);
            match self.visit_in(guard, table, at & table.mask(), visit) {
                Ok(()) => return Ok(table.mask()),
                Err(Expired) => guard.renew()?,
            }
        }
    }

    fn visit_in<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        table: &'g Table,
        at: u64,
        visit: &mut impl FnMut(Head<'g, O, D>),
    ) -> Result<(), Expired> {
        let mut gathered = Vec::new();
        let root = match self.places(table.bin(at as usize), guard)? {
            Some(places) => places,
            None => {
                self.gather(guard, moved_to(table), at, &mut gathered)?;
                self.gather(guard, moved_to(table), at + table.count() as u64, &mut gathered)?;
                [None; MAX_SLOTS]
            }
        };
        let places = root.into_iter().flatten().chain(gathered);
        places.for_each(|place| visit(Head::new(place, guard)));
        Ok(())
    }

    /// The live slots of a bin and of those it was moved to.
    fn gather<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        table: &'g Table,
        at: u64,
        gathered: &mut Vec<Place<'g>>,
    ) -> Result<(), Expired> {
        match self.places(table.bin(at as usize), guard)? {
            Some(places) => gathered.extend(places.into_iter().flatten()),
            None => {
                let next = moved_to(table);
                self.gather(guard, next, at, gathered)?;
                self.gather(guard, next, at + table.count() as u64, gathered)?;
            }
        }
        Ok(())
    }

    /// The live slots of a bin under one header, or None if it was moved.
    fn places<'g>(
        &self,
        bin: &'g Bin,
        guard: &Guard<'_>,
    ) -> Result<Option<[Option<Place<'g>>; MAX_SLOTS]>, Expired> {
        'again: loop {
            let mut places = [None; MAX_SLOTS];
            // SeqCst [publish]: as in `find`
            let header = bin.header.load(Ordering::SeqCst);
            if header & MOVED != 0 {
                return Ok(None);
            }
            if header & VALID == 0 {
                return Ok(Some(places));
            }
            for (bit, slot) in bin.slots().enumerate().filter(|(bit, _)| header & 1 << bit != 0) {
                // SeqCst [replace]: as in `find`
                let word = slot.load(Ordering::SeqCst);
                // SeqCst [publish]: as in `find`; a tentative slot counts only under an unchanged header
                if word & slot::TENTATIVE != 0 && bin.header.load(Ordering::SeqCst) != header {
                    continue 'again;
                }
                if word != slot::EMPTY && word & slot::DEAD == 0 {
                    places[bit] = Some(Place::new(bin, slot, bit as u32, word));
                }
            }
            guard.still_valid()?;
            return Ok(Some(places));
        }
    }
}
