//! Commands: one row of a table each ([`Command`]), one handler each, found by name in one probe ([`lookup`]).
//!
//! ```text
//! request ──▶ session::dispatch ── lookup(name) ──▶ row: arity, flags, keys ──▶ handler(&mut Context)
//! ```
//!
//! A family of commands is a file with `ROWS`; `table` strings the families together.

mod connection;
mod context;
mod error;
mod expiry;
mod hash;
mod keys;
mod row;
mod snapshot;
mod string;
mod table;
mod transaction;

pub(crate) use context::{Context, Outcome};
pub(crate) use error::CommandError;
pub(crate) use row::{Command, Group, Keys, acl, flag};
pub(crate) use table::{CommandId, all, by_id, count, lookup, lookup_subcommand, rows};
