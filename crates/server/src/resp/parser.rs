//! [`Parser`]: finds one request in a growing buffer, in place and without going back.
//!
//! ```text
//! *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $67108864\r\nxxxxxxxxxxx…            SET k value\r\n
//! │      └ bulk header, then so many bytes     ▲ position stays here    └ inline: split at blanks, quotes as in a shell
//! └ number of arguments                        until all are there
//! ```
//!
//! | state kept between calls | meaning |
//! |---|---|
//! | `args_left` | arguments of the multibulk request still to come; `None` = the request's first line is not read yet |
//! | `bulk_len`  | length of the argument whose header has been read |
//! | `position`  | first byte not yet understood, relative to the request's first byte |
//!
//! Invariants:
//! 1. `position` never goes back, and bytes of a bulk string are never looked at.
//! 2. A declared length allocates nothing: `ranges` grows by arguments that have arrived.
//! 3. A header line longer than `MAX_LINE_BYTES` is refused, so the search for its end is bounded.
//!
//! Wording of the errors as in Redis 7.2, `networking.c`.

use super::args::{ArgRange, Args};
use super::inline::split_inline;
use std::fmt;

/// Longest header line and longest inline request: Redis's `PROTO_INLINE_MAX_SIZE`.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;
/// Most arguments of a request: Redis's `INT_MAX`. They cost memory only as they arrive.
const MAX_ARGS: i64 = i32::MAX as i64;
/// What a client may send before it has authenticated.
const MAX_ARGS_UNAUTHENTICATED: i64 = 10;
const MAX_BULK_UNAUTHENTICATED: i64 = 16_384;
/// Argument ranges kept for the next request; a larger list is given back.
const KEPT_RANGES: usize = 64;
const KEPT_INLINE_BYTES: usize = 1024;

/// Why the bytes are no request. The connection is closed after the reply.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    TooBigInline,
    UnbalancedQuotes,
    TooBigCountLine,
    InvalidCount,
    UnauthenticatedCount,
    TooBigBulkLine,
    ExpectedDollar(u8),
    InvalidBulkLength,
    UnauthenticatedBulk,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProtocolError::TooBigInline => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::TooBigCountLine => "too big mbulk count string",
            ProtocolError::InvalidCount => "invalid multibulk length",
            ProtocolError::UnauthenticatedCount => "unauthenticated multibulk length",
            ProtocolError::TooBigBulkLine => "too big bulk count string",
            ProtocolError::ExpectedDollar(got) => {
                return write!(f, "expected '$', got '{}'", char::from(*got));
            }
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulk => "unauthenticated bulk length",
        };
        f.write_str(text)
    }
}

/// What this connection may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParseLimits {
    pub(crate) max_bulk_bytes: i64,
    pub(crate) unauthenticated: bool,
}

/// Result of one look at the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole request: see [`Parser::args`] and [`Parser::consumed`].
    Request,
    /// An empty line or an empty array: to be skipped without a reply.
    Empty,
    /// More bytes are needed, at least so many.
    Incomplete(usize),
}

/// The parser of one connection. Call [`parse`](Parser::parse) with the request's bytes so far, and
/// [`reset`](Parser::reset) when they have been consumed.
#[derive(Default)]
pub(crate) struct Parser {
    args_left: Option<u32>,
    bulk_len: Option<u32>,
    position: usize,
    ranges: Vec<ArgRange>,
    inline: Vec<u8>,
    is_inline: bool,
}

impl Parser {
    /// Looks for one whole request at the start of `bytes`.
    ///
    /// # Errors
    /// The bytes are no request, and nothing after them can be trusted.
    ///
    /// # Cost
    /// O(new bytes), bulk bytes not counted.
    pub(crate) fn parse(
        &mut self,
        bytes: &[u8],
        limits: ParseLimits,
    ) -> Result<Parsed, ProtocolError> {
        let mut left = match self.args_left {
            Some(left) => left,
            None => match bytes.first() {
                None => return Ok(Parsed::Incomplete(1)),
                Some(b'*') => match self.count_line(bytes, limits)? {
                    Some(0) => return Ok(Parsed::Empty),
                    Some(n) => n,
                    None => return Ok(Parsed::Incomplete(1)),
                },
                Some(_) => return self.inline(bytes),
            },
        };
        while left > 0 {
            let len = match self.bulk_len.take() {
                Some(len) => len,
                None => match self.bulk_line(bytes, limits)? {
                    Some(len) => len,
                    None => {
                        self.args_left = Some(left);
                        return Ok(Parsed::Incomplete(1));
                    }
                },
            };
            let end = self.position + len as usize + 2;
            if end > bytes.len() {
                self.bulk_len = Some(len);
                self.args_left = Some(left);
                return Ok(Parsed::Incomplete(end - bytes.len()));
            }
            self.ranges.push(ArgRange { start: self.position as u32, len });
            self.position = end;
            left -= 1;
        }
        Ok(Parsed::Request)
    }

