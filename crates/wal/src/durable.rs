//! [`DurableStore`]: a store that finds again what it promised.

use crate::checkpoint::{CheckpointHead, KeyHints, Writer};
use crate::codec::{BytesOnly, Codec};
use crate::desk::Desk;
use crate::error::{CheckpointError, LogEnded, OpenError};
use crate::files::{Directory, Disk};
use crate::logger::{Logger, encoded};
use crate::options::Options;
use crate::record::{Record, RecordValue};
use crate::recover::{Recovery, Sink, remove_needless, survey};
use crate::watch;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use stillpoint_primitive::background::Worker;
use stillpoint_primitive::sync::thread;
use stillpoint_store::{Config, Entry, NewestFirst, Snapshot, Store, Vacant, Value};

/// Keys that a step of a checkpoint's walk visits.
const STEP: usize = 1024;

/// A store in a directory: what its writes promised is there when the directory is opened again.
///
/// It derefs to the [`Store`], whose operations are all there. In every mode but [`Durability::None`](crate::Durability::None) a write returns when
/// the log has it as the mode says. It is visible to others before; but what they do because of it is acknowledged no earlier. Reads never wait.
///
/// Clones share one store. The log is closed with the last of them, or by [`close`](DurableStore::close); handles of the store itself that
/// live longer can read, while their writes are refused.
///
/// # Errors of writes
/// Once the log has failed or was closed, writes answer [`WriteError::LogFailed`](stillpoint_store::WriteError::LogFailed). One that was waiting
/// for the log then has happened in memory, and may or may not be found when the directory is opened again, as after a crash.
///
/// # Examples
/// ```
/// use stillpoint_store::At;
/// use stillpoint_wal::{DurableStore, Options};
///
/// let directory = std::env::temp_dir().join(format!("stillpoint-example-{}", std::process::id()));
/// let at = At { space: 0, now_ms: 0 };
///
/// let store = DurableStore::open(&directory, Options::default())?;
/// store.set(at, b"balance", 0, b"100", None)?; // on the device when this returns
/// store.close()?;
///
/// let store = DurableStore::open(&directory, Options::default())?;
/// assert_eq!(store.get_with(at, b"balance", |entry| entry.unwrap().bytes().unwrap().to_vec()), b"100");
/// assert!(store.recovery().was_closed);
/// # drop(store);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DurableStore<O: Send + Sync + 'static = ()> {
    owner: Arc<Owner<O>>,
}

/// What the clones share; the thread that makes checkpoints has no part in it.
struct Owner<O: Send + Sync + 'static>(Arc<Inner<O>>);

pub(crate) struct Inner<O: Send + Sync + 'static> {
    store: Store<O>,
    codec: Arc<dyn Codec<O>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) recovery: Recovery,
    /// The number that the files have.
    number: u64,
    spaces: u8,
    compress: bool,
    logger: Mutex<Option<Worker>>,
    /// Locked while a checkpoint is made.
    files: Mutex<Files>,
}

struct Files {
    /// Given back when the store is closed, so that it may be opened again.
    directory: Option<Arc<dyn Directory>>,
    last_checkpoint: Option<u64>,
}

/// A finished checkpoint.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit timestamp of its cut.
    pub timestamp: u64,
    /// Keys that it has.
    pub records: u64,
    /// Bytes of its file.
    pub bytes: u64,
}

impl<O: Send + Sync + 'static> Clone for DurableStore<O> {
    fn clone(&self) -> Self {
        DurableStore { owner: Arc::clone(&self.owner) }
    }
}

impl<O: Send + Sync + 'static> Deref for DurableStore<O> {
    type Target = Store<O>;

    fn deref(&self) -> &Store<O> {
        &self.inner().store
    }
}

impl<O: Send + Sync + 'static> fmt::Debug for DurableStore<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableStore")
            .field("number", &self.inner().number)
            .field("recovery", &self.inner().recovery)
            .finish_non_exhaustive()
    }
}

impl DurableStore {
    /// Opens the store of a directory, or begins one there.
    ///
    /// # Errors
    /// Somebody else has it open, something in it is damaged or missing, or the system refuses something. No file was changed then.
    ///
    /// # Panics
    /// If the system gives no threads.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_with(path, options, BytesOnly)
    }
}

