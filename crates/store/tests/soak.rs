//! Three truths, held for as long as one likes, with threads stopped at random steps of the protocol.
//!
//! | test | truth |
//! |---|---|
//! | bank | money moves between accounts that come and go; every cut, however long it is held, has the same sum each time it is read |
//! | cuts | writers write what they have read elsewhere; no cut shows an effect without its cause |
//! | churn | sets, removals and expiry race on few keys; each key's calls have an order that explains every answer, so nothing acknowledged is lost |
//!
//! `STILLPOINT_SOAK_S=600` sets for how long each (default: two seconds).
#![cfg(not(stillpoint_loom))]

#[path = "soak/bank.rs"]
mod bank;
#[path = "soak/churn.rs"]
mod churn;
#[path = "soak/cuts.rs"]
mod cuts;
#[path = "histories/stops.rs"]
mod stops;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{Entry, Store};

/// For how long a test runs.
fn duration() -> Duration {
    let seconds = std::env::var("STILLPOINT_SOAK_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Sets a flag when it is dropped, also by a panic, so that nobody waits for ever.
struct SetAtEnd<'f>(&'f AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A number that was written as eight bytes; 0 if there is none.
fn number(entry: Option<Entry<'_, ()>>) -> u64 {
    entry.map_or(0, |entry| u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
}

/// Collects and expires until the flag is set.
fn maintain(store: &Store, now_ms: impl Fn() -> u64, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        store.expire_due(now_ms(), 256);
        store.collect(256);
        thread::sleep(Duration::from_micros(300));
    }
}

/// Whether to go on: the time is not over, and nobody has given up.
fn goes_on(start: Instant, done: &AtomicBool) -> bool {
    start.elapsed() < duration() && !done.load(Ordering::Relaxed)
}
