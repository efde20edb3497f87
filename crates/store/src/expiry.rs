//! Expiry: which keys are to be looked at when.
//!
//! ```text
//!  writers ─▶ 64 inboxes of 16-byte records ─▶ calendar: day ─▶ [record …]      (whoever runs `expire_due`, one at a time)
//!  record = expiry time in ms (56 bits) | space (8)  ·  hash of the key (64)
//! ```
//! An expired value is absent for every reader by its own clock; this only frees its memory. What found no room in an inbox is found by a survey,
//! which walks all keys in portions, beside the rest ([`survey`]), and files what it finds in the calendar.
//!
//! # Invariants
//! 1. Every live value that expires has a record, here or in a thread's hands, at its expiry time or before; or a survey is called for, or one under
//!    way has still to come by.
//!    A record that comes too early is put back at the value's real time; one whose value is gone is dropped.
//! 2. No writer waits: an inbox whose lock is taken is passed by, so are the first that are full; if there is no other, a survey is called for, which
//!    walks all keys.
//! 3. Records name a key by its hash; whoever acts on one looks at the value itself.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[records]` | Relaxed: written under the lock; a hint to others |
//! | `[earliest]` | Relaxed: a hint, whether a look is worth while |

mod survey;

use crate::call::Call;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, TryLockError};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::thread_slot;
use survey::Position;

const INBOXES: usize = 64;
/// Records of an inbox that nobody empties.
const FULL: usize = 1 << 16;
/// Inboxes that a thread fills, its own and those that follow; after that a survey finds the keys.
const REACH: usize = 8;
/// A page of the calendar spans 64 ms.
const PAGE_BITS: u32 = 6;
/// Records of a piece of a page: 4 KiB.
const PIECE: usize = 256;
const SPACE_BITS: u32 = 8;
/// Later than any caller's clock: such values never expire by themselves.
const FOR_EVER: u64 = 1 << (64 - SPACE_BITS);

/// A key that may have expired at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    at_and_space: u64,
    pub(crate) hash: u64,
}

impl Due {
    /// `None` for a time that never comes.
    fn new(space: u8, hash: u64, at: u64) -> Option<Due> {
        (at < FOR_EVER).then(|| Due { at_and_space: at << SPACE_BITS | u64::from(space), hash })
    }

    pub(crate) fn at(self) -> u64 {
        self.at_and_space >> SPACE_BITS
    }

    pub(crate) fn space(self) -> u8 {
        (self.at_and_space & ((1 << SPACE_BITS) - 1)) as u8
    }
}

/// The records of one span of time, in pieces that do not move as it grows: most stay as they are until they are due.
#[derive(Default)]
struct Page {
    /// All full but the last; none empty.
    pieces: Vec<Vec<Due>>,
}

