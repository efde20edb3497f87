//! What is done beside the operations: cutting out old versions whose snapshot has ended, expiry, ending of overdue snapshots, memory back, and memory ready
//! before it is wanted.
//!
//! Writers do a little of it as they go. A store without a maintenance thread is none the worse for correctness; whoever embeds it may call
//! [`Store::expire_due`] and [`Store::collect`] when it suits.
//!
//! # Invariants
//! 1. A pass spends a bounded number of steps, so nobody waits for it, and pins for one step at a time. While it collects and reclaims it offers its core
//!    whenever a time slice is over, so that who shares one with it gets it back before the system's next tick. Not while it expires: nobody else removes what nobody asks for.
//! 2. The thread holds no handle between its passes, so the store ends with its last handle, and the thread soon after.

use crate::Store;
use crate::counters::Figure;
use crate::engine::{Engine, uncapped};
use crate::eviction::Room;
use crate::expiry::Due;
use crate::write::{Expiring, Place};
use std::sync::Weak;
use std::time::Duration;
use stillpoint_primitive::background;
use stillpoint_primitive::scheduling::{self, TimeSlice};

/// Steps of one pass of the thread.
const PASS: usize = 4096;
/// Records of expiry that are kept beside two for each key.
const SPARE_RECORDS: u64 = 1 << 17;
/// Keys evicted in one pass.
const EVICTIONS: usize = 256;
/// Collections of a pass, as long as there is something to collect; what they retire is reclaimed together.
const COLLECTIONS: usize = 8;
/// Versions that are reclaimed between two looks at the clock.
const RECLAIMED: usize = 256;
/// Versions that a pass reclaims at most.
const MOST_RECLAIMED: usize = 1 << 17;
/// The longest pause when there is nothing to do.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl<O: Send + Sync + 'static> Engine<O> {
    /// Removes keys that have expired. How many.
    fn expire_due(&self, now_ms: u64, budget: usize) -> usize {
        if let Some(stream) = &self.stream {
            stream.0.note_time(&self.clock, now_ms);
        }
        let killed = self.leases.kill_overdue(now_ms);
        if killed > 0 {
            self.counters.own().add(Figure::ExpiredSnapshots, killed as i64);
        }
        let keys: u64 = self.spaces().map(|(space, _)| self.counters.keys(space)).sum();
        self.expiry.shed_above(2 * keys + SPARE_RECORDS);
        self.survey(budget);
        self.expiry.take_due(now_ms, budget).into_iter().map(|due| self.expire(due, now_ms)).sum()
    }

    /// Looks at the keys with that hash. How many were removed.
    fn expire(&self, due: Due, now_ms: u64) -> usize {
        let index = self.space(due.space());
        let keys = {
            let guard = self.collector.pin();
            let mut keys: Vec<Box<[u8]>> = Vec::new();
            uncapped(index.sample(&guard, due.hash, |head| {
                let key = head.version().key();
                if index.hash(key) == due.hash {
                    keys.push(key.into());
                }
            }));
            keys
        };
        let mut removed = 0;
        for key in keys {
            let place = Place { index, space: due.space(), hash: due.hash, key: &key };
            match self.remove_expired(&place, now_ms) {
                Ok(Expiring::Removed) => removed += 1,
                Ok(Expiring::At(at)) => self.expiry.push(due.space(), due.hash, at),
                Ok(Expiring::Never) => {}
                // No memory for a tombstone: later.
                Err(_) => self.expiry.push(due.space(), due.hash, now_ms.saturating_add(1000)),
            }
        }
        removed
    }

    /// Cuts out up to about `budget` old versions that no snapshot needs any more; `between` is called between some and the next. How many entries were
    /// looked at.
    fn collect(&self, budget: usize, between: impl FnMut()) -> usize {
        if self.limbo.take_sweep() {
            self.sweep();
        }
        self.relieve();
        self.tidy_all(budget, between)
    }

    /// Brings the store back within its limit, as far as this pass may. Whether there is more to do.
    fn evict_over(&self, now_ms: u64) -> bool {
        self.evictor.tell_time(now_ms);
        if !self.evictor.is_limited() {
            return false;
        }
        self.recount();
        self.make_room(0, now_ms, EVICTIONS) == Room::Some
    }

    /// One pass of the thread; whether there may be more to do at once. `left` is what the last one could not reclaim: a store in which
    /// nothing is retired needs no other.
    fn pass(&self, now_ms: u64, left: &mut u64) -> bool {
        let mut slice = TimeSlice::begin();
        // While a snapshot lives, writes need memory for each key: they shall not wait until the system has cleared a huge page.
        let has_prepared = self.pool.prepare();
        let expired = self.expire_due(now_ms, PASS);
        let is_crowded = self.evict_over(now_ms);
        let mut collected = 0;
        for _ in 0..COLLECTIONS {
            let some = self.collect(PASS, || slice.yield_if_over());
            collected += some;
            if some < PASS {
                break;
            }
        }
        let is_reclaiming = self.reclaim(left, &mut slice);
        let is_surveying = self.expiry.is_surveying();
        let is_behind = expired + collected >= PASS || is_reclaiming;
        is_crowded || has_prepared || is_surveying || is_behind
    }

    /// Reclaims what can be, unless there is just what was `left` the last time. Whether there may be more.
    fn reclaim(&self, left: &mut u64, slice: &mut TimeSlice) -> bool {
        let before = self.collector.stats();
        if before.unreclaimed == *left {
            return false;
        }
        // All behind one fence, and kept by this thread meanwhile: what it gave back would go through every writer's hands.
        let reclaimed = self.collector.reclaim_while(MOST_RECLAIMED, RECLAIMED, || {
            slice.yield_if_over();
            true
        });
        if reclaimed < MOST_RECLAIMED {
            let after = self.collector.stats();
            // What went may have retired more, and a reader may be about to let go of some.
            let is_certain = reclaimed == 0 && before.pinned + after.pinned == 0;
            *left = if is_certain { after.unreclaimed } else { u64::MAX };
            return false;
        }
        *left = u64::MAX;
        true
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Removes keys that have expired at `now_ms`, and ends snapshots whose deadline is over, spending at most about `budget` steps; returns how many
    /// keys went. Needed only where [`start_maintenance`](Store::start_maintenance) does not do it.
    ///
    /// # Progress
    /// Lock-free; if another thread is at it, this one leaves it to that.
    pub fn expire_due(&self, now_ms: u64, budget: usize) -> usize {
        self.engine.expire_due(now_ms, budget)
    }

    /// Cuts out old versions that no snapshot needs any more, spending at most about `budget` steps; returns how many entries were looked at.
    /// Needed only where neither writers nor a maintenance thread do it.
    pub fn collect(&self, budget: usize) -> usize {
        self.engine.collect(budget, || ())
    }

    /// Starts the maintenance thread; it ends soon after the last handle of the store. `now_ms` is asked once a pass;
    /// if it panics the thread ends.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn start_maintenance(&self, now_ms: impl Fn() -> u64 + Send + 'static) {
        let engine = std::sync::Arc::downgrade(&self.engine);
        background::spawn("stillpoint-gc", move || run(&engine, now_ms))
            .expect("a thread for maintenance");
    }
}

