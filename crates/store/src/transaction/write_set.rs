//! [`KeySet`]: what a transaction did with each key that it touched.
//!
//! ```text
//!  entries   in the order of the first touch: space · hash · where the key is · read? · locked? · write
//!  bytes     the keys, one behind the other
//!  table     entry numbers + 1 by hash, open addressing, at most half full; none while there are few entries
//! ```
//! # Invariants
//! 1. A key has one entry, and entries are never taken out: what was read stays read, whatever is rolled back.
//! 2. The hash is that of the key's index, computed once; reads and the commit use it again.
//! 3. A value that is set is made a version at once, in its place in the store: it is copied once, and the commit only has to install it. Nobody else
//!    sees it before.
//! 4. A few keys cost no allocation but those of their versions.

use crate::entry::{Entry, VersionStamp};
use crate::transaction::merge::Merges;
use smallvec::SmallVec;
use std::ops::Range;
use stillpoint_primitive::scheduling;
use stillpoint_structures::NewVersion;

/// Entries up to which a walk over them is as fast as a table.
const FEW: usize = 16;
/// Entries, and bytes of keys, that need no allocation: those of a transfer, with something to spare.
const INLINE: usize = 4;
const INLINE_BYTES: usize = 64;

/// Entries by hash and number.
pub(crate) type Order = SmallVec<[(u64, usize); FEW]>;

/// What shall become of a key.
pub(crate) enum Write<O: Send + Sync + 'static> {
    /// This: a value, or a tombstone.
    Version(NewVersion<O>),
    /// Applied at the commit to what the key is then.
    Merge(Merges),
}

/// What the transaction did with one key.
pub(crate) struct Touched<O: Send + Sync + 'static> {
    pub(crate) space: u8,
    /// Read from the store, not only written.
    pub(crate) was_read: bool,
    /// Read for update: validated under every isolation level.
    pub(crate) locked: bool,
    pub(crate) hash: u64,
    key: Range<usize>,
    pub(crate) write: Option<Write<O>>,
}

pub(crate) struct KeySet<O: Send + Sync + 'static> {
    entries: SmallVec<[Touched<O>; INLINE]>,
    bytes: Bytes,
    table: Box<[u32]>,
}

impl<O: Send + Sync + 'static> KeySet<O> {
    pub(crate) fn new() -> Self {
        KeySet { entries: SmallVec::new(), bytes: Bytes::new(), table: Box::default() }
    }

    pub(crate) fn entries(&self) -> &[Touched<O>] {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [Touched<O>] {
        &mut self.entries
    }

    /// The key of an entry.
    pub(crate) fn key(&self, at: usize) -> &[u8] {
        self.key_of(&self.entries[at])
    }

    /// The same of one of its entries.
    pub(crate) fn key_of(&self, touched: &Touched<O>) -> &[u8] {
        touched.key(self.bytes.all())
    }

    /// The entries, and the bytes that their keys are in.
    pub(crate) fn parts(&mut self) -> (&mut [Touched<O>], &[u8]) {
        (&mut self.entries, self.bytes.all())
    }

    /// Enters the numbers of the entries with writes into `order`, in the order in which commits take keys.
    pub(crate) fn put_writes_in_order(&self, order: &mut Order) {
        let Self { entries, bytes, .. } = self;
        if entries.len() > FEW {
            order.reserve(entries.len());
        }
        for (at, touched) in entries.iter().enumerate() {
            if touched.write.is_some() {
                order.push((touched.hash, at));
            }
        }
        let rest = |at: usize| (entries[at].space, entries[at].key(bytes.all()));
        let order_of = |one: &(u64, usize), other: &(u64, usize)| {
            one.0.cmp(&other.0).then_with(|| rest(one.1).cmp(&rest(other.1)))
        };
        match order.as_mut_slice() {
            // As many transfer something from one to the other.
            [one, other] => {
                if order_of(one, other).is_gt() {
                    std::mem::swap(one, other);
                }
            }
            all => all.sort_unstable_by(|one, other| {
                scheduling::yield_point();
                order_of(one, other)
            }),
        }
    }

    pub(crate) fn find(&self, space: u8, hash: u64, key: &[u8]) -> Option<usize> {
        let is_it = |entry: &Touched<O>| {
            entry.hash == hash && entry.space == space && entry.key(self.bytes.all()) == key
        };
        if self.table.is_empty() {
            return self.entries.iter().position(is_it);
        }
        for at in probes(&self.table, hash) {
            match self.table[at] {
                0 => return None,
                number if is_it(&self.entries[number as usize - 1]) => {
                    return Some(number as usize - 1);
                }
                _ => {}
            }
        }
        None
    }

    /// The number of the key's entry, a new one if it had none.
    pub(crate) fn touch(&mut self, space: u8, hash: u64, key: &[u8]) -> usize {
        if let Some(at) = self.find(space, hash, key) {
            return at;
        }
        let at = self.entries.len();
        if at == INLINE {
            // Once, for as many as are walked over.
            self.entries.reserve_exact(FEW - INLINE);
        }
        let key = self.bytes.append(key);
        let (was_read, locked, write) = (false, false, None);
        self.entries.push(Touched { space, was_read, locked, hash, key, write });
        if at >= FEW {
            self.enter(at);
        }
        at
    }

    fn enter(&mut self, at: usize) {
        if self.table.len() < 2 * self.entries.len() {
            let size = (4 * self.entries.len()).next_power_of_two();
            self.table = vec![0; size].into_boxed_slice();
            (0..self.entries.len()).for_each(|at| self.put(at));
        } else {
            self.put(at);
        }
    }

    fn put(&mut self, at: usize) {
        let free = probes(&self.table, self.entries[at].hash).find(|&at| self.table[at] == 0);
        let free = free.expect("at most half of the table is used");
        self.table[free] = u32::try_from(at + 1).expect("fewer keys than memory could hold");
    }
}

