//! [`Segment`]: a segment of the log as it is read back, every frame checked.
//!
//! # The end of the last segment
//! A process that is killed leaves a frame in part; a power cut leaves any part of what was not promised yet, zeros among it. Where the first frame
//! is that is not as it was written, the log ends, and the rest is cut off and reported, provided that nothing speaks against it:
//!
//! | what is found behind the bad frame | verdict |
//! |---|---|
//! | no head of a frame | torn tail: cut |
//! | heads, none of which says that the bad place had been on the device | torn tail: a power cut took one page and left another; cut |
//! | a head which says that the bad place had been on the device before | damage: refused |
//!
//! In any other segment a bad frame is damage, and so is the lack of a seal once the next segment has frames.

use crate::error::OpenError;
use crate::files::Directory;
use crate::frame::{BadHead, Frame, FrameKind, HEAD_BYTES, SegmentHead};
use crate::log::segment_name;
use crate::record::{Record, read_group};

pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) head: SegmentHead,
    pub(crate) bytes: Vec<u8>,
    /// The good ones, in order.
    pub(crate) frames: Vec<Frame>,
    /// Where the last good frame ends.
    pub(crate) end: usize,
}

/// Which segment is to be read, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) number: u64,
    /// The store, if a file told it already.
    pub(crate) store: Option<u64>,
    /// Whether it may end in the middle of a frame.
    pub(crate) may_be_torn: bool,
}

/// The error for a head that is not good.
pub(crate) fn refuse_head(file: &str, bad: BadHead) -> OpenError {
    let file = file.to_owned();
    match bad {
        BadHead::NotOurs => OpenError::NotOurs { file },
        BadHead::Version(version) => OpenError::UnknownVersion { file, version },
        BadHead::Damaged => {
            OpenError::Corrupt { file, offset: 0, what: "the head is not as it was written" }
        }
    }
}

impl Segment {
    /// Reads it into `bytes`, whatever they held.
    pub(crate) fn read(
        directory: &dyn Directory,
        wanted: Wanted,
        mut bytes: Vec<u8>,
    ) -> Result<Segment, OpenError> {
        let name = segment_name(wanted.number);
        bytes.clear();
        directory
            .open(&name)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(OpenError::io("read", &name))?;
        let head = SegmentHead::read(&bytes).map_err(|bad| refuse_head(&name, bad))?;
        if let Some(expected) = wanted.store.filter(|&store| store != head.store) {
            return Err(OpenError::Foreign { file: name, found: head.store, expected });
        }
        if head.number != wanted.number {
            return Err(OpenError::Misnamed { file: name, found: head.number });
        }
        let mut segment = Segment { name, head, bytes, frames: Vec::new(), end: HEAD_BYTES };
        segment.read_frames(wanted.may_be_torn)?;
        Ok(segment)
    }

    fn read_frames(&mut self, may_be_torn: bool) -> Result<(), OpenError> {
        let mut last_timestamp = self.head.first_timestamp.saturating_sub(1);
        while let Some(frame) = Frame::read(&self.bytes, &self.head, self.end) {
            if frame.last_timestamp < last_timestamp {
                return Err(self.corrupt(self.end, "its timestamps go back"));
            }
            last_timestamp = frame.last_timestamp;
            self.end = frame.payload.end;
            self.frames.push(frame);
        }
        if self.end < self.bytes.len() {
            if !may_be_torn {
                return Err(self.corrupt(self.end, "a frame is not as it was written"));
            }
            self.check_torn()?;
        }
        let seal = self.frames.iter().position(|frame| frame.kind == FrameKind::Seal);
        match seal {
            Some(at) if at + 1 < self.frames.len() => {
                Err(self.corrupt(self.frames[at].payload.end, "there are frames behind the seal"))
            }
            _ => Ok(()),
        }
    }

    /// Whether what lies behind the last good frame may be cut off.
    fn check_torn(&self) -> Result<(), OpenError> {
        let mut at = self.end + 1;
        while let Some(head) = Frame::next_head(&self.bytes, &self.head, at) {
            if head.synced > self.end as u64 {
                return Err(self.corrupt(self.end, "a frame is not as it was written"));
            }
            at = head.payload.start;
        }
        if self.is_sealed() {
            return Err(self.corrupt(self.end, "there is something behind the seal"));
        }
        Ok(())
    }

    fn corrupt(&self, offset: usize, what: &'static str) -> OpenError {
        OpenError::Corrupt { file: self.name.clone(), offset: offset as u64, what }
    }

    /// The error for the lack of a seal.
    pub(crate) fn unsealed(&self) -> OpenError {
        self.corrupt(self.end, "it ends here, although a later segment was begun")
    }

    /// Whether it says that the next segment is there.
    pub(crate) fn is_sealed(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.kind == FrameKind::Seal)
    }

    /// Whether nothing was ever written into it.
    pub(crate) fn is_fresh(&self) -> bool {
        self.frames.is_empty() && self.bytes[HEAD_BYTES..].iter().all(|&byte| byte == 0)
    }

    /// The latest timestamp of the segment and all before it.
    pub(crate) fn last_timestamp(&self) -> u64 {
        self.frames
            .last()
            .map_or(self.head.first_timestamp.saturating_sub(1), |frame| frame.last_timestamp)
    }

    /// Bytes behind the last good frame.
    pub(crate) fn torn_bytes(&self) -> u64 {
        (self.bytes.len() - self.end) as u64
    }

    /// Shows the records later than `after`, a frame's at a time, in the order of the log within one; the last frame first. Until `f` fails.
    pub(crate) fn frames_back<'a>(
        &'a self,
        after: u64,
        mut f: impl FnMut(&[Record<'a>]) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut records = Vec::new();
        for frame in self.frames.iter().rev().take_while(|frame| frame.last_timestamp > after) {
            records.clear();
            self.read_records(frame, after, &mut records)?;
            f(&records)?;
        }
        Ok(())
    }

    fn read_records<'a>(
        &'a self,
        frame: &Frame,
        after: u64,
        records: &mut Vec<Record<'a>>,
    ) -> Result<(), OpenError> {
        // Its checksum is right, so whoever wrote it wrote what nobody reads.
        let wrong = || self.corrupt(frame.payload.start, "a frame holds no groups");
        let mut rest = &self.bytes[frame.payload.clone()];
        while !rest.is_empty() {
            let (timestamp, count) = read_group(&mut rest).ok_or_else(wrong)?;
            for _ in 0..count {
                let record = Record::read(&mut rest).ok_or_else(wrong)?;
                if timestamp > after {
                    records.push(record);
                }
            }
        }
        Ok(())
    }
}
