//! [`Waiters`]: who sleeps until one of some keys changes; [`Ticket`]: a place among them.
//!
//! ```text
//!  waiting   how many tickets there are: all that a writer looks at while nobody waits
//!  shards    by hash: (space, hash, sleeper) …      a ticket has an entry for each of its keys
//!  walkers   (space, interval, sleeper) …           and one for each interval of keys that it has walked
//!  sleeper   woken? · what wakes it: a thread or a task
//! ```
//! # No wake-up is lost
//! 1. Who waits announces itself first (`waiting`, then its entries), **then** looks whether a key has changed since it read it, and sleeps only if
//!    none has. Who writes installs first (a single write) or has its verdict (a commit of several), and **then** looks at `waiting`.
//!    All of these are SeqCst: in their total order either the announcement comes before the writer's look, or the write before the waiter's.
//!    A writer that sees the announcement but takes the shard's lock before the entry is there is met by the waiter's look, which comes after.
//! 2. What a waiter's look passes by will notify later: a version of a commit that is not prepared. One that is unset is stamped by the look, one
//!    that is prepared is decided.
//!    A key that is new in an interval enters the ordered index before it is installed, so the look, which walks the interval again, meets it.
//! 3. A helper that brings a stopped owner's write to its end wakes everybody who waits, since the owner may be long in coming; a wake-up
//!    too many costs an attempt. Only an owner that stops between the end of its write and its look leaves a waiter asleep until it goes on.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[announce]` | all SeqCst: the argument of 1 |
//!
//! # Progress
//! Waiting blocks, as it says. A writer takes a lock for each key that it wrote while anybody at all waits, for as long as a walk over those who wait in
//! one of 64 shards, and over all who wait for intervals, takes; while nobody does, it makes one load of a line that is hardly ever written.

use crate::descriptor::ReadRange;
use crate::engine::Engine;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering, fence};
use stillpoint_primitive::sync::{Mutex, MutexGuard, thread};
use stillpoint_primitive::{CachePadded, contain};

#[cfg(not(stillpoint_loom))]
const SHARDS: usize = 64;
#[cfg(stillpoint_loom)]
const SHARDS: usize = 1;

pub(crate) struct Waiters {
    waiting: CachePadded<AtomicUsize>,
    shards: Box<[Mutex<Vec<Entry>>]>,
    walkers: Mutex<Vec<Walker>>,
}

struct Entry {
    space: u8,
    hash: u64,
    sleeper: Arc<Sleeper>,
}

struct Walker {
    read: ReadRange,
    sleeper: Arc<Sleeper>,
}

struct Sleeper(Mutex<State>);

struct State {
    is_woken: bool,
    wakes: Option<Wakes>,
}

/// What is to be woken.
enum Wakes {
    Thread(thread::Thread),
    Task(Waker),
}

