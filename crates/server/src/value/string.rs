//! A string: the bytes of its version or, if it is long, an object of its own, which replies share until they have been sent.
//!
//! Nothing else tells the two apart: kind, type, encoding and files are the same.

use super::{Object, kind};
use crate::command::CommandError;
use crate::data::Item;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// Bytes from which a string is an object.
pub(crate) const LONG_STRING: usize = 256 * 1024;

/// The bytes of a value, unless it is a collection that is not packed.
#[inline]
pub(crate) fn bytes_of(value: Value<'_, Object>) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Object(object) => match &**object {
            Object::String(bytes) => Some(bytes),
            _ => None,
        },
    }
}

/// The bytes of a string.
#[inline]
pub(crate) fn string_of(entry: Item<'_>) -> Result<&[u8], CommandError> {
    match (entry.kind(), bytes_of(entry.value())) {
        (kind::STRING | kind::RAW_STRING | kind::TEXT_STRING, Some(bytes)) => Ok(bytes),
        _ => Err(CommandError::WrongType),
    }
}

/// A long string as a value.
pub(crate) fn long_string(parts: &[&[u8]]) -> Arc<Object> {
    Arc::new(Object::String(parts.concat().into_boxed_slice()))
}

/// Makes the concatenation of `parts`, a string of this kind, the key's value.
pub(crate) fn put_string(
    draft: &mut Draft<'_, Object>,
    kind: u8,
    parts: &[&[u8]],
    expire_at_ms: Option<u64>,
) {
    match parts.iter().map(|part| part.len()).sum::<usize>() {
        LONG_STRING.. => draft.put_object(kind, long_string(parts), expire_at_ms),
        _ => draft.put(kind, parts, expire_at_ms),
    }
}
