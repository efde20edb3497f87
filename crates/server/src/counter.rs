//! [`Counter`] and [`Gauge`]: figures that one loop writes and anybody reads.
//!
//! | type | writers | an update is |
//! |---|---|---|
//! | `Counter` | one loop | a plain load and store: no locked instruction |
//! | `Gauge` | any | one atomic addition |
//!
//! | tag | sites |
//! |---|---|
//! | `[figure]` | every access here |
//!
//! Relaxed throughout: a figure orders nothing, and a reader may be late.

use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// A figure written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        // Relaxed [figure]: the only writer reads its own last store.
        let now = self.0.load(Ordering::Relaxed);
        // Relaxed [figure]: orders nothing.
        self.0.store(now.wrapping_add(n), Ordering::Relaxed);
    }
    pub(crate) fn set(&self, n: u64) {
        // Relaxed [figure]: orders nothing.
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        // Relaxed [figure]: a reader may be late.
        self.0.load(Ordering::Relaxed)
    }
}

/// A figure written by many threads.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Adds `n` and returns the sum.
    pub(crate) fn add(&self, n: u64) -> u64 {
        // Relaxed [figure]: orders nothing.
        self.0.fetch_add(n, Ordering::Relaxed).wrapping_add(n)
    }
    pub(crate) fn subtract(&self, n: u64) {
        // Relaxed [figure]: orders nothing.
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
    pub(crate) fn raise_to(&self, n: u64) {
        // Most calls have nothing to raise, and a load is no locked instruction.
        if n > self.get() {
            // Relaxed [figure]: orders nothing.
            self.0.fetch_max(n, Ordering::Relaxed);
        }
    }
    pub(crate) fn set(&self, n: u64) {
        // Relaxed [figure]: orders nothing.
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        // Relaxed [figure]: a reader may be late.
        self.0.load(Ordering::Relaxed)
    }
}
