//! [`StreamId`]: milliseconds and a number within them, in that order.

use crate::command::CommandError;
use std::fmt;

/// The name of a stream's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub(crate) ms: u64,
    pub(crate) seq: u64,
}

impl StreamId {
    pub(crate) const ZERO: StreamId = StreamId { ms: 0, seq: 0 };
    pub(crate) const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The next one, if this is not the last.
    pub(crate) fn next(self) -> Option<StreamId> {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => None,
            (ms, u64::MAX) => Some(StreamId { ms: ms + 1, seq: 0 }),
            (ms, seq) => Some(StreamId { ms, seq: seq + 1 }),
        }
    }

    /// The one before, if this is not the first.
    pub(crate) fn previous(self) -> Option<StreamId> {
        match (self.ms, self.seq) {
            (0, 0) => None,
            (ms, 0) => Some(StreamId { ms: ms - 1, seq: u64::MAX }),
            (ms, seq) => Some(StreamId { ms, seq: seq - 1 }),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, whose number then is `missing_seq`.
    pub(crate) fn parse(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
        let (ms, seq) = match text.iter().position(|byte| *byte == b'-') {
            Some(dash) => (&text[..dash], whole(&text[dash + 1..])),
            None => (text, Some(missing_seq)),
        };
        whole(ms).zip(seq).map(|(ms, seq)| StreamId { ms, seq }).ok_or_else(invalid)
    }

    /// As [`parse`](StreamId::parse), and `-` and `+` for the first and the last there can be.
    pub(crate) fn parse_bound(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
        match text {
            b"-" => Ok(StreamId::ZERO),
            b"+" => Ok(StreamId::MAX),
            _ => StreamId::parse(text, missing_seq),
        }
    }

    /// Reads `ms-*`: the milliseconds.
    pub(crate) fn parse_open(text: &[u8]) -> Option<u64> {
        whole(text.strip_suffix(b"-*")?)
    }
}

fn whole(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

pub(crate) fn invalid() -> CommandError {
    CommandError::other("Invalid stream ID specified as stream command argument")
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}
