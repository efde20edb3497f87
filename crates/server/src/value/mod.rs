//! Values: what the bytes and objects of the store mean to commands.
//!
//! | kind | value | type | encoding |
//! |---|---|---|---|
//! | 0 | bytes | string | int, embstr or raw |
//! | 1 | bytes: fields and values, packed | hash | listpack |
//! | 2 | [`Object::Hash`] | hash | hashtable |
//! | 3 | bytes, changed in place before | string | raw |
//! | 4 | bytes, which Redis does not look at for an integer | string | embstr or raw |

mod float;
mod glob;
mod hash;
mod large_hash;
mod packed;

pub(crate) use float::LongDouble;
pub(crate) use glob::glob_matches;
pub(crate) use hash::{Hash, HashEdit, HashLimits};
pub(crate) use large_hash::LargeHash;

use crate::command::CommandError;
use crate::data::Item;
use crate::resp::strict_integer;

/// A value of a type other than string, or too large to be packed.
#[non_exhaustive]
pub(crate) enum Object {
    /// A large hash.
    Hash(LargeHash),
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
}

/// Longest string that Redis keeps in one allocation with its header.
const EMBSTR_BYTES: usize = 44;

/// The bytes of a string.
#[inline]
pub(crate) fn string_of(entry: Item<'_>) -> Result<&[u8], CommandError> {
    match (entry.kind(), entry.bytes()) {
        (kind::STRING | kind::RAW_STRING | kind::TEXT_STRING, Some(bytes)) => Ok(bytes),
        _ => Err(CommandError::WrongType),
    }
}

/// As TYPE names it.
pub(crate) fn type_name(entry: Item<'_>) -> &'static str {
    match entry.kind() {
        kind::STRING | kind::RAW_STRING | kind::TEXT_STRING => "string",
        _ => "hash",
    }
}

/// As OBJECT ENCODING names it.
pub(crate) fn encoding_name(entry: Item<'_>) -> &'static str {
    match (entry.kind(), entry.bytes()) {
        (kind::STRING, Some(bytes)) if strict_integer(bytes).is_some() => "int",
        (kind::STRING | kind::TEXT_STRING, Some(bytes)) if bytes.len() <= EMBSTR_BYTES => "embstr",
        (kind::STRING | kind::RAW_STRING | kind::TEXT_STRING, _) => "raw",
        (kind::PACKED_HASH, _) => "listpack",
        _ => "hashtable",
    }
}
