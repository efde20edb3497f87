//! [`Anomaly`]: what is wrong with a history, by name; [`Report`]: all that was found.

use std::fmt;

/// The kind of an anomaly; the worst cycle first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A value that nobody wrote.
    UnknownValue,
    /// An append that is in a list twice.
    Duplicate,
    /// Reads of one key that no order of its versions explains.
    IncompatibleOrder,
    /// A transaction that did not see its own writes, or saw two versions of one key.
    Internal,
    /// A read of an aborted transaction's write.
    G1a,
    /// A read of a write that its transaction wrote over later.
    G1b,
    /// Two committed transactions read the same version of a key and both wrote it.
    LostUpdate,
    /// A cycle of writes.
    G0,
    /// A cycle of writes and reads of them.
    G1c,
    /// A cycle with one read of what was written over.
    GSingle,
    /// A cycle in which no such read follows another.
    GNonadjacent,
    /// A cycle in which two do.
    G2Item,
    /// The same with a range.
    G2,
}

impl Class {
    /// Its name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Class::UnknownValue => "unknown value",
            Class::Duplicate => "duplicate",
            Class::IncompatibleOrder => "incompatible order",
            Class::Internal => "internal",
            Class::G1a => "G1a",
            Class::G1b => "G1b",
            Class::LostUpdate => "lost update",
            Class::G0 => "G0",
            Class::G1c => "G1c",
            Class::GSingle => "G-single",
            Class::GNonadjacent => "G-nonadjacent",
            Class::G2Item => "G2-item",
            Class::G2 => "G2",
        }
    }
}

/// Which edges beside the data's a cycle needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Through {
    /// None: no serial order explains what was read.
    Data,
    /// Sessions: no serial order in which each thread's transactions stay in order.
    Session,
    /// Real time: no serial order in which what had ended comes before what began later.
    RealTime,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// What kind.
    pub class: Class,
    /// Which edges it needs.
    pub through: Through,
    /// Its transactions, by number.
    pub transactions: Vec<usize>,
    /// What happened, edge by edge.
    pub explanation: String,
}

impl Anomaly {
    /// The class, with what it needs beside the data.
    pub fn name(&self) -> String {
        let through = match self.through {
            Through::Data => "",
            Through::Session => " (session)",
            Through::RealTime => " (real time)",
        };
        format!("{}{through}", self.class.name())
    }
}

/// What a check found, and in how much.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Transactions that count as committed.
    pub committed: usize,
    /// The others.
    pub aborted: usize,
    /// Reads and writes of the committed ones.
    pub operations: usize,
    /// Edges between them: of the data, and of sessions and time.
    pub data_edges: usize,
    /// See there.
    pub order_edges: usize,
    /// What is wrong, the direct ones first; of each kind at most a few.
    pub anomalies: Vec<Anomaly>,
}

impl Report {
    /// The names of the kinds that were found, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.anomalies.iter().map(Anomaly::name).collect();
        names.dedup();
        names
    }

    /// # Panics
    /// If anything was found.
    pub fn assert_clean(&self) {
        assert!(self.anomalies.is_empty(), "{self}");
    }

    /// # Panics
    /// If anything was found that snapshot isolation does not allow. Whether there is write skew.
    pub fn assert_snapshot_isolation(&self) -> bool {
        let allowed = |anomaly: &Anomaly| matches!(anomaly.class, Class::G2Item | Class::G2);
        assert!(self.anomalies.iter().all(allowed), "{self}");
        !self.anomalies.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { committed, aborted, operations, data_edges, order_edges, anomalies } = self;
        writeln!(
            f,
            "{committed} transactions committed, {aborted} not; {operations} operations; {data_edges} edges of data, {order_edges} of order; {} anomalies",
            anomalies.len()
        )?;
        for anomaly in anomalies {
            writeln!(f, "{}:\n{}", anomaly.name(), anomaly.explanation)?;
        }
        Ok(())
    }
}
