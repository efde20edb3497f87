//! Values: what the bytes and objects of the store mean to commands.
//!
//! | kind | value | type | encoding |
//! |---|---|---|---|
//! | 0 | bytes; 0, 3, 4: [`Object::String`] if long | string | int, embstr or raw |
//! | 1 | bytes: fields and values, packed | hash | listpack |
//! | 2 | [`Object::Hash`] | hash | hashtable |
//! | 3 | bytes, changed in place before | string | raw |
//! | 4 | bytes, which Redis does not look at for an integer | string | embstr or raw |
//! | 12 | [`Object::Stream`] | stream | stream |
//! | 14 | [`Object::TimedHash`]: some fields expire | hash | listpackex or hashtable |
//! | 7 | bytes: integers in order | set | intset |
//! | 8 | bytes: members, packed | set | listpack |
//! | 9 | [`Object::Set`] | set | hashtable |
//! | 5 | bytes: elements, packed | list | listpack |
//! | 6 | [`Object::List`] | list | quicklist |
//! | 10 | bytes: scores and members, packed, in order | zset | listpack |
//! | 11 | [`Object::SortedSet`] | zset | skiplist |

mod counted_bytes;
mod element;
mod float;
pub(crate) mod geo;
mod glob;
mod hash;
mod hyperloglog;
mod int_set;
mod large_hash;
mod large_list;
mod list;
mod numbered;
mod packed;
mod packed_set;
mod packed_sorted_set;
mod ranked_tree;
mod rope;
mod score;
mod set;
mod sorted_set;
mod stream;
mod stream_group;
mod stream_id;
mod string;
mod timed_hash;

pub(crate) use float::LongDouble;
pub(crate) use glob::glob_matches;
pub(crate) use hash::{Hash, HashEdit, HashLimits};
pub(crate) use hyperloglog::{
    HllError, HyperLogLog, REGISTERS, Registers, count_of, describe, no_registers,
};
pub(crate) use large_hash::LargeHash;
pub(crate) use large_list::LargeList;
pub(crate) use list::{List, ListEdit, ListLimits};
pub(crate) use packed::Packed;
pub(crate) use score::{parse_bound, parse_score};
pub(crate) use set::{LargeSet, Set, SetEdit, SetLimits};
pub(crate) use sorted_set::{LargeSortedSet, SortedSet, SortedSetEdit, SortedSetLimits};
pub(crate) use stream::{Keep, NodeLimits, Stream, StreamEntry};
pub(crate) use stream_group::{Consumer, Group};
pub(crate) use stream_id::StreamId;
pub(crate) use string::{LONG_STRING, bytes_of, long_string, put_string, string_of};
pub(crate) use timed_hash::TimedHash;

use crate::command::BYTES_A_STEP;
use crate::data::Item;
use crate::resp::strict_integer;
use std::sync::Arc;
use stillpoint_store::Value;

/// A value of a type other than string, or too large to be packed.
#[non_exhaustive]
pub(crate) enum Object {
    /// A large hash.
    Hash(LargeHash),
    /// A hash with fields that expire, large or not.
    TimedHash(TimedHash),
    /// A large set.
    Set(LargeSet),
    /// A large list.
    List(LargeList),
    /// A large sorted set.
    SortedSet(LargeSortedSet),
    /// A stream.
    Stream(Stream),
    /// A long string.
    String(Box<[u8]>),
}

impl Object {
    /// About as many bytes as it takes, as if it shared nothing with other versions.
    ///
    /// # Cost
    /// A few additions; of a stream, one per group.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Object>()
            + match self {
                Object::Hash(hash) => hash.bytes(),
                Object::TimedHash(hash) => hash.bytes(),
                Object::Set(set) => set.bytes(),
                Object::List(list) => list.memory_bytes(),
                Object::SortedSet(set) => set.bytes(),
                Object::Stream(stream) => stream.bytes(),
                Object::String(bytes) => bytes.len(),
            }
    }
}

