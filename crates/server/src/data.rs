//! Keys as commands see them: [`Data`] reads and writes in whichever way the connection is at the moment.
//!
//! | mode | entered by | a read | a write |
//! |---|---|---|---|
//! | direct | – | the newest value | at once, one key |
//! | cut | SNAPSHOT BEGIN, or for the time of a command that reads several keys | as of one snapshot | refused |
//! | transaction | EXEC, BEGIN, or for the time of a command that writes several keys | own writes, else as of one snapshot | kept until the commit |
//!
//! So a handler is written once, over one key at a time, and is atomic in every mode.

mod atomic;
mod interactive;
mod past;
mod snapshot;
mod touched;
mod watched;
mod watches;

pub(crate) use atomic::{
    Ending, as_transaction, at_one_cut, atomically, commit_interactive, commit_queue, read_keys,
};
pub(crate) use interactive::{Interactive, Stage};
pub(crate) use past::{Moment, as_of};
pub(crate) use snapshot::{Exports, OpenSnapshot};
pub(crate) use touched::Touched;

use crate::command::{CommandError, Display, Patience};
use crate::disposal::Disposal;
use crate::env::Server;
use crate::event::{Effect, class};
use crate::resp::Reply;
use crate::stats::LoopStats;
use crate::value::{LONG_STRING, Object, put_string, steps_through};
use stillpoint_primitive::scheduling;
use stillpoint_store::{
    At, Draft, Entry, Snapshot, SnapshotExpired, Store, Transaction, VersionStamp, WriteError,
};
use watches::Watches;

pub(crate) type Item<'g> = Entry<'g, Object>;

/// How the data commands of a connection work at the moment.
#[derive(Default)]
enum Mode {
    #[default]
    Direct,
    Cut(Snapshot<Object>),
    Transaction(Box<Transaction<Object>>),
}

/// Per-connection state of the data commands.
#[derive(Default)]
pub(crate) struct DataState {
    mode: Mode,
    pub(crate) watched: Watches,
    /// What is to be told once the command has, or its transaction has been committed.
    pub(crate) effects: Vec<Effect>,
    /// SNAPSHOT BEGIN's; while it is there the mode is its cut.
    pub(crate) snapshot: Option<OpenSnapshot>,
    /// BEGIN's; while it runs the mode is its transaction.
    pub(crate) interactive: Option<Interactive>,
    /// Keys that the running command has written, for those who wait for them.
    pub(crate) touched: Touched,
}

impl DataState {
    /// Whether EXEC, or a command that writes several keys, runs.
    pub(crate) fn is_in_transaction(&self) -> bool {
        matches!(self.mode, Mode::Transaction(_))
    }

    /// Whether what a command does can be seen at once.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.mode, Mode::Direct)
    }

    /// Forgets watched keys and the open snapshot (RESET, end of the connection).
    pub(crate) fn reset(&mut self) {
        *self = DataState::default();
    }
}

/// The keys of one database, for one command.
pub(crate) struct Data<'c> {
    pub(crate) state: &'c mut DataState,
    pub(crate) store: &'c Store<Object>,
    pub(crate) db: u8,
    now_ms: u64,
    stats: &'c LoopStats,
    /// Classes of events that somebody wants to hear of.
    events: u32,
    server: &'c Server,
    /// How much may be done here.
    pub(crate) patience: Patience,
    /// Reads are not noted as uses of their keys.
    pub(crate) untouched: bool,
    /// CLIENT PAUSE: what has expired is not seen, but stays.
    pub(crate) paused: bool,
}

impl<'c> Data<'c> {
    pub(crate) fn new(
        state: &'c mut DataState,
        server: &'c Server,
        db: u8,
        now_ms: u64,
        stats: &'c LoopStats,
        events: u32,
        patience: Patience,
    ) -> Self {
        let now_ms = match &state.mode {
            Mode::Direct => now_ms,
            Mode::Cut(snapshot) => snapshot.now_ms(),
            Mode::Transaction(transaction) => transaction.now_ms(),
        };
        let (untouched, paused) = (false, false);
        let store = &server.store;
        Data { state, store, db, now_ms, stats, events, server, patience, untouched, paused }
    }

