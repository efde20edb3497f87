//! [`Log`]: the writing end of the log's files.
//!
//! ```text
//!  log-0000000000000001   head · frame · frame · seal          whole, for ever
//!  log-0000000000000002   head · frame · frame · …             the last: grows
//!  log.new                                                     a segment to be, until it has its name
//! ```
//! # Invariants
//! 1. A frame holds whole groups, in the order of their timestamps; so the frames up to any one are a cut of the store.
//! 2. A segment has its name only when its head is on the device. It gets its first frame only when the segment before ends with a seal that is on
//!    the device. So of all segments at most the last two lack a seal, the last one of them without a frame then; and a segment that was
//!    lost, or cut at a frame's end, is missed.
//! 3. After an error nothing more is written: what the file holds since the last `sync` that succeeded is not known.

use crate::files::{Append, Directory};
use crate::frame::{FRAME_BYTES, FrameKind, HEAD_BYTES, SegmentHead, seal_frame};
use crate::record::Record;
use std::io;
use std::sync::Arc;

/// A frame is ended with the group that makes it so long.
const FRAME_TARGET: usize = 1 << 20;
/// A buffer that had to grow past this is given back.
const BUFFER_KEPT: usize = 4 << 20;
const NEW: &str = "log.new";
const PREFIX: &str = "log-";

/// The name of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

/// The number of the segment that has this name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    numbered(name, PREFIX)
}

/// The number in a name of that prefix and 16 digits.
pub(crate) fn numbered(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 16 && digits.bytes().all(is_digit))
        .then(|| u64::from_str_radix(digits, 16).ok())?
}

/// The end of an older segment, which is to be sealed.
pub(crate) struct Unsealed {
    pub(crate) head: SegmentHead,
    pub(crate) file: Box<dyn Append>,
    pub(crate) end: u64,
}

pub(crate) struct Log {
    directory: Arc<dyn Directory>,
    head: SegmentHead,
    file: Box<dyn Append>,
    written: u64,
    synced: u64,
    last_timestamp: u64,
    segment_bytes: u64,
    /// The frame to be, with room for its head; empty if there is none.
    frame: Vec<u8>,
    /// Where the count of the group stands that is being written, and the count.
    group: (usize, u32),
    /// Bytes of frames written since the log was opened.
    total: u64,
    has_failed: bool,
}

impl Log {
    /// Begins a segment, and seals the one before it.
    pub(crate) fn begin(
        directory: Arc<dyn Directory>,
        head: SegmentHead,
        before: Option<Unsealed>,
        segment_bytes: u64,
    ) -> io::Result<Log> {
        let file = new_segment(&*directory, &head)?;
        if let Some(before) = before {
            seal(before, head.first_timestamp - 1)?;
        }
        Ok(Log {
            directory,
            head,
            file,
            written: HEAD_BYTES as u64,
            synced: HEAD_BYTES as u64,
            last_timestamp: head.first_timestamp - 1,
            segment_bytes,
            frame: Vec::new(),
            group: (0, 0),
            total: 0,
            has_failed: false,
        })
    }

    /// The number of the segment that grows.
    pub(crate) fn number(&self) -> u64 {
        self.head.number
    }

    /// Bytes that went into the log since it was opened.
    pub(crate) fn position(&self) -> u64 {
        self.total + self.frame.len() as u64
    }

    /// Begins a group. Timestamps grow.
    pub(crate) fn begin_group(&mut self, timestamp: u64) {
        debug_assert!(timestamp > self.last_timestamp, "{timestamp} after {}", self.last_timestamp);
        self.last_timestamp = timestamp;
        if self.frame.is_empty() {
            self.frame.resize(FRAME_BYTES, 0);
        }
        self.frame.extend_from_slice(&timestamp.to_le_bytes());
        self.group = (self.frame.len(), 0);
        self.frame.extend_from_slice(&[0; 4]);
    }

    /// Adds a record to the group.
    pub(crate) fn record(&mut self, record: &Record<'_>) {
        record.write(&mut self.frame);
        self.group.1 += 1;
    }

    /// Ends the group, and with it the frame if that is long enough.
    pub(crate) fn end_group(&mut self) -> io::Result<()> {
        let (at, count) = self.group;
        self.frame[at..at + 4].copy_from_slice(&count.to_le_bytes());
        if self.frame.len() >= FRAME_TARGET { self.flush() } else { Ok(()) }
    }

    /// Hands what there is to the system.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.unless_failed(Log::try_flush)
    }

    /// Hands everything to the system and waits until it is on the device. Nothing to do if it is.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.unless_failed(Log::try_sync)
    }

    /// Ends the segment and begins the next, unless it has nothing in it yet.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        self.unless_failed(Log::try_rotate)
    }

    /// Notes that everything is on the device and nothing more will come.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.unless_failed(Log::try_close)
    }

    fn unless_failed(&mut self, run: fn(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("the log has failed before"));
        }
        let result = run(self);
        self.has_failed = result.is_err();
        result
    }

    fn try_flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        self.write_frame(FrameKind::Groups)?;
        if self.written >= self.segment_bytes {
            self.try_rotate()?;
        }
        Ok(())
    }

    fn write_frame(&mut self, kind: FrameKind) -> io::Result<()> {
        seal_frame(
            &mut self.frame,
            &self.head,
            self.written,
            kind,
            self.last_timestamp,
            self.synced,
        );
        self.file.append(&self.frame)?;
        self.written += self.frame.len() as u64;
        self.total += self.frame.len() as u64;
        self.frame.clear();
        self.frame.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    fn try_sync(&mut self) -> io::Result<()> {
        self.try_flush()?;
        if self.synced < self.written {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Whether all that was handed to the system is on the device.
    pub(crate) fn is_synced(&self) -> bool {
        self.frame.is_empty() && self.synced == self.written
    }

    fn try_rotate(&mut self) -> io::Result<()> {
        if !self.frame.is_empty() {
            self.write_frame(FrameKind::Groups)?;
        }
        if self.written == HEAD_BYTES as u64 {
            return Ok(());
        }
        self.try_sync()?;
        let head = SegmentHead {
            number: self.head.number + 1,
            first_timestamp: self.last_timestamp + 1,
            ..self.head
        };
        let file = new_segment(&*self.directory, &head)?;
        let file = std::mem::replace(&mut self.file, file);
        seal(Unsealed { head: self.head, file, end: self.written }, self.last_timestamp)?;
        self.head = head;
        self.written = HEAD_BYTES as u64;
        self.synced = self.written;
        Ok(())
    }

    fn try_close(&mut self) -> io::Result<()> {
        self.try_sync()?;
        self.frame.resize(FRAME_BYTES, 0);
        self.write_frame(FrameKind::Close)?;
        self.file.sync()
    }
}

fn new_segment(directory: &dyn Directory, head: &SegmentHead) -> io::Result<Box<dyn Append>> {
    let mut file = directory.create(NEW)?;
    file.append(&head.to_bytes())?;
    file.sync()?;
    directory.rename(NEW, &segment_name(head.number))?;
    directory.sync()?;
    Ok(file)
}

fn seal(mut segment: Unsealed, last_timestamp: u64) -> io::Result<()> {
    let mut frame = [0; FRAME_BYTES];
    seal_frame(
        &mut frame,
        &segment.head,
        segment.end,
        FrameKind::Seal,
        last_timestamp,
        segment.end,
    );
    segment.file.append(&frame)?;
    segment.file.sync()
}
