//! A hash in either form: [`Hash`] to read, [`HashEdit`] to change.

use super::large_hash::LargeHash;
use super::packed::{Packed, PackedEdit};
use super::timed_hash::TimedHash;
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
    /// With fields that expire, and the time by which that is judged.
    Timed(&'g TimedHash, u64),
}

impl<'g> Hash<'g> {
    /// The hash of an entry, as it is at a time.
    pub(crate) fn of(entry: Item<'g>, now_ms: u64) -> Result<Self, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::PACKED_HASH, Value::Bytes(bytes)) => Ok(Hash::Packed(Packed::new(bytes))),
            (kind::LARGE_HASH, Value::Object(object)) => match &**object {
                Object::Hash(hash) => Ok(Hash::Large(hash)),
                _ => Err(CommandError::WrongType),
            },
            (kind::TIMED_HASH, Value::Object(object)) => match &**object {
                Object::TimedHash(hash) => Ok(Hash::Timed(hash, now_ms)),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Hash::Packed(packed) => packed.len(),
            Hash::Large(large) => large.len(),
            Hash::Timed(timed, now_ms) => timed.rows().len() - timed.due_count(now_ms),
        }
    }

    /// Numbers that [`row`](Hash::row) takes: more than fields if some are due.
    pub(crate) fn slots(self) -> usize {
        match self {
            Hash::Timed(timed, _) => timed.rows().len(),
            _ => self.len(),
        }
    }

    /// When a field expires.
    pub(crate) fn time_of(self, field: &[u8]) -> Option<u64> {
        match self {
            Hash::Timed(timed, _) => timed.time_of(field),
            _ => None,
        }
    }

    pub(crate) fn get(self, field: &[u8]) -> Option<&'g [u8]> {
        match self {
            Hash::Packed(packed) => packed.find(field).map(|row| row.value),
            Hash::Large(large) => large.get(field),
            Hash::Timed(timed, now_ms) if timed.is_due(field, now_ms) => None,
            Hash::Timed(timed, _) => timed.rows().get(field),
        }
    }

    /// Visits all pairs.
    pub(crate) fn for_each(self, mut f: impl FnMut(&'g [u8], &'g [u8])) {
        match self {
            Hash::Packed(packed) => packed.rows().for_each(|row| f(row.field, row.value)),
            Hash::Large(large) => large.rows().for_each(|(field, value)| f(field, value)),
            Hash::Timed(timed, now_ms) => timed
                .rows()
                .rows()
                .filter(|(field, _)| !timed.is_due(field, now_ms))
                .for_each(|(field, value)| f(field, value)),
        }
    }

    /// The pair of that number, unless it is due.
    pub(crate) fn row(self, number: usize) -> Option<(&'g [u8], &'g [u8])> {
        match self {
            Hash::Packed(packed) => packed.rows().nth(number).map(|row| (row.field, row.value)),
            Hash::Large(large) => large.row(number),
            Hash::Timed(timed, now_ms) => {
                timed.rows().row(number).filter(|(field, _)| !timed.is_due(field, now_ms))
            }
        }
    }
}

/// A hash that is being changed: a copy of a packed one, a sharing clone of a large one.
pub(crate) enum HashEdit {
    Packed(PackedEdit),
    Large(LargeHash),
    /// Without the fields that were due.
    Timed(TimedHash),
}

impl HashEdit {
    pub(crate) fn new() -> Self {
        HashEdit::Packed(PackedEdit::new())
    }

    /// Of what a key holds at a time, or empty.
    pub(crate) fn of(entry: Option<Item<'_>>, now_ms: u64) -> Result<Self, CommandError> {
        Ok(match entry.map(|entry| Hash::of(entry, now_ms)).transpose()? {
            None => HashEdit::new(),
            Some(Hash::Packed(packed)) => HashEdit::Packed(PackedEdit::of(packed)),
            Some(Hash::Large(large)) => HashEdit::Large(large.clone()),
            Some(Hash::Timed(timed, now_ms)) => {
                let mut timed = timed.clone();
                timed.purge(now_ms);
                HashEdit::Timed(timed)
            }
        })
    }

    pub(crate) fn view(&self) -> Hash<'_> {
        match self {
            HashEdit::Packed(packed) => Hash::Packed(packed.view()),
            HashEdit::Large(large) => Hash::Large(large),
            // At the beginning of time nothing is due yet.
            HashEdit::Timed(timed) => Hash::Timed(timed, 0),
        }
    }

    /// Sets a field, which does not expire any more; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        self.set_timed(field, value, limits, false)
    }

    /// Sets a field, and leaves it when it expires.
    pub(crate) fn replace(&mut self, field: &[u8], value: &[u8], limits: HashLimits) {
        self.set_timed(field, value, limits, true);
    }

    fn set_timed(
        &mut self,
        field: &[u8],
        value: &[u8],
        limits: HashLimits,
        keeps_time: bool,
    ) -> bool {
        if field.len() > limits.value_bytes || value.len() > limits.value_bytes {
            self.unpack();
        }
        let is_new = match self {
            HashEdit::Packed(packed) => packed.set(field, value),
            HashEdit::Large(large) => large.set(field, value),
            HashEdit::Timed(timed) => timed.set(field, value, keeps_time),
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
            HashEdit::Timed(timed) => timed.remove(field),
        }
    }

    /// Says when a field that is there expires; `None`: never.
    pub(crate) fn set_time(&mut self, field: &[u8], time: Option<u64>) {
        self.unpack();
        if let HashEdit::Large(large) = self
            && time.is_some()
        {
            *self = HashEdit::Timed(TimedHash::of(large.clone()));
        }
        if let HashEdit::Timed(timed) = self {
            timed.set_time(field, time);
        }
    }

    /// When the next field expires.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        match self {
            HashEdit::Timed(timed) => timed.next_due_ms(),
            _ => None,
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
            HashEdit::Timed(timed) if !timed.is_timeless() => {
                let object = Arc::new(Object::TimedHash(timed));
                draft.put_object(kind::TIMED_HASH, object, expire_at_ms);
            }
            HashEdit::Timed(timed) => HashEdit::Large(timed.into_rows()).put(draft, expire_at_ms),
            HashEdit::Large(large) => {
                draft.put_object(kind::LARGE_HASH, Arc::new(Object::Hash(large)), expire_at_ms);
            }
        }
    }
}
