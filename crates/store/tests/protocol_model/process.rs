//! [`Process`]: runs one operation one shared access at a time.
//!
//! An operation is plain Rust that makes its accesses through [`Process::access`] and [`Process::look`]. A step runs it from its start: accesses
//! that were made before answer from the log, one new access is made, and the next one pauses the run.
//!
//! ```text
//!  log    depth 0: results of the operation's own accesses and of its finished calls │ depth 1: of the call it is in │ …
//! ```
//! # Invariants
//! 1. Everything that an operation decides follows from its log, so log and operation number are the whole local state.
//! 2. A finished call leaves only its result behind, a retried attempt leaves nothing; so states that differ only in how they came about are one.
//! 3. An access is *settled* if what it saw can never change. Such a step commutes with every step of every other process.

use crate::play::{Op, Play, Weakening};
use crate::state::{Ending, Progress, Record, Shared, Stamp, State, Status};
use std::hash::{Hash, Hasher};

const ENTRIES: usize = 24;

/// What a process has seen in its present operation.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    words: [u32; ENTRIES],
    depths: [u8; ENTRIES],
    len: u8,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Log { words: [0; ENTRIES], depths: [0; ENTRIES], len: 0 }
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn push(&mut self, depth: u8, word: u32) {
        self.words[self.len()] = word;
        self.depths[self.len()] = depth;
        self.len += 1;
    }

    fn truncate(&mut self, len: usize) {
        self.len = len as u8;
    }
}

impl Hash for Log {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for entry in 0..self.len() {
            hasher.write_u64(u64::from(self.depths[entry]) << 32 | u64::from(self.words[entry]));
        }
        hasher.write_u8(self.len);
    }
}

/// What fits into an entry of the log.
pub(crate) trait Word: Copy {
    fn pack(self) -> u32;
    fn unpack(word: u32) -> Self;
}

macro_rules! words {
    ($($word:ty: $value:ident => $pack:expr, $packed:ident => $unpack:expr;)*) => {$(
        impl Word for $word {
            fn pack(self) -> u32 {
                let $value = self;
                $pack
            }
            fn unpack($packed: u32) -> Self {
                $unpack
            }
        }
    )*};
}

words! {
    (): _value => 0, _word => ();
    bool: value => u32::from(value), word => word != 0;
    u8: value => u32::from(value), word => word as u8;
    u32: value => value, word => word;
    (u8, u8): value => u32::from(value.0) << 8 | u32::from(value.1), word => ((word >> 8) as u8, word as u8);
    Stamp: value => u32::from(value.0), word => Stamp(word as u16);
    Status: value => value as u32, word => match word {
        0 => Status::Installing,
        1 => Status::Prepared,
        2 => Status::Committed,
        _ => Status::Aborted,
    };
}

/// Says that the step's access was made, and the run is to end.
pub(crate) struct Paused;

pub(crate) type Step<T> = Result<T, Paused>;

/// The access that a step made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) what: &'static str,
    pub(crate) word: u32,
    is_settled: bool,
}

/// A step of a process: the state after it.
pub(crate) struct Moved {
    pub(crate) state: State,
    pub(crate) access: Access,
    /// Whether the order of this step and others makes no difference to anybody.
    pub(crate) commutes: bool,
}

/// A process during one step.
pub(crate) struct Process<'a> {
    pub(crate) play: &'a Play,
    pub(crate) me: u8,
    pub(crate) op: Op,
    pub(crate) number: usize,
    shared: &'a mut Shared,
    log: &'a mut Log,
    position: usize,
    depth: u8,
    access: Option<Access>,
}

/// Makes the next step of a process, `None` if it has come to its end.
pub(crate) fn step(play: &Play, state: &State, me: usize) -> Option<Moved> {
    let before = state.progress[me];
    let op = *play.processes[me].get(usize::from(before.op))?;
    let number = play.number(me, usize::from(before.op));
    let mut state = *state;
    let begins = !before.has_begun;
    if begins {
        state.progress[me].has_begun = true;
        state.records[number].before = state.shared.over;
    }
    let mut process = Process {
        play,
        me: me as u8,
        op,
        number,
        shared: &mut state.shared,
        log: &mut state.progress[me].log,
        position: 0,
        depth: 0,
        access: None,
    };
    let result = process.run();
    let access = process.access?;
    let ends = result.is_ok();
    if let Ok(record) = result {
        end(play, &mut state, me, number, record);
    }
    Some(Moved { state, access, commutes: access.is_settled && !begins && !ends })
}

fn end(play: &Play, state: &mut State, me: usize, number: usize, record: Record) {
    assert_ne!(record.ending, Ending::Open);
    state.records[number] = Record { before: state.records[number].before, ..record };
    if record.ending != Ending::Undone {
        state.shared.over |= 1 << number;
    }
    let progress = &mut state.progress[me];
    *progress = Progress { op: progress.op + 1, has_begun: false, log: Log::new() };
    let rest = &play.processes[me][usize::from(progress.op)..];
    state.shared.without_lease |= u8::from(rest.iter().all(|op| !op.takes_lease())) << me;
}

impl Process<'_> {
    pub(crate) fn is_weak(&self, weakening: Weakening) -> bool {
        self.play.weakening == Some(weakening)
    }

    /// One atomic access.
    pub(crate) fn access<T: Word>(
        &mut self,
        what: &'static str,
        f: impl FnOnce(&mut Shared) -> T,
    ) -> Step<T> {
        self.step(what, |shared| (f(shared), false))
    }

    /// One atomic load, after which what was seen never changes if `is_settled` says so.
    pub(crate) fn look<T: Word>(
        &mut self,
        what: &'static str,
        f: impl FnOnce(&Shared) -> T,
        is_settled: impl FnOnce(T) -> bool,
    ) -> Step<T> {
        self.step(what, |shared| {
            let seen = f(shared);
            (seen, is_settled(seen))
        })
    }

    fn step<T: Word>(
        &mut self,
        what: &'static str,
        f: impl FnOnce(&mut Shared) -> (T, bool),
    ) -> Step<T> {
        if self.position < self.log.len() {
            assert_eq!(self.log.depths[self.position], self.depth, "{what}: the run went astray");
            self.position += 1;
            return Ok(T::unpack(self.log.words[self.position - 1]));
        }
        if self.access.is_some() {
            return Err(Paused);
        }
        let (value, is_settled) = f(self.shared);
        self.access = Some(Access { what, word: value.pack(), is_settled });
        self.log.push(self.depth, value.pack());
        self.position += 1;
        Ok(value)
    }

    /// Reads what is known never to change any more; no access.
    pub(crate) fn known<T>(&self, f: impl FnOnce(&Shared) -> T) -> T {
        f(self.shared)
    }

    /// Runs `f` and remembers only its result.
    pub(crate) fn call<T: Word>(&mut self, f: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let start = self.position;
        if start < self.log.len() && self.log.depths[start] == self.depth {
            self.position += 1;
            return Ok(T::unpack(self.log.words[start]));
        }
        self.depth += 1;
        let value = f(self)?;
        self.depth -= 1;
        self.log.truncate(start);
        self.log.push(self.depth, value.pack());
        self.position = start + 1;
        Ok(value)
    }

    /// Runs `f` until it yields something and remembers only that.
    pub(crate) fn retry<T: Word>(
        &mut self,
        mut f: impl FnMut(&mut Self) -> Step<Option<T>>,
    ) -> Step<T> {
        self.call(|process| {
            let start = process.position;
            loop {
                if let Some(value) = f(process)? {
                    return Ok(value);
                }
                process.log.truncate(start);
                process.position = start;
            }
        })
    }
}
