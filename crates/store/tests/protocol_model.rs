//! The commit protocol as an explicit-state model: every order of the steps of small plays, judged at every end.
//!
//! | file | concept |
//! |---|---|
//! | `play` | what processes do, and which rule is left out |
//! | `state` | what decides what can happen next |
//! | `process` | an operation, run one shared access at a time |
//! | `settle`, `lease`, `write`, `commit`, `prune`, `order` | the protocol, as the store's files of these names have it |
//! | `naive` | the design that is not a snapshot |
//! | `search`, `judge` | all orders of steps; what must be true at their ends |
//! | `clean`, `broken` | plays that must be clean; weakenings that must not |
//!
//! # Invariants
//! 1. The model's steps are the store's atomic accesses, all in one total order, as the store's own are SeqCst. Left out are sequence numbers running
//!    out, expiry, patience and the priority token; limbo stands for whoever runs `Tidy`.
//! 2. Plays that take long are left out unless `STILLPOINT_LARGE_PLAYS` is set.
//! 3. A model that finds nothing proves nothing unless it can find something: each rule it rests on is broken once, and found out.
#![cfg(not(stillpoint_loom))]

#[path = "protocol_model/broken.rs"]
mod broken;
#[path = "protocol_model/clean.rs"]
mod clean;
#[path = "protocol_model/commit.rs"]
mod commit;
#[path = "protocol_model/judge.rs"]
mod judge;
#[path = "protocol_model/lease.rs"]
mod lease;
#[path = "protocol_model/naive.rs"]
mod naive;
#[path = "protocol_model/order.rs"]
mod order;
#[path = "protocol_model/play.rs"]
mod play;
#[path = "protocol_model/process.rs"]
mod process;
#[path = "protocol_model/prune.rs"]
mod prune;
#[path = "protocol_model/search.rs"]
mod search;
#[path = "protocol_model/settle.rs"]
mod settle;
#[path = "protocol_model/state.rs"]
mod state;
#[path = "protocol_model/write.rs"]
mod write;