/// Kinds, as the store keeps them with each version.
pub(crate) mod kind {
    pub(crate) const STRING: u8 = 0;
    pub(crate) const PACKED_HASH: u8 = 1;
    pub(crate) const LARGE_HASH: u8 = 2;
    /// A string that OBJECT ENCODING calls raw whatever its length.
    pub(crate) const RAW_STRING: u8 = 3;
    /// A string that OBJECT ENCODING never calls int.
    pub(crate) const TEXT_STRING: u8 = 4;
    pub(crate) const INT_SET: u8 = 7;
    pub(crate) const PACKED_SET: u8 = 8;
    pub(crate) const LARGE_SET: u8 = 9;
    pub(crate) const PACKED_SORTED_SET: u8 = 10;
    pub(crate) const LARGE_SORTED_SET: u8 = 11;
    pub(crate) const PACKED_LIST: u8 = 5;
    pub(crate) const LARGE_LIST: u8 = 6;
    pub(crate) const STREAM: u8 = 12;
    pub(crate) const TIMED_HASH: u8 = 14;
}

/// Longest string that Redis keeps in one allocation with its header.
const EMBSTR_BYTES: usize = 44;

/// The value, unless it is bytes.
#[inline]
pub(crate) fn object_of(entry: Item<'_>) -> Option<&Arc<Object>> {
    match entry.value() {
        Value::Object(object) => Some(object),
        Value::Bytes(_) => None,
    }
}

/// How long it takes to look at all of a value, in the steps of [`Patience`](crate::command::Patience).
pub(crate) fn steps_through(entry: Item<'_>) -> usize {
    match entry.value() {
        Value::Bytes(bytes) => bytes.len() / BYTES_A_STEP,
        Value::Object(object) => match &**object {
            Object::Hash(hash) => hash.len(),
            Object::TimedHash(hash) => hash.rows().len(),
            Object::Set(set) => set.len(),
            Object::List(list) => list.len(),
            Object::SortedSet(set) => SortedSet::Large(set).len(),
            Object::Stream(stream) => stream.len() as usize,
            Object::String(bytes) => bytes.len() / BYTES_A_STEP,
        },
    }
}

/// As TYPE names it.
pub(crate) fn type_name(entry: Item<'_>) -> &'static str {
    type_of_kind(entry.kind())
}

/// As TYPE names values of this kind.
pub(crate) fn type_of_kind(kind: u8) -> &'static str {
    match kind {
        kind::STRING | kind::RAW_STRING | kind::TEXT_STRING => "string",
        kind::INT_SET | kind::PACKED_SET | kind::LARGE_SET => "set",
        kind::PACKED_SORTED_SET | kind::LARGE_SORTED_SET => "zset",
        kind::PACKED_LIST | kind::LARGE_LIST => "list",
        kind::STREAM => "stream",
        _ => "hash",
    }
}

/// As OBJECT ENCODING names it.
pub(crate) fn encoding_name(entry: Item<'_>) -> &'static str {
    match (entry.kind(), entry.bytes()) {
        (kind::STRING, Some(bytes)) if strict_integer(bytes).is_some() => "int",
        (kind::STRING | kind::TEXT_STRING, Some(bytes)) if bytes.len() <= EMBSTR_BYTES => "embstr",
        (kind::STRING | kind::RAW_STRING | kind::TEXT_STRING, _) => "raw",
        (kind::INT_SET, _) => "intset",
        (kind::PACKED_HASH | kind::PACKED_LIST | kind::PACKED_SET | kind::PACKED_SORTED_SET, _) => {
            "listpack"
        }
        (kind::LARGE_SORTED_SET, _) => "skiplist",
        (kind::LARGE_LIST, _) => "quicklist",
        (kind::STREAM, _) => "stream",
        (kind::TIMED_HASH, _) if is_small(entry) => "listpackex",
        _ => "hashtable",
    }
}

/// Whether a hash with fields that expire is so small that Redis packs it (by its defaults).
fn is_small(entry: Item<'_>) -> bool {
    match entry.value() {
        Value::Object(object) => match &**object {
            Object::TimedHash(timed) => timed.rows().len() <= 512,
            _ => false,
        },
        Value::Bytes(_) => false,
    }
}
