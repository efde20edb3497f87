//! What must be true when all operations have ended.
//!
//! # Properties
//! 1. **One order.** There is an order of all operations in which every read, of snapshots and of aborted transactions too, finds what was written last;
//!    which ends in what the keys are; and in which nothing comes before what was over when it began. So transactions are strictly serialisable
//!    with their reads, no update is lost, and GETs agree with the time of the clock on the wall. No such order exists exactly if the
//!    dependencies have a cycle.
//! 2. **Snapshots are cuts.** What was read at timestamp s is, for each key and each time it was read, the newest version committed at or before s.
//! 3. **The order has the keys.** A key is in the order at the end exactly if it has a record, and its presence is not dead.
//! 4. **Stamps grow.** The stamps of a key's committed versions rise strictly in the order of installation, so one stamp names one write.

use crate::play::{Op, Play};
use crate::state::{ABSENT, Ending, INITIAL, KEYS, NONE, Record, Stamp, State};
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    NoSerialOrder,
    FalseSnapshot,
    StampsDoNotGrow,
    KeyOutOfOrder,
    KeyLeftInOrder,
}

type Values = [u8; KEYS];

/// Judges final states; remembers histories that were found good.
pub(crate) struct Judge<'a> {
    play: &'a Play,
    ops: Vec<Op>,
    good: HashSet<Vec<u8>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(play: &'a Play) -> Self {
        Judge { play, ops: play.ops().collect(), good: HashSet::new() }
    }

    pub(crate) fn violation(&mut self, state: &State) -> Option<Violation> {
        let records = &state.records[..self.ops.len()];
        if records.iter().any(|record| !is_cut(state, record)) {
            return Some(Violation::FalseSnapshot);
        }
        if !stamps_grow(state) {
            return Some(Violation::StampsDoNotGrow);
        }
        if self.play.in_order {
            for key in 0..KEYS as u8 {
                let has_record = state.shared.heads[usize::from(key)] != NONE;
                let is_in_order = !state.shared.has_no_presence(key);
                if has_record && !is_in_order {
                    return Some(Violation::KeyOutOfOrder);
                }
                // A dead one that is not taken out is left as well.
                if !has_record && state.shared.order[usize::from(key)] != NONE {
                    return Some(Violation::KeyLeftInOrder);
                }
            }
        }
        let end = newest_values(state);
        let history = history(records, end);
        if !self.good.contains(&history) {
            let mut first = [INITIAL; KEYS];
            self.play.absent.iter().for_each(|key| first[usize::from(*key)] = ABSENT);
            let all = (0..records.len())
                .filter(|op| records[*op].ending != Ending::Open)
                .map(|op| 1 << op)
                .sum();
            if !self.has_order(records, all, first, end) {
                return Some(Violation::NoSerialOrder);
            }
            self.good.insert(history);
        }
        None
    }

    /// Whether the operations in `rest` can follow on `values` and lead to `end`.
    fn has_order(&self, records: &[Record], rest: u8, values: Values, end: Values) -> bool {
        if rest == 0 {
            return values == end;
        }
        (0..records.len()).filter(|op| rest & 1 << op != 0).any(|op| {
            let record = &records[op];
            let is_next = record.before & rest == 0
                && record.reads().iter().all(|(key, value)| values[usize::from(*key)] == *value);
            is_next
                && self.has_order(records, rest & !(1 << op), self.after(op, record, values), end)
        })
    }

    fn after(&self, op: usize, record: &Record, mut values: Values) -> Values {
        if record.ending == (Ending::Done { wrote: true }) {
            let value = if self.ops[op].removes() { ABSENT } else { op as u8 };
            self.ops[op].writes().iter().for_each(|key| values[usize::from(*key)] = value);
        }
        values
    }
}

fn history(records: &[Record], end: Values) -> Vec<u8> {
    let mut history = end.to_vec();
    for record in records {
        history.push(match record.ending {
            Ending::Done { wrote } => u8::from(wrote),
            _ => 2,
        });
        history.extend([record.before, record.read_count]);
        history.extend(record.reads().iter().map(|(_, value)| *value));
    }
    history
}

/// The committed versions of a key in the order of installation: stamp and value.
fn committed(state: &State, key: u8) -> impl DoubleEndedIterator<Item = (Stamp, u8)> {
    let shared = &state.shared;
    let of_key = shared.installed().iter().filter(move |version| version.key == key);
    of_key.filter_map(|version| Some((shared.committed_stamp(version)?, version.value)))
}

fn is_cut(state: &State, record: &Record) -> bool {
    record.read_timestamp == 0
        || record.reads().iter().all(|(key, value)| {
            let seen = committed(state, *key)
                .rfind(|(stamp, _)| stamp.timestamp() <= record.read_timestamp);
            seen.map_or(ABSENT, |(_, value)| value) == *value
        })
}

fn stamps_grow(state: &State) -> bool {
    (0..KEYS as u8).all(|key| {
        committed(state, key)
            .try_fold(Stamp::UNSET, |last, (stamp, _)| (last < stamp).then_some(stamp))
            .is_some()
    })
}

/// What the keys are in the end, as a reader finds them.
fn newest_values(state: &State) -> Values {
    std::array::from_fn(|key| {
        let mut at = state.shared.heads[key];
        while at != NONE {
            let version = state.shared.version(at);
            if state.shared.committed_stamp(version).is_some() {
                return version.value;
            }
            at = version.next;
        }
        ABSENT
    })
}
