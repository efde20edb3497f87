//! [`Rows`]: the rows of a large value that a command answers with: the first of them are written at once, the others as the reply is sent.
//!
//! ```text
//!  handler ── header, first rows ──▶ reply ── full? ──▶ a reference to the value, and which rows are left
//! ```
//! A large value never changes: what others write meanwhile makes another one. So a reply shows what was there when the command ran, however long its
//! client takes to read it; and it costs the loop a piece at a time.
//!
//! # Invariants
//! 1. A reply that can stream gets the same bytes, in the end, as one that cannot.
//! 2. A reply that held a value last hands it to the disposal: no event loop stops for freeing it.

use super::{Outcome, Patience};
use crate::data::Item;
use crate::disposal::Disposal;
use crate::resp::{Encode, Piece, Reply, Source};
use crate::value::{
    Hash, LONG_STRING, List, Object, SortedSet, Stream, StreamId, object_of, string_of,
};
use std::ops::Range;
use std::sync::Arc;

/// About what a reply needs beside a string.
const STRING_BYTES: usize = 6;

/// Which rows of which value, and what of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// Of a hash as it is at a time.
    Fields { keys: bool, values: bool, now_ms: u64 },
    /// Of a set.
    Members,
    /// Of a list.
    Elements,
    /// Of a string, one row: these bytes.
    Part { from: usize, to: usize },
    /// Of a sorted set, by rank.
    Ranks { reverse: bool, with_scores: bool },
    /// Of a stream, both ids included.
    Entries { first: StreamId, last: StreamId, backward: bool },
}

/// How a command shows rows: what it may do where it runs, and where a large value goes that its reply held last.
#[derive(Clone, Copy)]
pub(crate) struct Display<'d> {
    pub(crate) patience: Patience,
    /// Whether a large value's rows are written as they are sent.
    pub(crate) streams: bool,
    pub(crate) disposal: &'d Disposal,
}

impl Display<'_> {
    /// Asks, before the header is written, whether so many rows can be shown here: of a large value any number, where the reply streams.
    ///
    /// # Errors
    /// [`Elsewhere`](super::CommandError::Elsewhere), which a handler passes on.
    pub(crate) fn bear(self, entry: Item<'_>, rows: usize) -> Outcome {
        match self.streams && object_of(entry).is_some() {
            true => Ok(()),
            false => self.patience.bear(rows),
        }
    }

    /// Writes these rows behind their header, or has them written as they are sent; those of a small value `write_small` writes.
    pub(crate) fn show(
        self,
        entry: Item<'_>,
        (shown, left): (Shown, Range<usize>),
        out: &mut Reply,
        write_small: impl FnOnce(&mut Reply),
    ) {
        match object_of(entry) {
            Some(object) => Rows { shown, left }.answer(object, out, self.disposal),
            None => write_small(out),
        }
    }

    /// A reference to a large value, to show rows of it later; `None` of a small one.
    pub(crate) fn hold(self, entry: Item<'_>) -> Option<Held> {
        object_of(entry).map(|object| Held::new(object, self.disposal))
    }

    /// As [`show`](Display::show), of what is [held](Display::hold).
    pub(crate) fn show_held(self, held: &Held, shown: Shown, left: Range<usize>, out: &mut Reply) {
        if let Some(object) = &held.object {
            Rows { shown, left }.answer(object, out, self.disposal);
        }
    }
}

/// Rows that are still to be written.
struct Rows {
    shown: Shown,
    /// Their numbers; of a stream, only how many there are.
    left: Range<usize>,
}

impl Rows {
    /// Answers with them, the header being written.
    fn answer(mut self, object: &Arc<Object>, out: &mut Reply, disposal: &Disposal) {
        let (more, begun) = out.begin_rows(|piece| self.write(object, piece));
        if more {
            let held = Held::new(object, disposal);
            out.stream(Box::new(HeldRows { held, rows: self }), begun);
        }
    }

