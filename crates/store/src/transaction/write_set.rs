//! [`KeySet`]: what a transaction did with each key that it touched.
//!
//! ```text
//!  entries   in the order of the first touch: space · hash · key · read? · locked? · write
//!  table     entry numbers + 1 by hash, open addressing, at most half full; none while there are few entries
//! ```
//! # Invariants
//! 1. A key has one entry, and entries are never taken out: what was read stays read, whatever is rolled back.
//! 2. The hash is that of the key's index, computed once; reads and the commit use it again.

use crate::draft::{Buffered, OwnedValue};
use crate::entry::{Entry, Value, VersionStamp};
use crate::transaction::merge::Merges;

/// Entries up to which a walk over them is as fast as a table.
const FEW: usize = 8;

/// What shall become of a key.
pub(crate) enum Write<O> {
    Removed,
    Value(Buffered<O>),
    /// Applied at the commit to what the key is then.
    Merge(Merges),
}

/// What the transaction did with one key.
pub(crate) struct Touched<O> {
    pub(crate) space: u8,
    pub(crate) hash: u64,
    pub(crate) key: Box<[u8]>,
    /// Read from the store, not only written.
    pub(crate) was_read: bool,
    /// Read for update: validated under every isolation level.
    pub(crate) locked: bool,
    pub(crate) write: Option<Write<O>>,
}

pub(crate) struct KeySet<O> {
    entries: Vec<Touched<O>>,
    table: Box<[u32]>,
}

impl<O> KeySet<O> {
    pub(crate) fn new() -> Self {
        KeySet { entries: Vec::new(), table: Box::default() }
    }

    pub(crate) fn entries(&self) -> &[Touched<O>] {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [Touched<O>] {
        &mut self.entries
    }

    pub(crate) fn find(&self, space: u8, hash: u64, key: &[u8]) -> Option<usize> {
        let is_it =
            |entry: &Touched<O>| entry.hash == hash && entry.space == space && *entry.key == *key;
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
        let key = key.into();
        self.entries.push(Touched {
            space,
            hash,
            key,
            was_read: false,
            locked: false,
            write: None,
        });
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

/// All places of the table, from the hash's own on.
fn probes(table: &[u32], hash: u64) -> impl Iterator<Item = usize> + use<> {
    let mask = table.len() - 1;
    (0..table.len()).map(move |step| (hash as usize).wrapping_add(step) & mask)
}

impl<O> Touched<O> {
    /// What the transaction's own write lets a reader see.
    pub(crate) fn own_entry(&self, now_ms: u64) -> Option<Entry<'_, O>> {
        let Some(Write::Value(Buffered { value, kind, expire_at_ms })) = &self.write else {
            return None;
        };
        if expire_at_ms.is_some_and(|at| at <= now_ms) {
            return None;
        }
        let value = match value {
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Object(object) => Value::Object(object),
        };
        let (kind, expire_at_ms) = (*kind, *expire_at_ms);
        Some(Entry { key: &self.key, value, kind, expire_at_ms, stamp: VersionStamp(0) })
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
}
