//! [`Keys`]: a history sorted by key, own writes taken out of what was read.

use super::anomaly::{Anomaly, Class, Through};
use super::history::{History, Operation, Seen};
use std::collections::{BTreeMap, HashMap};

/// A write of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) transaction: usize,
    /// Whether the transaction wrote over it itself.
    pub(crate) is_intermediate: bool,
}

/// What happened to one list.
#[derive(Debug, Default)]
pub(crate) struct List<'h> {
    pub(crate) writes: HashMap<u64, Write>,
    /// Transaction, what it read without its own appends, whether by a range.
    pub(crate) reads: Vec<(usize, &'h [u64], bool)>,
}

/// What happened to one register.
#[derive(Debug, Default)]
pub(crate) struct Register {
    pub(crate) writes: HashMap<u64, Write>,
    pub(crate) reads: Vec<(usize, Seen)>,
}

/// What happened, key by key.
#[derive(Debug, Default)]
pub(crate) struct Keys<'h> {
    pub(crate) lists: BTreeMap<u64, List<'h>>,
    pub(crate) registers: BTreeMap<u64, Register>,
    /// Transactions that contradict themselves.
    pub(crate) anomalies: Vec<Anomaly>,
}

#[derive(Default)]
struct OwnList<'h> {
    appended: Vec<u64>,
    read: Option<&'h [u64]>,
}

#[derive(Default)]
struct OwnRegister {
    written: Option<u64>,
    read: Option<Seen>,
}

impl<'h> Keys<'h> {
    pub(crate) fn of(history: &'h History) -> Self {
        let mut keys = Keys::default();
        for (number, transaction) in history.transactions().iter().enumerate() {
            keys.add(number, &transaction.operations);
        }
        keys
    }

    fn add(&mut self, number: usize, operations: &'h [Operation]) {
        let mut lists: BTreeMap<u64, OwnList<'h>> = BTreeMap::new();
        let mut registers: BTreeMap<u64, OwnRegister> = BTreeMap::new();
        for operation in operations {
            match *operation {
                Operation::Append { key, element } => {
                    lists.entry(key).or_default().appended.push(element);
                }
                Operation::ReadList { key, ref elements, by_range } => {
                    let own = lists.entry(key).or_default();
                    let Some(others) = elements.strip_suffix(&own.appended[..]) else {
                        self.contradiction(
                            number,
                            format!("its appends to {key} are not at the end of {elements:?}"),
                        );
                        continue;
                    };
                    match own.read {
                        Some(before) if before != others => {
                            let what = format!("read {before:?} and then {others:?} of {key}");
                            self.contradiction(number, what);
                        }
                        Some(_) => {}
                        None => {
                            own.read = Some(others);
                            self.lists
                                .entry(key)
                                .or_default()
                                .reads
                                .push((number, others, by_range));
                        }
                    }
                }
                Operation::Write { key, value } => {
                    registers.entry(key).or_default().written = Some(value);
                    let write = Write { transaction: number, is_intermediate: false };
                    self.registers.entry(key).or_default().writes.insert(value, write);
                }
                Operation::Read { key, seen } => {
                    self.read_register(number, registers.entry(key).or_default(), key, seen);
                }
            }
        }
        self.mark_intermediate(number, operations, &registers);
        for (key, own) in lists {
            let writes = &mut self.lists.entry(key).or_default().writes;
            for (place, &element) in own.appended.iter().enumerate() {
                let is_intermediate = place + 1 < own.appended.len();
                writes.insert(element, Write { transaction: number, is_intermediate });
            }
        }
    }

    fn read_register(&mut self, number: usize, own: &mut OwnRegister, key: u64, seen: Seen) {
        if seen == Seen::Absent {
            return;
        }
        if let Some(written) = own.written {
            if !matches!(seen, Seen::Value { value, .. } if value == written) {
                self.contradiction(number, format!("wrote {written} to {key} and read {seen:?}"));
            }
            return;
        }
        match own.read {
            Some(before) if before != seen => {
                self.contradiction(number, format!("read {before:?} and then {seen:?} of {key}"));
            }
            Some(_) => {}
            None => {
                own.read = Some(seen);
                self.registers.entry(key).or_default().reads.push((number, seen));
            }
        }
    }

    fn mark_intermediate(
        &mut self,
        number: usize,
        operations: &[Operation],
        last: &BTreeMap<u64, OwnRegister>,
    ) {
        for operation in operations {
            if let Operation::Write { key, value } = *operation
                && last.get(&key).and_then(|own| own.written) != Some(value)
            {
                let write = Write { transaction: number, is_intermediate: true };
                self.registers.entry(key).or_default().writes.insert(value, write);
            }
        }
    }

    fn contradiction(&mut self, transaction: usize, what: String) {
        self.anomalies.push(Anomaly {
            class: Class::Internal,
            through: Through::Data,
            transactions: vec![transaction],
            explanation: format!("  T{transaction} {what}"),
        });
    }
}
