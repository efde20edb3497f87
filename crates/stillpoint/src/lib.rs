//! Stillpoint: an MVCC in-memory data engine whose readers never wait, embedded in a Rust program.
//!
//! [`open_db`] gives a map of the program's own keys and values, [`open`] the store of bytes and objects below it; both with their maintenance
//! running. [`Store`] itself takes the time as an argument and starts nothing, for programs that have a clock of their own. [`server`] runs the
//! Redis-compatible server inside the program.
//!
//! | type | what it is |
//! |---|---|
//! | [`Db`] | a map from keys to values, of any types, with snapshots and transactions |
//! | [`Store`] | byte keys, in key spaces, to bytes or objects of the program's own |
//! | [`DbSnapshot`], [`Snapshot`] | one consistent cut of everything, for as long as one likes |
//! | [`DbTransaction`], [`Transaction`] | several keys, serialisable, all or nothing |
//! | [`Stm`], [`TVar`] | variables that change together |
//! | [`DurableStore`] | a store in a directory, with a write-ahead log: [`open_durable`] |
//!
//! # Examples
//! ```
//! use stillpoint::{Stop, open_db};
//!
//! let quotes = open_db::<String, f64>();
//! quotes.insert("EURUSD", 1.0842)?;
//! quotes.insert("USDJPY", 154.31)?;
//!
//! // A report reads one cut, whatever is written meanwhile.
//! let report = quotes.snapshot();
//! quotes.insert("EURUSD", 1.0850)?;
//! assert_eq!(report.get("EURUSD")?.as_deref(), Some(&1.0842));
//!
//! // Two keys change together, or not at all. The closure runs again if somebody else was faster.
//! quotes.transaction(|tx| {
//!     tx.update("EURUSD", |quote| Some(quote? + 0.0001))?;
//!     tx.insert("USDJPY", 154.30);
//!     Ok::<_, Stop>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

pub use stillpoint_store::{
    At, CommitError, Config, Db, DbIter, DbRange, DbSnapshot, DbTransaction, DbTransactionRange,
    Draft, EncodeKey, Entry, Held, Isolation, Key, KeyBuffer, KeyRange, LoadError, LoadOptions,
    Loaded, MergeError, MvccDisabled, PressurePolicy, Savepoint, Snapshot, SnapshotExpired,
    SpaceSet, Stats, Stm, StmTransaction, Stop, Store, TVar, Transaction, TransactionError,
    TransactionOptions, Value, VersionStamp, WriteError, abort,
};
#[cfg(feature = "durable")]
pub use stillpoint_wal::{
    Checkpoint, CheckpointError, Codec, Durability, DurableStore, LogEnded, OpenError,
    Options as DurableOptions, Recovery,
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

/// An empty map from keys to values, its maintenance running, by the wall clock. Its keys are kept in order too, for ranges.
///
/// # Cost
/// The order costs an insertion into a B+tree for each new key, and its bytes once more: [`open_db_with`] does without.
///
/// # Panics
/// If the system gives no thread.
pub fn open_db<K: Key, V: Send + Sync + 'static>() -> Db<K, V> {
    open_db_with(Config { ordered: SpaceSet::ALL, ..Config::default() })
}

/// The same with settings. There is one key space, whatever they say.
///
/// # Panics
/// If the system gives no thread.
pub fn open_db_with<K: Key, V: Send + Sync + 'static>(config: Config) -> Db<K, V> {
    let db = Db::new(Config { spaces: 1, ..config }, wall_clock_ms);
    db.store().start_maintenance(wall_clock_ms);
    db
}

/// The guarantees of transactions.
#[doc = include_str!("../../../docs/transactions.md")]
pub mod transactions {}

/// Loading what a store does not have.
#[doc = include_str!("../../../docs/loading-cache.md")]
pub mod loading_cache {}

/// The store of a directory, its maintenance running by the wall clock: what its writes promised is there again.
///
/// # Errors
/// Somebody else has it open, something in it is damaged or missing, or the system refuses something; nothing was changed then.
///
/// # Panics
/// If the system gives no threads.
///
/// # Examples
/// ```
/// use stillpoint::{DurableOptions, now, open_durable};
///
/// let directory = std::env::temp_dir().join(format!("stillpoint-facade-{}", std::process::id()));
/// let store = open_durable(&directory, DurableOptions::default())?;
/// store.set(now(0), b"EURUSD", 0, b"1.0842", None)?; // on the device when this returns
/// drop(store);
///
/// let store = open_durable(&directory, DurableOptions::default())?;
/// assert!(store.get_with(now(0), b"EURUSD", |quote| quote.is_some()));
/// # drop(store);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "durable")]
pub fn open_durable(
    directory: impl AsRef<std::path::Path>,
    options: DurableOptions,
) -> Result<DurableStore, OpenError> {
    let store = DurableStore::open(directory, options)?;
    store.start_maintenance(wall_clock_ms);
    Ok(store)
}

/// A key space, now by the wall clock.
pub fn now(space: u8) -> At {
    At { space, now_ms: wall_clock_ms() }
}

/// Milliseconds since 1970; 0 before.
fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
