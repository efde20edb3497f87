//! [`Sink`]: bytes as they are encoded, in memory until they are handed on.

use super::lzf::Compressor;
use super::source::CHECKSUM;
use crc::{Digest, Table};
use std::io::Write;

/// Encoded bytes, and the checksum of all that were handed on.
pub(super) struct Sink {
    pub(super) bytes: Vec<u8>,
    /// Whether strings are compressed where that makes them shorter.
    pub(super) compresses: bool,
    pub(super) compressor: Compressor,
    digest: Digest<'static, u64, Table<16>>,
    written: u64,
}

impl Sink {
    pub(super) fn new(compresses: bool) -> Self {
        Sink {
            bytes: Vec::new(),
            compresses,
            compressor: Compressor::default(),
            digest: CHECKSUM.digest(),
            written: 0,
        }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Hands on what there is.
    pub(super) fn write_to(&mut self, to: &mut impl Write) -> std::io::Result<()> {
        to.write_all(&self.bytes)?;
        self.digest.update(&self.bytes);
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }

    /// The checksum of all bytes so far.
    pub(super) fn checksum(&self) -> u64 {
        let mut digest = self.digest.clone();
        digest.update(&self.bytes);
        digest.finalize()
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }
}
