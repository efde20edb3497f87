//! [`Frame`]: a piece of the log that is there whole or not at all; and the head of a segment.
//!
//! ```text
//!  segment   head (64 bytes) · frame · frame · … · seal
//!
//!  head      0 "STILLLOG"   8 version u32   12 0   16 store u64   24 number u64   32 first timestamp u64   40 0 …   60 CRC-32 of all before
//!
//!  frame     0 "SPf1"   4 kind u8, 0   8 payload bytes u64   16 last timestamp u64   24 synced u64   32 CRC-32 of payload   36 CRC-32 of head
//!            40 payload: groups
//! ```
//! | kind | means |
//! |---|---|
//! | 1 groups | the payload is groups, in the order of their timestamps |
//! | 2 seal | nothing follows in this segment, and the next one is there |
//! | 3 close | everything before is on the device; the log was closed in order |
//!
//! # Invariants
//! 1. A frame's checksums begin with the store, the segment's number and the frame's offset. So neither a frame of another place nor a value that
//!    holds a copy of one passes for a frame, and a head that passes was written by this log at this place.
//! 2. *synced* is how many bytes of the segment were known to be on the device when the frame was written. So a bad frame that lies below the
//!    *synced* of any later head is damage; one above may be what a power cut left of bytes that nobody had promised.

use std::ops::Range;

pub(crate) const HEAD_BYTES: usize = 64;
pub(crate) const FRAME_BYTES: usize = 40;
const VERSION: u32 = 1;
const LOG_MAGIC: &[u8; 8] = b"STILLLOG";
const FRAME_MAGIC: &[u8; 4] = b"SPf1";

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) store: u64,
    pub(crate) number: u64,
    /// Nothing in the segment is earlier, everything in the segments before is.
    pub(crate) first_timestamp: u64,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    NotOurs,
    Version(u32),
    Damaged,
}

/// The 64 bytes that begin a file: magic, version and up to five numbers.
pub(crate) fn write_head(magic: &[u8; 8], numbers: &[u64]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(magic);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (place, number) in head[16..60].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32fast::hash(&head[..60]);
    head[60..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// The numbers of such a head.
pub(crate) fn read_head(magic: &[u8; 8], bytes: &[u8]) -> Result<[u64; 5], BadHead> {
    if bytes.get(..8) != Some(magic) {
        return Err(BadHead::NotOurs);
    }
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Err(BadHead::Damaged) };
    let version = number32(head, 8);
    if version != VERSION {
        return Err(BadHead::Version(version));
    }
    if crc32fast::hash(&head[..60]) != number32(head, 60) {
        return Err(BadHead::Damaged);
    }
    Ok(std::array::from_fn(|place| number64(head, 16 + 8 * place)))
}

impl SegmentHead {
    pub(crate) fn to_bytes(self) -> [u8; HEAD_BYTES] {
        write_head(LOG_MAGIC, &[self.store, self.number, self.first_timestamp])
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<SegmentHead, BadHead> {
        let [store, number, first_timestamp, ..] = read_head(LOG_MAGIC, bytes)?;
        Ok(SegmentHead { store, number, first_timestamp })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Groups,
    Seal,
    Close,
}

/// A frame's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// The latest timestamp up to the frame's end.
    pub(crate) last_timestamp: u64,
    pub(crate) synced: u64,
    /// Where the payload lies in the segment.
    pub(crate) payload: Range<usize>,
    crc: u32,
}

/// Fills the head of a frame whose payload stands behind it already.
pub(crate) fn seal_frame(
    frame: &mut [u8],
    place: &SegmentHead,
    offset: u64,
    kind: FrameKind,
    last_timestamp: u64,
    synced: u64,
) {
    let payload_bytes = (frame.len() - FRAME_BYTES) as u64;
    let payload_crc = checksum(place, offset, &frame[FRAME_BYTES..]);
    frame[..4].copy_from_slice(FRAME_MAGIC);
    frame[4] = match kind {
        FrameKind::Groups => 1,
        FrameKind::Seal => 2,
        FrameKind::Close => 3,
    };
    frame[5..8].fill(0);
    frame[8..16].copy_from_slice(&payload_bytes.to_le_bytes());
    frame[16..24].copy_from_slice(&last_timestamp.to_le_bytes());
    frame[24..32].copy_from_slice(&synced.to_le_bytes());
    frame[32..36].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = checksum(place, offset, &frame[..36]);
    frame[36..40].copy_from_slice(&crc.to_le_bytes());
}

impl Frame {
    /// The head at `offset` of a segment, if there is one. Its payload may be missing.
    pub(crate) fn head(segment: &[u8], place: &SegmentHead, offset: usize) -> Option<Frame> {
        let head = segment.get(offset..)?.first_chunk::<FRAME_BYTES>()?;
        if &head[..4] != FRAME_MAGIC
            || checksum(place, offset as u64, &head[..36]) != number32(head, 36)
        {
            return None;
        }
        let kind = match head[4] {
            1 => FrameKind::Groups,
            2 => FrameKind::Seal,
            3 => FrameKind::Close,
            _ => return None,
        };
        let start = offset + FRAME_BYTES;
        let end = start.checked_add(usize::try_from(number64(head, 8)).ok()?)?;
        Some(Frame {
            kind,
            last_timestamp: number64(head, 16),
            synced: number64(head, 24),
            payload: start..end,
            crc: number32(head, 32),
        })
    }

    /// The whole frame at `offset`, if it is there and as it was written.
    pub(crate) fn read(segment: &[u8], place: &SegmentHead, offset: usize) -> Option<Frame> {
        let frame = Frame::head(segment, place, offset)?;
        let payload = segment.get(frame.payload.clone())?;
        (checksum(place, offset as u64, payload) == frame.crc).then_some(frame)
    }

    /// The next head at `offset` or behind.
    pub(crate) fn next_head(segment: &[u8], place: &SegmentHead, offset: usize) -> Option<Frame> {
        (offset..segment.len().saturating_sub(FRAME_BYTES - 1))
            .filter(|&at| segment[at] == FRAME_MAGIC[0])
            .find_map(|at| Frame::head(segment, place, at))
    }
}

fn checksum(place: &SegmentHead, offset: u64, bytes: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    for number in [place.store, place.number, offset] {
        hash.update(&number.to_le_bytes());
    }
    hash.update(bytes);
    hash.finalize()
}

pub(crate) fn number32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(crate) fn number64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
