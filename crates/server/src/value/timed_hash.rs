//! A hash of which some fields expire by themselves (HEXPIRE).
//!
//! ```text
//!  rows   field → value                     all fields, also those whose time is over
//!  times  field → milliseconds since 1970   of those that expire
//!  due    (time, field), ordered            the same the other way round
//! ```
//! Whether a field is there depends on the reader's clock: [`TimedHash::is_due`] tells. Writers take out what is due before they change anything,
//! and the server does it in the background.
//!
//! # Invariants
//! 1. `times` and `due` hold the same pairs, all of fields that `rows` has.

use super::large_hash::LargeHash;
use super::numbered::{Bytes, Index};
use rpds::RedBlackTreeSetSync;

/// What a time takes in both orders.
const TIME_BYTES: usize = 160;

/// Fields, values and times; a clone costs reference counts, a change O(log n).
#[derive(Clone)]
pub(crate) struct TimedHash {
    rows: LargeHash,
    times: Index<u64>,
    due: RedBlackTreeSetSync<(u64, Bytes)>,
}

impl TimedHash {
    pub(crate) fn of(rows: LargeHash) -> Self {
        TimedHash { rows, times: Index::default(), due: RedBlackTreeSetSync::new_sync() }
    }

    /// All rows, also those that are due.
    pub(crate) fn rows(&self) -> &LargeHash {
        &self.rows
    }

    /// Without times, the hash that it is.
    pub(crate) fn into_rows(self) -> LargeHash {
        self.rows
    }

    /// About as many bytes as it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.times.size() * TIME_BYTES
    }

    /// Whether no field expires.
    pub(crate) fn is_timeless(&self) -> bool {
        self.times.is_empty()
    }

    /// When a field expires.
    pub(crate) fn time_of(&self, field: &[u8]) -> Option<u64> {
        self.times.get(field).copied()
    }

    /// Whether the field's time is over, so that it is not there.
    pub(crate) fn is_due(&self, field: &[u8], now_ms: u64) -> bool {
        self.time_of(field).is_some_and(|time| time <= now_ms)
    }

    /// Fields whose time is over.
    ///
    /// # Cost
    /// Their number.
    pub(crate) fn due_count(&self, now_ms: u64) -> usize {
        self.due.iter().take_while(|(time, _)| *time <= now_ms).count()
    }

    /// Whether there is a field whose time is over.
    pub(crate) fn is_any_due(&self, now_ms: u64) -> bool {
        self.next_due_ms().is_some_and(|due| due <= now_ms)
    }

    /// When the next field expires.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.due.first().map(|(time, _)| *time)
    }

    /// Sets a field, which does not expire any more unless `keeps_time`; whether it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8], keeps_time: bool) -> bool {
        if !keeps_time {
            self.set_time(field, None);
        }
        self.rows.set(field, value)
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        self.set_time(field, None);
        self.rows.remove(field)
    }

    /// Says when a field that is there expires; `None`: never.
    pub(crate) fn set_time(&mut self, field: &[u8], time: Option<u64>) {
        debug_assert!(time.is_none() || self.rows.get(field).is_some(), "no such field");
        let field = Bytes::from(field);
        if let Some(before) = self.times.get(&field).copied() {
            self.due.remove_mut(&(before, field.clone()));
            self.times.remove_mut(&field);
        }
        if let Some(time) = time {
            self.due.insert_mut((time, field.clone()));
            self.times.insert_mut(field, time);
        }
    }

    /// Removes what is due; how many fields that were.
    pub(crate) fn purge(&mut self, now_ms: u64) -> usize {
        let mut removed = 0;
        while let Some((_, field)) = self.due.first().filter(|(time, _)| *time <= now_ms) {
            let field = field.clone();
            self.remove(&field);
            removed += 1;
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_due_at_their_time_and_go_with_the_purge() {
        let mut hash = TimedHash::of(LargeHash::new());
        for (field, time) in [(b"a", None), (b"b", Some(10)), (b"c", Some(20)), (b"d", Some(10))] {
            hash.set(field, b"v", false);
            hash.set_time(field, time);
        }
        assert_eq!((hash.due_count(9), hash.due_count(10), hash.next_due_ms()), (0, 2, Some(10)));
        assert!(hash.is_due(b"b", 10) && !hash.is_due(b"c", 10) && !hash.is_due(b"a", 10));
        hash.set(b"d", b"w", true);
        assert_eq!(hash.time_of(b"d"), Some(10));
        hash.set(b"d", b"x", false);
        assert_eq!(hash.time_of(b"d"), None);
        let before = hash.clone();
        assert_eq!(hash.purge(10), 1);
        assert_eq!((hash.rows().len(), before.rows().len()), (3, 4));
        hash.remove(b"c");
        assert!(hash.is_timeless() && hash.next_due_ms().is_none());
    }
}
