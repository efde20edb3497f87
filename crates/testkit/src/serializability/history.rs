//! [`Recorder`], its [`Log`]s, and the [`History`] of transactions that they make.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store said that it happened.
    Committed,
    /// The store said that it did not.
    Aborted,
    /// Nobody knows: it counts as committed if somebody saw something of it.
    Unknown,
}

/// What a read of a register found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing, and the key is never removed: what was there before the first write.
    Initial,
    /// Nothing, of a key that also goes by expiry, eviction or removal: it says nothing, not even beside other reads of the transaction.
    Absent,
    /// A value; a later version of the key has a larger rank.
    Value {
        /// What was written.
        value: u64,
        /// The version's place among the key's.
        rank: u64,
    },
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Appended an element to a list.
    Append {
        /// The list.
        key: u64,
        /// Of no other append to it.
        element: u64,
    },
    /// Read a list.
    ReadList {
        /// The list.
        key: u64,
        /// All of it.
        elements: Box<[u64]>,
        /// Whether a range was read in which the key lies.
        by_range: bool,
    },
    /// Wrote a register.
    Write {
        /// The register.
        key: u64,
        /// Of no other write of it.
        value: u64,
    },
    /// Read a register.
    Read {
        /// The register.
        key: u64,
        /// What was there.
        seen: Seen,
    },
}

/// A transaction as it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Which log it is in.
    pub process: usize,
    /// Before its first step, in nanoseconds.
    pub began: u64,
    /// After its last.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did, in order.
    pub operations: Vec<Operation>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    logs: Mutex<(usize, Vec<Transaction>)>,
}

/// Hands out logs and collects them.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Recorder {
    /// A recorder whose time begins now.
    pub fn new() -> Self {
        Recorder(Arc::new(Shared { start: Instant::now(), logs: Mutex::default() }))
    }

    /// A log for one thread, delivered when it is dropped.
    pub fn log(&self) -> Log {
        let mut logs = self.0.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.0 += 1;
        Log { process: logs.0 - 1, shared: Arc::clone(&self.0), transactions: Vec::new() }
    }

    /// What has been delivered since the last time.
    pub fn history(&self) -> History {
        let mut logs = self.0.logs.lock().unwrap_or_else(PoisonError::into_inner);
        History::of(std::mem::take(&mut logs.1))
    }
}

/// What one thread ran.
#[derive(Debug)]
pub struct Log {
    process: usize,
    shared: Arc<Shared>,
    transactions: Vec<Transaction>,
}

impl Log {
    fn now(&self) -> u64 {
        u64::try_from(self.shared.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Begins a transaction; call it before the store is told.
    pub fn begin(&mut self) -> Running<'_> {
        let began = self.now();
        Running { log: self, began, ended: None, operations: Vec::new(), outcome: Outcome::Unknown }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut logs = self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.1.append(&mut self.transactions);
    }
}

/// A transaction that is being recorded. Dropped without an end its outcome is unknown.
#[derive(Debug)]
pub struct Running<'l> {
    log: &'l mut Log,
    began: u64,
    ended: Option<u64>,
    operations: Vec<Operation>,
    outcome: Outcome,
}

impl Running<'_> {
    /// What begins from now on comes after it, whatever it still reads: a snapshot has been taken.
    pub fn is_taken(&mut self) {
        self.ended = Some(self.log.now());
    }

    /// An element was appended to a list.
    pub fn append(&mut self, key: u64, element: u64) {
        self.operations.push(Operation::Append { key, element });
    }

    /// A list was read.
    pub fn read_list(&mut self, key: u64, elements: &[u64]) {
        self.operations.push(Operation::ReadList {
            key,
            elements: elements.into(),
            by_range: false,
        });
    }

    /// A list was found in a range that was read, or (`[]`) was not there.
    pub fn read_list_by_range(&mut self, key: u64, elements: &[u64]) {
        self.operations.push(Operation::ReadList {
            key,
            elements: elements.into(),
            by_range: true,
        });
    }

    /// A register was written.
    pub fn write(&mut self, key: u64, value: u64) {
        self.operations.push(Operation::Write { key, value });
    }

    /// A register was read.
    pub fn read(&mut self, key: u64, seen: Seen) {
        self.operations.push(Operation::Read { key, seen });
    }

    /// The store has said how it ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.log.transactions.push(Transaction {
            process: self.log.process,
            began: self.began,
            ended: self.ended.unwrap_or_else(|| self.log.now()),
            outcome: self.outcome,
            operations: std::mem::take(&mut self.operations),
        });
    }
}

/// Transactions of several threads, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct History {
    transactions: Vec<Transaction>,
}

impl History {
    /// A history written down.
    ///
    /// # Panics
    /// When a transaction ended before it began.
    pub fn of(transactions: impl IntoIterator<Item = Transaction>) -> Self {
        let mut transactions: Vec<Transaction> = transactions.into_iter().collect();
        for transaction in &transactions {
            assert!(transaction.began <= transaction.ended, "{transaction:?}");
        }
        transactions.sort_by_key(|transaction| (transaction.began, transaction.ended));
        History { transactions }
    }

    /// The transactions, in the order in which they began.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// What was done to lists only.
    pub fn lists(&self) -> History {
        let is_list = |operation: &Operation| {
            matches!(operation, Operation::Append { .. } | Operation::ReadList { .. })
        };
        self.only(is_list)
    }

    /// What was done to registers only.
    pub fn registers(&self) -> History {
        let is_register = |operation: &Operation| {
            matches!(operation, Operation::Write { .. } | Operation::Read { .. })
        };
        self.only(is_register)
    }

    fn only(&self, is_kept: impl Fn(&Operation) -> bool) -> History {
        let part = |transaction: &Transaction| {
            let kept = transaction.operations.iter().filter(|operation| is_kept(operation));
            let operations: Vec<Operation> = kept.cloned().collect();
            (!operations.is_empty()).then_some(Transaction { operations, ..*transaction })
        };
        History { transactions: self.transactions.iter().filter_map(part).collect() }
    }

    /// How many ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.transactions.iter().filter(|transaction| transaction.outcome == outcome).count()
    }
}
