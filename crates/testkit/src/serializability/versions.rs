//! [`Versions`]: the versions of one key in their order, who wrote them and who read them; and what is wrong with single reads.

use super::anomaly::{Anomaly, Class, Through};
use super::history::{History, Outcome, Seen};
use super::touched::{Keys, List, Register, Write};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A read: by whom, of which version (0: the initial one), whether by a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) transaction: usize,
    pub(crate) version: usize,
    pub(crate) by_range: bool,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) key: u64,
    /// Who wrote which version; nobody the first.
    pub(crate) writers: Vec<Option<usize>>,
    pub(crate) reads: Vec<Read>,
    /// Committed, seen by nobody: who wrote versions that are later than version `unseen_after`.
    pub(crate) unseen: Vec<usize>,
    pub(crate) unseen_after: usize,
}

/// Works out all orders; tells what is wrong on the way.
pub(crate) struct Reading<'k> {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) versions: Vec<Versions>,
    pub(crate) anomalies: Vec<Anomaly>,
    keys: &'k Keys<'k>,
}

impl<'k> Reading<'k> {
    pub(crate) fn of(history: &History, keys: &'k Keys<'k>) -> Self {
        let outcomes = history.transactions().iter().map(|transaction| transaction.outcome);
        let mut reading = Reading {
            outcomes: outcomes.collect(),
            versions: Vec::new(),
            anomalies: Vec::new(),
            keys,
        };
        reading.settle_unknown();
        for (&key, list) in &keys.lists {
            let versions = reading.list(key, list);
            reading.versions.push(versions);
        }
        for (&key, register) in &keys.registers {
            let versions = reading.register(key, register);
            reading.versions.push(versions);
        }
        reading
    }

    /// What somebody saw has happened; of the rest nobody will know.
    fn settle_unknown(&mut self) {
        let mut seen = HashSet::new();
        for list in self.keys.lists.values() {
            let elements = list.reads.iter().flat_map(|(_, elements, _)| *elements);
            seen.extend(elements.filter_map(|element| Some(list.writes.get(element)?.transaction)));
        }
        for register in self.keys.registers.values() {
            let values = register.reads.iter().filter_map(|(_, seen)| value(*seen));
            seen.extend(values.filter_map(|value| Some(register.writes.get(&value)?.transaction)));
        }
        for (number, outcome) in self.outcomes.iter_mut().enumerate() {
            if *outcome == Outcome::Unknown {
                *outcome =
                    if seen.contains(&number) { Outcome::Committed } else { Outcome::Aborted };
            }
        }
    }

    fn is_committed(&self, transaction: usize) -> bool {
        self.outcomes[transaction] == Outcome::Committed
    }

    fn list(&mut self, key: u64, list: &List<'_>) -> Versions {
        let longest = list.reads.iter().map(|(_, elements, _)| *elements).max_by_key(|e| e.len());
        let longest = longest.unwrap_or_default();
        let writers = self.writers(key, longest, &list.writes);
        let mut reads = Vec::with_capacity(list.reads.len());
        for &(transaction, elements, by_range) in &list.reads {
            if !longest.starts_with(elements) {
                let what = format!("read {elements:?} of {key}, others {longest:?}");
                self.report(Class::IncompatibleOrder, vec![transaction], what);
                self.report_missing(key, transaction, elements, &list.writes);
                continue;
            }
            reads.push(Read { transaction, version: elements.len(), by_range });
            if let Some(last) = elements.last() {
                self.look_at_read(key, transaction, *last, &list.writes);
            }
        }
        let mut place: HashMap<u64, usize> = HashMap::new();
        for (number, &element) in longest.iter().enumerate() {
            if let Some(before) = place.insert(element, number) {
                let what =
                    format!("{element} is in {key} at {before} and at {number}: {longest:?}");
                self.report(Class::Duplicate, writers[number + 1].into_iter().collect(), what);
            }
        }
        let unseen = self.unseen(&list.writes, |element| place.contains_key(element));
        self.look_for_lost_update(key, &reads, &list.writes);
        Versions { key, unseen_after: writers.len() - 1, writers, reads, unseen }
    }

