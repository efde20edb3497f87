//! The commit stream: every committed change, once, in groups of one timestamp.
//!
//! ```text
//!  writer:   announce a ≤ clock ─▶ install ─▶ stamp t ≥ a ─▶ record into the own buffer ─▶ withdraw
//!                    │ slot of the thread                        │ slot of the thread
//!                    ▼                                           ▼
//!  pump:     1 now = clock    2 low = min(now, announcements)    3 take all buffers    4 records with t < low are final:
//!                                                                                        sorted, cut into groups, onto the ring
//!  ring:     [group t₁] [group t₂] … ◀── consumers, each at its own timestamp; the oldest groups go when it is over its budget
//! ```
//! | file | concept |
//! |---|---|
//! | `announce` | the writers' slots: announcements, and the buffers beside them |
//! | `group` | records, and the groups they are cut into |
//! | `ring` | final groups, consumers' positions, the budget |
//! | `signal` | sleeping until something was published |
//! | `commit_stream` | the consumer that misses nothing, for a log |
//! | `feed`, `watch` | consumers that want some keys, and are told when they lag |
//! | `history`, `past`, `times` | past versions of some keys, and when they were committed |
//!
//! # Why nothing is missed, doubled or torn
//! 1. **Final.** Let a pump have loaded `now` from the clock, *then* looked into the slots and found no announcement below `low <= now`, and only
//!    then taken the buffers. Let a change have the stamp `t < low`. Its stamp is made of a clock value that was loaded after the announcement
//!    `a` was stored, whoever stamped it, so `a <= t`. Were the announcement stored after the pump's look into that slot, the stamp's clock would
//!    have been loaded later still, and `t >= now >= low`. So the look came after the announcement; it did not find `a` (which would make
//!    `low <= a <= t`), so it came after the withdrawal too, and the record was in the buffer when that was taken. All four are SeqCst.
//! 2. **Not torn.** A commit of several keys holds one announcement from before its first install until all its records are in one buffer.
//!    What shares a timestamp becomes final together, so a group is whole. Inside a group the changes of one key are in order (their sequence
//!    numbers); between keys there is no order: a timestamp is a moment, and real-time order holds across timestamps only.
//! 3. **Once.** The owner of a write publishes it, and nobody else; an aborted one publishes nothing. A buffer is taken whole, by one pump.
//! 4. A late announcement may name an old clock value: that only delays. What was final stays so.
//! 5. A record whose timestamp is the clock's value is not final; a pump that finds such ones moves the clock on, as a snapshot does, and looks again.
//!
//! # Bounds
//! A thread's buffer is at most a slice (1/64 of the budget, 4 KiB to 256 KiB) and one write; past that its owner pumps. If another thread is just pumping, it goes
//! on instead, up to eight slices; from there on each of its writes gives that one up to a millisecond to end. So a thread that is preempted while it pumps costs others
//! a little memory or time, and one that is stopped there for ever, as only a debugger does it, lets buffers grow by a write a millisecond. Final and pending bytes
//! together are at most the budget, and a slice per thread: above it the oldest groups go, and who had not read them is told (`floor`). If a
//! lossless consumer has not read them, or history wants what is pending, writers wait instead. A writer that is stopped between announcement and withdrawal, also where it
//! holds its own buffer, holds the stream back, never another writer or reader: a feed finds nothing new, each look at the price of a millisecond; what piles up
//! behind it counts as pending, and is given up as a whole above the budget.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[gate]` | Release when the gate changes, Acquire when a writer looks: a hint, the wait itself is under the signal's lock |
//! | `[acknowledged]` | Release when the log says so, Acquire when somebody asks: what the log did before is done |
//! | `[holds]` | Relaxed: a setting |
//! | `[closed]` | Release when the engine ends, Acquire when a consumer asks |
//!
//! # Progress
//! Publishing takes the lock of the own buffer, which a pump holds for a moment only; with a lossless consumer that lags writers block, see above.

mod announce;
mod commit_stream;
mod feed;
mod group;
mod history;
mod past;
mod ring;
mod signal;
mod times;
mod watch;

pub use commit_stream::CommitStream;
pub use feed::{Batch, Feed};
pub use group::{Change, Group, Groups};
pub use past::PastVersion;
pub use watch::Watch;

use crate::commit_clock::CommitClock;
use crate::config::{Retention, StreamConfig};
use crate::engine::Engine;
use crate::error::WriteError;
pub(crate) use announce::Announcement;
pub(crate) use signal::{Seat, Signal};

use announce::{Slots, lock_soon};
use history::History;
use ring::Ring;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use stillpoint_primitive::sync::{Mutex, MutexGuard};

