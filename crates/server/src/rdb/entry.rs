//! From a key of the store to its bytes, and back.

use super::error::Why;
use super::kind_byte;
use super::load::Target;
use super::sink::Sink;
use super::stream;
use super::value::Decoded;
use crate::config::Settings;
use crate::data::Item;
use crate::value::{
    Hash, HashEdit, HashLimits, LONG_STRING, List, ListEdit, ListLimits, Object, Packed, Set,
    SetEdit, SetLimits, SortedSet, SortedSetEdit, SortedSetLimits, TimedHash, kind, long_string,
    put_string,
};
use stillpoint_store::{At, BulkLoad, Draft, Value};

/// A key as it was read.
pub(super) struct Entry {
    pub(super) db: u8,
    pub(super) key: Vec<u8>,
    pub(super) expire_at_ms: Option<u64>,
    pub(super) value: Decoded,
}

/// What the values' forms depend on.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    hash: HashLimits,
    list: ListLimits,
    set: SetLimits,
    sorted_set: SortedSetLimits,
}

impl Forms {
    pub(crate) fn of(settings: &Settings) -> Self {
        Forms {
            hash: HashLimits::of(settings),
            list: ListLimits::of(settings),
            set: SetLimits::of(settings),
            sorted_set: SortedSetLimits::of(settings),
        }
    }
}

impl Entry {
    /// Sets the key, whatever it was; a string by the hand of a loader, which puts several in together.
    pub(super) fn install(
        &self,
        target: &Target<'_>,
        strings: &mut BulkLoad<'_, Object>,
    ) -> Result<(), Why> {
        let at = At { space: self.db, now_ms: target.now_ms };
        if let Decoded::String(text) = &self.value {
            let long = (text.len() >= LONG_STRING).then(|| long_string(&[text]));
            let text = long.as_ref().map_or(Value::Bytes(text), Value::Object);
            let done = strings.set(self.db, &self.key, kind::STRING, text, self.expire_at_ms);
            return done.map_err(|error| Why::Store(error.to_string()));
        }
        let forms = target.forms;
        target
            .store
            .update(at, &self.key, |_, draft| put(&self.value, draft, self.expire_at_ms, forms))
            .map_err(|error| Why::Store(error.to_string()))?
    }

    /// When the next field of the value expires.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.value.next_due_ms()
    }
}

/// Makes a value that was read the key's.
pub(super) fn put(
    value: &Decoded,
    draft: &mut Draft<'_, Object>,
    expire_at_ms: Option<u64>,
    forms: Forms,
) -> Result<(), Why> {
    match value {
        Decoded::String(text) => put_string(draft, kind::STRING, &[text], expire_at_ms),
        Decoded::Hash(parts) => {
            let mut edit = HashEdit::new();
            for pair in parts.chunks_exact(2) {
                if !edit.set(&pair[0], &pair[1], forms.hash) {
                    return Err(Why::Corrupt("a field of a hash comes twice"));
                }
            }
            edit.put(draft, expire_at_ms);
        }
        Decoded::TimedHash(rows) => {
            let mut edit = HashEdit::new();
            for (field, value, time) in rows {
                if !edit.set(field, value, forms.hash) {
                    return Err(Why::Corrupt("a field of a hash comes twice"));
                }
                if *time > 0 {
                    edit.set_time(field, Some(*time));
                }
            }
            edit.put(draft, expire_at_ms);
        }
        Decoded::Set(members) => {
            let mut edit = SetEdit::new();
            if let Some(first) = members.first() {
                edit.expect(first, members.len(), forms.set);
            }
            if !members.iter().all(|member| edit.add(member, forms.set)) {
                return Err(Why::Corrupt("a member of a set comes twice"));
            }
            edit.put(draft, expire_at_ms);
        }
        Decoded::Stream(stream) => stream.clone().put(draft, expire_at_ms),
        Decoded::List(elements) => {
            let mut edit = ListEdit::new();
            edit.push(elements.iter().map(|element| &element[..]), false, forms.list);
            edit.put(draft, expire_at_ms);
        }
        Decoded::SortedSet(pairs) => {
            let longest = pairs.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
            let mut edit = SortedSetEdit::new();
            edit.expect(pairs.len(), longest, forms.sorted_set);
            for (member, score) in pairs {
                edit.set(*score, member, forms.sorted_set);
            }
            if edit.view().len() != pairs.len() {
                return Err(Why::Corrupt("a member of a sorted set comes twice"));
            }
            edit.put(draft, expire_at_ms);
        }
    }
    Ok(())
}