    /// Writes until the piece is full; whether there is more.
    fn write(&mut self, object: &Object, piece: &mut Piece<'_>) -> bool {
        match (object, self.shown) {
            (Object::Hash(hash), Shown::Fields { keys, values, .. }) => {
                self.fields(Hash::Large(hash), keys, values, piece);
            }
            (Object::TimedHash(hash), Shown::Fields { keys, values, now_ms }) => {
                self.fields(Hash::Timed(hash, now_ms), keys, values, piece);
            }
            (Object::Set(set), Shown::Members) => self.each(piece, |piece, number| {
                set.row(number).is_none_or(|member| piece.row(|piece| piece.bulk(member)))
            }),
            (Object::List(list), Shown::Elements) => self.elements(List::Large(list), piece),
            (Object::String(bytes), Shown::Part { from, to }) => {
                self.each(piece, |piece, _| piece.row(|piece| piece.bulk(&bytes[from..to])))
            }
            (Object::SortedSet(set), Shown::Ranks { reverse, with_scores }) => {
                self.ranks(SortedSet::Large(set), reverse, with_scores, piece);
            }
            (Object::Stream(stream), Shown::Entries { .. }) => self.entries(stream, piece),
            _ => {
                debug_assert!(false, "rows of another type");
                self.left.start = self.left.end;
            }
        }
        !self.left.is_empty()
    }

    /// About as many bytes as they are in a reply: their part of the value's content, and what goes with each string.
    fn bytes(&self, object: &Object) -> usize {
        let (content, rows, strings) = match object {
            Object::Hash(hash) => (hash.content_bytes(), hash.len(), 2),
            Object::TimedHash(hash) => (hash.rows().content_bytes(), hash.rows().len(), 2),
            Object::Set(set) => (set.content_bytes(), set.len(), 1),
            Object::List(list) => (list.bytes(), list.len(), 1),
            Object::SortedSet(set) => (set.content_bytes(), SortedSet::Large(set).len(), 1),
            Object::Stream(stream) => (stream.content_bytes(), stream.len() as usize, 4),
            Object::String(bytes) => match self.shown {
                Shown::Part { from, to } => (to - from, 1, 1),
                _ => (bytes.len(), 1, 1),
            },
        };
        content / rows.max(1) * self.left.len() + self.left.len() * strings * STRING_BYTES
    }

    /// Writes row by row, by number, as long as `write` writes whole ones.
    fn each(
        &mut self,
        piece: &mut Piece<'_>,
        mut write: impl FnMut(&mut Piece<'_>, usize) -> bool,
    ) {
        while !self.left.is_empty() && piece.has_room() {
            if write(piece, self.left.start) {
                self.left.start += 1;
            }
        }
    }

    fn fields(&mut self, hash: Hash<'_>, keys: bool, values: bool, piece: &mut Piece<'_>) {
        self.each(piece, |piece, number| {
            // A field that is due has a number, and counts as a row, but is not there.
            let row = hash.row(number);
            piece.row(|piece| {
                let Some((field, value)) = row else { return };
                if keys {
                    piece.bulk(field);
                }
                if values {
                    piece.bulk(value);
                }
            })
        });
    }

    fn elements(&mut self, list: List<'_>, piece: &mut Piece<'_>) {
        let mut elements = list.iter_from(self.left.start);
        self.each(piece, |piece, _| {
            elements.next().is_none_or(|element| piece.row(|piece| piece.bulk(element)))
        });
    }

    fn ranks(
        &mut self,
        set: SortedSet<'_>,
        reverse: bool,
        with_scores: bool,
        piece: &mut Piece<'_>,
    ) {
        let Range { start, end } = self.left;
        let most = piece.most_rows().min(end - start);
        let ranks = if reverse { end - most..end } else { start..start + most };
        let mut written = 0;
        set.for_each_in(ranks, reverse, |member, score| {
            if piece.has_room() {
                let row = |piece: &mut Piece<'_>| {
                    super::sorted_set::write_entry(piece, member, score, with_scores);
                };
                written += usize::from(piece.row(row));
            }
        });
        match reverse {
            true => self.left.end -= written,
            false => self.left.start += written,
        }
    }

