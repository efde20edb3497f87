//! Saving: a snapshot is walked and written to a new file, which then takes the old one's place.
//!
//! ```text
//! snapshot ─ a page of keys ─▶ Sink ─▶ temp-….rdb ─▶ fsync ─▶ rename over the old file ─▶ fsync of the directory
//! ```
//! Nobody is held up: there is no fork and no lock. Writers meanwhile leave the versions that the cut needs behind, as for any snapshot.
//!
//! # Invariants
//! 1. The file holds one cut: what was committed when the snapshot was taken, and nothing later.
//! 2. Until the new file is whole and on the disk, the old one is as it was.

use super::entry::{encode, encode_object};
use super::sink::Sink;
use super::{WRITTEN_VERSION, opcode};
use crate::value::Object;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stillpoint_primitive::scheduling::TimeSlice;
use stillpoint_store::{Snapshot, SnapshotExpired, Store, Value};

/// Keys a page. Between two pages the walk holds nothing, and looks whether it shall end, and whether others shall have the core.
const PAGE_KEYS: usize = 128;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes after which the system is told to begin with writing to the disk, so that the last step is short.
const SYNC_BYTES: u64 = 16 << 20;

/// Why nothing was saved; the old file is as it was.
#[non_exhaustive]
#[derive(Debug)]
pub(crate) enum SaveError {
    /// The file could not be written.
    Io(std::io::Error),
    /// Memory was so short that the snapshot was ended.
    Expired,
    /// It was asked to end.
    Cancelled,
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaveError::Io(error) => error.fmt(f),
            SaveError::Expired => f.write_str("the snapshot was ended for want of memory"),
            SaveError::Cancelled => f.write_str("it was cancelled"),
        }
    }
}

impl From<std::io::Error> for SaveError {
    fn from(error: std::io::Error) -> Self {
        SaveError::Io(error)
    }
}

impl From<SnapshotExpired> for SaveError {
    fn from(_: SnapshotExpired) -> Self {
        SaveError::Expired
    }
}

/// What was saved.
pub(crate) struct Saved {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

/// What to save, and how.
pub(crate) struct Job<'a> {
    pub(crate) store: &'a Store<Object>,
    pub(crate) databases: u8,
    pub(crate) compresses: bool,
    pub(crate) checksums: bool,
    /// Microseconds to wait after each key: a slow disk, for tests.
    pub(crate) delay_us: u64,
    /// The code of each library of functions.
    pub(crate) functions: &'a [Vec<u8>],
    /// Fields for whoever reads the file.
    pub(crate) aux: &'a [(&'a str, String)],
    /// Asked before each page.
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
}

/// Saves a cut of the store to `path`.
///
/// # Errors
/// The disk, the system or the memory does not allow it; or it was cancelled.
pub(crate) fn save(
    path: &Path,
    snapshot: Snapshot<Object>,
    job: &Job<'_>,
) -> Result<Saved, SaveError> {
    let temporary = Temporary(temporary_beside(path));
    let file = File::create(&temporary.0)?;
    // Without a lock (not every file system has them) it stays lying if the process is killed: see `remove_left_behind`.
    let _locked = file.try_lock();
    let mut writer = Writer { file, sink: Sink::new(job.compresses), synced: 0 };
    let keys = write_file(&snapshot, job, &mut writer)?;
    drop(snapshot);
    writer.flush()?;
    writer.file.sync_all()?;
    std::fs::rename(&temporary.0, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(Saved { keys, bytes: writer.sink.len() })
}

fn temporary_beside(path: &Path) -> PathBuf {
    path.with_file_name(format!("temp-{}-{:x}.rdb", std::process::id(), fastrand::u32(..)))
}

/// Removes the temporary files beside `path` that a process left behind which was killed as it wrote them: those that nobody has locked. How many.
pub(crate) fn remove_left_behind(path: &Path) -> usize {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(parent.unwrap_or(Path::new("."))) else { return 0 };
    let left_behind = entries.flatten().filter(|entry| {
        entry.file_name().to_str().is_some_and(is_temporary)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok())
    });
    left_behind.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count()
}