/// Writes the type's byte, the key if there is one, and the value.
pub(super) fn encode(item: Item<'_>, key: Option<&[u8]>, sink: &mut Sink) {
    match item.value() {
        Value::Object(object) => encode_object(object, key, sink),
        Value::Bytes(bytes) if item.kind() == kind::PACKED_HASH => {
            encode_hash(Hash::Packed(Packed::new(bytes)), key, sink);
        }
        Value::Bytes(_) if matches!(item.kind(), kind::INT_SET | kind::PACKED_SET) => {
            if let Ok(set) = Set::of(item) {
                encode_set(set, key, sink);
            }
        }
        Value::Bytes(_) if item.kind() == kind::PACKED_LIST => {
            if let Ok(list) = List::of(item) {
                encode_list(list, key, sink);
            }
        }
        Value::Bytes(_) if item.kind() == kind::PACKED_SORTED_SET => {
            if let Ok(set) = SortedSet::of(item) {
                encode_sorted_set(set, key, sink);
            }
        }
        Value::Bytes(bytes) => {
            head(kind_byte::STRING, key, sink);
            sink.string(bytes);
        }
    }
}

/// As [`encode`], of a value that is not packed.
pub(super) fn encode_object(object: &Object, key: Option<&[u8]>, sink: &mut Sink) {
    match object {
        Object::Hash(hash) => encode_hash(Hash::Large(hash), key, sink),
        Object::TimedHash(hash) => encode_timed_hash(hash, key, sink),
        Object::Stream(stream) => {
            head(kind_byte::STREAM_2, key, sink);
            stream::encode(stream, sink);
        }
        Object::List(list) => encode_list(List::Large(list), key, sink),
        Object::Set(set) => encode_set(Set::Large(set), key, sink),
        Object::SortedSet(set) => encode_sorted_set(SortedSet::Large(set), key, sink),
        Object::String(bytes) => {
            head(kind_byte::STRING, key, sink);
            sink.string(bytes);
        }
    }
}

fn head(byte: u8, key: Option<&[u8]>, sink: &mut Sink) {
    sink.byte(byte);
    if let Some(key) = key {
        sink.string(key);
    }
}

fn encode_hash(hash: Hash<'_>, key: Option<&[u8]>, sink: &mut Sink) {
    head(kind_byte::HASH, key, sink);
    sink.length(hash.len() as u64);
    hash.for_each(|field, value| {
        sink.string(field);
        sink.string(value);
    });
}

/// As Redis 7.4 writes it. Fields that are due are kept: who reads it decides by its own clock.
fn encode_timed_hash(hash: &TimedHash, key: Option<&[u8]>, sink: &mut Sink) {
    head(kind_byte::HASH_TIMED, key, sink);
    let earliest = hash.next_due_ms().unwrap_or(0);
    sink.raw(&earliest.to_le_bytes());
    sink.length(hash.rows().len() as u64);
    for (field, value) in hash.rows().rows() {
        sink.length(hash.time_of(field).map_or(0, |time| time - earliest + 1));
        sink.string(field);
        sink.string(value);
    }
}

fn encode_set(set: Set<'_>, key: Option<&[u8]>, sink: &mut Sink) {
    head(kind_byte::SET, key, sink);
    sink.length(set.len() as u64);
    set.for_each(|member| sink.string(member));
}

fn encode_list(list: List<'_>, key: Option<&[u8]>, sink: &mut Sink) {
    head(kind_byte::LIST, key, sink);
    sink.length(list.len() as u64);
    list.iter_from(0).for_each(|element| sink.string(element));
}

fn encode_sorted_set(set: SortedSet<'_>, key: Option<&[u8]>, sink: &mut Sink) {
    head(kind_byte::SORTED_SET, key, sink);
    sink.length(set.len() as u64);
    set.for_each(|member, score| {
        sink.string(member);
        sink.raw(&score.to_le_bytes());
    });
}
