//! A checkpoint: every live key of one snapshot, in a file of its own.
//!
//! ```text
//!  checkpoint-<timestamp>   head (64 bytes) · block · block · … · end
//!
//!  head    as a segment's, with magic "STILLCKP":  16 store u64   24 timestamp u64   32 first segment u64   40 keys of 16 spaces, a byte each
//!  block   0 "SPb1"   4 kind u32: 1 plain, 2 LZ4, 3 end   8 stored bytes u64   16 raw bytes u64   24 CRC-32 of the stored   28 CRC-32 of head
//!          32 records (an end has none, and the number of all records in place of the raw bytes)
//! ```
//! *First segment* is the first segment of the log that can hold something later than the checkpoint. *Keys* is a hint, so that whoever loads it makes
//! room at once: byte 0 none, 1 + 4 e + m up to (1 + m / 4) 2^e of them.
//!
//! # Invariants
//! 1. The file has its name only when all of it is on the device. So one that is not whole is damage.
//! 2. A block's checksums begin with the store, the timestamp and the block's number.
//! 3. Each key is in one record; so blocks may be read in any order.

use crate::error::OpenError;
use crate::files::{Append, Directory};
use crate::frame::{HEAD_BYTES, number32, number64, read_head, write_head};
use crate::log::numbered;
use crate::record::Record;
use crate::segment::refuse_head;
use std::io::{self, Read};

/// A block is ended with the record that makes it so long.
const BLOCK_TARGET: usize = 256 << 10;
const BLOCK_BYTES: usize = 32;
/// What is asked for at once for a block that is to be read.
const BUFFER_MOST: u64 = 64 << 20;
const CHECKPOINT_MAGIC: &[u8; 8] = b"STILLCKP";
const BLOCK_MAGIC: &[u8; 4] = b"SPb1";
const PREFIX: &str = "checkpoint-";
/// A checkpoint to be, until it has its name.
pub(crate) const NEW: &str = "checkpoint.new";

const PLAIN: u32 = 1;
const LZ4: u32 = 2;
const END: u32 = 3;

/// What a checkpoint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointHead {
    pub(crate) store: u64,
    pub(crate) timestamp: u64,
    pub(crate) first_segment: u64,
    pub(crate) keys: KeyHints,
}

/// About how many keys each of the first 16 spaces has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyHints([u8; 16]);

impl KeyHints {
    pub(crate) fn of(keys: impl Iterator<Item = u64>) -> Self {
        let mut hints = KeyHints::default();
        for (hint, keys) in hints.0.iter_mut().zip(keys) {
            *hint = (0..=u8::MAX).find(|&hint| keys_of(hint) >= keys).unwrap_or(u8::MAX);
        }
        hints
    }

    /// Spaces and their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, u64)> {
        (0..).zip(self.0.map(keys_of))
    }

    fn words(self) -> [u64; 2] {
        let [low, high] = [0, 8].map(|at| number64(&self.0, at));
        [low, high]
    }

    fn from_words(words: [u64; 2]) -> Self {
        let mut hints = KeyHints::default();
        for (bytes, word) in hints.0.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        hints
    }
}

fn keys_of(hint: u8) -> u64 {
    match hint.checked_sub(1) {
        None => 0,
        Some(hint) => {
            let keys = u128::from(4 + hint % 4) << (hint / 4) >> 2;
            u64::try_from(keys).unwrap_or(u64::MAX)
        }
    }
}

/// The name of a checkpoint.
pub(crate) fn checkpoint_name(timestamp: u64) -> String {
    format!("{PREFIX}{timestamp:016x}")
}

/// The timestamp of the checkpoint that has this name.
pub(crate) fn checkpoint_timestamp(name: &str) -> Option<u64> {
    numbered(name, PREFIX)
}

fn checksum(head: &CheckpointHead, number: u64, bytes: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    for word in [head.store, head.timestamp, number] {
        hash.update(&word.to_le_bytes());
    }
    hash.update(bytes);
    hash.finalize()
}

