//! The survey: every key's expiry is noted anew, because a record may have found no room.
//!
//! It goes on from pass to pass, a portion at a time, so that keys whose records are here go at their time meanwhile. A second one that is called for
//! while it lasts begins when it ends.
//!
//! # Invariants
//! 1. What a portion found goes into the calendar, whose room is not limited, and only then does the survey move on; it never goes by an inbox, which
//!    would call for the next survey when full.
//! 2. A key whose record found no room before the first portion is met: the index's walk meets every key that is there throughout.

use super::{Due, Expiry, try_lock};
use crate::engine::{Engine, uncapped};
use crate::entry::VersionStamp;
use crate::settle::Standing;

/// Keys that are looked at for one step of a pass's budget.
const PORTION: usize = 8;

/// The next keys to look at: a space, and the cursor of its index's walk.
#[derive(Clone, Copy, Default)]
pub(crate) struct Position {
    space: u8,
    cursor: u64,
}

impl Expiry {
    /// Whether a survey has not come to its end.
    pub(crate) fn is_surveying(&self) -> bool {
        try_lock(&self.surveyed).is_none_or(|surveyed| surveyed.is_some())
    }

    /// Puts records into the calendar. Whether that was done: not while another thread is at it.
    fn file(&self, records: &[Due]) -> bool {
        let Some(mut calendar) = try_lock(&self.calendar) else { return false };
        self.enter(&mut calendar, records);
        true
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Goes on with the survey, if one is called for, by about as many keys as the budget allows; not if another thread is at it.
    pub(crate) fn survey(&self, budget: usize) {
        let Some(mut surveyed) = try_lock(&self.expiry.surveyed) else { return };
        if surveyed.is_none() && !self.expiry.survey.take() {
            return;
        }
        let position = *surveyed.get_or_insert_default();
        let (records, next) = self.look_from(position, budget.saturating_mul(PORTION));
        if self.expiry.file(&records) {
            *surveyed = next;
        }
    }

    /// The records of the keys from there on, and where to go on: `None` after the last.
    fn look_from(&self, position: Position, keys: usize) -> (Vec<Due>, Option<Position>) {
        let mut records = Vec::new();
        let mut looked = 0;
        let Position { space: first, mut cursor } = position;
        for (space, index) in self.spaces().skip(first.into()) {
            loop {
                if looked >= keys {
                    return (records, Some(Position { space, cursor }));
                }
                let guard = self.collector.pin();
                // A bin may be empty, and is to be looked at all the same.
                looked += 1;
                cursor = uncapped(index.scan(&guard, cursor, |head| {
                    looked += 1;
                    let version = head.version();
                    let latest: Option<(_, VersionStamp)> = match self.standing(version) {
                        Standing::Committed(stamp) => Some((version, stamp)),
                        _ => self.latest(&guard, version),
                    };
                    let expire_at = latest.and_then(|(version, _)| version.expire_at());
                    records.extend(
                        expire_at.and_then(|at| Due::new(space, index.hash(version.key()), at)),
                    );
                }));
                if cursor == 0 {
                    break;
                }
            }
        }
        (records, None)
    }
}
