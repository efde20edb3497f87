//! Loading a file: one thread reads and decodes, others put the keys into the store.
//!
//! ```text
//! file ─▶ Source ─▶ batches of entries ─▶ installers, one per other core ─▶ store
//! ```
//! Keys of a file are different, so their order does not matter.

use super::entry::{Entry, Forms};
use super::error::{RdbError, Why};
use super::source::Source;
use super::{is_readable, opcode};
use crate::field_expiry::FieldExpiry;
use crate::value::Object;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use stillpoint_store::Store;

/// Entries that are handed to an installer at a time, and bytes after which a batch is full all the same.
const BATCH_ENTRIES: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may wait for an installer.
const WAITING_BATCHES: usize = 4;

/// What a file held.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Loaded {
    /// Keys that were put into the store.
    pub(crate) keys: u64,
    /// Keys that had expired.
    pub(crate) expired: u64,
    /// The code of each library of functions.
    pub(crate) functions: Vec<Vec<u8>>,
    /// The server that wrote it, if it says.
    pub(crate) written_by: Option<String>,
}

/// Where entries go, and by whose clock they are judged.
pub(crate) struct Target<'a> {
    pub(crate) store: &'a Store<Object>,
    pub(crate) databases: u8,
    pub(crate) now_ms: u64,
    pub(crate) forms: Forms,
    /// Told of hashes whose fields expire.
    pub(crate) field_expiry: &'a FieldExpiry,
}

type Batch = Vec<Entry>;
type Failure = Mutex<Option<Why>>;

/// Reads a whole file into the store. Keys that are there already are replaced.
///
/// # Errors
/// The first byte that no writer would have written, or what the store refused. A part of the keys is then in the store.
pub(crate) fn load(from: impl Read, target: &Target<'_>) -> Result<Loaded, RdbError> {
    let installers = std::thread::available_parallelism().map_or(1, |n| n.get() - 1).clamp(1, 8);
    let (sender, receiver) = sync_channel::<Batch>(WAITING_BATCHES);
    let (receiver, failure) = (Mutex::new(receiver), Failure::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..installers).map(|_| scope.spawn(|| install(&receiver, target, &failure))).collect();
        let mut source = Source::new(from);
        let read = read_file(&mut source, target, Outlet { sender, batch: Vec::new(), bytes: 0 });
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(why) => source.fail(why),
            None => read,
        }
    })
}

/// Puts batches into the store until there are no more. After a failure the rest is only taken.
fn install(batches: &Mutex<Receiver<Batch>>, target: &Target<'_>, failure: &Failure) {
    let fail = |why| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    };
    let mut strings = target.store.bulk_load(target.now_ms);
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { break };
        for entry in &batch {
            if let Err(why) = entry.install(target, &mut strings) {
                fail(why);
                break;
            }
            if let Some(time_ms) = entry.next_due_ms() {
                target.field_expiry.note(entry.db, &entry.key, time_ms);
            }
        }
    }
    if let Err(error) = strings.finish() {
        fail(Why::Store(error.to_string()));
    }
}

/// The reader's end of the queue.
struct Outlet {
    sender: SyncSender<Batch>,
    batch: Batch,
    bytes: usize,
}

impl Outlet {
    fn push(&mut self, entry: Entry, bytes: usize) {
        self.batch.push(entry);
        self.bytes += bytes;
        if self.batch.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        // The installers take batches until this end is gone; one that panicked is found when it is joined.
        let _taken = self.sender.send(std::mem::take(&mut self.batch));
    }
}

fn read_file<R: Read>(
    source: &mut Source<R>,
    target: &Target<'_>,
    mut outlet: Outlet,
) -> Result<Loaded, RdbError> {
    let version = header(source)?;
    let mut loaded = Loaded::default();
    let (mut db, mut expire_at_ms) = (0, None);
    loop {
        match source.byte()? {
            opcode::END => break,
            opcode::SELECT_DB => db = database(source, target)?,
            opcode::SIZES => {
                source.length()?;
                source.length()?;
            }
            opcode::SLOT_INFO => {
                for _ in 0..3 {
                    source.length()?;
                }
            }
            opcode::AUX => {
                let (name, value) = (source.string()?, source.string()?);
                if matches!(&*name, b"redis-ver" | b"valkey-ver") {
                    loaded.written_by = Some(String::from_utf8_lossy(&value).into_owned());
                }
            }
            opcode::FUNCTION => loaded.functions.push(source.string()?),
            opcode::EXPIRY_MS => expire_at_ms = Some(u64::from_le_bytes(source.array()?)),
            opcode::EXPIRY_S => {
                expire_at_ms = Some(u64::from(u32::from_le_bytes(source.array()?)) * 1000);
            }
            opcode::FREQUENCY => drop(source.byte()?),
            opcode::IDLE => drop(source.length()?),
            opcode::MODULE_AUX => return source.fail(Why::Type(opcode::MODULE_AUX)),
            byte => {
                let before = source.offset();
                let key = source.string()?;
                let value = source.value(byte)?;
                let entry = Entry { db, key, expire_at_ms: expire_at_ms.take(), value };
                if entry.expire_at_ms.is_some_and(|expiry| expiry <= target.now_ms) {
                    loaded.expired += 1;
                } else {
                    loaded.keys += 1;
                    outlet.push(entry, (source.offset() - before) as usize);
                }
            }
        }
    }
    outlet.flush();
    trailer(source, version)?;
    Ok(loaded)
}

/// The magic word and the version, as text.
fn header<R: Read>(source: &mut Source<R>) -> Result<u16, RdbError> {
    let head = source.array::<9>()?;
    let digits = match (head.strip_prefix(b"REDIS"), head.strip_prefix(b"VALKEY")) {
        (Some(digits), _) | (_, Some(digits)) => digits,
        _ => return source.corrupt("it does not begin as an RDB file does"),
    };
    let version = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    match version {
        Some(version) if is_readable(version) => Ok(version),
        Some(version) => source.fail(Why::Version(version)),
        None => source.corrupt("the version is no number"),
    }
}

fn database<R: Read>(source: &mut Source<R>, target: &Target<'_>) -> Result<u8, RdbError> {
    let db = source.length()?;
    match u8::try_from(db).ok().filter(|db| *db < target.databases) {
        Some(db) => Ok(db),
        None => source.corrupt("it has more databases than the server ('databases')"),
    }
}

/// The checksum, unless the writer was told to leave it out.
fn trailer<R: Read>(source: &mut Source<R>, version: u16) -> Result<(), RdbError> {
    if version >= 5 {
        let expected = source.checksum();
        let found = u64::from_le_bytes(source.array()?);
        if found != 0 && found != expected {
            return source.fail(Why::Checksum { expected, found });
        }
    }
    if source.is_at_end()? { Ok(()) } else { source.corrupt("something follows the end") }
}