/// Writers go on.
const OPEN: u32 = 0;
/// A lossless consumer lags: writers wait.
const FULL: u32 = 1;
/// A lossless consumer has failed: writes fail.
const FAILED: u32 = 2;

/// How long a writer sleeps before it looks for itself whether there is room.
const WRITERS_NAP: Duration = Duration::from_millis(10);
/// Slices of the budget that threads collect before they pump, and the limits of one.
const SLICES: usize = 64;
/// Slices that a thread collects beside somebody else's pump before each write gives it a moment.
const SLICES_AHEAD: usize = 8;
const SLICE_LEAST: usize = 4 << 10;
const SLICE_MOST: usize = 256 << 10;

/// What `Stats` tells of a stream.
#[derive(Default)]
pub(crate) struct StreamFigures {
    pub(crate) published: u64,
    pub(crate) bytes: u64,
    pub(crate) lagged: u64,
    /// Up to where the slowest lossless consumer has read.
    pub(crate) slowest: Option<u64>,
}

pub(crate) struct Stream<O> {
    slots: Slots<O>,
    ring: Mutex<Ring<O>>,
    slice_bytes: usize,
    gate: AtomicU32,
    acknowledged: AtomicU64,
    /// Whether writers wait until the log has what they wrote.
    holds: AtomicBool,
    closed: AtomicBool,
    /// Something may have become final.
    published: Signal,
    /// The gate has changed.
    room: Signal,
    /// The log has acknowledged more, or has failed.
    durable: Signal,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl<O: Send + Sync + 'static> Stream<O> {
    pub(crate) fn new(config: &StreamConfig, retention: &[Retention]) -> Self {
        let history = (!retention.is_empty()).then(|| History::new(retention));
        Stream {
            slots: Slots::new(),
            ring: Mutex::new(Ring::new(config.budget_bytes, history)),
            slice_bytes: (config.budget_bytes / SLICES).clamp(SLICE_LEAST, SLICE_MOST),
            gate: AtomicU32::new(OPEN),
            acknowledged: AtomicU64::new(0),
            holds: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            published: Signal::default(),
            room: Signal::default(),
            durable: Signal::default(),
        }
    }

    /// Lets a write begin: waits while a lossless consumer lags.
    ///
    /// # Errors
    /// The log has failed.
    #[inline]
    pub(crate) fn admit(&self, clock: &CommitClock) -> Result<(), WriteError> {
        // Acquire [gate]: a hint
        if self.gate.load(Ordering::Acquire) == OPEN { Ok(()) } else { self.wait_for_room(clock) }
    }

    #[cold]
    fn wait_for_room(&self, clock: &CommitClock) -> Result<(), WriteError> {
        // The log will not read on before the outer write is published.
        if self.slots.own_is_announced() {
            return Ok(());
        }
        loop {
            let round = self.room.listen();
            self.pump(Some(clock));
            // Acquire [gate]: as it is after the signal was listened to
            match self.gate.load(Ordering::Acquire) {
                OPEN => return Ok(()),
                FAILED => return Err(WriteError::LogFailed),
                _ => self.room.wait(round, Some(Instant::now() + WRITERS_NAP)),
            }
        }
    }

    /// Says that the calling thread is about to install.
    #[inline]
    pub(crate) fn announce<'s>(&'s self, clock: &'s CommitClock) -> Announcement<'s, O> {
        Announcement::new(self, clock)
    }

    /// What follows the end of an announcement.
    fn withdrawn(&self, clock: &CommitClock, buffered_bytes: usize) {
        if buffered_bytes >= self.slice_bytes {
            let ring = if buffered_bytes < SLICES_AHEAD * self.slice_bytes {
                self.ring.try_lock().ok()
            } else {
                lock_soon(&self.ring)
            };
            if let Some(ring) = ring {
                self.pump_into(ring, Some(clock));
            }
        }
        self.published.notify();
    }

    /// Makes final what can be. `None`: there are no writers any more.
    fn pump(&self, clock: Option<&CommitClock>) {
        self.pump_into(lock(&self.ring), clock);
    }

    /// As `pump`, by who does not hold the engine; `closed`: it has ended.
    fn pump_by(&self, engine: &Weak<Engine<O>>, closed: bool) {
        if closed {
            self.pump(None);
        } else if let Some(engine) = engine.upgrade() {
            self.pump(Some(&engine.clock));
        }
    }

