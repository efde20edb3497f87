//! What is done beside the operations: cutting out old versions whose snapshot has ended, expiry, ending of overdue snapshots, memory back, and memory ready
//! before it is wanted.
//!
//! Writers do a little of it as they go. A store without a maintenance thread is none the worse for correctness; whoever embeds it may call
//! [`Store::expire_due`] and [`Store::collect`] when it suits.
//!
//! # Invariants
//! 1. A pass spends a bounded number of steps, so nobody waits for it, and pins for one step at a time. It takes its turns: who shares a core with it gets
//!    that back within a fraction of a millisecond.
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
use stillpoint_primitive::scheduling::{self, Turns};

/// Steps of one pass of the thread.
const PASS: usize = 4096;
/// Records of expiry that are kept beside two for each key.
const SPARE_RECORDS: u64 = 1 << 17;
/// Keys evicted in one pass.
const EVICTIONS: usize = 256;
/// Steps of a pass that are for collection, as long as there is something to collect; what they retire is reclaimed together.
const COLLECTION: usize = 8 * PASS;
/// Steps after which a pass looks whether its turn is over.
const PACE: usize = 128;
/// Versions that are reclaimed at a time.
const RECLAIMED: usize = 1024;
/// The longest pause when there is nothing to do.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl<O: Send + Sync + 'static> Engine<O> {
    /// Removes keys that have expired. How many.
    pub(crate) fn expire_due(&self, now_ms: u64, budget: usize) -> usize {
        self.note_time(now_ms, budget);
        self.expire_some(now_ms, budget).removed
    }

    /// What the time alone brings: snapshots end, and records of expiry are looked after.
    fn note_time(&self, now_ms: u64, budget: usize) {
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
    }

    /// Removes what is due, by up to `most` records of it.
    fn expire_some(&self, now_ms: u64, most: usize) -> Expired {
        let due = self.expiry.take_due(now_ms, most);
        let looked_at = due.len();
        let removed = due.into_iter().map(|due| self.expire(due, now_ms)).sum();
        Expired { looked_at, removed }
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

    /// Cuts out up to about `budget` old versions that no snapshot needs any more. How many entries were looked at.
    pub(crate) fn collect(&self, budget: usize) -> usize {
        if self.limbo.take_sweep() {
            self.sweep();
        }
        self.relieve();
        self.tidy_all(budget)
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
        let mut turns = Turns::begin();
        // While a snapshot lives, writes need memory for each key: they shall not wait until the system has cleared a huge page.
        let has_prepared = self.pool.prepare();
        turns.step();
        self.note_time(now_ms, PASS);
        turns.step();
        let expired = paced(PASS, &mut turns, |most| self.expire_some(now_ms, most).looked_at);
        let is_crowded = self.evict_over(now_ms);
        turns.step();
        let collected = paced(COLLECTION, &mut turns, |most| self.collect(most));
        self.reclaim(left, &mut turns);
        let is_surveying = self.expiry.is_surveying();
        is_crowded || has_prepared || is_surveying || expired + collected >= PASS
    }

    /// Reclaims what can be, unless there is just what was `left` the last time.
    fn reclaim(&self, left: &mut u64, turns: &mut Turns) {
        if self.collector.stats().unreclaimed == *left {
            return;
        }
        // What goes may retire more: until nothing goes.
        let mut reclaimed = 0;
        while reclaimed < COLLECTION {
            let some = self.collector.reclaim(RECLAIMED);
            reclaimed += some;
            turns.step();
            if some == 0 {
                *left = self.collector.stats().unreclaimed;
                return;
            }
        }
        // There may be more.
        *left = u64::MAX;
    }
}

/// What [`Engine::expire_some`] did.
struct Expired {
    /// Records of expiry.
    looked_at: usize,
    /// Keys.
    removed: usize,
}

/// Takes up to about `most` steps, a few at a time, as long as there are some to take. `step` is told how many, and tells how many there were.
fn paced(most: usize, turns: &mut Turns, mut step: impl FnMut(usize) -> usize) -> usize {
    let mut taken = 0;
    while taken < most {
        let some = step(PACE);
        taken += some;
        turns.step();
        if some < PACE {
            break;
        }
    }
    taken
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
        self.engine.collect(budget)
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
}