/// Whether it is a name that [`temporary_beside`] gives.
fn is_temporary(name: &str) -> bool {
    let middle = name.strip_prefix("temp-").and_then(|name| name.strip_suffix(".rdb"));
    middle.and_then(|middle| middle.split_once('-')).is_some_and(|(process, number)| {
        process.parse::<u32>().is_ok() && u32::from_str_radix(number, 16).is_ok()
    })
}

/// A file that goes when it has not been renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is not there any more.
        let _gone = std::fs::remove_file(&self.0);
    }
}

struct Writer {
    file: File,
    sink: Sink,
    synced: u64,
}

impl Writer {
    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.write_to(&mut self.file)?;
        if self.sink.len() - self.synced >= SYNC_BYTES {
            self.synced = self.sink.len();
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn flush_if_full(&mut self) -> std::io::Result<()> {
        if self.sink.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }
}

fn write_file(
    snapshot: &Snapshot<Object>,
    job: &Job<'_>,
    writer: &mut Writer,
) -> Result<u64, SaveError> {
    let sink = &mut writer.sink;
    write!(&mut sink.bytes, "REDIS{WRITTEN_VERSION:04}")?;
    for (name, value) in job.aux {
        sink.byte(opcode::AUX);
        sink.string(name.as_bytes());
        sink.string(value.as_bytes());
    }
    for code in job.functions {
        sink.byte(opcode::FUNCTION);
        sink.string(code);
    }
    let mut keys = 0;
    for db in 0..job.databases {
        keys += write_database(snapshot, db, job, writer)?;
    }
    writer.sink.byte(opcode::END);
    let checksum = if job.checksums { writer.sink.checksum() } else { 0 };
    writer.sink.raw(&checksum.to_le_bytes());
    Ok(keys)
}

fn write_database(
    snapshot: &Snapshot<Object>,
    db: u8,
    job: &Job<'_>,
    writer: &mut Writer,
) -> Result<u64, SaveError> {
    let (mut keys, mut cursor) = (0, 0);
    let mut slice = TimeSlice::begin();
    loop {
        slice.yield_if_over();
        if (job.is_cancelled)() {
            return Err(SaveError::Cancelled);
        }
        let before = keys;
        let sink = &mut writer.sink;
        // Large values are encoded after the step, in which the memory of all others is held back.
        let mut large: Vec<LargeEntry> = Vec::new();
        cursor = snapshot.scan(db, cursor, PAGE_KEYS, |item| {
            if keys == 0 {
                select(sink, db, job.store.len(db));
            }
            keys += 1;
            match item.value() {
                Value::Object(object) => {
                    large.push((item.key().into(), item.expire_at_ms(), Arc::clone(object)));
                }
                Value::Bytes(_) => {
                    expiry(sink, item.expire_at_ms());
                    encode(item, Some(item.key()), sink);
                }
            }
        })?;
        for (key, expire_at_ms, object) in large {
            expiry(&mut writer.sink, expire_at_ms);
            encode_object(&object, Some(&key), &mut writer.sink);
            writer.flush_if_full()?;
        }
        writer.flush_if_full()?;
        if job.delay_us > 0 {
            std::thread::sleep(Duration::from_micros(job.delay_us * (keys - before)));
        }
        if cursor == 0 {
            return Ok(keys);
        }
    }
}

/// Key, expiry and value.
type LargeEntry = (Box<[u8]>, Option<u64>, Arc<Object>);

/// Begins a database. The number of keys is a hint for the reader; it may have changed since the cut.
fn select(sink: &mut Sink, db: u8, keys: u64) {
    sink.byte(opcode::SELECT_DB);
    sink.length(db.into());
    sink.byte(opcode::SIZES);
    sink.length(keys);
    sink.length(0);
}

fn expiry(sink: &mut Sink, expire_at_ms: Option<u64>) {
    if let Some(expire_at_ms) = expire_at_ms {
        sink.byte(opcode::EXPIRY_MS);
        sink.raw(&expire_at_ms.to_le_bytes());
    }
}