impl Page {
    fn push(&mut self, record: Due) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => {
                // Half as much again: many pages have few records.
                if piece.len() == piece.capacity() {
                    piece.reserve_exact((piece.len() / 2).clamp(1, PIECE - piece.len()));
                }
                piece.push(record);
            }
            last => {
                let mut piece = Vec::with_capacity(if last.is_some() { PIECE } else { 4 });
                piece.push(record);
                self.pieces.push(piece);
            }
        }
    }

    fn records(&self) -> impl Iterator<Item = Due> {
        self.pieces.iter().flatten().copied()
    }

    /// Takes out `count` of them, or all.
    fn take(&mut self, count: usize) -> Vec<Due> {
        let mut taken = Vec::with_capacity(count.min(PIECE));
        while taken.len() < count {
            let Some(piece) = self.pieces.last_mut() else { break };
            let rest = piece.len().saturating_sub(count - taken.len());
            taken.extend(piece.drain(rest..));
            if piece.is_empty() {
                self.pieces.pop();
            }
        }
        taken
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Pages by the span of time that is theirs.
type Calendar = BTreeMap<u64, Page>;

pub(crate) struct Expiry {
    inboxes: Box<[CachePadded<Mutex<Vec<Due>>>]>,
    calendar: Mutex<Calendar>,
    /// Taken before the first portion, which sees the values for which it was called.
    survey: Call,
    /// Where the survey under way goes on.
    surveyed: Mutex<Option<Position>>,
    /// No record of the calendar is due before; inboxes not counted.
    earliest: AtomicU64,
    /// Records of the calendar.
    records: AtomicU64,
}

pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Expiry {
    pub(crate) fn new() -> Self {
        Expiry {
            inboxes: (0..INBOXES).map(|_| CachePadded::default()).collect(),
            calendar: Mutex::default(),
            survey: Call::default(),
            surveyed: Mutex::default(),
            earliest: AtomicU64::new(u64::MAX),
            records: AtomicU64::new(0),
        }
    }

    /// Notes that a key's value expires at `at`.
    pub(crate) fn push(&self, space: u8, hash: u64, at: u64) {
        let Some(due) = Due::new(space, hash, at) else { return };
        let own = thread_slot::current().unwrap_or(0);
        let mut full = 0;
        for inbox in (0..INBOXES).map(|step| &self.inboxes[(own + step) % INBOXES]) {
            if let Some(mut records) = try_lock(inbox) {
                if records.len() < FULL {
                    records.push(due);
                    return;
                }
                full += 1;
                // It is called for again, whatever this says.
                if full == REACH || self.survey.is_called() {
                    break;
                }
            }
        }
        self.survey.call();
    }

    /// Takes up to about `most` records that are due at `now`. Empty if another thread is at it.
    pub(crate) fn take_due(&self, now: u64, most: usize) -> Vec<Due> {
        let Some(mut calendar) = try_lock(&self.calendar) else { return Vec::new() };
        self.empty_inboxes(&mut calendar);
        let mut due = Vec::new();
        // Relaxed [earliest]: only holders of the lock write it
        if self.earliest.load(Ordering::Relaxed) > now {
            return due;
        }
        let mut later = Vec::new();
        while due.len() < most {
            let Some(page) = calendar.first_entry().filter(|page| page.key() << PAGE_BITS <= now)
            else {
                break;
            };
            let (span, page) = page.remove_entry();
            let mut unripe = Page::default();
            for record in page.records() {
                if record.at() <= now {
                    due.push(record);
                } else {
                    unripe.push(record);
                }
            }
            if !unripe.is_empty() {
                later.push((span, unripe));
            }
        }
        calendar.extend(later);
        // Relaxed [records]: only holders of the lock write it
        let left = self.records.load(Ordering::Relaxed).saturating_sub(due.len() as u64);
        // Relaxed [records]: only holders of the lock write it
        self.records.store(left, Ordering::Relaxed);
        self.note_earliest(&calendar);
        due
    }

    /// Takes up to `count` records of one page out, to be put back by [`push`](Expiry::push) if their keys are still there: of the first page, or of one
    /// about a time that `draw` chooses. `None` if another thread is at it.
    pub(crate) fn take_some(&self, count: usize, draw: Option<u64>) -> Option<Vec<Due>> {
        let mut calendar = try_lock(&self.calendar)?;
        self.empty_inboxes(&mut calendar);
        let (Some((&first, _)), Some((&last, _))) =
            (calendar.first_key_value(), calendar.last_key_value())
        else {
            return Some(Vec::new());
        };
        // Times are often spread over orders of magnitude, so it is the span's logarithm that is drawn evenly.
        let time = draw.map_or(first, |draw| {
            let span = last - first;
            let span = span >> (draw >> 58).min(span.max(1).ilog2().into());
            first + draw % (span + 1)
        });
        let (&page, records) = calendar.range_mut(time..).next()?;
        let taken = records.take(count);
        if records.is_empty() {
            calendar.remove(&page);
        }
        // Relaxed [records]: only holders of the lock write it
        let left = self.records.load(Ordering::Relaxed).saturating_sub(taken.len() as u64);
        // Relaxed [records]: only holders of the lock write it
        self.records.store(left, Ordering::Relaxed);
        self.note_earliest(&calendar);
        Some(taken)
    }

    /// Forgets all records if there are more than `most`, as when keys go long before they expire, and calls for a survey.
    pub(crate) fn shed_above(&self, most: u64) {
        // Relaxed [records]: a hint
        if self.records.load(Ordering::Relaxed) > most
            && let Some(mut calendar) = try_lock(&self.calendar)
        {
            calendar.clear();
            // Relaxed [records]: only holders of the lock write it
            self.records.store(0, Ordering::Relaxed);
            self.note_earliest(&calendar);
            // What a survey under way has found is forgotten too: it begins anew, or the next one would find all of it once more.
            if let Some(mut surveyed) = try_lock(&self.surveyed) {
                *surveyed = None;
            }
            self.survey.call();
        }
    }

    fn empty_inboxes(&self, calendar: &mut Calendar) {
        for inbox in &self.inboxes {
            if let Some(records) = try_lock(inbox).map(|mut records| std::mem::take(&mut *records))
            {
                self.enter(calendar, &records);
            }
        }
    }

    fn enter(&self, calendar: &mut Calendar, records: &[Due]) {
        let Some(earliest) = records.iter().map(|record| record.at()).min() else { return };
        for &record in records {
            calendar.entry(record.at() >> PAGE_BITS).or_default().push(record);
        }
        // Relaxed [records]: only holders of the lock write it
        let before = self.records.load(Ordering::Relaxed);
        // Relaxed [records]: only holders of the lock write it
        self.records.store(before + records.len() as u64, Ordering::Relaxed);
        // Relaxed [earliest]: only holders of the lock write it
        self.earliest.fetch_min(earliest, Ordering::Relaxed);
    }

    fn note_earliest(&self, calendar: &Calendar) {
        let records = calendar.first_key_value().into_iter().flat_map(|(_, page)| page.records());
        let earliest = records.map(|record| record.at()).min().unwrap_or(u64::MAX);
        // Relaxed [earliest]: only holders of the lock write it
        self.earliest.store(earliest, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_when_they_are_due_and_only_then() {
        let expiry = Expiry::new();
        for at in 0..1000 {
            expiry.push((at % 3) as u8, at, at);
        }
        let first = expiry.take_due(99, 10_000);
        assert_eq!(first.len(), 100);
        assert!(first.iter().all(|due| due.at() <= 99 && u64::from(due.space()) == due.hash % 3));
        assert!(expiry.take_due(99, 10_000).is_empty());
        let mut rest = 0;
        loop {
            let due = expiry.take_due(5000, 70).len();
            rest += due;
            if due == 0 {
                break;
            }
        }
        assert_eq!(rest, 900);
    }

    #[test]
    fn records_that_are_taken_are_gone_and_too_many_are_forgotten_for_a_survey() {
        let expiry = Expiry::new();
        (0..1000).for_each(|at| expiry.push(0, at, 1000 + at * 100));
        let first = expiry.take_some(5, None).unwrap();
        assert!(!first.is_empty() && first.iter().all(|due| due.at() < 1100), "{first:?}");
        let mut left = 1000 - first.len();
        for draw in 0..100_000u64 {
            let draw = draw.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            left -= expiry.take_some(5, Some(draw)).unwrap().len();
        }
        assert_eq!(left, 0, "every time is drawn some day");
        (0..1000).for_each(|at| expiry.push(0, at, at));
        assert!(expiry.take_due(499, 10_000).len() == 500 && !expiry.survey.take());
        expiry.shed_above(500);
        assert!(!expiry.survey.take());
        *expiry.surveyed.lock().unwrap() = Some(Position::default());
        expiry.shed_above(499);
        assert!(!expiry.is_surveying(), "it begins anew");
        assert!(expiry.survey.take() && expiry.take_due(5_000, 10_000).is_empty());
    }

    #[test]
    fn what_never_expires_is_not_kept_and_full_inboxes_call_for_a_survey() {
        let expiry = Expiry::new();
        expiry.push(0, 1, u64::MAX);
        assert!(expiry.take_due(FOR_EVER - 1, 10).is_empty());
        let room = REACH * FULL;
        (0..room as u64).for_each(|hash| expiry.push(0, hash, 7));
        assert!(!expiry.survey.take());
        expiry.push(0, 0, 7);
        assert!(expiry.survey.take() && !expiry.survey.take());
        assert_eq!(expiry.take_due(7, usize::MAX).len(), room);
    }
}
