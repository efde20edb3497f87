//! [`Watch`]: what everybody may know of the script that one interpreter runs, and how it is ended from outside.
//!
//! ```text
//! interpreter ── begin ─▶ running ──(each 10 000 instructions: too long? killed? stopping?)──▶ end
//!                             ▲
//! SCRIPT KILL, FUNCTION STATS, BUSY ── look at the watches of all interpreters
//! ```

use super::fault::{End, Fault};
use crate::clock;
use crate::counter::Gauge;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eval,
    Function,
    /// FUNCTION LOAD.
    Load,
}

/// Instructions between two looks at the clock.
pub(super) const LOOK_EVERY: u32 = 10_000;
/// What a script may take on its event loop before it is moved to a thread of its own.
const PATIENCE_MS: u64 = 1;
/// Bytes that are handled in one step, where nothing can interrupt it, on an event loop.
pub(super) const HEAVY_BYTES: usize = 1 << 20;
/// What loading a library may take.
const LOAD_LIMIT_MS: u64 = 500;

const IDLE: u64 = 0;

/// One interpreter's watch.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// 0: nothing runs; else the kind, plus one.
    running: Gauge,
    begun_ms: Gauge,
    /// Milliseconds after which others are told BUSY; 0: never.
    limit_ms: Gauge,
    may_move: Gauge,
    busy: Gauge,
    wrote: Gauge,
    /// What the interpreter's Lua has allocated.
    bytes: Gauge,
    /// 0, or which KILL was said, plus one.
    killed: Gauge,
    /// Name and arguments of the running function.
    command: Mutex<(String, Vec<Vec<u8>>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What FUNCTION STATS tells of a running function.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) command: Vec<Vec<u8>>,
    pub(crate) duration_ms: u64,
}

impl Watch {
    pub(super) fn begin(&self, kind: Kind, limit_ms: u64, may_move: bool) {
        self.killed.set(0);
        self.wrote.set(0);
        self.busy.set(0);
        self.limit_ms.set(limit_ms);
        self.may_move.set(u64::from(may_move));
        self.begun_ms.set(clock::now_ms());
        self.running.set(kind as u64 + 1);
    }
    /// Names the function that is about to begin.
    pub(super) fn announce(&self, name: &str, command: Vec<Vec<u8>>) {
        *lock(&self.command) = (name.to_owned(), command);
    }
    pub(super) fn end(&self, watches: &Watches) {
        self.running.set(IDLE);
        if self.busy.get() != 0 {
            watches.busy.subtract(1);
        }
    }
    fn kind(&self) -> Option<Kind> {
        match self.running.get() {
            1 => Some(Kind::Eval),
            2 => Some(Kind::Function),
            3 => Some(Kind::Load),
            _ => None,
        }
    }
    pub(super) fn note_bytes(&self, bytes: usize) {
        self.bytes.set(bytes as u64);
    }
    /// Whether the script is on an event loop, and may leave that.
    pub(super) fn may_move(&self) -> bool {
        self.may_move.get() != 0
    }
    /// Notes that the script has written.
    pub(super) fn write(&self) {
        self.wrote.set(1);
    }
    pub(super) fn has_written(&self) -> bool {
        self.wrote.get() != 0
    }

    /// Has the script leave its loop before so many bytes are handled at once.
    pub(super) fn weigh(&self, bytes: usize) -> Result<(), Fault> {
        match bytes > HEAVY_BYTES && self.may_move() && self.kind().is_some() {
            true => Err(Fault::Ended(End::Moved)),
            false => Ok(()),
        }
    }

    /// Looks whether the script may go on; tells in milliseconds how long it has run if it has just become a busy one.
    pub(super) fn look(&self, watches: &Watches, stopping: bool) -> Result<Option<u64>, Fault> {
        let Some(kind) = self.kind() else { return Ok(None) };
        if stopping {
            return Err(Fault::Ended(End::Stopping));
        }
        match self.killed.get() {
            0 => {}
            1 => return Err(Fault::Ended(End::ScriptKill)),
            _ => return Err(Fault::Ended(End::FunctionKill)),
        }
        let elapsed_ms = clock::now_ms().saturating_sub(self.begun_ms.get());
        if kind == Kind::Load && elapsed_ms > LOAD_LIMIT_MS {
            return Err(Fault::Ended(End::LoadTimeout));
        }
        if self.may_move() && elapsed_ms > PATIENCE_MS {
            return Err(Fault::Ended(End::Moved));
        }
        let limit_ms = self.limit_ms.get();
        if limit_ms > 0 && elapsed_ms > limit_ms && self.busy.get() == 0 {
            self.busy.set(1);
            watches.busy.add(1);
            return Ok(Some(elapsed_ms));
        }
        Ok(None)
    }
}

/// Why a script was not killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKilled {
    /// None runs.
    Idle,
    /// What runs is of the other kind.
    OtherKind(Kind),
    /// It has written.
    HasWritten,
}

/// The watches of all interpreters.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    all: Mutex<Vec<Arc<Watch>>>,
    /// Scripts that have run longer than `busy-reply-threshold`.
    busy: Gauge,
}

impl Watches {
    pub(super) fn add(&self) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        lock(&self.all).push(watch.clone());
        watch
    }
    /// What kind of script has been running for too long, if one has.
    pub(crate) fn busy(&self) -> Option<Kind> {
        if self.busy.get() == 0 {
            return None;
        }
        lock(&self.all).iter().find(|watch| watch.busy.get() != 0).and_then(|watch| watch.kind())
    }
    /// Ends the scripts of this kind that have written nothing.
    pub(crate) fn kill(&self, kind: Kind) -> Result<(), NotKilled> {
        let mut outcome = Err(NotKilled::Idle);
        for watch in lock(&self.all).iter() {
            let Some(running) = watch.kind() else { continue };
            if running != kind {
                outcome = outcome.or(Err(NotKilled::OtherKind(running)));
            } else if watch.has_written() {
                outcome = outcome.or(Err(NotKilled::HasWritten));
            } else {
                watch.killed.set(1 + u64::from(kind == Kind::Function));
                outcome = Ok(());
            }
        }
        outcome
    }
    /// Bytes that all interpreters have allocated.
    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.all).iter().map(|watch| watch.bytes.get()).sum()
    }
    /// The script that runs, the longest first.
    pub(crate) fn running(&self) -> Option<Running> {
        let now_ms = clock::now_ms();
        let all = lock(&self.all);
        let watch = all.iter().filter(|w| w.kind().is_some()).min_by_key(|w| w.begun_ms.get())?;
        let (name, command) = lock(&watch.command).clone();
        let duration_ms = now_ms.saturating_sub(watch.begun_ms.get());
        Some(Running { kind: watch.kind()?, name, command, duration_ms })
    }
}