    /// The same in another database.
    pub(crate) fn in_db(&mut self, db: u8) -> Data<'_> {
        let Data { store, now_ms, stats, events, server, patience, untouched, paused, .. } = *self;
        let state = &mut *self.state;
        Data { state, store, db, now_ms, stats, events, server, patience, untouched, paused }
    }

    /// Remembers a key that has been written if it may matter to somebody who waits for it, or has read it.
    #[inline]
    fn note_written(&mut self, key: &[u8]) {
        // A transaction's writes come with its commit: whether anybody waits is asked then. One light fence serves both questions.
        let server = self.server;
        if !self.state.is_direct() || server.blocking.is_needed() || server.tracking.count() > 0 {
            self.state.touched.note(self.db, key);
        }
    }

    /// Notes that a field of the hash at `key`, which has been written, will expire; of what a transaction wrote, at its commit.
    pub(crate) fn note_field_expiry(&mut self, key: &[u8], time_ms: u64) {
        match self.state.is_direct() {
            true => self.server.field_expiry.note(self.db, key, time_ms),
            false => self.state.effects.push(Effect::FieldExpiry {
                db: self.db,
                key: key.into(),
                time_ms,
            }),
        }
    }

    /// The time by which expiry is judged.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// How a value's rows are shown in `out`. What several commands of a transaction answer adds up, so there they count as steps.
    #[inline]
    pub(crate) fn display(&self, out: &Reply) -> Display<'c> {
        let streams = out.can_stream() && !self.state.is_in_transaction();
        Display { patience: self.patience, streams, disposal: self.disposal() }
    }

    /// Where large values go whose time is over.
    pub(crate) fn disposal(&self) -> &'c Disposal {
        &self.server.disposal
    }

    fn at(&self) -> At {
        At { space: self.db, now_ms: self.now_ms }
    }

    /// Reads a key; a hit or a miss for INFO.
    #[inline]
    pub(crate) fn read<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<Item<'_>>) -> R,
    ) -> Result<R, CommandError> {
        let stats = self.stats;
        let f = |found: Option<Item<'_>>| {
            let figure =
                if found.is_some() { &stats.keyspace_hits } else { &stats.keyspace_misses };
            figure.add(1);
            f(found)
        };
        if self.untouched || self.paused || self.events & class::KEY_MISS != 0 {
            return self.read_watched(key, f);
        }
        match &mut self.state.mode {
            Mode::Direct => Ok(self.store.get_or_expire_with(
                At { space: self.db, now_ms: self.now_ms },
                key,
                f,
            )),
            Mode::Cut(snapshot) => snapshot.get_with(self.db, key, f).map_err(expired),
            Mode::Transaction(transaction) => {
                transaction.get_with(self.db, key, f).map_err(expired)
            }
        }
    }

    /// As [`read`](Data::read), for what looks at all of a value: a large one is looked at elsewhere.
    pub(crate) fn read_whole<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<Item<'_>>) -> R,
    ) -> Result<R, CommandError> {
        let patience = self.patience;
        self.read(key, |entry| {
            patience.bear(entry.map_or(0, steps_through))?;
            Ok(f(entry))
        })?
    }

    /// As [`update`](Data::update), for what looks at all of a value, or copies it: a large one is changed elsewhere.
    pub(crate) fn update_whole<R>(
        &mut self,
        key: &[u8],
        mut f: impl FnMut(Option<Item<'_>>, &mut Draft<'_, Object>) -> R,
    ) -> Result<R, CommandError> {
        let patience = self.patience;
        self.update(key, |entry, draft| {
            patience.bear(entry.map_or(0, steps_through))?;
            Ok(f(entry, draft))
        })?
    }

    /// Reads a key and writes it, as the draft says. `f` may run more than once.
    #[inline]
    pub(crate) fn update<R>(
        &mut self,
        key: &[u8],
        f: impl FnMut(Option<Item<'_>>, &mut Draft<'_, Object>) -> R,
    ) -> Result<R, CommandError> {
        if self.events & (class::NEW | class::EXPIRED | class::TRACKED) != 0 {
            return self.update_watched(key, f);
        }
        self.update_plainly(key, f)
    }

    #[inline]
    fn update_plainly<R>(
        &mut self,
        key: &[u8],
        f: impl FnMut(Option<Item<'_>>, &mut Draft<'_, Object>) -> R,
    ) -> Result<R, CommandError> {
        let result = match &mut self.state.mode {
            Mode::Direct => self
                .store
                .update(At { space: self.db, now_ms: self.now_ms }, key, f)
                .map_err(refused),
            Mode::Cut(_) => Err(in_a_snapshot()),
            Mode::Transaction(transaction) => transaction.update(self.db, key, f).map_err(expired),
        };
        self.note_written(key);
        result
    }

    /// Sets a key to a string whatever it was.
    #[inline]
    pub(crate) fn set(
        &mut self,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<(), CommandError> {
        if self.events & (class::NEW | class::EXPIRED | class::TRACKED) != 0 {
            return self.update_watched(key, |_, draft| {
                put_string(draft, kind, &[value], expire_at_ms);
            });
        }
        if value.len() >= LONG_STRING {
            return self.update_plainly(key, |_, draft| {
                put_string(draft, kind, &[value], expire_at_ms);
            });
        }
        let at = self.at();
        let result = match &mut self.state.mode {
            Mode::Direct => self.store.set(at, key, kind, value, expire_at_ms).map_err(refused),
            Mode::Cut(_) => Err(in_a_snapshot()),
            Mode::Transaction(transaction) => {
                transaction.set(self.db, key, kind, value, expire_at_ms);
                Ok(())
            }
        };
        self.note_written(key);
        result
    }

    /// One step of a walk over the keys that `wanted` accepts; see `Store::scan`. Of those, the expired ones are removed instead of shown.
    /// In a transaction the first step visits them all.
    pub(crate) fn scan(
        &mut self,
        cursor: u64,
        count: usize,
        wanted: impl Fn(Item<'_>) -> bool,
        mut f: impl FnMut(Item<'_>),
    ) -> Result<u64, CommandError> {
        let at = self.at();
        let mut show = |entry: Item<'_>| {
            if wanted(entry) {
                f(entry);
            }
        };
        match &mut self.state.mode {
            Mode::Direct => {
                let mut expired: Vec<Box<[u8]>> = Vec::new();
                // At the beginning of time nothing has expired yet.
                let then = At { now_ms: 0, ..at };
                let next = self.store.scan(then, cursor, count, |entry| {
                    match entry.expire_at_ms().is_some_and(|expiry| expiry <= at.now_ms) {
                        false => show(entry),
                        true if wanted(entry) => expired.push(entry.key().into()),
                        true => {}
                    }
                });
                expired.iter().for_each(|key| self.shed(key));
                Ok(next)
            }
            Mode::Cut(snapshot) => snapshot.scan(self.db, cursor, count, show).map_err(expired),
            Mode::Transaction(_) if cursor != 0 => Ok(0),
            Mode::Transaction(transaction) => {
                transaction.for_each(self.db, show).map(|()| 0).map_err(expired)
            }
        }
    }

    /// Visits every key, at least once.
    pub(crate) fn for_each(&mut self, mut f: impl FnMut(Item<'_>)) -> Result<(), CommandError> {
        self.patience.bear(self.store.len(self.db) as usize)?;
        let mut f = |item: Item<'_>| {
            scheduling::yield_point();
            f(item);
        };
        let mut cursor = 0;
        loop {
            cursor = self.scan(cursor, 512, |_| true, &mut f)?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Number of keys.
    pub(crate) fn len(&mut self) -> Result<u64, CommandError> {
        match &mut self.state.mode {
            Mode::Direct => Ok(self.store.len(self.db)),
            Mode::Cut(snapshot) => snapshot.len(self.db).map_err(expired),
            Mode::Transaction(transaction) => {
                let mut count = 0;
                transaction.for_each(self.db, |_| count += 1).map_err(expired)?;
                Ok(count)
            }
        }
    }

    /// Some key, about uniformly chosen.
    pub(crate) fn random<R>(
        &mut self,
        f: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<R, CommandError> {
        if self.state.is_direct() {
            return Ok(self.store.random_with(self.at(), fastrand::u64(..), |entry| {
                f(entry.map(|entry| entry.key()))
            }));
        }
        let mut chosen: Option<Box<[u8]>> = None;
        let mut seen = 0;
        self.for_each(|entry| {
            seen += 1;
            if fastrand::u64(..seen) == 0 {
                chosen = Some(entry.key().into());
            }
        })?;
        Ok(f(chosen.as_deref()))
    }

    /// Removes all keys.
    pub(crate) fn clear(&mut self) -> Result<(), CommandError> {
        self.patience.bear(self.store.len(self.db) as usize)?;
        let at = self.at();
        self.state.touched.note_emptied(self.db);
        match &mut self.state.mode {
            Mode::Direct => self.store.clear(at).map_err(refused),
            Mode::Cut(_) => Err(in_a_snapshot()),
            Mode::Transaction(transaction) => {
                let mut keys: Vec<Box<[u8]>> = Vec::new();
                transaction
                    .for_each(self.db, |entry| keys.push(entry.key().into()))
                    .map_err(expired)?;
                keys.iter().for_each(|key| transaction.remove(self.db, key));
                Ok(())
            }
        }
    }

    /// The version that a key has right now, for WATCH.
    pub(crate) fn present_stamp(&self, key: &[u8]) -> Option<VersionStamp> {
        self.store.get_with(self.at(), key, |entry| entry.map(|entry| entry.stamp()))
    }
}

fn expired(_: SnapshotExpired) -> CommandError {
    CommandError::Coded("SNAPSHOTEXPIRED the snapshot was ended; begin a new one".into())
}

fn in_a_snapshot() -> CommandError {
    CommandError::other("write commands are not allowed inside a SNAPSHOT, send SNAPSHOT END first")
}

/// What a client is told of a write that was refused.
fn refused(error: WriteError) -> CommandError {
    match error {
        WriteError::TooLarge { .. } => {
            CommandError::other("string exceeds maximum allowed size (proto-max-bulk-len)")
        }
        _ => CommandError::Coded("OOM command not allowed when used memory > 'maxmemory'.".into()),
    }
}
