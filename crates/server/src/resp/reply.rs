//! [`Reply`]: the output buffer of a connection; every reply is written into it once, in place.
//!
//! | call | RESP2 | RESP3 |
//! |---|---|---|
//! | `simple`, `error`, `integer`, `bulk`, `array` | `+ - : $ *` | the same |
//! | `null` | `$-1` | `_` |
//! | `null_array` | `*-1` | `_` |
//! | `map(n)` | `*2n` | `%n` |
//! | `set(n)`, `push(n)` | `*n` | `~n`, `>n` |
//! | `double` | bulk | `,` |
//! | `boolean` | `:1` / `:0` | `#t` / `#f` |
//! | `verbatim` | bulk | `=len txt:` |
//!
//! Invariants:
//! 1. Between commands the buffer holds whole replies only: a command that fails midway is rewound to its mark.
//! 2. An error text never contains CR or LF.
//!
//! A connection's reply may hold values in the place of bytes ([`Streamed`]): what is written of them is written as it is sent. Any other is bytes only.

use super::pages::Pages;
use super::piece::{Piece, Room};
use super::streamed::{Source, Streamed};

/// What is written at once of a value behind another one.
const FEW_BYTES: usize = 4096;
const FEW_ROWS: usize = 128;
/// A buffer that has more than this does not keep it until all of it has been sent.
const LONG_BYTES: usize = 1 << 20;

/// Version of the protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// A place in the buffer to come back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: usize,
    errors: u32,
    sources: u32,
}

/// Replies on their way to a client.
#[derive(Default)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    /// So many of them have been taken.
    taken: usize,
    protocol: Protocol,
    errors: u32,
    last_error_at: usize,
    /// How much of a value is written at a time; `None`: all of it.
    room: Option<Room>,
    /// `None`, or not empty.
    streamed: Option<Box<Streamed>>,
}

