//! A Redis-compatible server over the Stillpoint store.
//!
//! | module | what it is |
//! |---|---|
//! | `resp` | the protocol: requests found in place, replies written once |
//! | `session` | a connection without its socket: bytes in, bytes out |
//! | `command` | the table of commands and their handlers |
//! | `data`, `value` | keys and values as commands see them |
//! | `config` | directives |
//! | `harness` | a session for tests |
#![forbid(unsafe_code)]

mod command;
mod config;
mod data;
mod env;
mod harness;
mod resp;
mod session;
mod value;

pub use env::Server;
pub use harness::TestClient;
pub use value::Object;
