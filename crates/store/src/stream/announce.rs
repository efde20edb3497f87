//! [`Slots`]: one per thread, with what the thread is about to install and what it has published.
//!
//! ```text
//!  slot   announced  0 = nothing in flight | a clock value not later than the stamps to come
//!         last       timestamp of the latest commit
//!         buffer     records, under a lock that only its owner and a pump take; a pump does not wait for an owner that is stopped in it
//! ```
//! # Invariants
//! 1. A slot has one writer: the thread with its number. Threads past their exit have none; their announcements are in a list under a lock.
//! 2. An announcement is withdrawn after its records are in the buffer. One inside another (a value's drop that writes) leaves the outer one alone.
//! 3. `used` is raised before the slot's first announcement: who does not see the slot in use looked before that announcement.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[announce]` | SeqCst: announcement, then install and the stamp's clock, against the pump's clock, then its look; a slot's own thread reads it Relaxed |
//! | `[withdraw]` | SeqCst: after the records, before the look whether anybody listens |
//! | `[used]` | SeqCst when raised and when a pump asks, as `[announce]`; Acquire when a thread looks whether it must be raised, which orders its announcement behind whoever raised it |
//! | `[last]` | Relaxed: read by its own thread |

use super::group::Buffer;
use super::{Stream, lock};
use crate::commit_clock::CommitClock;
use crate::engine::{Engine, Version};
use crate::entry::VersionStamp;
use crate::segments::Segments;
use crate::step::Step;
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
use std::sync::TryLockError;
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
use stillpoint_primitive::sync::thread;
use stillpoint_primitive::sync::{Mutex, MutexGuard};
use stillpoint_primitive::{CachePadded, thread_slot};

/// How long a pump waits for a thread that records, which takes a moment unless the thread is stopped.
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const PATIENCE: Duration = Duration::from_millis(1);

/// Takes a lock that its holders keep for a moment; `None` if one has been stopped in it.
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
pub(super) fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let mut since = None;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                if since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return None;
                }
                thread::yield_now();
            }
        }
    }
}

/// A model has no clock, and stops nobody for ever.
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
pub(super) fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    Some(lock(mutex))
}

/// Nothing in flight.
const NONE: u64 = 0;

struct Slot<O> {
    announced: AtomicU64,
    last: AtomicU64,
    buffer: Mutex<Buffer<O>>,
}

impl<O> Slot<O> {
    fn new() -> Self {
        Slot {
            announced: AtomicU64::new(NONE),
            last: AtomicU64::new(0),
            buffer: Mutex::new(Buffer::new()),
        }
    }
}

pub(super) struct Slots<O> {
    slots: Segments<CachePadded<Slot<O>>>,
    used: CachePadded<AtomicUsize>,
    /// Of threads without a number.
    strays: Mutex<(Vec<u64>, Buffer<O>)>,
}

impl<O: Send + Sync + 'static> Slots<O> {
    pub(super) fn new() -> Self {
        Slots {
            slots: Segments::new(1, || CachePadded::new(Slot::new())),
            used: CachePadded::new(AtomicUsize::new(0)),
            strays: Mutex::new((Vec::new(), Buffer::new())),
        }
    }

    fn own(&self) -> Option<&Slot<O>> {
        let number = thread_slot::claim_current()?;
        // Acquire [used]: behind whoever raised it
        if self.used.load(Ordering::Acquire) <= number {
            // SeqCst [used]: before the first announcement
            self.used.fetch_max(number + 1, Ordering::SeqCst);
        }
        Some(self.slots.at(number))
    }

    /// Whether the calling thread is inside a write.
    pub(super) fn own_is_announced(&self) -> bool {
        // Relaxed [announce]: its own
        self.own().is_some_and(|slot| slot.announced.load(Ordering::Relaxed) != NONE)
    }

    fn used(&self) -> impl Iterator<Item = &Slot<O>> {
        // SeqCst [used]: a slot that is not seen announces only later than this look
        (0..self.used.load(Ordering::SeqCst)).map(|number| &**self.slots.at(number))
    }

    /// The lowest announcement, and none later than `now`; nothing if a thread is stopped where it tells.
    pub(super) fn lowest(&self, now: u64) -> Option<u64> {
        let stray = lock_soon(&self.strays)?.0.iter().copied().min();
        self.used()
            // SeqCst [announce]: after the clock
            .map(|slot| slot.announced.load(Ordering::SeqCst))
            .filter(|announced| *announced != NONE)
            .chain(stray)
            .chain([now])
            .min()
    }

    /// Takes what has been published, in exchange for an empty buffer each. Whether it is all: not if a thread is stopped while it records.
    pub(super) fn take_buffers(&self, mut take: impl FnMut(&mut Buffer<O>)) -> bool {
        let mut is_all = true;
        for slot in self.used() {
            match lock_soon(&slot.buffer) {
                Some(mut buffer) => take(&mut buffer),
                None => is_all = false,
            }
        }
        match lock_soon(&self.strays) {
            Some(mut strays) => take(&mut strays.1),
            None => is_all = false,
        }
        is_all
    }

    /// Bytes of what has been published and not been taken, as far as it can be seen.
    pub(super) fn bytes(&self) -> usize {
        let of = |slot: &Slot<O>| lock_soon(&slot.buffer).map_or(0, |buffer| buffer.footprint());
        self.used().map(of).sum()
    }

    /// Lets the calling thread wait for that timestamp as for a commit of its own.
    pub(super) fn raise_last_of_own(&self, timestamp: u64) {
        if let Some(slot) = self.own() {
            // Relaxed [last]: its own
            let last = slot.last.load(Ordering::Relaxed);
            // Relaxed [last]: its own
            slot.last.store(last.max(timestamp), Ordering::Relaxed);
        }
    }

    /// The timestamp of the calling thread's latest commit, if it has a number.
    pub(super) fn last_of_own(&self) -> Option<u64> {
        // Relaxed [last]: its own
        self.own().map(|slot| slot.last.load(Ordering::Relaxed))
    }
}