impl Reply {
    /// One that writes so much of a large value at a time.
    pub(crate) fn streaming(room: Room) -> Self {
        Reply { room: Some(room), ..Reply::default() }
    }
    /// What has been written and not yet taken of a reply that holds no values.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        debug_assert!(!self.holds_values());
        &self.bytes[self.taken..]
    }
    /// Bytes held and not yet taken.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let bytes = self.bytes.len() - self.taken;
        match &self.streamed {
            None => bytes,
            Some(streamed) => bytes + streamed.bytes(),
        }
    }
    /// Whether there are values of which something is still to be written, or a piece of them to be sent.
    #[inline]
    pub(crate) fn holds_values(&self) -> bool {
        self.streamed.is_some()
    }
    /// Whether it would hold large values.
    pub(crate) fn can_stream(&self) -> bool {
        self.room.is_some()
    }
    /// Whether no more requests are to be answered, with so many bytes or values that wait to be sent.
    #[inline]
    pub(crate) fn has_enough(&self, bytes: usize) -> bool {
        self.holds_values() || self.bytes.len() - self.taken >= bytes
    }
    /// Has `write` write rows, all of them or so many as it writes at a time; what `write` says, and how many bytes of the next row are written.
    pub(crate) fn begin_rows(
        &mut self,
        write: impl FnOnce(&mut Piece<'_>) -> bool,
    ) -> (bool, usize) {
        let mut room = self.room.unwrap_or(Room::ENDLESS);
        if self.holds_values() {
            // What follows a value will not be sent soon.
            room = Room { bytes: room.bytes.min(FEW_BYTES), rows: room.rows.min(FEW_ROWS) };
        }
        let mut piece = Piece::new(self, room, 0);
        let more = write(&mut piece);
        (more, piece.begun())
    }
    /// Leaves the other rows, of the first of which so many bytes are written, to be written as they are sent.
    pub(crate) fn stream(&mut self, source: Box<dyn Source>, begun: usize) {
        let Some(room) = self.room else {
            debug_assert!(false, "a reply of bytes only");
            return;
        };
        let (at, protocol) = (self.bytes.len(), self.protocol);
        self.streamed
            .get_or_insert_with(|| Box::new(Streamed::new(room)))
            .push(at, protocol, begun, source);
    }
    /// Lays a long reply into pages, if it can stream. For a thread that others do not wait for: it is copied, and the memory it had is freed.
    pub(crate) fn lay_into_pages(&mut self) {
        if self.can_stream() && !self.holds_values() && self.len() > LONG_BYTES {
            let bytes = std::mem::take(&mut self.bytes);
            let pages = Pages::of(&bytes[std::mem::take(&mut self.taken)..]);
            self.stream(Box::new(pages), 0);
        }
    }
    /// The bytes to send next, writing a piece if it is to be written before they are there and there are `pieces` left to write.
    pub(crate) fn front(&mut self, pieces: &mut usize) -> &[u8] {
        if let Some(streamed) = &mut self.streamed
            && *pieces > 0
            && streamed.piece().is_empty()
            && streamed.first_at() == Some(self.taken)
        {
            *pieces -= 1;
            streamed.fill();
            if streamed.is_empty() {
                self.streamed = None;
            }
        }
        match &self.streamed {
            Some(streamed) if !streamed.piece().is_empty() => streamed.piece(),
            Some(streamed) => &self.bytes[self.taken..streamed.first_at().unwrap_or(self.taken)],
            None => &self.bytes[self.taken..],
        }
    }
    /// Where the next byte is written.
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }
    /// Removes up to `n` of the bytes from `at` on; how many.
    pub(super) fn cut_out(&mut self, at: usize, n: usize) -> usize {
        let n = n.min(self.bytes.len() - at);
        self.bytes.drain(at..at + n);
        n
    }
    /// Whole replies that somebody else has encoded.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    /// Removes the first `n` bytes, which have been sent. Not between a [`mark`](Reply::mark) and its [`rewind`](Reply::rewind).
    ///
    /// # Cost
    /// Constant, amortised: the rest moves to the front once it is the smaller part.
    pub(crate) fn take_front(&mut self, n: usize) {
        if self.streamed.is_some() {
            return self.take_streamed(n);
        }
        self.taken += n;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 {
            self.drop_taken();
        }
    }
    /// Moves the rest to the front; of a long reply what has been sent gives its memory back.
    fn drop_taken(&mut self) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.bytes.capacity() > LONG_BYTES {
            self.bytes.shrink_to(LONG_BYTES);
        }
    }
    #[cold]
    fn take_streamed(&mut self, n: usize) {
        let Some(streamed) = &mut self.streamed else { return };
        if streamed.piece().is_empty() {
            self.taken += n;
            if self.taken > self.bytes.len() / 2 {
                streamed.moved(self.taken);
                self.drop_taken();
            }
            return;
        }
        streamed.take(n);
        if streamed.is_empty() {
            self.streamed = None;
        }
    }
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
    /// Takes the memory of an empty buffer, leaving none.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        debug_assert!(self.bytes.is_empty());
        std::mem::take(&mut self.bytes)
    }
    /// Gives an empty buffer memory to fill.
    pub(crate) fn give_memory(&mut self, mut memory: Vec<u8>) {
        debug_assert!(self.bytes.is_empty());
        memory.clear();
        self.bytes = memory;
    }
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }
    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The present end, to [`rewind`](Reply::rewind) to.
    pub(crate) fn mark(&self) -> Mark {
        let sources = self.streamed.as_ref().map_or(0, |streamed| streamed.count() as u32);
        Mark { at: self.bytes.len(), errors: self.errors, sources }
    }
    /// Bytes written since `mark`, and about as many as will be of the values that have come since.
    pub(crate) fn len_since(&self, mark: Mark) -> usize {
        let bytes = self.written_since(mark);
        match &self.streamed {
            None => bytes,
            Some(streamed) => bytes + streamed.rest_since(mark.sources as usize),
        }
    }
    /// Bytes written since `mark`, without what will be of values.
    #[inline]
    pub(crate) fn written_since(&self, mark: Mark) -> usize {
        self.bytes.len() - mark.at
    }
    /// Forgets everything written since `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.at);
        self.errors = mark.errors;
        if let Some(streamed) = &mut self.streamed {
            streamed.truncate(mark.sources as usize);
            if streamed.is_empty() {
                self.streamed = None;
            }
        }
    }
    /// The code word (`ERR`, `WRONGTYPE`) of the last error written since `mark`, if there was one.
    pub(crate) fn error_since(&self, mark: Mark) -> Option<&[u8]> {
        if self.errors == mark.errors {
            return None;
        }
        let text = self.bytes.get(self.last_error_at + 1..)?;
        let end = text.iter().position(|b| matches!(b, b' ' | b'\r'))?;
        Some(&text[..end])
    }

    /// Whether what was written since `mark` begins with an error.
    pub(crate) fn is_error(&self, mark: Mark) -> bool {
        self.errors > mark.errors && self.bytes.get(mark.at) == Some(&b'-')
    }

    /// `+OK`
    pub(crate) fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }
    /// `+text`
    pub(crate) fn simple(&mut self, text: &str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.crlf();
    }
    /// As [`simple`](Reply::simple), for texts that a script made; CR and LF become blanks.
    pub(crate) fn simple_bytes(&mut self, text: &[u8]) {
        self.bytes.push(b'+');
        self.bytes.extend(text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        self.crlf();
    }
    /// `-text`, the code word included; CR and LF become blanks.
    pub(crate) fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }
    /// As [`error`](Reply::error), for texts that quote what a client sent.
    pub(crate) fn error_bytes(&mut self, text: &[u8]) {
        self.errors += 1;
        self.last_error_at = self.bytes.len();
        self.bytes.push(b'-');
        let end =
            text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let trimmed = &text[..end];
        self.bytes
            .extend(trimmed.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        self.crlf();
    }
    /// `:n`
    pub(crate) fn integer(&mut self, n: i64) {
        match n {
            0 => self.bytes.extend_from_slice(b":0\r\n"),
            1 => self.bytes.extend_from_slice(b":1\r\n"),
            _ => self.header(b':', n),
        }
    }
    /// A bulk string.
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.bytes.reserve(bytes.len() + 24);
        self.bulk_header(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.crlf();
    }
    /// Header of a bulk string: `len` bytes and a line's end follow.
    #[inline]
    pub(super) fn bulk_header(&mut self, len: usize) {
        self.header(b'$', len as i64);
    }
    /// A bulk string that holds a number.
    pub(crate) fn bulk_integer(&mut self, n: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(n).as_bytes());
    }
    /// Nothing there.
    pub(crate) fn null(&mut self) {
        self.bytes.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }
    /// No array there (EXEC that was aborted).
    pub(crate) fn null_array(&mut self) {
        self.bytes.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }
    /// Header of an array: `n` replies follow.
    pub(crate) fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }
    /// As [`array`](Reply::array), before the `n` replies written since `mark`: for when their number is known last. None of them holds a value.
    pub(crate) fn array_since(&mut self, mark: Mark, n: usize) {
        debug_assert_eq!(mark.sources, self.mark().sources);
        let end = self.bytes.len();
        self.array(n);
        let header = self.bytes.len() - end;
        self.bytes[mark.at..].rotate_right(header);
    }
    /// Header of a map: `n` pairs follow.
    pub(crate) fn map(&mut self, n: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', 2 * n as i64),
            Protocol::Resp3 => self.header(b'%', n as i64),
        }
    }
    /// Header of a set: `n` replies follow.
    pub(crate) fn set(&mut self, n: usize) {
        self.aggregate(b'~', n);
    }
    /// Header of an out-of-band message: `n` replies follow.
    pub(crate) fn push(&mut self, n: usize) {
        self.aggregate(b'>', n);
    }
    /// Header of attributes of the reply that follows: `n` pairs. RESP3 only.
    pub(crate) fn attribute(&mut self, n: usize) {
        debug_assert_eq!(self.protocol, Protocol::Resp3);
        self.header(b'|', n as i64);
    }
    /// A whole number beyond 64 bits.
    pub(crate) fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => {
                self.bytes.push(b'(');
                self.bytes.extend_from_slice(digits.as_bytes());
                self.crlf();
            }
        }
    }
    /// A floating-point number, in the shortest form that reads back the same.
    pub(crate) fn double(&mut self, x: f64) {
        let text = format_double(x);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.bytes.push(b',');
                self.bytes.extend_from_slice(text.as_bytes());
                self.crlf();
            }
        }
    }
    /// A floating-point number with up to 17 digits behind the point and no exponent.
    pub(crate) fn long_double(&mut self, x: f64) {
        let text = format!("{x:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.bytes.push(b',');
                self.bytes.extend_from_slice(text.as_bytes());
                self.crlf();
            }
        }
    }
    /// True or false.
    pub(crate) fn boolean(&mut self, yes: bool) {
        match (self.protocol, yes) {
            (Protocol::Resp2, _) => self.integer(i64::from(yes)),
            (Protocol::Resp3, true) => self.bytes.extend_from_slice(b"#t\r\n"),
            (Protocol::Resp3, false) => self.bytes.extend_from_slice(b"#f\r\n"),
        }
    }
    /// A text for people; `format` has three letters (`txt`).
    pub(crate) fn verbatim(&mut self, format: &str, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.header(b'=', text.len() as i64 + 4);
                self.bytes.extend_from_slice(format.as_bytes());
                self.bytes.push(b':');
                self.bytes.extend_from_slice(text.as_bytes());
                self.crlf();
            }
        }
    }

    fn aggregate(&mut self, resp3: u8, n: usize) {
        let kind = if self.protocol == Protocol::Resp3 { resp3 } else { b'*' };
        self.header(kind, n as i64);
    }
    fn header(&mut self, kind: u8, n: i64) {
        // One append for the usual small lengths.
        if (0..100).contains(&n) {
            let (tens, ones) = (b'0' + (n / 10) as u8, b'0' + (n % 10) as u8);
            if n < 10 {
                self.bytes.extend_from_slice(&[kind, ones, b'\r', b'\n']);
            } else {
                self.bytes.extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
            }
            return;
        }
        let mut digits = itoa::Buffer::new();
        self.bytes.push(kind);
        self.bytes.extend_from_slice(digits.format(n).as_bytes());
        self.crlf();
    }
    fn crlf(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// The shortest decimal that reads back as `x`, laid out as Redis does: integers up to 2^62 in full, an exponent for what is very large or small.
pub(crate) fn format_double(x: f64) -> String {
    const FULL: f64 = (i64::MAX / 2) as f64;
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if x == 0.0 {
        return if x.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if (-FULL..=FULL).contains(&x) && x.fract() == 0.0 {
        return itoa::Buffer::new().format(x as i64).to_owned();
    }
    // d.ddde±x: the digits, and the power of ten of the first one.
    let shortest = format!("{:e}", x.abs());
    let (digits, power) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if x < 0.0 { "-" } else { "" };
    let count = digits.len() as i32;
    let behind = count - 1 - power;
    if behind <= 0 && power < count + 7 {
        let zeros = "0".repeat(-behind as usize);
        return format!("{sign}{digits}{zeros}");
    }
    if behind > 0 && (behind < 7 || power.abs() < 4) {
        return match usize::try_from(power) {
            Ok(power) => format!("{sign}{}.{}", &digits[..=power], &digits[power + 1..]),
            Err(_) => format!("{sign}0.{}{digits}", "0".repeat((behind - count) as usize)),
        };
    }
    let point = if count > 1 { "." } else { "" };
    let power_sign = if power < 0 { '-' } else { '+' };
    format!("{sign}{}{point}{}e{power_sign}{}", &digits[..1], &digits[1..], power.abs())
}