impl<O: Send + Sync + 'static> DurableStore<O> {
    /// The same for values that are objects.
    ///
    /// # Errors
    /// As [`open`](DurableStore::open), and if the codec cannot make an object of its bytes.
    ///
    /// # Panics
    /// If the system gives no threads.
    pub fn open_with(
        path: impl AsRef<Path>,
        options: Options,
        codec: impl Codec<O>,
    ) -> Result<Self, OpenError> {
        let disk = Disk::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked,
            _ => OpenError::Io { operation: "lock", file: ".".to_owned(), error },
        })?;
        Self::open_in(Arc::new(disk), options, codec)
    }

    /// The same in a directory of another kind.
    ///
    /// # Errors
    /// As [`open_with`](DurableStore::open_with).
    ///
    /// # Panics
    /// If the system gives no threads.
    pub fn open_in(
        directory: Arc<dyn Directory>,
        options: Options,
        codec: impl Codec<O>,
    ) -> Result<Self, OpenError> {
        let codec: Arc<dyn Codec<O>> = Arc::new(codec);
        let mut found = survey(&*directory)?;
        let mut config =
            Config { first_timestamp: found.next_timestamp(), ..options.store.clone() };
        config.stream.get_or_insert_default();
        let spaces = config.spaces;
        let mut store = Store::new(config);
        let workers = match options.recovery_threads {
            0 => thread::available_parallelism().map_or(1, |threads| threads.get()),
            some => some,
        };
        for (space, keys) in found.expected(&*directory)?.iter() {
            store.reserve(space, usize::try_from(keys).unwrap_or(usize::MAX));
        }
        let loader = Loader { load: store.load_newest_first(), codec: &*codec, spaces };
        let recovery = found.replay(&*directory, &loader, workers)?;
        loader.load.finish();
        let number = found.store();
        // What came back is in the log already: from here on.
        let stream = store.commit_stream().expect("the store was made with a stream");
        stream.hold_writers(options.durability.holds_writers());
        let log = found.resume(Arc::clone(&directory), options.segment_bytes)?;
        let desk = Arc::new(Desk::default());
        let logger = Logger {
            through: stream.position().saturating_sub(1),
            stream,
            log,
            codec: Arc::clone(&codec),
            durability: options.durability,
            desk: Arc::clone(&desk),
            last_sync: Instant::now(),
            scratch: Vec::new(),
            has_ended: false,
        };
        logger.greet();
        let logger =
            Worker::spawn("stillpoint-log", || logger.run()).expect("a thread for the log");
        let inner = Arc::new(Inner {
            store,
            codec,
            desk,
            number,
            spaces,
            compress: options.compress,
            logger: Mutex::new(Some(logger)),
            files: Mutex::new(Files {
                directory: Some(directory),
                last_checkpoint: recovery.checkpoint,
            }),
            recovery,
        });
        if let Some(bytes) = options.checkpoint_bytes {
            watch::start(&inner, bytes);
        }
        Ok(DurableStore { owner: Arc::new(Owner(inner)) })
    }

    fn inner(&self) -> &Inner<O> {
        &self.owner.0
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.inner().recovery
    }

    /// The timestamp up to which every change is as safe as the mode promises.
    pub fn durable_timestamp(&self) -> u64 {
        self.inner().store.acknowledged()
    }

    /// Why the log has failed, if it has.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.inner().desk.failure()
    }

    /// Bytes that went into the log since the store was opened.
    pub fn log_bytes(&self) -> u64 {
        self.inner().desk.progress().written_bytes
    }

    /// Waits until everything that was committed before is on the device, whatever the mode.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// The log is closed or has failed.
    pub fn sync(&self) -> Result<(), LogEnded> {
        // Its timestamp is not below any commit that returned.
        let timestamp = self.inner().store.snapshot(0).timestamp();
        self.inner().desk.sync_through(timestamp).map_err(|_| self.inner().ended())
    }

    /// Writes every key of this moment into a checkpoint, and removes what it makes needless. No reader or writer waits for it; calls at the
    /// same time follow each other.
    ///
    /// # Errors
    /// The log is closed or has failed, the file could not be written (the one before stays), or the snapshot was ended.
    pub fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        self.inner().checkpoint()
    }

    /// Closes the log behind all that was committed, and waits for it. Writes are refused from now on.
    ///
    /// # Errors
    /// The log has failed, now or before.
    pub fn close(&self) -> Result<(), LogEnded> {
        self.inner().close()
    }
}