/// Bytes that are only added to: the first few in place.
struct Bytes {
    few: [u8; INLINE_BYTES],
    len: usize,
    /// All of them, once they are more.
    many: Vec<u8>,
}

impl Bytes {
    #[inline]
    fn new() -> Self {
        Bytes { few: [0; INLINE_BYTES], len: 0, many: Vec::new() }
    }

    #[inline]
    fn all(&self) -> &[u8] {
        self.few.get(..self.len).unwrap_or(&self.many)
    }

    /// Where they are then.
    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let place = self.len..self.len + bytes.len();
        match self.few.get_mut(place.clone()) {
            Some(free) => free.copy_from_slice(bytes),
            None => self.append_many(bytes),
        }
        self.len = place.end;
        place
    }

    #[cold]
    fn append_many(&mut self, bytes: &[u8]) {
        if self.many.is_empty() {
            self.many.reserve(FEW * (INLINE_BYTES / INLINE));
            self.many.extend_from_slice(&self.few[..self.len]);
        }
        self.many.extend_from_slice(bytes);
    }
}

/// All places of the table, from the hash's own on.
fn probes(table: &[u32], hash: u64) -> impl Iterator<Item = usize> + use<> {
    let mask = table.len() - 1;
    (0..table.len()).map(move |step| (hash as usize).wrapping_add(step) & mask)
}

impl<O: Send + Sync + 'static> Touched<O> {
    /// Its key, which is in the set's bytes.
    pub(crate) fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.key.clone()]
    }

    /// What the transaction's own write lets a reader see.
    pub(crate) fn own_entry(&self, now_ms: u64) -> Option<Entry<'_, O>> {
        let Some(Write::Version(new)) = &self.write else { return None };
        let parts = (new.key(), new.value(), new.kind(), new.expire_at());
        Entry::of_parts(parts, VersionStamp(0), now_ms)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_entry_however_many_there_are() {
        let mut keys: KeySet<()> = KeySet::new();
        for round in 0..2 {
            for number in 0..1000u64 {
                let key = number.to_le_bytes();
                // Few hashes, so that probing matters.
                let at = keys.touch((number % 2) as u8, number % 50, &key);
                assert_eq!(at as u64, number, "round {round}");
            }
        }
        assert_eq!(keys.entries().len(), 1000);
        assert_eq!(keys.find(0, 1, &1u64.to_le_bytes()), None);
        assert_eq!(keys.find(1, 1, &1u64.to_le_bytes()), Some(1));
    }

    #[test]
    fn keys_of_every_length_are_kept_in_place_and_beyond() {
        for first in 0..80 {
            let mut keys: KeySet<()> = KeySet::new();
            let key = |number: usize| vec![number as u8; [first, 0, 3, 20, 64, 1][number]];
            for number in 0..6 {
                assert_eq!(keys.touch(0, number as u64, &key(number)), number);
            }
            for number in 0..6 {
                assert_eq!(keys.key(number), key(number), "{first}");
            }
        }
    }
}
