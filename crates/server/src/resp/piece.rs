//! [`Piece`]: a stretch of a reply's rows, of bounded size; [`Encode`]: what rows are written to.
//!
//! ```text
//!  rows    a │ b │ c ccccccccc… │ d │
//!  pieces  ──────────┤────┤─────────┤     a piece ends behind the row that fills it, or within a long string
//! ```
//! A row that a piece has cut is written again to the next one, which leaves out what is there already: so whoever writes rows need not know.
//!
//! # Invariants
//! 1. A piece is longer than its bound by one short part at most.
//! 2. Every piece brings the reply forward, by one row or one byte.

use super::reply::{Protocol, Reply};

/// A string up to this length is not cut within.
const SHORT_BYTES: usize = 4096;

/// What parts of a reply are written to.
pub(crate) trait Encode {
    fn protocol(&self) -> Protocol;
    /// Header of an array: `n` replies follow.
    fn array(&mut self, n: usize);
    /// A bulk string.
    fn bulk(&mut self, bytes: &[u8]);
    /// A floating-point number.
    fn double(&mut self, x: f64);
    /// No array there.
    fn null_array(&mut self);
}

impl Encode for Reply {
    fn protocol(&self) -> Protocol {
        Reply::protocol(self)
    }
    fn array(&mut self, n: usize) {
        Reply::array(self, n);
    }
    fn bulk(&mut self, bytes: &[u8]) {
        Reply::bulk(self, bytes);
    }
    fn double(&mut self, x: f64) {
        Reply::double(self, x);
    }
    fn null_array(&mut self) {
        Reply::null_array(self);
    }
}

/// How much a piece takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
}

impl Room {
    pub(crate) const ENDLESS: Room = Room { bytes: usize::MAX, rows: usize::MAX };
}

/// A piece that is being written.
pub(crate) struct Piece<'r> {
    text: &'r mut Reply,
    /// Where in `text` it begins.
    at: usize,
    room: Room,
    /// Bytes that earlier pieces have of the first row.
    begun: usize,
    /// Bytes to leave out of what is written next.
    skip: usize,
    is_cut: bool,
}

impl<'r> Piece<'r> {
    /// A piece at the end of `text`; its first row is one of which earlier pieces have `begun` bytes.
    pub(super) fn new(text: &'r mut Reply, room: Room, begun: usize) -> Self {
        let at = text.end();
        Piece { text, at, room, begun, skip: 0, is_cut: false }
    }

    /// Bytes that the pieces up to this one have of a row that is cut.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    fn left_bytes(&self) -> usize {
        self.room.bytes.saturating_sub(self.text.end() - self.at)
    }

    /// Whether another row is to be written.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        !self.is_cut && self.room.rows > 0 && self.left_bytes() > 0
    }

    /// At most so many rows will be.
    pub(crate) fn most_rows(&self) -> usize {
        self.room.rows
    }

    /// Writes a row; whether it is whole now. If not, it is the next piece's first.
    #[inline]
    pub(crate) fn row(&mut self, write: impl FnOnce(&mut Self)) -> bool {
        let at = self.text.end();
        self.room.rows -= 1;
        self.skip = self.begun;
        write(self);
        if self.is_cut {
            self.begun += self.text.end() - at;
            return false;
        }
        debug_assert_eq!(self.skip, 0, "the row has become shorter");
        self.begun = 0;
        true
    }

    /// Writes a page of bytes that are encoded.
    pub(super) fn page(&mut self, bytes: &[u8]) {
        self.text.raw(bytes);
    }

    /// Writes something short, but for what earlier pieces have of it.
    #[inline]
    fn put(&mut self, write: impl FnOnce(&mut Reply)) {
        self.is_cut |= self.left_bytes() == 0;
        if self.is_cut {
            return;
        }
        let at = self.text.end();
        write(self.text);
        if self.skip > 0 {
            self.skip -= self.text.cut_out(at, self.skip);
        }
    }

    #[cold]
    fn put_long(&mut self, bytes: &[u8]) {
        self.put(|text| text.bulk_header(bytes.len()));
        if self.is_cut {
            return;
        }
        let rest = &bytes[self.skip.min(bytes.len())..];
        self.skip -= bytes.len() - rest.len();
        let most = rest.len().min(self.left_bytes());
        self.text.raw(&rest[..most]);
        self.is_cut = most < rest.len();
        self.put(|text| text.raw(b"\r\n"));
    }
}

impl Encode for Piece<'_> {
    fn protocol(&self) -> Protocol {
        self.text.protocol()
    }
    fn array(&mut self, n: usize) {
        self.put(|text| text.array(n));
    }
    #[inline]
    fn bulk(&mut self, bytes: &[u8]) {
        if bytes.len() <= SHORT_BYTES || self.skip == 0 && bytes.len() <= self.left_bytes() {
            self.put(|text| text.bulk(bytes));
        } else {
            self.put_long(bytes);
        }
    }
    fn double(&mut self, x: f64) {
        self.put(|text| text.double(x));
    }
    fn null_array(&mut self) {
        self.put(Reply::null_array);
    }
}
