//! [`Streamed`]: the parts of a reply that are written while it is sent, from values that the reply holds.
//!
//! ```text
//!  bytes    header of HGETALL's reply, first rows │ next reply …
//!                                                 ▲ at
//!  sources                          other rows ───┘            one piece at a time, when all before it has been sent
//! ```
//! # Invariants
//! 1. Sources are in the order of their places; a piece that has not been sent is older than all of them, but for what is left of the first.
//! 2. A connection with a source runs no further request before it has been sent: it holds the values of one request at most.

use super::piece::{Piece, Room};
use super::reply::{Protocol, Reply};
use std::collections::VecDeque;

/// Rows of a value that stays as it is.
pub(crate) trait Source: Send {
    /// Writes on from where it stopped until the piece is full; whether there is more.
    fn write(&mut self, piece: &mut Piece<'_>) -> bool;
    /// About as many bytes as are still to be written.
    fn rest_bytes(&self) -> usize;
    /// Bytes that it holds beside the value, which is the database's.
    fn own_bytes(&self) -> usize;
}

/// What any source counts for beside its piece.
const SOURCE_BYTES: usize = 256;

struct Waiting {
    at: usize,
    protocol: Protocol,
    /// Bytes of its first row that have been written.
    begun: usize,
    /// What it counts for.
    bytes: usize,
    source: Box<dyn Source>,
}

/// Sources, and the piece that is being sent.
pub(super) struct Streamed {
    sources: VecDeque<Waiting>,
    /// What they count for together.
    source_bytes: usize,
    piece: Reply,
    room: Room,
}

impl Streamed {
    pub(super) fn new(room: Room) -> Self {
        Streamed { sources: VecDeque::new(), source_bytes: 0, piece: Reply::default(), room }
    }

    pub(super) fn count(&self) -> usize {
        self.sources.len()
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.piece.len() + self.source_bytes
    }

    /// About as many bytes as are still to be written of all but the first `count` sources.
    pub(super) fn rest_since(&self, count: usize) -> usize {
        self.sources.iter().skip(count).map(|waiting| waiting.source.rest_bytes()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.piece.len() == 0
    }

    pub(super) fn push(
        &mut self,
        at: usize,
        protocol: Protocol,
        begun: usize,
        source: Box<dyn Source>,
    ) {
        let bytes = SOURCE_BYTES + source.own_bytes();
        self.source_bytes += bytes;
        self.sources.push_back(Waiting { at, protocol, begun, bytes, source });
    }

    /// Forgets all but the first `count` sources.
    pub(super) fn truncate(&mut self, count: usize) {
        while self.sources.len() > count
            && let Some(gone) = self.sources.pop_back()
        {
            self.source_bytes -= gone.bytes;
        }
    }

    /// The place of the first source.
    pub(super) fn first_at(&self) -> Option<usize> {
        self.sources.front().map(|waiting| waiting.at)
    }

    /// So many bytes before all sources have been dropped from the reply.
    pub(super) fn moved(&mut self, n: usize) {
        self.sources.iter_mut().for_each(|waiting| waiting.at -= n);
    }

    /// What is left of the piece.
    pub(super) fn piece(&self) -> &[u8] {
        self.piece.as_bytes()
    }

    /// So many bytes of it have been sent.
    pub(super) fn take(&mut self, n: usize) {
        self.piece.take_front(n);
    }

    /// Writes the first source's next piece.
    pub(super) fn fill(&mut self) {
        debug_assert_eq!(self.piece.len(), 0);
        let Some(first) = self.sources.front_mut() else { return };
        self.piece.set_protocol(first.protocol);
        let mut piece = Piece::new(&mut self.piece, self.room, first.begun);
        let more = first.source.write(&mut piece);
        first.begun = piece.begun();
        self.source_bytes -= first.bytes;
        if more {
            first.bytes = SOURCE_BYTES + first.source.own_bytes();
            self.source_bytes += first.bytes;
        } else {
            self.sources.pop_front();
        }
    }
}
