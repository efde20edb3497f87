//! [`OwnerCounter`]: a figure that one thread writes and any thread reads.
//!
//! Always `std`'s atomic, under the model checkers too: a figure is no part of any protocol, and would only multiply their states.
//!
//! Tags: `[count]` all sites are here.

use core::sync::atomic::{AtomicU64, Ordering};

/// A counter with one writer at a time; the hand-over between writers is the caller's business.
#[derive(Debug, Default)]
pub struct OwnerCounter(AtomicU64);

impl OwnerCounter {
    /// A counter at 0.
    pub const fn new() -> Self {
        OwnerCounter(AtomicU64::new(0))
    }

    /// Adds `n` and returns the sum. Called by the owner only: two writers at once would lose additions, nothing worse.
    ///
    /// # Progress
    /// Wait-free; no read-modify-write instruction.
    #[inline(always)]
    pub fn add(&self, n: u64) -> u64 {
        // Relaxed [count]: one writer, so a load and a store lose nothing.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n);
        // Relaxed [count]: as above.
        self.0.store(sum, Ordering::Relaxed);
        sum
    }

    /// Replaces the figure. With several writers the last one counts.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn set(&self, figure: u64) {
        // Relaxed [count]: a figure for people.
        self.0.store(figure, Ordering::Relaxed);
    }

    /// As [`add`](OwnerCounter::add), for a counter with several writers.
    ///
    /// # Progress
    /// Wait-free.
    pub fn add_shared(&self, n: u64) {
        // Relaxed [count]: a figure for people.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The figure.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        // Relaxed [count]: a figure for people.
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::OwnerCounter;

    #[test]
    fn sums() {
        let counter = OwnerCounter::new();
        counter.add(2);
        assert_eq!(counter.add(3), 5);
        assert_eq!(counter.get(), 5);
        counter.set(1);
        assert_eq!(counter.get(), 1);
    }
}
