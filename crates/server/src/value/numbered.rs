//! Numbered rows that are also found by name: what large hashes, sets and sorted sets are made of. Persistent, so that a version of a table of a million rows
//! shares all but a few nodes with the one before.
//!
//! ```text
//!  rows   [ row … ]           a persistent vector, in which a row's number says where a SCAN and a random draw find it
//!  index  name → row number   a persistent hash trie
//! ```
//! Removing puts the last row into the gap.
//!
//! # Invariants
//! 1. `index[rows[i].name()] == i` for every row, and nothing else is in the index.
//! 2. `content_bytes` is the sum of the rows' parts.
//! 3. A row's number only ever falls. So a walk from the last row to the first meets every row that is there all the while.

use foldhash::quality::RandomState;
use rpds::{HashTrieMapSync, VectorSync};
use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;
use stillpoint_primitive::scheduling;

/// A part of a row, shared. Dropping one is a yield point: who frees a large table, however its nodes are made, offers its core in between.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Bytes(Arc<[u8]>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(Arc::from(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        scheduling::yield_point();
    }
}

/// By name, hashed with seeds of each table's own, as the store hashes keys: no reply tells a client where names meet.
pub(super) type Index<V> = HashTrieMapSync<Bytes, V, RandomState>;

/// What a part costs beside its bytes: the counts of its `Arc`, and rounding.
const PART_BYTES: usize = 24;
/// What a row costs beside its parts: an element of the vector (a pointer, counts, the row), a leaf of the trie and its share of the nodes above.
const ROW_BYTES: usize = 152;

/// What a table holds: something with a name.
pub(crate) trait Row: Clone {
    /// Byte strings that it has.
    const PARTS: usize = 1;
    fn name(&self) -> &Bytes;
    /// Bytes of the name and what goes with it.
    fn bytes(&self) -> usize {
        PART_BYTES + self.name().len()
    }
}

impl Row for Bytes {
    fn name(&self) -> &Bytes {
        self
    }
}

impl Row for (Bytes, Bytes) {
    const PARTS: usize = 2;
    fn name(&self) -> &Bytes {
        &self.0
    }
    fn bytes(&self) -> usize {
        2 * PART_BYTES + self.0.len() + self.1.len()
    }
}

impl Row for (Bytes, f64) {
    fn name(&self) -> &Bytes {
        &self.0
    }
}

/// A table; a clone costs two reference counts, a change O(log n).
#[derive(Clone)]
pub(crate) struct Numbered<R> {
    rows: VectorSync<R>,
    index: Index<u32>,
    content_bytes: usize,
}

impl<R: Row> Numbered<R> {
    pub(crate) fn new() -> Self {
        Numbered { rows: VectorSync::new_sync(), index: Index::default(), content_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// About as many bytes as the table takes.
    pub(crate) fn bytes(&self) -> usize {
        self.content_bytes + self.len() * ROW_BYTES
    }

    /// Bytes of the rows themselves.
    pub(crate) fn content_bytes(&self) -> usize {
        self.content_bytes - self.len() * R::PARTS * PART_BYTES
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.index.contains_key(name)
    }

    /// The row of that name, and its number.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(usize, &R)> {
        let number = *self.index.get(name)? as usize;
        self.rows.get(number).map(|row| (number, row))
    }

    /// The row of that number.
    pub(crate) fn row(&self, number: usize) -> Option<&R> {
        self.rows.get(number)
    }

    /// All rows; each is a yield point.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.iter().inspect(|_| scheduling::yield_point())
    }

    /// Adds a row of a name that is not there.
    pub(crate) fn push(&mut self, row: R) {
        debug_assert!(!self.contains(row.name()), "a row of that name is there");
        self.content_bytes += row.bytes();
        self.index.insert_mut(row.name().clone(), self.rows.len() as u32);
        self.rows.push_back_mut(row);
    }

    /// Adds a row, which is shared, unless there is one of that name.
    pub(crate) fn push_new(&mut self, row: &R) {
        if !self.contains(row.name()) {
            self.push(row.clone());
        }
    }

    /// Puts another row of the same name in the place of that number.
    pub(crate) fn replace(&mut self, number: usize, row: R) {
        let before = self.row(number).map_or(0, Row::bytes);
        self.content_bytes = self.content_bytes - before + row.bytes();
        self.rows.set_mut(number, row);
    }

    /// Removes the row of that name; whether it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let Some(&number) = self.index.get(name) else { return false };
        self.content_bytes -= self.row(number as usize).map_or(0, Row::bytes);
        self.index.remove_mut(name);
        if let Some(last) = self.rows.last().cloned()
            && number as usize + 1 != self.rows.len()
        {
            self.index.insert_mut(last.name().clone(), number);
            self.rows.set_mut(number as usize, last);
        }
        self.rows.drop_last_mut();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_index_agree_whatever_is_pushed_and_removed() {
        let mut table = Numbered::<Bytes>::new();
        let mut model = std::collections::BTreeSet::new();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..5_000 {
            let name = random.u32(..300).to_le_bytes();
            if random.u8(..3) == 0 {
                assert_eq!(table.remove(&name), model.remove(&name));
            } else if model.insert(name) {
                table.push(Bytes::from(&name[..]));
            }
        }
        assert_eq!(table.len(), model.len());
        assert_eq!(table.bytes(), table.len() * (ROW_BYTES + PART_BYTES + 4));
        assert!(model.iter().all(|name| table.contains(name)));
        for number in 0..table.len() {
            let name = table.row(number).unwrap();
            assert_eq!(table.find(name).unwrap().0, number);
        }
    }
}
