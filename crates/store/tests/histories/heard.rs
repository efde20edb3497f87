//! What a feed hands out beside a round, held against the history: every committed change once, in commit order, transactions whole.

use crate::workload::number_of;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stillpoint_store::{Batch, Feed, Store};
use stillpoint_testkit::serializability::{History, Operation, Outcome};

/// The least number of a volatile key.
const VOLATILE: u64 = 2 << 32;

/// Everything that was handed out.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    timestamp: u64,
    /// The last stamp of each key, and how long a list was then.
    keys: HashMap<u64, (u64, usize)>,
    /// At which timestamp which element or value of a key came.
    values: HashMap<(u64, u64), u64>,
    pub(crate) changes: u64,
}

impl Heard {
    /// Reads a feed along, which was there before anything was written, until all that was committed before `done` has come.
    pub(crate) fn listen(mut feed: Feed, store: &Store, now_ms: u64, done: &AtomicBool) -> Heard {
        let mut heard = Heard::default();
        while !done.load(Ordering::Relaxed) {
            if let Some(batch) = feed.next_timeout(Duration::from_millis(1)).unwrap() {
                heard.hear(&batch);
            }
        }
        let end = store.snapshot(now_ms).timestamp();
        while feed.through() < end {
            if let Some(batch) = feed.next_up_to(end).unwrap() {
                heard.hear(&batch);
            }
        }
        heard
    }

    fn hear(&mut self, batch: &Batch) {
        assert!(batch.timestamp() > self.timestamp, "two batches of {}", batch.timestamp());
        self.timestamp = batch.timestamp();
        for change in batch.changes() {
            self.changes += 1;
            assert_eq!(change.timestamp(), self.timestamp);
            let (key, stamp) = (number_of(change.space(), change.key()), change.stamp().get());
            let (before, length) = self.keys.get(&key).copied().unwrap_or_default();
            assert!(stamp > before, "key {key}: {stamp} after {before}");
            let Some(bytes) = change.value_bytes() else {
                assert!(key >= VOLATILE, "key {key} is never removed");
                self.keys.insert(key, (stamp, 0));
                continue;
            };
            let word = |word: &[u8]| u64::from_le_bytes(word.try_into().unwrap());
            let words: Vec<u64> = bytes.chunks(8).map(word).collect();
            let is_list = key < 1 << 32;
            // A list only grows: what was there before came before.
            let known = if is_list { length } else { 0 };
            assert!(words.len() > known, "list {key} has not grown");
            self.keys.insert(key, (stamp, words.len()));
            for word in &words[known..] {
                let twice = self.values.insert((key, *word), self.timestamp);
                assert_eq!(twice, None, "key {key}: {word} came twice");
            }
            for word in &words[..known] {
                assert!(self.values[&(key, *word)] <= self.timestamp);
            }
        }
    }

    /// Holds it against what the threads wrote down.
    pub(crate) fn check(&self, history: &History) {
        let mut known = HashSet::new();
        for transaction in history.transactions() {
            let written = last_writes(&transaction.operations);
            let came = written.iter().filter_map(|write| Some((write, *self.values.get(write)?)));
            let came: Vec<_> = came.collect();
            if transaction.outcome != Outcome::Committed {
                assert_eq!(came, [], "{transaction:?} was aborted");
                continue;
            }
            let timestamps: HashSet<u64> = came.iter().map(|(_, timestamp)| *timestamp).collect();
            assert!(timestamps.len() <= 1, "{transaction:?} came in pieces: {came:?}");
            // A volatile value that the transaction itself removed again was never there.
            let has_come =
                |write: &(u64, u64)| write.0 >= VOLATILE || self.values.contains_key(write);
            assert!(written.iter().all(has_come), "{transaction:?} has not come whole: {came:?}");
            known.extend(written);
        }
        let unknown = self.values.keys().find(|write| !known.contains(*write));
        assert_eq!(unknown, None, "nobody has committed that");
    }
}

/// What a transaction leaves of its writes: of each register the last.
fn last_writes(operations: &[Operation]) -> Vec<(u64, u64)> {
    let mut lists = Vec::new();
    let mut registers = HashMap::new();
    for operation in operations {
        match operation {
            Operation::Append { key, element } => lists.push((*key, *element)),
            Operation::Write { key, value } => drop(registers.insert(*key, *value)),
            Operation::ReadList { .. } | Operation::Read { .. } => {}
        }
    }
    lists.extend(registers);
    lists
}
