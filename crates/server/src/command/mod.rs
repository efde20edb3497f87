//! Commands: one row of a table each ([`Command`]), one handler each, found by name in one probe ([`lookup`]).
//!
//! ```text
//! request ──▶ session::dispatch ── lookup(name) ──▶ row: arity, flags, keys ──▶ handler(&mut Context)
//! ```
//!
//! A family of commands is a file with `ROWS`; `table` strings the families together.

mod acl;
mod bitmap;
pub(crate) mod category;
mod client;
mod client_filter;
mod client_tracking;
mod command_log;
mod config;
mod connection;
mod context;
mod database;
mod debug;
mod draw;
mod error;
mod expiry;
mod function;
mod geo;
mod hash;
mod help;
mod hyperloglog;
mod info;
mod info_sections;
mod interactive;
mod keys;
mod latency_graph;
mod latency_histogram;
mod list;
mod meta;
mod monitor;
mod past;
mod patience;
mod persistence;
mod pubsub;
mod replication;
mod row;
mod rows;
mod script;
mod secrets;
mod server;
mod set;
mod shrink;
mod snapshot;
mod sort;
mod sorted_set;
mod stream;
mod string;
mod table;
mod transaction;
mod versioned;
mod watching;

pub(crate) use connection::REDIS_VERSION;
pub(crate) use context::{Context, Outcome};
pub(crate) use error::CommandError;
pub(crate) use help::{container, help};
pub(crate) use interactive::{is_allowed_inside, overdue};
pub(crate) use patience::{BYTES_A_STEP, Patience};
pub(crate) use row::{Command, Group, flag};
pub(crate) use rows::Display;
pub(crate) use script::busy_text;
pub(crate) use secrets::{REDACTED, is_secret};
pub(crate) use shrink::shrink;
pub(crate) use table::{
    CommandId, Named, all, by_id, count, find, lookup, lookup_request, lookup_subcommand, rows,
};
