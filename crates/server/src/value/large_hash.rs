//! A large hash: numbered rows of field and value.

use super::numbered::{Bytes, Numbered};

/// Fields and values; a clone costs two reference counts, a change O(log n).
#[derive(Clone)]
pub(crate) struct LargeHash {
    table: Numbered<(Bytes, Bytes)>,
}

impl LargeHash {
    pub(crate) fn new() -> Self {
        LargeHash { table: Numbered::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// About as many bytes as the hash takes.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Bytes of fields and values.
    pub(crate) fn content_bytes(&self) -> usize {
        self.table.content_bytes()
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.table.find(field).map(|(_, row)| &*row.1)
    }

    /// The row of that number.
    pub(crate) fn row(&self, number: usize) -> Option<(&[u8], &[u8])> {
        self.table.row(number).map(|(field, value)| (&**field, &**value))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.rows().map(|(field, value)| (&**field, &**value))
    }

    /// Sets a field; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let value = Bytes::from(value);
        let place = self.table.find(field).map(|(number, row)| (number, row.0.clone()));
        let is_new = place.is_none();
        match place {
            Some((number, field)) => self.table.replace(number, (field, value)),
            None => self.table.push((Bytes::from(field), value)),
        }
        is_new
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        self.table.remove(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_value_set_last() {
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
        assert_eq!(hash.rows().count(), model.len());
        assert_eq!(hash.row(0), hash.rows().next());
        let mut fresh = LargeHash::new();
        hash.rows().for_each(|(field, value)| _ = fresh.set(field, value));
        assert_eq!(hash.bytes(), fresh.bytes(), "the sum is kept up to date");
    }
}
