//! A Redis-compatible server over the Stillpoint store.
//!
//! | module | what it is |
//! |---|---|
//! | `resp` | the protocol: requests found in place, replies written once |
//! | `session` | a connection without its socket: bytes in, bytes out |
//! | `command` | the table of commands and their handlers |
//! | `data`, `value` | keys and values as commands see them |
//! | `rdb`, `saving` | Redis's files: their bytes; when they are written and read |
//! | `blocking` | clients that wait for a key |
//! | `admin` | figures over HTTP, for Prometheus and for people |
//! | `acl` | users and what they may do |
//! | `listener` | sockets, event loops, the process |
//! | `pubsub`, `event`, `monitors`, `tracking` | who listens to what; keyspace events; MONITOR; CLIENT TRACKING |
//! | `script` | Lua |
//! | `config`, `cli` | directives, arguments |
//! | `hold` | holding writers up, for a transaction that would lose for ever |
//! | `env`, `clients`, `stats`, `slowlog`, `log` | what the loops share |
//! | `harness` | a session for tests |
#![forbid(unsafe_code)]

mod acl;
mod admin;
mod blocking;
mod cli;
mod clients;
mod clock;
mod command;
mod config;
mod counter;
mod data;
mod disposal;
mod env;
mod event;
mod field_expiry;
mod harness;
mod histogram;
mod hold;
mod listener;
mod log;
mod memory;
mod monitors;
mod pubsub;
mod rates;
mod rdb;
mod removed;
mod resp;
mod saving;
mod script;
mod session;
mod slowlog;
mod stats;
mod tracking;
mod value;

pub use env::Server;
pub use harness::TestClient;
pub use listener::{RunError, Running, run};
