//! [`LeaseView`]: the leases of one moment, for a walk down a chain.
//!
//! # Invariants
//! 1. A view serves for chains whose newest version has a timestamp of at most the clock's as it was before the view was taken: the clock has reached that
//!    before the look, and more lease invariant 2 does not ask for. A version that was stamped before the view was taken has such a timestamp.

use crate::commit_clock::CommitClock;
use crate::lease::LeaseRegistry;

const INLINE: usize = 8;

/// Held timestamps, ascending.
pub(crate) struct LeaseView {
    inline: [u64; INLINE],
    len: usize,
    spilled: Vec<u64>,
    /// What the clock was before the look.
    clock: u64,
}

impl LeaseView {
    pub(crate) fn take(leases: &LeaseRegistry, clock: &CommitClock) -> Self {
        let inline = [0; INLINE];
        let mut view = LeaseView { inline, len: 0, spilled: Vec::new(), clock: clock.now() };
        leases.for_each_exact(clock, |timestamp| view.add(timestamp));
        view.held_mut().sort_unstable();
        view
    }

    /// Whether it serves for a chain whose newest version has this timestamp.
    #[inline]
    pub(crate) fn serves(&self, newest: u64) -> bool {
        newest <= self.clock
    }

    fn add(&mut self, timestamp: u64) {
        if self.len < INLINE && self.spilled.is_empty() {
            self.inline[self.len] = timestamp;
            self.len += 1;
            return;
        }
        if self.spilled.is_empty() {
            self.spilled.extend_from_slice(&self.inline);
        }
        self.spilled.push(timestamp);
    }

    fn held_mut(&mut self) -> &mut [u64] {
        if self.spilled.is_empty() { &mut self.inline[..self.len] } else { &mut self.spilled }
    }

    fn held(&self) -> &[u64] {
        if self.spilled.is_empty() { &self.inline[..self.len] } else { &self.spilled }
    }

    /// A lease that needs a version stamped at `from` and superseded at `until`.
    #[inline]
    pub(crate) fn needs(&self, from: u64, until: u64) -> Option<u64> {
        let held = self.held();
        let first = held[held.partition_point(|timestamp| *timestamp < from)..].first().copied();
        first.filter(|timestamp| *timestamp < until)
    }

    /// A lease that reads before `timestamp`.
    pub(crate) fn older_than(&self, timestamp: u64) -> Option<u64> {
        self.needs(0, timestamp)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_view_knows_which_interval_holds_a_lease() {
        for count in [1, 8, 9, 40] {
            let (clock, leases) = (CommitClock::new(), LeaseRegistry::new());
            let taken: Vec<u64> = (0..count)
                .map(|_| {
                    (0..9).for_each(|tick| assert!(clock.tick() > tick));
                    leases.take(&clock).read_timestamp
                })
                .collect();
            let view = LeaseView::take(&leases, &clock);
            assert!(view.serves(clock.now()) && !view.serves(clock.now() + 1));
            for at in taken {
                assert_eq!(view.needs(at, at + 1), Some(at));
                assert_eq!(view.needs(at - 2, at + 2), Some(at));
                assert_eq!(view.needs(at + 1, at + 3), None);
                assert_eq!(view.needs(at - 3, at), None);
            }
            assert_eq!(view.older_than(11), Some(10));
            assert_eq!(view.older_than(10), None);
        }
    }
}