/// A checkpoint on its way to the device.
pub(crate) struct Writer {
    head: CheckpointHead,
    file: Box<dyn Append>,
    compress: bool,
    blocks: u64,
    records: u64,
    bytes: u64,
    block: Vec<u8>,
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn begin(
        directory: &dyn Directory,
        head: CheckpointHead,
        compress: bool,
    ) -> io::Result<Writer> {
        let mut file = directory.create(NEW)?;
        let [low, high] = head.keys.words();
        let numbers = [head.store, head.timestamp, head.first_segment, low, high];
        file.append(&write_head(CHECKPOINT_MAGIC, &numbers))?;
        let (block, out) = (Vec::new(), Vec::new());
        Ok(Writer {
            head,
            file,
            compress,
            blocks: 0,
            records: 0,
            bytes: HEAD_BYTES as u64,
            block,
            out,
        })
    }

    pub(crate) fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        record.write(&mut self.block);
        self.records += 1;
        if self.block.len() >= BLOCK_TARGET { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.out.clear();
        self.out.resize(BLOCK_BYTES, 0);
        let mut kind = PLAIN;
        if self.compress {
            let compressed = lz4_flex::block::compress(&self.block);
            if compressed.len() < self.block.len() {
                kind = LZ4;
                self.out.extend_from_slice(&compressed);
            }
        }
        if kind == PLAIN {
            self.out.extend_from_slice(&self.block);
        }
        let raw_bytes = self.block.len() as u64;
        self.block.clear();
        self.write_block(kind, raw_bytes)
    }

    fn write_block(&mut self, kind: u32, raw_bytes: u64) -> io::Result<()> {
        let stored = (self.out.len() - BLOCK_BYTES) as u64;
        let crc = checksum(&self.head, self.blocks, &self.out[BLOCK_BYTES..]);
        self.out[..4].copy_from_slice(BLOCK_MAGIC);
        self.out[4..8].copy_from_slice(&kind.to_le_bytes());
        self.out[8..16].copy_from_slice(&stored.to_le_bytes());
        self.out[16..24].copy_from_slice(&raw_bytes.to_le_bytes());
        self.out[24..28].copy_from_slice(&crc.to_le_bytes());
        let crc = checksum(&self.head, self.blocks, &self.out[..28]);
        self.out[28..32].copy_from_slice(&crc.to_le_bytes());
        self.file.append(&self.out)?;
        self.blocks += 1;
        self.bytes += self.out.len() as u64;
        Ok(())
    }

    /// Ends the checkpoint, waits until it is on the device, and gives it its name. Its records and bytes.
    pub(crate) fn finish(mut self, directory: &dyn Directory) -> io::Result<(u64, u64)> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.out.clear();
        self.out.resize(BLOCK_BYTES, 0);
        self.write_block(END, self.records)?;
        self.file.sync()?;
        directory.rename(NEW, &checkpoint_name(self.head.timestamp))?;
        directory.sync()?;
        Ok((self.records, self.bytes))
    }
}

/// A checkpoint as it is read back, block by block.
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) head: CheckpointHead,
    file: Box<dyn Read + Send>,
    offset: u64,
    blocks: u64,
    ended: bool,
    /// Of the end, once it was read.
    pub(crate) records: u64,
}

/// A block whose content was not looked at yet.
pub(crate) struct Block {
    pub(crate) offset: u64,
    number: u64,
    is_compressed: bool,
    raw_bytes: usize,
    crc: u32,
    stored: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(directory: &dyn Directory, timestamp: u64) -> Result<Reader, OpenError> {
        let name = checkpoint_name(timestamp);
        let mut file = directory.open(&name).map_err(OpenError::io("read", &name))?;
        let bytes = read_up_to(&mut *file, HEAD_BYTES as u64, Vec::new())
            .map_err(OpenError::io("read", &name))?;
        let [store, found, first_segment, low, high] =
            read_head(CHECKPOINT_MAGIC, &bytes).map_err(|bad| refuse_head(&name, bad))?;
        if found != timestamp {
            return Err(OpenError::Misnamed { file: name, found });
        }
        let keys = KeyHints::from_words([low, high]);
        let head = CheckpointHead { store, timestamp, first_segment, keys };
        let offset = HEAD_BYTES as u64;
        Ok(Reader { name, head, file, offset, blocks: 0, ended: false, records: 0 })
    }

    fn corrupt(&self, what: &'static str) -> OpenError {
        OpenError::Corrupt { file: self.name.clone(), offset: self.offset, what }
    }