fn run<O: Send + Sync + 'static>(engine: &Weak<Engine<O>>, now_ms: impl Fn() -> u64) {
    scheduling::stand_back();
    let mut pause = Duration::ZERO;
    let mut left = 0;
    loop {
        let interval = match engine.upgrade() {
            None => return,
            Some(engine) => {
                let interval = Duration::from_micros(engine.settings.gc_interval_us());
                let busy = engine.pass(now_ms(), &mut left);
                pause = if busy {
                    interval
                } else {
                    (pause * 2).clamp(interval, LONGEST_PAUSE.max(interval))
                };
                pause
            }
        };
        background::pause(interval);
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use crate::{At, Config, Store};

    #[test]
    fn a_pass_gets_memory_ready_before_writers_want_it() {
        let store: Store = Store::new(Config::default());
        let pool = &store.engine.pool;
        let has_little = || {
            let stats = pool.stats();
            stats.mapped_bytes > 4 << 20 && stats.mapped_bytes - stats.slab_bytes < 1 << 20
        };
        for n in 0..4_000u32 {
            if has_little() {
                break;
            }
            store.set(At { space: 0, now_ms: 1 }, &n.to_le_bytes(), 0, &[7; 4000], None).unwrap();
        }
        if pool.stats().mapped_bytes == 0 {
            // Built with the system's allocator.
            return;
        }
        assert!(has_little());
        let before = pool.stats().mapped_bytes;
        store.engine.pass(1, &mut 0);
        assert_eq!(pool.stats().mapped_bytes, before + (2 << 20));
    }

    #[test]
    fn what_a_reader_held_back_goes_when_the_reader_is_gone() {
        let store: Store = Store::new(Config::default());
        let at = At { space: 0, now_ms: 1 };
        let snapshot = store.snapshot(1);
        let keys = || 0..500u32;
        keys().for_each(|n| store.set(at, &n.to_le_bytes(), 0, b"old", None).unwrap());
        let second = store.snapshot(1);
        keys().for_each(|n| store.set(at, &n.to_le_bytes(), 0, b"new", None).unwrap());
        drop((snapshot, second));
        let unreclaimed = || store.engine.collector.stats().unreclaimed;
        let mut left = 0;
        store.get_with(at, &0u32.to_le_bytes(), |_| {
            std::thread::scope(|scope| scope.spawn(|| store.engine.pass(1, &mut left)).join())
                .unwrap();
            assert!(unreclaimed() > 0, "held back by this reader");
        });
        let before = unreclaimed();
        store.engine.pass(1, &mut left);
        store.engine.pass(1, &mut left);
        assert_eq!(unreclaimed(), 0, "{before} before the passes");
    }
}