impl<O: Send + Sync + 'static> Inner<O> {
    fn ended(&self) -> LogEnded {
        LogEnded { reason: self.desk.failure() }
    }

    fn close(&self) -> Result<(), LogEnded> {
        let failure = self.desk.stop();
        let logger = self.logger.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(logger) = logger {
            logger.join();
        }
        // A checkpoint that is being made gives up when it sees that the log has ended.
        self.files().directory = None;
        match failure {
            None => Ok(()),
            reason => Err(LogEnded { reason }),
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        let mut files = self.files();
        let ended = || CheckpointError::LogEnded(self.ended());
        let directory = files.directory.clone().ok_or_else(ended)?;
        let first_segment = self.desk.rotate().map_err(|_| ended())?;
        // After the segment was begun: so what the ones before hold is in the snapshot.
        let snapshot = self.store.snapshot(0);
        let timestamp = snapshot.timestamp();
        let keys = KeyHints::of((0..self.spaces).map(|space| self.store.len(space)));
        let head = CheckpointHead { store: self.number, timestamp, first_segment, keys };
        let mut writer = Writer::begin(&*directory, head, self.compress)?;
        self.walk(&snapshot, &mut writer)?;
        drop(snapshot);
        let (records, bytes) = writer.finish(&*directory)?;
        let before = files.last_checkpoint.replace(timestamp);
        remove_needless(&*directory, first_segment, before)?;
        Ok(Checkpoint { timestamp, records, bytes })
    }

    fn walk(&self, snapshot: &Snapshot<O>, writer: &mut Writer) -> Result<(), CheckpointError> {
        let mut scratch = Vec::new();
        for space in 0..self.spaces {
            let mut cursor = 0;
            loop {
                let mut result = Ok(());
                cursor = snapshot.scan(space, cursor, STEP, |entry| {
                    if result.is_ok() {
                        result = self.record(writer, space, &entry, &mut scratch);
                    }
                })?;
                result?;
                if self.desk.has_ended() {
                    return Err(CheckpointError::LogEnded(self.ended()));
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn record(
        &self,
        writer: &mut Writer,
        space: u8,
        entry: &Entry<'_, O>,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        scratch.clear();
        let value = encoded(Some(entry.value()), entry.kind(), &*self.codec, scratch);
        writer.record(&Record {
            space,
            kind: entry.kind(),
            key: entry.key(),
            expire_at_ms: entry.expire_at_ms(),
            value,
        })
    }
}

impl<O: Send + Sync + 'static> Drop for Owner<O> {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`.
        let _result = self.0.close();
    }
}

/// Puts what files hold into a store.
struct Loader<'s, O: Send + Sync + 'static> {
    load: NewestFirst<'s, O>,
    codec: &'s dyn Codec<O>,
    spaces: u8,
}

impl<O: Send + Sync + 'static> Sink for Loader<'_, O> {
    fn take(&self, part: u32, parts: u32, records: &[Record<'_>]) -> Result<u64, OpenError> {
        if let Some(&Record { space, .. }) = records.iter().find(|one| one.space >= self.spaces) {
            return Err(OpenError::NoSuchSpace { space });
        }
        let newest_first = records.iter().rev();
        self.load.show(part, parts, newest_first, key_of, |record, key| self.fill(record, key))
    }
}

fn key_of<'r>(record: &'r Record<'_>) -> (u8, &'r [u8]) {
    (record.space, record.key)
}

impl<O: Send + Sync + 'static> Loader<'_, O> {
    fn fill(&self, record: &Record<'_>, vacant: Vacant<'_, O>) -> Result<(), OpenError> {
        let &Record { kind, key, expire_at_ms, value, .. } = record;
        // What has expired stays hidden, and goes when somebody looks after it.
        let result = match value {
            RecordValue::Removed => {
                vacant.remove();
                Ok(())
            }
            RecordValue::Bytes(bytes) => vacant.set(kind, Value::Bytes(bytes), expire_at_ms),
            RecordValue::Object(bytes) => {
                let object = self.codec.decode(kind, bytes);
                let object =
                    object.map_err(|reason| OpenError::Object { key: key.to_vec(), reason })?;
                vacant.set(kind, Value::Object(&Arc::new(object)), expire_at_ms)
            }
        };
        result.map_err(OpenError::Store)
    }
}