    fn entries(&mut self, stream: &Stream, piece: &mut Piece<'_>) {
        let Shown::Entries { first, last, backward } = &mut self.shown else { return };
        let mut range = stream.range(*first, *last);
        while !self.left.is_empty() && piece.has_room() {
            let next = if *backward { range.next_back() } else { range.next() };
            let Some((id, entry)) = next else {
                debug_assert!(false, "fewer entries than were counted");
                self.left.start = self.left.end;
                return;
            };
            if !piece.row(|piece| super::stream::write_entry(piece, id, entry)) {
                return;
            }
            self.left.start += 1;
            match *backward {
                true => *last = id.previous().unwrap_or(StreamId::ZERO),
                false => *first = id.next().unwrap_or(StreamId::MAX),
            }
        }
    }
}

/// Answers with a string.
///
/// # Errors
/// It is none.
#[inline]
pub(crate) fn write_string(entry: Item<'_>, out: &mut Reply, disposal: &Disposal) -> Outcome {
    let bytes = string_of(entry)?;
    if bytes.len() < LONG_STRING {
        out.bulk(bytes);
        return Ok(());
    }
    write_part(entry, 0..bytes.len(), out, disposal)
}

/// Answers with these bytes of a string.
///
/// # Errors
/// It is none.
pub(crate) fn write_part(
    entry: Item<'_>,
    part: Range<usize>,
    out: &mut Reply,
    disposal: &Disposal,
) -> Outcome {
    let bytes = string_of(entry)?;
    match object_of(entry) {
        Some(object) => {
            let shown = Shown::Part { from: part.start, to: part.end };
            Rows { shown, left: 0..1 }.answer(object, out, disposal);
        }
        None => out.bulk(&bytes[part]),
    }
    Ok(())
}

/// A reference to a large value.
pub(crate) struct Held {
    /// There until it is dropped.
    object: Option<Arc<Object>>,
    disposal: Disposal,
}

impl Held {
    fn new(object: &Arc<Object>, disposal: &Disposal) -> Self {
        Held { object: Some(Arc::clone(object)), disposal: disposal.clone() }
    }

    /// Answers with these entries of a stream, the header being written: of those that are gone with the id.
    pub(crate) fn answer_listed(self, ids: Vec<StreamId>, out: &mut Reply) {
        let mut listed = Listed { held: self, ids: ids.into_iter() };
        let (more, begun) = out.begin_rows(|piece| listed.write(piece));
        if more {
            out.stream(Box::new(listed), begun);
        }
    }
}

/// Entries of a stream, one by one.
struct Listed {
    held: Held,
    ids: std::vec::IntoIter<StreamId>,
}

impl Source for Listed {
    fn write(&mut self, piece: &mut Piece<'_>) -> bool {
        let Some(Object::Stream(stream)) = self.held.object.as_deref() else { return false };
        while let Some(&id) = self.ids.as_slice().first()
            && piece.has_room()
        {
            if piece.row(|piece| super::stream::write_listed(piece, id, stream.get(id))) {
                self.ids.next();
            }
        }
        self.ids.len() > 0
    }

    fn rest_bytes(&self) -> usize {
        let shown = Shown::Entries { first: StreamId::ZERO, last: StreamId::MAX, backward: false };
        let rows = Rows { shown, left: 0..self.ids.len() };
        self.held.object.as_ref().map_or(0, |object| rows.bytes(object))
    }

    fn own_bytes(&self) -> usize {
        size_of_val(self.ids.as_slice())
    }
}

/// Rows of a value that a reply holds.
struct HeldRows {
    held: Held,
    rows: Rows,
}

impl Source for HeldRows {
    fn write(&mut self, piece: &mut Piece<'_>) -> bool {
        let Some(object) = &self.held.object else { return false };
        self.rows.write(object, piece)
    }

    fn rest_bytes(&self) -> usize {
        self.held.object.as_ref().map_or(0, |object| self.rows.bytes(object))
    }

    fn own_bytes(&self) -> usize {
        0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Of those that let go at the same time exactly one is the last.
        if let Some(object) = self.object.take().and_then(Arc::into_inner) {
            self.disposal.take(Arc::new(object));
        }
    }
}
