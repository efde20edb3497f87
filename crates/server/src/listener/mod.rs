//! The network: [`run`] opens sockets and serves them by one event loop per core until it is told to stop.
//!
//! ```text
//!            ┌ accept ─┐ deals connections out
//! loop 0 ────┘         ├──▶ mailbox of loop 0, 1, …     each loop runs commands to completion on the shared store
//! loop 1 …             ┘
//! signals, SHUTDOWN ──▶ Server::stop ──▶ rings every mailbox
//! ```

mod accept;
mod anteroom;
mod balance;
mod buffers;
mod ciphers;
mod connection;
mod doors;
mod event_loop;
mod poller;
mod process;
mod running;
mod socket;
mod start;
mod stream;
mod tls;
mod workshop;

pub(crate) use doors::Doors;
pub(crate) use poller::Mailbox;
pub use process::run;
pub use running::Running;
pub use start::RunError;
pub(crate) use tls::{Tls, TlsError};
