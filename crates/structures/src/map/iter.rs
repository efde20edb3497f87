//! [`Iter`], [`Keys`], [`Values`]: over a map, a bin at a time.
//!
//! The bins of the table with which it begins are visited one after the other, each in one attempt from the root: bin i of N is, in a table
//! of M bins, all bins whose number is i modulo N. So there is nothing between two steps that a growth, or another operation under the same
//! guard that renews its lease, could spoil.
//!
//! Tags: `[publish]` a header's load pairs with the CAS that made its slots valid.

use super::HashMap;
use super::bin::{Bin, MOVED};
use super::entry::{DEAD, Entry};
use super::find::protected;
use super::table::Table;
use std::fmt;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{NodeAlloc, Protect, Restart, Scheme};

/// See [`Pinned::iter`](super::Pinned::iter).
pub struct Iter<'g, 'm, K, V, H, S: Scheme, A: NodeAlloc> {
    map: &'g HashMap<K, V, H, S, A>,
    guard: &'g S::Guard<'m>,
    /// Bins of the table with which it began, and how many of them have been visited.
    bins: usize,
    at: usize,
    /// What is left of the last bin.
    entries: Vec<&'g Entry<K, V>>,
}

impl<'g, 'm, K: Eq, V, H, S: Scheme, A: NodeAlloc> Iter<'g, 'm, K, V, H, S, A> {
    pub(super) fn new(map: &'g HashMap<K, V, H, S, A>, guard: &'g S::Guard<'m>) -> Self {
        let bins = guard.insisting(|guard| Ok(map.root(guard)?.count()));
        Iter { map, guard, bins, at: 0, entries: Vec::new() }
    }
}

impl<K: Eq, V, H, S: Scheme, A: NodeAlloc> HashMap<K, V, H, S, A> {
    /// Adds what is in the bins of `table` whose number is `at` modulo `bins`, and in those that they have been moved to.
    fn collect<'g>(
        &'g self,
        table: &'g Table<K, V>,
        (at, bins): (usize, usize),
        guard: &'g S::Guard<'_>,
        entries: &mut Vec<&'g Entry<K, V>>,
    ) -> Result<(), Restart> {
        for at in (at..table.count()).step_by(bins) {
            if !self.collect_bin(table.bin(at), guard, entries)? {
                let next = self.next(table, guard)?.expect("a bin is moved into a next table");
                self.collect(next, (at, table.count()), guard, entries)?;
            }
        }
        Ok(())
    }

    /// False if the bin has been moved.
    fn collect_bin<'g>(
        &'g self,
        bin: &'g Bin<K, V>,
        guard: &'g S::Guard<'_>,
        entries: &mut Vec<&'g Entry<K, V>>,
    ) -> Result<bool, Restart> {
        let from = entries.len();
        'over: loop {
            entries.truncate(from);
            // Acquire [publish]: as in `find`
            let header = bin.header.load(Ordering::Acquire);
            if header & MOVED != 0 {
                return Ok(false);
            }
            for slot in bin.slots().filter(|slot| header & 1 << slot.bit != 0) {
                let word = guard.protect(protected::ENTRY, slot.word)?;
                if word.tag() & DEAD != 0 {
                    continue;
                }
                if word.tag() != 0 && self.is_unsettled(bin, header) {
                    continue 'over;
                }
                // SAFETY: as in `find`; a valid slot is never unfilled.
                entries.push(unsafe { word.deref() });
            }
            return Ok(true);
        }
    }
}

impl<'g, K: Eq, V, H, S: Scheme, A: NodeAlloc> Iterator for Iter<'g, '_, K, V, H, S, A> {
    type Item = (&'g K, &'g V);

    fn next(&mut self) -> Option<Self::Item> {
        while self.entries.is_empty() {
            if self.at == self.bins {
                return None;
            }
            let (map, class, entries) = (self.map, (self.at, self.bins), &mut self.entries);
            self.guard.insisting(|guard| {
                entries.clear();
                map.collect(map.root(guard)?, class, guard, entries)
            });
            forget_doubles(entries);
            self.at += 1;
        }
        self.entries.pop().map(|entry| (&entry.key, &entry.value))
    }
}

/// A key that was removed and put in again meanwhile may have been met in two slots. Compares keys when the traversal is over, for
/// invariant 4 of `find`.
fn forget_doubles<K: Eq, V>(entries: &mut Vec<&Entry<K, V>>) {
    let mut at = 1;
    while let Some(entry) = entries.get(at) {
        if entries[..at].iter().any(|e| e.hash == entry.hash && e.key == entry.key) {
            entries.swap_remove(at);
        } else {
            at += 1;
        }
    }
}

impl<K, V, H, S: Scheme, A: NodeAlloc> fmt::Debug for Iter<'_, '_, K, V, H, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({} of {} bins)", self.at, self.bins)
    }
}

/// See [`Pinned::keys`](super::Pinned::keys).
#[derive(Debug)]
pub struct Keys<'g, 'm, K, V, H, S: Scheme, A: NodeAlloc>(pub(super) Iter<'g, 'm, K, V, H, S, A>);

impl<'g, K: Eq, V, H, S: Scheme, A: NodeAlloc> Iterator for Keys<'g, '_, K, V, H, S, A> {
    type Item = &'g K;

    fn next(&mut self) -> Option<&'g K> {
        self.0.next().map(|(key, _)| key)
    }
}

/// See [`Pinned::values`](super::Pinned::values).
#[derive(Debug)]
pub struct Values<'g, 'm, K, V, H, S: Scheme, A: NodeAlloc>(pub(super) Iter<'g, 'm, K, V, H, S, A>);

impl<'g, K: Eq, V, H, S: Scheme, A: NodeAlloc> Iterator for Values<'g, '_, K, V, H, S, A> {
    type Item = &'g V;

    fn next(&mut self) -> Option<&'g V> {
        self.0.next().map(|(_, value)| value)
    }
}
