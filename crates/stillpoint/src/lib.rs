//! Stillpoint: an MVCC in-memory data engine whose readers never wait, embedded in a Rust program.
//!
//! [`open`] gives a store with its maintenance running and the wall clock attached; [`Store`] itself takes the time as an argument and starts
//! nothing, for programs that have a clock of their own. [`server`] runs the Redis-compatible server inside the program.
//!
//! | type | what it is |
//! |---|---|
//! | [`Store`] | byte keys, in key spaces, to bytes or objects of the program's own |
//! | [`Snapshot`] | one consistent cut of everything, for as long as one likes |
//! | [`Transaction`] | several keys, serialisable, all or nothing |
//!
//! # Examples
//! ```
//! use stillpoint::{now, open};
//!
//! let store: stillpoint::Store = open();
//! store.set(now(0), b"EURUSD", 0, b"1.0842", None)?;
//! store.set(now(0), b"USDJPY", 0, b"154.31", None)?;
//!
//! // A report reads one cut, whatever is written meanwhile.
//! let report = store.snapshot(now(0).now_ms);
//! store.set(now(0), b"EURUSD", 0, b"1.0850", None)?;
//! assert_eq!(report.get_with(0, b"EURUSD", |quote| quote.unwrap().bytes().unwrap().to_vec())?, b"1.0842");
//!
//! // Two keys change together, or not at all.
//! let mut transaction = store.begin(now(0).now_ms);
//! transaction.set(0, b"EURUSD", 0, b"1.0851", None);
//! transaction.set(0, b"USDJPY", 0, b"154.30", None);
//! transaction.commit()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

pub use stillpoint_store::{
    At, CommitError, Config, Draft, Entry, Isolation, MergeError, MvccDisabled, PressurePolicy,
    Savepoint, Snapshot, SnapshotExpired, Stats, Stop, Store, Transaction, TransactionError,
    TransactionOptions, Value, VersionStamp, WriteError, abort,
};

/// The Redis-compatible server, inside this program.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
///
/// let server = stillpoint::server::Running::start(&[("port", "0")])?;
/// let mut client = std::net::TcpStream::connect(("127.0.0.1", server.port()))?;
/// client.write_all(b"PING\r\n")?;
/// let mut reply = [0; 7];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"+PONG\r\n");
/// server.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod server {
    pub use stillpoint_server::{RunError, Running, Server, run};
}

/// An empty store with default settings, its maintenance running by the wall clock.
///
/// # Panics
/// If the system gives no thread.
pub fn open<O: Send + Sync + 'static>() -> Store<O> {
    open_with(Config::default())
}

/// The same with settings.
///
/// # Panics
/// If the system gives no thread.
pub fn open_with<O: Send + Sync + 'static>(config: Config) -> Store<O> {
    let store = Store::new(config);
    store.start_maintenance(wall_clock_ms);
    store
}

/// A key space, now by the wall clock.
pub fn now(space: u8) -> At {
    At { space, now_ms: wall_clock_ms() }
}

/// Milliseconds since 1970; 0 before.
fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