    fn register(&mut self, key: u64, register: &Register) -> Versions {
        let mut order: BTreeMap<u64, u64> = BTreeMap::new();
        let mut ranks: HashMap<u64, u64> = HashMap::new();
        for &(transaction, seen) in &register.reads {
            if let Seen::Value { value, rank } = seen {
                let (there, its_rank) =
                    (*order.entry(rank).or_insert(value), *ranks.entry(value).or_insert(rank));
                if (there, its_rank) != (value, rank) {
                    let what = format!(
                        "read {value} of {key} at {rank}, others {there} there and it at {its_rank}"
                    );
                    self.report(Class::IncompatibleOrder, vec![transaction], what);
                }
            }
        }
        let values: Vec<u64> = order.values().copied().collect();
        let place: HashMap<u64, usize> =
            values.iter().enumerate().map(|(place, value)| (*value, place + 1)).collect();
        let writers = self.writers(key, &values, &register.writes);
        let mut reads = Vec::with_capacity(register.reads.len());
        for &(transaction, seen) in &register.reads {
            let version = match seen {
                Seen::Initial => 0,
                Seen::Absent => continue,
                Seen::Value { value, .. } => {
                    self.look_at_read(key, transaction, value, &register.writes);
                    // Not there: another one has its rank, which was reported.
                    let Some(&version) = place.get(&value) else { continue };
                    version
                }
            };
            reads.push(Read { transaction, version, by_range: false });
        }
        let unseen = self.unseen(&register.writes, |value| place.contains_key(value));
        self.look_for_lost_update(key, &reads, &register.writes);
        Versions { key, writers, reads, unseen, unseen_after: 0 }
    }

    /// Who wrote the values; nobody the version before the first.
    fn writers(
        &mut self,
        key: u64,
        values: &[u64],
        writes: &HashMap<u64, Write>,
    ) -> Vec<Option<usize>> {
        let mut writers = vec![None];
        for value in values {
            let write = writes.get(value);
            if write.is_none() {
                self.report(Class::UnknownValue, vec![], format!("nobody wrote {value} to {key}"));
            }
            writers.push(write.map(|write| write.transaction).filter(|&writer| {
                let committed = self.is_committed(writer);
                if !committed {
                    let what = format!("{value} of {key} was read, but T{writer} did not commit");
                    self.anomalies.push(direct(Class::G1a, vec![writer], what));
                }
                committed
            }));
        }
        writers
    }

    /// What is wrong with a read that does not fit the others, beside that.
    fn report_missing(
        &mut self,
        key: u64,
        transaction: usize,
        elements: &[u64],
        writes: &HashMap<u64, Write>,
    ) {
        for element in elements {
            match writes.get(element) {
                None => self.report(
                    Class::UnknownValue,
                    vec![transaction],
                    format!("nobody wrote {element} to {key}"),
                ),
                Some(write) if !self.is_committed(write.transaction) => self.report(
                    Class::G1a,
                    vec![transaction, write.transaction],
                    format!("read {element} of {key}, which did not commit"),
                ),
                Some(_) => {}
            }
        }
    }

    fn look_at_read(
        &mut self,
        key: u64,
        transaction: usize,
        value: u64,
        writes: &HashMap<u64, Write>,
    ) {
        if let Some(write) = writes.get(&value)
            && write.is_intermediate
            && write.transaction != transaction
        {
            let what = format!("read {value} of {key}, which its writer wrote over");
            self.report(Class::G1b, vec![transaction, write.transaction], what);
        }
    }

    /// The committed writers of values that nobody saw.
    fn unseen(&self, writes: &HashMap<u64, Write>, is_seen: impl Fn(&u64) -> bool) -> Vec<usize> {
        let unseen = writes.iter().filter(|(value, _)| !is_seen(value));
        let writers: BTreeSet<usize> = unseen.map(|(_, write)| write.transaction).collect();
        writers.into_iter().filter(|&writer| self.is_committed(writer)).collect()
    }

    fn look_for_lost_update(&mut self, key: u64, reads: &[Read], writes: &HashMap<u64, Write>) {
        let wrote: HashSet<usize> = writes.values().map(|write| write.transaction).collect();
        let mut first: HashMap<usize, usize> = HashMap::new();
        for read in reads {
            let transaction = read.transaction;
            if wrote.contains(&transaction) && self.is_committed(transaction) {
                let other = *first.entry(read.version).or_insert(transaction);
                if other != transaction {
                    let what = format!("both read version {} of {key} and wrote it", read.version);
                    self.report(Class::LostUpdate, vec![other, transaction], what);
                }
            }
        }
    }

    fn report(&mut self, class: Class, transactions: Vec<usize>, what: String) {
        self.anomalies.push(direct(class, transactions, what));
    }
}

fn direct(class: Class, transactions: Vec<usize>, what: String) -> Anomaly {
    let who: Vec<String> = transactions.iter().map(|number| format!("T{number}")).collect();
    let explanation = format!("  {}: {what}", who.join(", "));
    Anomaly { class, through: Through::Data, transactions, explanation }
}

fn value(seen: Seen) -> Option<u64> {
    match seen {
        Seen::Value { value, .. } => Some(value),
        Seen::Initial | Seen::Absent => None,
    }
}
