//! DUMP and RESTORE: one value with its version and checksum.
//!
//! ```text
//! type u8 │ value │ version u16 LE │ checksum of all before u64 LE
//! ```

use super::entry::{Forms, encode, put};
use super::error::{RdbError, Why};
use super::sink::Sink;
use super::source::{CHECKSUM, Source};
use super::value::Decoded;
use super::{WRITTEN_VERSION, is_readable};
use crate::data::Item;
use crate::value::Object;
use stillpoint_store::Draft;

/// Bytes behind the value.
const TRAILER_BYTES: usize = 10;

/// A value to be restored.
pub(crate) struct Payload(Decoded);

impl Payload {
    /// When the next field of a hash expires.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.0.next_due_ms()
    }

    /// Makes it the key's value.
    ///
    /// # Errors
    /// It is of a kind that is not supported, or not sound.
    pub(crate) fn put(
        &self,
        draft: &mut Draft<'_, Object>,
        expire_at_ms: Option<u64>,
        forms: Forms,
    ) -> Result<(), RdbError> {
        put(&self.0, draft, expire_at_ms, forms).map_err(|why| RdbError { at: 0, why })
    }
}

/// Serialises a value.
pub(crate) fn dump(item: Item<'_>, compresses: bool) -> Vec<u8> {
    let mut sink = Sink::new(compresses);
    encode(item, None, &mut sink);
    sink.raw(&WRITTEN_VERSION.to_le_bytes());
    let checksum = sink.checksum();
    sink.raw(&checksum.to_le_bytes());
    sink.bytes
}

/// Whether version and checksum are right.
pub(crate) fn is_whole(payload: &[u8]) -> bool {
    let Some((rest, checksum)) = payload.split_last_chunk::<8>() else { return false };
    let Some((_, version)) = rest.split_last_chunk::<2>() else { return false };
    // A file may have 0 in its place, a payload may not, as in Redis.
    is_readable(u16::from_le_bytes(*version))
        && u64::from_le_bytes(*checksum) == CHECKSUM.checksum(rest)
}

/// The value of a payload that [`is_whole`].
///
/// # Errors
/// It is no value, or more than one.
pub(crate) fn restore(payload: &[u8]) -> Result<Payload, RdbError> {
    let body = &payload[..payload.len().saturating_sub(TRAILER_BYTES)];
    let mut source = Source::over(body);
    let byte = source.byte()?;
    let value = source.value(byte)?;
    match source.is_at_end()? {
        true => Ok(Payload(value)),
        false => source.fail(Why::Corrupt("something follows the value")),
    }
}
