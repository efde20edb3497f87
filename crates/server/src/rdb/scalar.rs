//! Lengths, strings and numbers.
//!
//! ```text
//! 00llllll                     length of 6 bits          11000000 i8 │ 11000001 i16 │ 11000010 i32    a string that is this number
//! 01llllll llllllll            of 14 bits, big-endian    11000011 length length bytes                 a string compressed by LZF: packed, plain
//! 10000000 u32 │ 10000001 u64  big-endian
//! ```

use super::error::{RdbError, Why};
use super::lzf;
use super::sink::Sink;
use super::source::{MAX_STRING_BYTES, Source};
use crate::resp::strict_integer;
use std::io::Read;

const LENGTH_14: u8 = 0x40;
const LENGTH_32: u8 = 0x80;
const LENGTH_64: u8 = 0x81;
const SPECIAL: u8 = 0xC0;
const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const COMPRESSED: u8 = 3;

/// Shorter strings are not worth compressing, nor longer texts than this looked at for a number.
const MIN_COMPRESSED_BYTES: usize = 20;
const MAX_NUMBER_BYTES: usize = 11;

/// What stands where a length may stand.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<R: Read> Source<R> {
    fn length_or_special(&mut self) -> Result<Length, RdbError> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(Length::Plain(match first & 0xC0 {
            0 => low,
            LENGTH_14 => low << 8 | u64::from(self.byte()?),
            SPECIAL => return Ok(Length::Special(first & 0x3f)),
            _ => match first {
                LENGTH_32 => u32::from_be_bytes(self.array()?).into(),
                LENGTH_64 => u64::from_be_bytes(self.array()?),
                _ => return self.corrupt("a length has an unknown form"),
            },
        }))
    }

    pub(super) fn length(&mut self) -> Result<u64, RdbError> {
        match self.length_or_special()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => self.corrupt("a string stands where a length belongs"),
        }
    }

    pub(super) fn string(&mut self) -> Result<Vec<u8>, RdbError> {
        let number = match self.length_or_special()? {
            Length::Plain(length) => return self.bytes(length),
            Length::Special(INT_8) => i8::from_le_bytes(self.array()?).into(),
            Length::Special(INT_16) => i16::from_le_bytes(self.array()?).into(),
            Length::Special(INT_32) => i32::from_le_bytes(self.array()?),
            Length::Special(COMPRESSED) => return self.compressed(),
            Length::Special(_) => return self.corrupt("a string has an unknown form"),
        };
        Ok(itoa::Buffer::new().format(number).as_bytes().to_vec())
    }

    fn compressed(&mut self) -> Result<Vec<u8>, RdbError> {
        let (packed, plain) = (self.length()?, self.length()?);
        let bytes = self.bytes(packed)?;
        if plain > MAX_STRING_BYTES {
            return self.corrupt("a compressed string is longer than any may be");
        }
        match lzf::decompress(&bytes, plain as usize) {
            Some(text) => Ok(text),
            None => self.corrupt("a compressed string does not decompress"),
        }
    }

    /// A score as eight bytes.
    pub(super) fn binary_double(&mut self) -> Result<f64, RdbError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A score as text, as it was before Redis 4.
    pub(super) fn text_double(&mut self) -> Result<f64, RdbError> {
        let text = match self.byte()? {
            255 => return Ok(f64::NEG_INFINITY),
            254 => return Ok(f64::INFINITY),
            253 => return Ok(f64::NAN),
            length => self.bytes(length.into())?,
        };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        number.map_or_else(|| self.fail(Why::Corrupt("a score is no number")), Ok)
    }
}

impl Sink {
    pub(super) fn length(&mut self, length: u64) {
        match length {
            0..0x40 => self.byte(length as u8),
            0x40..0x4000 => self.raw(&(length as u16 | u16::from(LENGTH_14) << 8).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.byte(LENGTH_32);
                self.raw(&(length as u32).to_be_bytes());
            }
            _ => {
                self.byte(LENGTH_64);
                self.raw(&length.to_be_bytes());
            }
        }
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        if text.len() <= MAX_NUMBER_BYTES
            && let Some(number) = strict_integer(text).and_then(|n| i32::try_from(n).ok())
        {
            return self.number(number);
        }
        if self.compresses && text.len() > MIN_COMPRESSED_BYTES && self.compressed(text) {
            return;
        }
        self.length(text.len() as u64);
        self.raw(text);
    }

