//! [`Limit`]: how much may be unreclaimed before something is done about it.
//!
//! ```text
//! below ──reached──▶ an attempt to reclaim ──still reached──▶ above: the callback, once
//!   ▲                       └── helped ──▶ below                │
//!   └───────────────── an eighth under the limit ◀──────────────┘   (a flushing limit tries again with every bag)
//! ```
//! 1. Limits are looked at once a bag, by the thread that has filled it, and after a flush: never by a retirement as such.
//! 2. Callbacks run without any of the collector's locks or borrows held, and not inside one another on one thread: what a callback
//!    retires may fill a bag, which then looks at no limit.
//!
//! Tag: `[above]`: all accesses Relaxed; it guards nothing but who calls.

use crate::leased::collector::Inner;
use crate::leased::local::{Local, Raised};
use crate::leased::stats::Stats;
use alloc::boxed::Box;
use stillpoint_primitive::contain;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};

/// An amount of unreclaimed memory, in nodes, in bytes (as told at `retire`) or whichever comes first.
///
/// # Examples
/// ```
/// use stillpoint_reclaim::{Collector, Limit};
///
/// let collector = Collector::builder()
///     .soft_limit(Limit::nodes(1 << 20), |stats| {
///         if let Some(oldest) = &stats.oldest {
///             eprintln!("{} nodes wait for {oldest}", stats.unreclaimed);
///         }
///     })
///     .hard_limit(Limit::nodes(1 << 24).or_bytes(1 << 30), |stats| eprintln!("{stats:?}"))
///     .build();
/// # drop(collector);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    nodes: u64,
    bytes: u64,
}

impl Limit {
    /// Reached with so many nodes (at least 1).
    pub const fn nodes(nodes: u64) -> Limit {
        Limit { nodes: if nodes == 0 { 1 } else { nodes }, bytes: u64::MAX }
    }

    /// Reached with so many bytes (at least 1).
    pub const fn bytes(bytes: u64) -> Limit {
        Limit::nodes(u64::MAX).or_bytes(bytes)
    }

    /// Reached with so many bytes, too.
    pub const fn or_bytes(self, bytes: u64) -> Limit {
        Limit { nodes: self.nodes, bytes: if bytes == 0 { 1 } else { bytes } }
    }

    fn is_reached(self, (nodes, bytes): (u64, u64)) -> bool {
        nodes >= self.nodes || bytes >= self.bytes
    }

    /// Whether the figures are so far below that the next time counts as another crossing.
    fn is_cleared(self, (nodes, bytes): (u64, u64)) -> bool {
        nodes < self.nodes - self.nodes / 8 && bytes < self.bytes - self.bytes / 8
    }
}

/// Called with the figures of the moment when a limit has been crossed.
pub(crate) type LimitCallback = Box<dyn Fn(&Stats) + Send + Sync>;

/// A limit, and whether it has been crossed.
pub(crate) struct Watch {
    limit: Limit,
    /// Flush with every bag while above.
    flushes: bool,
    callback: LimitCallback,
    above: AtomicBool,
}

impl Watch {
    pub(crate) fn new(limit: Limit, flushes: bool, callback: LimitCallback) -> Self {
        Watch { limit, flushes, callback, above: AtomicBool::new(false) }
    }

    fn set_above(&self, above: bool) -> bool {
        // Relaxed [above]: see the header.
        self.above.swap(above, Ordering::Relaxed)
    }

    /// A panic of the callback is contained: `retire` is called by code that is in the middle of something.
    fn call(&self, stats: &Stats) {
        contain(|| (self.callback)(stats));
    }
}

impl Inner {
    /// Looks at the limits: after a bag has been filled, or a flush.
    pub(crate) fn check_limits(&self, local: &Local) {
        if self.limits.is_empty() || local.reporting.get() {
            return;
        }
        let _reporting = Raised::new(&local.reporting);
        for watch in &self.limits {
            self.check_limit(local, watch);
        }
    }

    fn check_limit(&self, local: &Local, watch: &Watch) {
        let figures = self.unreclaimed();
        if !watch.limit.is_reached(figures) {
            if watch.limit.is_cleared(figures) {
                watch.set_above(false);
            }
            return;
        }
        if watch.flushes {
            self.reclaim_all(local);
        }
        if watch.set_above(true) {
            return;
        }
        if !watch.flushes {
            self.try_to_reclaim(local);
        }
        let stats = self.stats();
        if watch.limit.is_reached((stats.unreclaimed, stats.unreclaimed_bytes)) {
            watch.call(&stats);
        } else {
            watch.set_above(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn a_limit_is_reached_by_either_figure_and_cleared_by_both() {
        let limit = Limit::nodes(80).or_bytes(800);
        assert!(!limit.is_reached((79, 799)));
        assert!(limit.is_reached((80, 0)) && limit.is_reached((0, 800)));
        assert!(limit.is_cleared((69, 699)));
        assert!(!limit.is_cleared((70, 0)) && !limit.is_cleared((0, 700)));
        assert!(Limit::bytes(8).is_cleared((1 << 40, 6)));
        assert!(!Limit::nodes(0).is_reached((0, 0)));
    }
}
