//! Values of every type: read from any form that Redis or Valkey has written them in, written in the plain one.
//!
//! | type | plain form | other forms that are read |
//! |---|---|---|
//! | string | the string | |
//! | hash | count, (field, value)… | zipmap, ziplist, listpack |
//! | hash with fields that expire | see `timed` | listpack |
//! | list | count, element… | ziplist, list of ziplists, list of listpacks |
//! | set | count, member… | intset, listpack |
//! | stream | see [`stream`](super::stream) | |
//! | sorted set | count, (member, score as f64)… | score as text, ziplist, listpack |

use super::error::{RdbError, Why};
use super::kind_byte as kind;
use super::packed::{Elements, intset, listpack, ziplist, zipmap};
use super::source::Source;
use crate::value::Stream;
use std::io::Read;

/// A field of a hash, its value, and when it expires; 0: never.
pub(super) type TimedRow = (Vec<u8>, Vec<u8>, u64);

/// A value as it was read.
#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    String(Vec<u8>),
    /// Fields and values, alternating.
    Hash(Vec<Vec<u8>>),
    TimedHash(Vec<TimedRow>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    Stream(Stream),
}

impl Decoded {
    /// When the next field of a hash expires.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let Decoded::TimedHash(rows) = self else { return None };
        rows.iter().map(|(_, _, time)| *time).filter(|time| *time > 0).min()
    }
}

/// How a node of a list is kept.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

impl<R: Read> Source<R> {
    /// The value of a type.
    pub(super) fn value(&mut self, byte: u8) -> Result<Decoded, RdbError> {
        let value = match byte {
            kind::STRING => Decoded::String(self.string()?),
            kind::LIST => Decoded::List(self.strings(1)?),
            kind::SET => Decoded::Set(self.strings(1)?),
            kind::HASH => Decoded::Hash(self.strings(2)?),
            kind::SORTED_SET => Decoded::SortedSet(self.scored(Self::binary_double)?),
            kind::SORTED_SET_TEXT => Decoded::SortedSet(self.scored(Self::text_double)?),
            kind::HASH_ZIPMAP => Decoded::Hash(self.packed(zipmap)?),
            kind::HASH_ZIPLIST => Decoded::Hash(self.packed(ziplist)?),
            kind::HASH_LISTPACK => Decoded::Hash(self.packed(listpack)?),
            kind::HASH_TIMED => Decoded::TimedHash(self.timed()?),
            kind::HASH_TIMED_LISTPACK => Decoded::TimedHash(self.packed_timed()?),
            kind::LIST_ZIPLIST => Decoded::List(self.packed(ziplist)?),
            kind::LIST_QUICKLIST => Decoded::List(self.nodes(|source| source.packed(ziplist))?),
            kind::LIST_QUICKLIST_2 => Decoded::List(self.nodes(Self::node)?),
            kind::SET_INTSET => Decoded::Set(self.packed(intset)?),
            kind::SET_LISTPACK => Decoded::Set(self.packed(listpack)?),
            kind::SORTED_SET_ZIPLIST => Decoded::SortedSet(self.packed_scored(ziplist)?),
            kind::SORTED_SET_LISTPACK => Decoded::SortedSet(self.packed_scored(listpack)?),
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => Decoded::Stream(self.stream(byte)?),
            _ => return self.fail(Why::Type(byte)),
        };
        self.checked(value)
    }

    /// No writer writes an empty collection, or half a pair.
    fn checked(&self, value: Decoded) -> Result<Decoded, RdbError> {
        let is_sound = match &value {
            Decoded::String(_) | Decoded::Stream(_) => true,
            Decoded::Hash(parts) => !parts.is_empty() && parts.len().is_multiple_of(2),
            Decoded::TimedHash(rows) => !rows.is_empty(),
            Decoded::List(parts) | Decoded::Set(parts) => !parts.is_empty(),
            Decoded::SortedSet(pairs) => {
                !pairs.is_empty() && pairs.iter().all(|(_, score)| !score.is_nan())
            }
        };
        if is_sound { Ok(value) } else { self.corrupt("a collection is empty or incomplete") }
    }

    /// As many strings as a length says, times `each`.
    fn strings(&mut self, each: u64) -> Result<Vec<Vec<u8>>, RdbError> {
        let count = self.length()?;
        let mut strings = Vec::new();
        for _ in 0..count.saturating_mul(each) {
            strings.push(self.string()?);
        }
        Ok(strings)
    }

    fn scored(
        &mut self,
        score: fn(&mut Self) -> Result<f64, RdbError>,
    ) -> Result<Vec<(Vec<u8>, f64)>, RdbError> {
        let count = self.length()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.string()?, score(self)?));
        }
        Ok(pairs)
    }

    /// The earliest time, then a count, and of each field its time (0: none, else the distance from the earliest, plus one), name and value.
    fn timed(&mut self) -> Result<Vec<TimedRow>, RdbError> {
        let earliest = u64::from_le_bytes(self.array()?);
        let count = self.length()?;
        let mut rows = Vec::new();
        for _ in 0..count {
            let time = match self.length()? {
                0 => 0,
                distance => earliest.saturating_add(distance - 1),
            };
            rows.push((self.string()?, self.string()?, time));
        }
        Ok(rows)
    }

    /// The earliest time, then a listpack of names, values and times.
    fn packed_timed(&mut self) -> Result<Vec<TimedRow>, RdbError> {
        let _earliest = self.array::<8>()?;
        let mut parts = self.packed(listpack)?.into_iter();
        let mut rows = Vec::new();
        while let (Some(field), Some(value)) = (parts.next(), parts.next()) {
            let time = parts.next().and_then(|text| String::from_utf8(text).ok()?.parse().ok());
            match time {
                Some(time) => rows.push((field, value, time)),
                None => return self.corrupt("the time of a field is no number"),
            }
        }
        Ok(rows)
    }

    fn packed(&mut self, read: fn(&[u8]) -> Elements) -> Result<Vec<Vec<u8>>, RdbError> {
        let bytes = self.string()?;
        match read(&bytes) {
            Some(elements) => Ok(elements),
            None => self.corrupt("a packed collection is not sound"),
        }
    }

    fn packed_scored(
        &mut self,
        read: fn(&[u8]) -> Elements,
    ) -> Result<Vec<(Vec<u8>, f64)>, RdbError> {
        let mut elements = self.packed(read)?.into_iter();
        let mut pairs = Vec::new();
        while let Some(member) = elements.next() {
            let score = elements.next().and_then(|text| String::from_utf8(text).ok()?.parse().ok());
            match score {
                Some(score) => pairs.push((member, score)),
                None => return self.corrupt("a score is no number"),
            }
        }
        Ok(pairs)
    }

    /// The elements of all nodes of a list.
    fn nodes(
        &mut self,
        mut node: impl FnMut(&mut Self) -> Result<Vec<Vec<u8>>, RdbError>,
    ) -> Result<Vec<Vec<u8>>, RdbError> {
        let count = self.length()?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.append(&mut node(self)?);
        }
        Ok(elements)
    }

    fn node(&mut self) -> Result<Vec<Vec<u8>>, RdbError> {
        match self.length()? {
            NODE_PLAIN => Ok(vec![self.string()?]),
            NODE_PACKED => self.packed(listpack),
            _ => self.corrupt("a list's node has an unknown form"),
        }
    }
}