/// A thread's promise that nothing it installs from here on is stamped before the clock value it announced.
pub(crate) struct Announcement<'s, O: Send + Sync + 'static> {
    stream: &'s Stream<O>,
    clock: &'s CommitClock,
    slot: Option<&'s Slot<O>>,
    /// What is to be withdrawn; `NONE` inside another one.
    announced: u64,
    buffered_bytes: usize,
}

impl<'s, O: Send + Sync + 'static> Announcement<'s, O> {
    #[inline]
    pub(super) fn new(stream: &'s Stream<O>, clock: &'s CommitClock) -> Self {
        let slot = stream.slots.own();
        let announced = match slot {
            // Relaxed [announce]: its own
            Some(slot) if slot.announced.load(Ordering::Relaxed) != NONE => NONE,
            Some(slot) => {
                let now = clock.now();
                // SeqCst [announce]: before the install and the stamp's clock
                slot.announced.store(now, Ordering::SeqCst);
                now
            }
            None => {
                let mut strays = lock(&stream.slots.strays);
                let now = clock.now();
                strays.0.push(now);
                now
            }
        };
        Announcement { stream, clock, slot, announced, buffered_bytes: 0 }
    }

    /// Records the one version of a write, and withdraws.
    #[inline(never)]
    pub(crate) fn publish_one(
        mut self,
        engine: &Engine<O>,
        space: u8,
        version: Version<'_, O>,
        stamp: VersionStamp,
    ) {
        self.publish(engine, stamp, [(space, version)].into_iter());
    }

    /// Records committed versions: of one commit, all at once.
    #[inline]
    pub(crate) fn publish<'g>(
        &mut self,
        engine: &Engine<O>,
        stamp: VersionStamp,
        changes: impl Iterator<Item = (u8, Version<'g, O>)>,
    ) {
        let record = |buffer: &mut Buffer<O>| {
            engine.at_step(Step::Publishing);
            changes.for_each(|(space, version)| buffer.push(space, version, stamp));
            buffer.footprint()
        };
        self.buffered_bytes = match self.slot {
            Some(slot) => {
                // Relaxed [last]: its own
                slot.last.store(stamp.timestamp(), Ordering::Relaxed);
                record(&mut lock(&slot.buffer))
            }
            None => record(&mut lock(&self.stream.slots.strays).1),
        };
        engine.at_step(Step::Published);
    }
}

impl<O: Send + Sync + 'static> Drop for Announcement<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if self.announced == NONE {
            return;
        }
        match self.slot {
            // SeqCst [withdraw]: after the records
            Some(slot) => slot.announced.store(NONE, Ordering::SeqCst),
            None => {
                let strays = &mut lock(&self.stream.slots.strays).0;
                let at = strays.iter().position(|announced| *announced == self.announced);
                strays.swap_remove(at.expect("was put there"));
            }
        }
        self.stream.withdrawn(self.clock, self.buffered_bytes);
    }
}