/// No code of others runs under these locks, so they are not poisoned in the midst of anything.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Sleeper {
    fn wake(&self) {
        let wakes = {
            let mut state = locked(&self.0);
            state.is_woken = true;
            state.wakes.take()
        };
        match wakes {
            Some(Wakes::Thread(thread)) => thread.unpark(),
            // It wakes others after this one, and may be called in the middle of a write.
            Some(Wakes::Task(waker)) => contain(|| waker.wake()),
            None => {}
        }
    }

    /// Whether it was woken; if not, this is what will be.
    fn is_woken_else(&self, wakes: Wakes) -> bool {
        let mut state = locked(&self.0);
        let is_woken = state.is_woken;
        let unused = if is_woken { Some(wakes) } else { state.wakes.replace(wakes) };
        drop(state);
        // A waker's destructor is other people's code.
        drop(unused);
        is_woken
    }
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Waiters {
            waiting: CachePadded::new(AtomicUsize::new(0)),
            shards: (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect(),
            walkers: Mutex::new(Vec::new()),
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Vec<Entry>> {
        locked(&self.shards[(hash >> 32) as usize % SHARDS])
    }

    #[inline]
    fn nobody_waits(&self) -> bool {
        // SeqCst [announce]: after the write that is told of
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// A key was written.
    #[inline]
    pub(crate) fn notify(&self, space: u8, hash: u64, key: &[u8]) {
        if !self.nobody_waits() {
            self.wake(space, hash, key);
        }
    }

    #[cold]
    fn wake(&self, space: u8, hash: u64, key: &[u8]) {
        let is_it = |entry: &&Entry| entry.hash == hash && entry.space == space;
        let mut found: Vec<_> = {
            let shard = self.shard(hash);
            shard.iter().filter(is_it).map(|entry| Arc::clone(&entry.sleeper)).collect()
        };
        let has_it =
            |walker: &&Walker| walker.read.space == space && walker.read.range.contains(key);
        let walkers = locked(&self.walkers);
        found.extend(walkers.iter().filter(has_it).map(|walker| Arc::clone(&walker.sleeper)));
        drop(walkers);
        found.iter().for_each(|sleeper| sleeper.wake());
    }

    /// Some keys were written, by a thread that may be stopped.
    pub(crate) fn notify_all(&self) {
        if self.nobody_waits() {
            return;
        }
        for shard in &self.shards {
            let all: Vec<_> =
                locked(shard).iter().map(|entry| Arc::clone(&entry.sleeper)).collect();
            all.iter().for_each(|sleeper| sleeper.wake());
        }
        let walkers: Vec<_> =
            locked(&self.walkers).iter().map(|walker| Arc::clone(&walker.sleeper)).collect();
        walkers.iter().for_each(|sleeper| sleeper.wake());
    }
}

/// A place among those who wait for some keys. Dropped, it is given up.
pub(crate) struct Ticket<O: Send + Sync + 'static> {
    engine: Arc<Engine<O>>,
    keys: Vec<(u8, u64)>,
    has_walked: bool,
    sleeper: Arc<Sleeper>,
}

impl<O: Send + Sync + 'static> Ticket<O> {
    /// Announces a sleeper, who has to look at its keys once more before it sleeps.
    pub(crate) fn new(engine: Arc<Engine<O>>, keys: Vec<(u8, u64)>, ranges: &[ReadRange]) -> Self {
        let sleeper = Arc::new(Sleeper(Mutex::new(State { is_woken: false, wakes: None })));
        // SeqCst [announce]: before the look that follows
        engine.waiters.waiting.fetch_add(1, Ordering::SeqCst);
        for &(space, hash) in &keys {
            let sleeper = Arc::clone(&sleeper);
            engine.waiters.shard(hash).push(Entry { space, hash, sleeper });
        }
        if !ranges.is_empty() {
            let walker =
                |read: &ReadRange| Walker { read: read.clone(), sleeper: Arc::clone(&sleeper) };
            locked(&engine.waiters.walkers).extend(ranges.iter().map(walker));
        }
        // SeqCst [announce]: whatever the loads of that look are
        fence(Ordering::SeqCst);
        Ticket { engine, keys, has_walked: !ranges.is_empty(), sleeper }
    }

    /// Sleeps until a key is written; `false` if the deadline comes first.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> bool {
        while !self.sleeper.is_woken_else(Wakes::Thread(thread::current())) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return false,
                Some(left) => park_for(left),
            }
        }
        true
    }

    /// Ready when a key has been written.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.sleeper.is_woken_else(Wakes::Task(context.waker().clone())) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl<O: Send + Sync + 'static> Drop for Ticket<O> {
    fn drop(&mut self) {
        for &(_, hash) in &self.keys {
            let mut shard = self.engine.waiters.shard(hash);
            shard.retain(|entry| !Arc::ptr_eq(&entry.sleeper, &self.sleeper));
        }
        if self.has_walked {
            let mut walkers = locked(&self.engine.waiters.walkers);
            walkers.retain(|walker| !Arc::ptr_eq(&walker.sleeper, &self.sleeper));
        }
        // SeqCst [announce]: as the announcement
        self.engine.waiters.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(not(stillpoint_loom))]
fn park_for(time: Duration) {
    thread::park_timeout(time);
}

/// A model has no clock.
#[cfg(stillpoint_loom)]
fn park_for(_: Duration) {
    thread::park();
}