    /// The next block, read into `buffer`; `None` behind the last.
    pub(crate) fn next_block(&mut self, buffer: Vec<u8>) -> Result<Option<Block>, OpenError> {
        if self.ended {
            return Ok(None);
        }
        let head = self.read(BLOCK_BYTES as u64, Vec::new())?;
        let damaged = head.len() < BLOCK_BYTES
            || &head[..4] != BLOCK_MAGIC
            || checksum(&self.head, self.blocks, &head[..28]) != number32(&head, 28);
        if damaged {
            return Err(self.corrupt("a block's head is not as it was written"));
        }
        let (stored, raw) = (number64(&head, 8), number64(&head, 16));
        let kind = number32(&head, 4);
        if kind == END {
            self.ended = true;
            self.records = raw;
            self.offset += BLOCK_BYTES as u64;
            return match self.read(1, Vec::new())?.is_empty() {
                true => Ok(None),
                false => Err(self.corrupt("there is something behind the end")),
            };
        }
        let bytes = self.read(stored, buffer)?;
        if bytes.len() as u64 != stored {
            return Err(self.corrupt("a block is not whole"));
        }
        let block = Block {
            offset: self.offset,
            number: self.blocks,
            is_compressed: kind == LZ4,
            raw_bytes: usize::try_from(raw).map_err(|_| self.corrupt("a block is too long"))?,
            crc: number32(&head, 24),
            stored: bytes,
        };
        self.blocks += 1;
        self.offset += BLOCK_BYTES as u64 + stored;
        Ok(Some(block))
    }

    fn read(&mut self, bytes: u64, buffer: Vec<u8>) -> Result<Vec<u8>, OpenError> {
        read_up_to(&mut *self.file, bytes, buffer).map_err(OpenError::io("read", &self.name))
    }
}

fn read_up_to(file: &mut dyn Read, most: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    buffer.clear();
    // All at once; what the file says of its own length is not believed without bounds.
    buffer.reserve(most.min(BUFFER_MOST) as usize);
    file.take(most).read_to_end(&mut buffer)?;
    Ok(buffer)
}

impl Block {
    /// What it holds, decompressed into `raw` if need be.
    pub(crate) fn content<'b>(
        &'b self,
        name: &str,
        head: &CheckpointHead,
        raw: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], OpenError> {
        if checksum(head, self.number, &self.stored) != self.crc {
            return Err(self.corrupt(name, "a block is not as it was written"));
        }
        if !self.is_compressed {
            return Ok(&self.stored);
        }
        if raw.len() < self.raw_bytes {
            raw.resize(self.raw_bytes, 0);
        }
        let length = lz4_flex::block::decompress_into(&self.stored, raw)
            .map_err(|_| self.corrupt(name, "a block cannot be decompressed"))?;
        Ok(&raw[..length])
    }

    /// Adds the records of its content.
    pub(crate) fn records<'b>(
        &self,
        name: &str,
        mut content: &'b [u8],
        records: &mut Vec<Record<'b>>,
    ) -> Result<(), OpenError> {
        while !content.is_empty() {
            let record = Record::read(&mut content);
            records.push(record.ok_or_else(|| self.corrupt(name, "a block holds no records"))?);
        }
        Ok(())
    }

    /// Its buffer, to read another one into.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.stored
    }

    fn corrupt(&self, name: &str, what: &'static str) -> OpenError {
        OpenError::Corrupt { file: name.to_owned(), offset: self.offset, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_at_least_the_keys_and_at_most_a_quarter_more() {
        for keys in (0..2_000).chain((0..40).flat_map(|e| [(3 << e) - 1, 3 << e, (3 << e) + 1])) {
            let hints = KeyHints::of([keys, 0].into_iter());
            let hints = KeyHints::from_words(hints.words());
            let (_, hinted) = hints.iter().next().unwrap();
            assert!(hinted >= keys && hinted <= keys + keys / 4 + 1, "{hinted} for {keys}");
            assert!(hints.iter().skip(1).all(|(_, hinted)| hinted == 0));
        }
        let most = KeyHints::of([u64::MAX].into_iter());
        assert!(most.iter().next().unwrap().1 >= 1 << 63);
    }
}