    fn pump_into(&self, mut ring: MutexGuard<'_, Ring<O>>, clock: Option<&CommitClock>) {
        // The second time with the clock moved on.
        for _ in 0..2 {
            let now = clock.map_or(u64::MAX, CommitClock::now);
            let low = self.slots.lowest(now);
            // What a thread holds that is stopped in its buffer may be anything, so nothing is final then.
            let is_all = self.slots.take_buffers(|buffer| ring.take(buffer));
            let Some(low) = low.filter(|_| is_all) else { break };
            ring.finish(low);
            match clock {
                Some(clock) if low == now && ring.has_pending() => clock.pass(now),
                _ => break,
            }
        }
        ring.trim();
        // What was given up may be of this very moment: what is committed from now on is later.
        if let Some(clock) = clock.filter(|clock| ring.floor > clock.now()) {
            clock.pass(ring.floor - 1);
        }
        self.set_gate(&ring);
        let gone = ring.take_gone();
        drop(ring);
        drop(gone);
    }

    /// Opens or shuts the gate; only holders of the ring's lock come here.
    fn set_gate(&self, ring: &Ring<O>) {
        let gate = match (ring.failed, ring.is_full()) {
            (true, _) => FAILED,
            (_, true) => FULL,
            _ => OPEN,
        };
        // Release [gate]: a hint
        self.gate.store(gate, Ordering::Release);
        if gate != FULL {
            self.room.notify();
        }
    }

    /// The timestamp of the calling thread's latest commit, or a later one.
    fn last_commit(&self, clock: &CommitClock) -> u64 {
        self.slots.last_of_own().unwrap_or_else(|| {
            let now = clock.now();
            // So that it becomes final although nothing may be stamped with it.
            clock.pass(now);
            now
        })
    }

    /// Whether past versions are kept.
    pub(crate) fn has_history(&self) -> bool {
        lock(&self.ring).history.is_some()
    }

    fn set_holds(&self, on: bool) {
        // Relaxed [holds]: a setting
        self.holds.store(on, Ordering::Relaxed);
    }

    /// Notes what an operation of the calling thread depends on.
    pub(crate) fn saw(&self, timestamp: u64) {
        self.slots.raise_last_of_own(timestamp);
    }

    /// Waits until the log has what the calling thread wrote, if writers do.
    #[inline]
    pub(crate) fn wait_for_own(&self, clock: &CommitClock) -> Result<(), WriteError> {
        // Relaxed [holds]: a setting
        if self.holds.load(Ordering::Relaxed) { self.wait_held(clock) } else { Ok(()) }
    }

    #[cold]
    fn wait_held(&self, clock: &CommitClock) -> Result<(), WriteError> {
        // A write inside another one: the log reads on only when the outer one is published.
        if self.slots.own_is_announced() {
            return Ok(());
        }
        self.wait_acknowledged(self.last_commit(clock), None).map(drop)
    }

    /// Waits until everything up to `timestamp` is acknowledged. Whether it is at the deadline.
    fn wait_acknowledged(
        &self,
        timestamp: u64,
        deadline: Option<Instant>,
    ) -> Result<bool, WriteError> {
        loop {
            let round = self.durable.listen();
            if self.acknowledged() >= timestamp {
                return Ok(true);
            }
            if self.has_failed() {
                return Err(WriteError::LogFailed);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(false);
            }
            self.durable.wait(round, deadline);
        }
    }

    fn acknowledged(&self) -> u64 {
        // Acquire [acknowledged]: what the log did is done
        self.acknowledged.load(Ordering::Acquire)
    }

    fn acknowledge(&self, timestamp: u64) {
        // Release [acknowledged]: after what the log did
        self.acknowledged.fetch_max(timestamp, Ordering::Release);
        self.durable.notify();
    }

    fn has_failed(&self) -> bool {
        // Acquire [gate]: a hint
        self.gate.load(Ordering::Acquire) == FAILED
    }

    fn fail(&self) {
        let mut ring = lock(&self.ring);
        ring.failed = true;
        self.set_gate(&ring);
        drop(ring);
        self.durable.notify();
    }

    /// The engine has ended: nothing comes any more.
    pub(crate) fn close(&self) {
        // Release [closed]: after the last write
        self.closed.store(true, Ordering::Release);
        self.published.notify();
        self.durable.notify();
    }

    /// Figures of this moment; none if a thread is stopped while it makes changes final.
    pub(crate) fn figures(&self) -> StreamFigures {
        let Some(ring) = lock_soon(&self.ring) else { return StreamFigures::default() };
        StreamFigures {
            published: ring.published,
            bytes: (ring.bytes() + self.slots.bytes()) as u64,
            lagged: ring.lagged,
            slowest: ring.slowest(),
        }
    }

    fn is_closed(&self) -> bool {
        // Acquire [closed]: with what was written before
        self.closed.load(Ordering::Acquire)
    }
}

/// An engine's hold of its stream, which ends the stream with the engine.
pub(crate) struct Published<O: Send + Sync + 'static>(pub(crate) Arc<Stream<O>>);

impl<O: Send + Sync + 'static> Drop for Published<O> {
    fn drop(&mut self) {
        self.0.close();
    }
}
