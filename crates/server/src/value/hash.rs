//! A hash in either form: [`Hash`] to read, [`HashEdit`] to change.

use super::large_hash::LargeHash;
use super::packed::{Packed, PackedEdit};
use super::{Object, kind};
use crate::command::CommandError;
use crate::config::Settings;
use crate::data::Item;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// How large a hash may be and still be packed.
#[derive(Clone, Copy)]
pub(crate) struct HashLimits {
    entries: usize,
    value_bytes: usize,
}

impl HashLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        HashLimits {
            entries: settings.hash_max_listpack_entries,
            value_bytes: settings.hash_max_listpack_value,
        }
    }
}

/// A hash as a reader sees it.
#[derive(Clone, Copy)]
pub(crate) enum Hash<'g> {
    Packed(Packed<'g>),
    Large(&'g LargeHash),
}

impl<'g> Hash<'g> {
    /// The hash of an entry.
    pub(crate) fn of(entry: Item<'g>) -> Result<Self, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::PACKED_HASH, Value::Bytes(bytes)) => Ok(Hash::Packed(Packed::new(bytes))),
            (kind::LARGE_HASH, Value::Object(object)) => match &**object {
                Object::Hash(hash) => Ok(Hash::Large(hash)),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Hash::Packed(packed) => packed.len(),
            Hash::Large(large) => large.len(),
        }
    }

    pub(crate) fn get(self, field: &[u8]) -> Option<&'g [u8]> {
        match self {
            Hash::Packed(packed) => packed.find(field).map(|row| row.value),
            Hash::Large(large) => large.get(field),
        }
    }

    /// Visits all pairs.
    pub(crate) fn for_each(self, mut f: impl FnMut(&'g [u8], &'g [u8])) {
        match self {
            Hash::Packed(packed) => packed.rows().for_each(|row| f(row.field, row.value)),
            Hash::Large(large) => large.rows().for_each(|(field, value)| f(field, value)),
        }
    }

    /// The pair of that number.
    pub(crate) fn row(self, number: usize) -> Option<(&'g [u8], &'g [u8])> {
        match self {
            Hash::Packed(packed) => packed.rows().nth(number).map(|row| (row.field, row.value)),
            Hash::Large(large) => large.row(number),
        }
    }
}

/// A hash that is being changed: a copy of a packed one, a sharing clone of a large one.
pub(crate) enum HashEdit {
    Packed(PackedEdit),
    Large(LargeHash),
}

impl HashEdit {
    pub(crate) fn new() -> Self {
        HashEdit::Packed(PackedEdit::new())
    }

    /// Of what a key holds, or empty.
    pub(crate) fn of(entry: Option<Item<'_>>) -> Result<Self, CommandError> {
        Ok(match entry.map(Hash::of).transpose()? {
            None => HashEdit::new(),
            Some(Hash::Packed(packed)) => HashEdit::Packed(PackedEdit::of(packed)),
            Some(Hash::Large(large)) => HashEdit::Large(large.clone()),
        })
    }

    pub(crate) fn view(&self) -> Hash<'_> {
        match self {
            HashEdit::Packed(packed) => Hash::Packed(packed.view()),
            HashEdit::Large(large) => Hash::Large(large),
        }
    }

    /// Sets a field; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        if field.len() > limits.value_bytes || value.len() > limits.value_bytes {
            self.unpack();
        }
        let is_new = match self {
            HashEdit::Packed(packed) => packed.set(field, value),
            HashEdit::Large(large) => large.set(field, value),
        };
        if is_new && self.view().len() > limits.entries {
            self.unpack();
        }
        is_new
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            HashEdit::Packed(packed) => packed.remove(field),
            HashEdit::Large(large) => large.remove(field),
        }
    }

    fn unpack(&mut self) {
        if let HashEdit::Packed(packed) = self {
            let mut large = LargeHash::new();
            for row in packed.view().rows() {
                large.set(row.field, row.value);
            }
            *self = HashEdit::Large(large);
        }
    }

    /// Makes it the key's value; an empty one removes the key.
    pub(crate) fn put(self, draft: &mut Draft<'_, Object>, expire_at_ms: Option<u64>) {
        if self.view().len() == 0 {
            return draft.remove();
        }
        match self {
            HashEdit::Packed(packed) => {
                draft.put(kind::PACKED_HASH, &[packed.bytes()], expire_at_ms)
            }
            HashEdit::Large(large) => {
                draft.put_object(kind::LARGE_HASH, Arc::new(Object::Hash(large)), expire_at_ms);
            }
        }
    }
}
