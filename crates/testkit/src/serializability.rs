//! Recorded histories of transactions, and which anomalies they hold.
//!
//! Threads run transactions and each keeps a log of what it read and wrote. From the values alone the checker works out which version followed
//! which, draws the edges that Adya defines between the transactions, and looks for cycles (Adya, "Weak consistency", 1999; Kingsbury and Alvaro, "Elle",
//! VLDB 2020). A history without cycles has a serial order; one without cycles when the order of time is drawn in too has a serial order that real
//! time agrees with.
//!
//! | object | operations | how the order of its versions is known |
//! |---|---|---|
//! | list | append one element that nobody else appends; read the whole list | a read shows all appends before it, in order |
//! | register | write a value that nobody else writes; read it | by a rank that the store tells with each read (its version stamp) |
//!
//! | edge | from → to |
//! |---|---|
//! | ww | who wrote a version → who wrote the next one of that key |
//! | wr | who wrote a version → who read it |
//! | rw | who read a version → who wrote the next one |
//! | session | a transaction → the next of the same thread |
//! | real time | a transaction that had ended → one that then began |
//!
//! | name | what | allowed under snapshot isolation |
//! |---|---|---|
//! | G0 | a cycle of ww | no |
//! | G1a, G1b | a read of an aborted, of an intermediate write | no |
//! | G1c | a cycle of ww and wr | no |
//! | lost update | two committed transactions read the same version of a key, and both wrote it | no |
//! | G-single | a cycle with one rw | no |
//! | G-nonadjacent | a cycle in which no rw follows another | no |
//! | G2-item, G2 | a cycle in which two do: write skew (G2: one of a whole range was read) | yes |
//! | internal, incompatible order, duplicate, unknown value | a transaction that contradicts itself; reads that no order explains; an append that happened twice; a value that nobody wrote | no |
//!
//! The cycles are looked for three times: with the data's edges alone, with the sessions', and with real time's.
//!
//! # Use
//! ```
//! use stillpoint_testkit::serializability::{Outcome, Recorder, check};
//!
//! let recorder = Recorder::new();
//! let (mut left, mut right) = (recorder.log(), recorder.log());
//! // Both read both keys as they were, and each appends to another one: write skew.
//! let (mut a, mut b) = (left.begin(), right.begin());
//! a.read_list(1, &[]);
//! a.read_list(2, &[]);
//! b.read_list(1, &[]);
//! b.read_list(2, &[]);
//! a.append(1, 100);
//! b.append(2, 200);
//! a.end(Outcome::Committed);
//! b.end(Outcome::Committed);
//! drop((left, right));
//! let report = check(&recorder.history());
//! assert_eq!(report.names(), ["G2-item"]);
//! ```
//! # What it cannot see
//! An anomaly whose versions nobody read; a cycle through versions of unknown order (a volatile key's absence, see [`Seen`]); of several classes of
//! cycles it names the worst, for that contains what is looked for in the others.
//!
//! # Cost
//! Linear but for the search of a cycle that exists: 20,000 transactions of four operations take some tens of milliseconds.

mod anomaly;
mod check;
mod cycles;
mod edges;
mod graph;
mod history;
mod json;
mod touched;
mod versions;

pub use anomaly::{Anomaly, Class, Report, Through};
pub use check::check;
pub use history::{History, Log, Operation, Outcome, Recorder, Running, Seen, Transaction};
