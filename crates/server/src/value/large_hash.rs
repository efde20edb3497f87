//! A large hash: persistent, so that a version of a hash of a million fields shares all but a few nodes with the one before.
//!
//! ```text
//!  rows   [ (field, value) … ]      a persistent vector, in which a row's number says where HSCAN and HRANDFIELD find it
//!  index  field → row number        a persistent hash trie
//! ```
//! Removing puts the last row into the gap.
//!
//! # Invariants
//! 1. `index[rows[i].field] == i` for every row, and nothing else is in the index.
//! 2. A row's number only ever falls. So a walk from the last row to the first meets every row that is there all the while.

use rpds::{HashTrieMapSync, VectorSync};
use std::sync::Arc;

type Bytes = Arc<[u8]>;

/// Fields and values; a clone costs two reference counts, a change O(log n).
#[derive(Clone)]
pub(crate) struct LargeHash {
    rows: VectorSync<(Bytes, Bytes)>,
    index: HashTrieMapSync<Bytes, u32>,
}

impl LargeHash {
    pub(crate) fn new() -> Self {
        LargeHash { rows: VectorSync::new_sync(), index: HashTrieMapSync::new_sync() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        let row = *self.index.get(field)?;
        self.row(row as usize).map(|(_, value)| value)
    }

    /// The row of that number.
    pub(crate) fn row(&self, number: usize) -> Option<(&[u8], &[u8])> {
        self.rows.get(number).map(|(field, value)| (&**field, &**value))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(field, value)| (&**field, &**value))
    }

    /// Sets a field; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let value = Bytes::from(value);
        if let Some(&number) = self.index.get(field) {
            let row = self.rows.get(number as usize).map(|(field, _)| Arc::clone(field));
            if let Some(field) = row {
                self.rows.set_mut(number as usize, (field, value));
            }
            return false;
        }
        let field = Bytes::from(field);
        self.index.insert_mut(Arc::clone(&field), self.rows.len() as u32);
        self.rows.push_back_mut((field, value));
        true
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(&number) = self.index.get(field) else { return false };
        self.index.remove_mut(field);
        if let Some(last) = self.rows.last().cloned()
            && number as usize + 1 != self.rows.len()
        {
            self.index.insert_mut(Arc::clone(&last.0), number);
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
    fn rows_and_index_agree_whatever_is_set_and_removed() {
        let mut hash = LargeHash::new();
        let mut model = std::collections::BTreeMap::new();
        let mut random = fastrand::Rng::with_seed(7);
        for step in 0..5_000u32 {
            let field = random.u32(..300).to_le_bytes();
            if random.u8(..3) == 0 {
                assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            } else {
                assert_eq!(
                    hash.set(&field, &step.to_le_bytes()),
                    model.insert(field, step).is_none()
                );
            }
        }
        assert_eq!(hash.len(), model.len());
        for (field, value) in &model {
            assert_eq!(hash.get(field), Some(&value.to_le_bytes()[..]));
        }
        for number in 0..hash.len() {
            let (field, _) = hash.row(number).unwrap();
            assert_eq!(hash.index.get(field), Some(&(number as u32)));
        }
    }
}
