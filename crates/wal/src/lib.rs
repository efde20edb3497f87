//! Durability of a Stillpoint store: a write-ahead log, checkpoints, recovery.
//!
//! [`DurableStore`] is a [`Store`](stillpoint_store::Store) in a directory. What each mode promises, the formats of the files and what is found
//! after which kind of crash are told in `docs/durability.md`.
//!
//! | file | concept |
//! |---|---|
//! | `durable`, `options`, `codec`, `error` | the public interface |
//! | `logger`, `desk`, `watch` | the threads behind it, and where they meet its callers |
//! | `log`, `frame`, `record` | the log's files as they are written |
//! | `segment`, `recover`, `expected` | the log's files as they are read back |
//! | `checkpoint` | all keys of one snapshot in a file |
//! | `files` | the file system as all of them see it |
//!
//! There is nothing here for a model checker: under one the crate is empty.
#![forbid(unsafe_code)]
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

mod checkpoint;
mod codec;
mod desk;
mod durable;
mod error;
mod expected;
mod files;
mod frame;
mod log;
mod logger;
mod options;
mod record;
mod recover;
mod segment;
mod watch;

#[cfg(test)]
extern crate self as stillpoint_wal;
#[cfg(test)]
#[path = "../tests/simulated/mod.rs"]
mod simulated;

/// The guide, whose examples are run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/durability.md")]
struct Guide;

pub use codec::{BytesOnly, Codec};
pub use durable::{Checkpoint, DurableStore};
pub use error::{CheckpointError, LogEnded, OpenError};
pub use files::{Append, Directory, Disk};
pub use options::{Durability, Options};
pub use recover::Recovery;