    /// The request's arguments, after [`Parsed::Request`]; `bytes` as given to `parse`.
    pub(crate) fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args::new(if self.is_inline { &self.inline } else { bytes }, &self.ranges)
    }

    /// Where the arguments of a request that is not inline lie in its bytes, after [`Parsed::Request`].
    pub(crate) fn ranges(&self) -> &[ArgRange] {
        debug_assert!(!self.is_inline);
        &self.ranges
    }

    /// Whether nothing of a request has been understood yet.
    pub(crate) fn is_at_start(&self) -> bool {
        self.position == 0
    }

    /// Bytes that the request takes, after [`Parsed::Request`] or [`Parsed::Empty`].
    pub(crate) fn consumed(&self) -> usize {
        self.position
    }

    /// Forgets the request, and what it used beyond the usual.
    pub(crate) fn reset(&mut self) {
        self.args_left = None;
        self.bulk_len = None;
        self.position = 0;
        self.is_inline = false;
        self.ranges.clear();
        if self.ranges.capacity() > KEPT_RANGES {
            self.ranges.shrink_to(KEPT_RANGES);
        }
        if self.inline.capacity() > KEPT_INLINE_BYTES {
            self.inline = Vec::new();
        }
    }

    fn count_line(
        &mut self,
        bytes: &[u8],
        limits: ParseLimits,
    ) -> Result<Option<u32>, ProtocolError> {
        let Some((number, next)) = line(bytes, 0, ProtocolError::TooBigCountLine)? else {
            return Ok(None);
        };
        let n = number.filter(|n| *n <= MAX_ARGS).ok_or(ProtocolError::InvalidCount)?;
        if n > MAX_ARGS_UNAUTHENTICATED && limits.unauthenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        self.position = next;
        Ok(Some(n.max(0) as u32))
    }

    fn bulk_line(
        &mut self,
        bytes: &[u8],
        limits: ParseLimits,
    ) -> Result<Option<u32>, ProtocolError> {
        let Some((number, next)) = line(bytes, self.position, ProtocolError::TooBigBulkLine)?
        else {
            return Ok(None);
        };
        let first = bytes[self.position];
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let len = number
            .filter(|n| (0..=limits.max_bulk_bytes).contains(n))
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if len > MAX_BULK_UNAUTHENTICATED && limits.unauthenticated {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        self.position = next;
        Ok(Some(u32::try_from(len).map_err(|_| ProtocolError::InvalidBulkLength)?))
    }

    fn inline(&mut self, bytes: &[u8]) -> Result<Parsed, ProtocolError> {
        let head = &bytes[..bytes.len().min(MAX_LINE_BYTES + 1)];
        let Some(end) = head.iter().position(|b| *b == b'\n') else {
            if bytes.len() > MAX_LINE_BYTES {
                return Err(ProtocolError::TooBigInline);
            }
            return Ok(Parsed::Incomplete(1));
        };
        let text = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        self.inline.clear();
        split_inline(text, &mut self.inline, &mut self.ranges)
            .map_err(|()| ProtocolError::UnbalancedQuotes)?;
        self.is_inline = true;
        self.position = end + 1;
        Ok(if self.ranges.is_empty() { Parsed::Empty } else { Parsed::Request })
    }
}

/// A line's number (`None`: not one) and the position after its end.
type Line = (Option<i64>, usize);

/// Reads the header line at `from`: one type byte, a number, CR and any byte (Redis does not look at it).
fn line(bytes: &[u8], from: usize, too_big: ProtocolError) -> Result<Option<Line>, ProtocolError> {
    let rest = &bytes[from..];
    // The common case, up to nine digits, without searching for the end first.
    let mut n = 0i64;
    // A line that begins with CR ends there.
    let common = if rest.first() == Some(&b'\r') { &[] } else { &rest[..rest.len().min(11)] };
    let mut i = 1;
    while let Some(b) = common.get(i) {
        match b {
            b'0'..=b'9' => n = n * 10 + i64::from(b - b'0'),
            b'\r' if i > 1 && (rest[1] != b'0' || i == 2) => {
                return Ok((rest.len() > i + 1).then_some((Some(n), from + i + 2)));
            }
            _ => break,
        }
        i += 1;
    }
    let Some(end) = rest.iter().take(MAX_LINE_BYTES + 1).position(|b| *b == b'\r') else {
        return if rest.len() > MAX_LINE_BYTES { Err(too_big) } else { Ok(None) };
    };
    if end + 1 >= rest.len() {
        return Ok(None);
    }
    Ok(Some((strict_integer(rest.get(1..end).unwrap_or(&[])), from + end + 2)))
}

/// Redis's `string2ll`: digits with an optional minus, no blanks, no plus, no leading zero.
pub(crate) fn strict_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [] => false,
        [b'0'] => text.len() == 1,
        [b'0', ..] => false,
        _ => digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit),
    };
    if !plain {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
