//! FUNCTION DUMP and RESTORE: libraries of functions with version and checksum.
//!
//! ```text
//! (opcode 0xF5 │ text)* │ version u16 LE │ checksum of all before u64 LE
//! ```

use super::error::RdbError;
use super::sink::Sink;
use super::source::Source;
use super::{WRITTEN_VERSION, opcode};

/// Bytes behind the libraries.
const TRAILER_BYTES: usize = 10;

/// Serialises the texts of libraries.
pub(crate) fn dump_functions<'t>(
    texts: impl Iterator<Item = &'t [u8]>,
    compresses: bool,
) -> Vec<u8> {
    let mut sink = Sink::new(compresses);
    for text in texts {
        sink.byte(opcode::FUNCTION);
        sink.string(text);
    }
    sink.raw(&WRITTEN_VERSION.to_le_bytes());
    let checksum = sink.checksum();
    sink.raw(&checksum.to_le_bytes());
    sink.bytes
}

/// The texts of a payload whose version and checksum are right ([`is_whole`](super::is_whole)).
///
/// # Errors
/// It holds something else.
pub(crate) fn restore_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    let mut source = Source::over(&payload[..payload.len().saturating_sub(TRAILER_BYTES)]);
    let mut texts = Vec::new();
    while !source.is_at_end()? {
        match source.byte()? {
            opcode::FUNCTION => texts.push(source.string()?),
            _ => return source.corrupt("given type is not a function"),
        }
    }
    Ok(texts)
}