    fn number(&mut self, number: i32) {
        if let Ok(small) = i8::try_from(number) {
            self.byte(SPECIAL | INT_8);
            self.raw(&small.to_le_bytes());
        } else if let Ok(middle) = i16::try_from(number) {
            self.byte(SPECIAL | INT_16);
            self.raw(&middle.to_le_bytes());
        } else {
            self.byte(SPECIAL | INT_32);
            self.raw(&number.to_le_bytes());
        }
    }

    /// Writes the text compressed; whether that made it shorter, else nothing is written.
    fn compressed(&mut self, text: &[u8]) -> bool {
        // Lent to itself: what it gives stays in it.
        let mut compressor = std::mem::take(&mut self.compressor);
        let packed = compressor.compress(text);
        if let Some(packed) = packed {
            self.byte(SPECIAL | COMPRESSED);
            self.length(packed.len() as u64);
            self.length(text.len() as u64);
            self.raw(packed);
        }
        let is_shorter = packed.is_some();
        self.compressor = compressor;
        is_shorter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(f: impl FnOnce(&mut Sink)) -> Vec<u8> {
        let mut sink = Sink::new(true);
        f(&mut sink);
        sink.bytes
    }

    #[test]
    fn lengths_come_back_in_their_shortest_form() {
        for (length, bytes) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (16383, 2),
            (16384, 5),
            (u64::from(u32::MAX), 5),
            (1 << 32, 9),
        ] {
            let text = encoded(|sink| sink.length(length));
            assert_eq!(text.len(), bytes, "{length}");
            assert_eq!(Source::new(&text[..]).length().unwrap(), length);
        }
    }

    #[test]
    fn strings_come_back() {
        let texts: Vec<Vec<u8>> = [
            "",
            "a",
            "0",
            "-1",
            "127",
            "128",
            "-32768",
            "2147483647",
            "2147483648",
            "-2147483648",
            "007",
            "+1",
            "-0",
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([b"ab".repeat(100), vec![0; 5_000_000], (0..=255).collect()])
        .collect();
        for text in texts {
            let bytes = encoded(|sink| sink.string(&text));
            assert_eq!(Source::new(&bytes[..]).string().unwrap(), text);
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 50) {
                assert!(Source::new(&bytes[..end]).string().is_err());
            }
        }
    }

    #[test]
    fn repetition_is_compressed_and_numbers_are_short() {
        assert!(encoded(|sink| sink.string(&vec![b'x'; 10_000])).len() < 200);
        assert_eq!(encoded(|sink| sink.string(b"-129")).len(), 3);
    }

    #[test]
    fn a_compressed_string_that_promises_too_much_costs_no_memory() {
        // Four gigabytes and one byte, and one gigabyte, of packed bytes that yield little.
        for (packed, plain) in [(20 << 20, (1u64 << 32) + 1), (4 << 20, 1 << 30)] {
            let text = encoded(|sink| {
                sink.byte(SPECIAL | COMPRESSED);
                sink.length(packed);
                sink.length(plain);
                sink.raw(&vec![0; packed as usize]);
            });
            let before = resident_bytes();
            let error = Source::new(&text[..]).string().unwrap_err();
            assert!(matches!(error.why, Why::Corrupt(_)), "{error}");
            assert!(resident_bytes() < before + (256 << 20));
        }
    }

    fn resident_bytes() -> u64 {
        crate::memory::resident_bytes()
    }

    #[test]
    fn a_length_that_lies_costs_no_memory() {
        let bytes = [LENGTH_64, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, b'x'];
        let error = Source::new(&bytes[..]).string().unwrap_err();
        assert!(matches!(error.why, Why::Truncated), "{error}");
    }
}
