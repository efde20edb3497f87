//! [`Stats`]: what a collector says of itself, and since when it has seen the guards that there are.
//!
//! Pinning reads no clock. Whoever scans the reservations (a sweep, or `stats`) notes when it first met one whose epoch was over: see
//! [`OldestGuard::age`]. Notes are figures: scanners may write over each other's, and the next scan mends it.

use crate::leased::collector::{Inner, PIPELINE_BAGS};
use crate::leased::local::Local;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use stillpoint_primitive::{OwnerCounter, thread_slot};

/// Figures of one moment: sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The collector's name ([`Builder::name`](crate::Builder::name)).
    pub name: Option<Arc<str>>,
    /// Nodes retired and not reclaimed.
    pub unreclaimed: u64,
    /// Their bytes, as told at `retire`.
    pub unreclaimed_bytes: u64,
    /// Nodes retired since the collector was made.
    pub retired: u64,
    /// The current epoch.
    pub epoch: u64,
    /// Heavy fences issued.
    pub barriers: u64,
    /// Threads that have state here.
    pub threads: u64,
    /// Of those, threads that have ever made or retired a node: the `T` of the bound.
    pub writers: u64,
    /// Threads that hold a guard.
    pub pinned: u64,
    /// Of those, guards that never expire.
    pub classic: u64,
    /// Guards that went on past the longest lease, as classic ones: an iterator or a facade held for long, an operation that cannot fail
    /// inside another guard, or one longer than the longest lease. What the bound does not cover.
    pub overdrafts: u64,
    /// Nodes leaked because a `fork` did not take along the threads that had them in their bags (in the child only). What a participant has
    /// in its own is not among them: it stays as it was, and goes when the participant does.
    pub abandoned: u64,
    /// The widest reservation of a leased guard, in ticks.
    pub widest_span_ticks: u64,
    /// What [`Collector::bound`](crate::Collector::bound) gives for no live nodes: the part of the bound that does not depend on
    /// the structure.
    pub bound: u64,
    /// The guard with the oldest reservation.
    pub oldest: Option<OldestGuard>,
}

/// The guard that holds back most.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldestGuard {
    /// Ticks since it was pinned.
    pub age_ticks: u64,
    /// How long it has been known to be behind: from the first sweep or call of `stats` that met it after the epoch of its pin had
    /// ended. Never more than its true age; less by the time that the epoch of its pin lasted and then until that sweep, of which there is
    /// one for every `batch_len` retirements of a thread. Zero for a guard of the current epoch, which holds back nothing yet.
    pub age: Duration,
    /// How many ticks its reservation spans (`u64::MAX` for a classic guard).
    pub span_ticks: u64,
    /// What its owner called it ([`Collector::pin_named`](crate::Collector::pin_named)).
    pub name: Option<&'static str>,
    /// Its thread's name, when the thread has one.
    pub thread: Option<String>,
}

impl fmt::Display for OldestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.thread.as_deref().unwrap_or("a nameless thread");
        match self.name {
            Some(name) => write!(f, "\"{name}\" of {thread}")?,
            None => write!(f, "a guard of {thread}")?,
        }
        write!(f, ", {} ticks and {:.1?} old", self.age_ticks, self.age)
    }
}

/// When a scan first met a reservation whose epoch was over.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The lower end that the note is about.
    lower: OwnerCounter,
    at_ns: OwnerCounter,
}

impl Seen {
    /// Notes a reservation from `lower` on, met at `now_ns` in `epoch`.
    fn note(&self, lower: u64, epoch: u64, now_ns: u64) {
        if lower < epoch && self.lower.get() != lower {
            self.at_ns.set(now_ns);
            self.lower.set(lower);
        }
    }

    fn age(&self, lower: u64, now_ns: u64) -> Duration {
        if self.lower.get() != lower {
            return Duration::ZERO;
        }
        Duration::from_nanos(now_ns.saturating_sub(self.at_ns.get()))
    }
}

impl Inner {
    #[cfg(feature = "std")]
    fn now_ns(&self) -> u64 {
        self.made.elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
    }

    /// There is no clock.
    #[cfg(not(feature = "std"))]
    fn now_ns(&self) -> u64 {
        0
    }

    /// All reservations, for a sweep that has fenced; notes their ages.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = (u64, u64)> {
        let (epoch, now_ns) = (self.epoch(), self.now_ns());
        self.locals.iter().filter_map(move |local| {
            let (lower, upper) = local.reservation.read()?;
            local.seen.note(lower, epoch, now_ns);
            Some((lower, upper))
        })
    }

    /// Nodes retired and not reclaimed, and their bytes.
    pub(crate) fn unreclaimed(&self) -> (u64, u64) {
        let mut sums = [0u64; 4];
        for local in self.locals.iter() {
            let counters =
                [&local.retired, &local.reclaimed, &local.retired_bytes, &local.reclaimed_bytes];
            sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += counter.get());
        }
        let gone = [self.abandoned.get(), self.abandoned_bytes.get()];
        (sums[0].saturating_sub(sums[1] + gone[0]), sums[2].saturating_sub(sums[3] + gone[1]))
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            name: self.name.clone(),
            epoch: self.epoch(),
            overdrafts: self.overdrafts.get(),
            abandoned: self.abandoned.get(),
            ..Stats::default()
        };
        let now_ns = self.now_ns();
        let mut epochs_held = 0u64;
        let mut oldest: Option<(u64, u64, usize, &Local)> = None;
        for (slot, local) in self.locals.iter().enumerate() {
            let retired = local.retired.get();
            stats.threads += 1;
            stats.writers += u64::from(retired > 0 || local.births.get() > 0);
            stats.retired += retired;
            stats.barriers += local.barriers.get();
            if let Some((lower, upper)) = local.reservation.read() {
                local.seen.note(lower, stats.epoch, now_ns);
                stats.see_guard(lower, upper);
                epochs_held =
                    epochs_held.saturating_add(upper.saturating_sub(lower).saturating_add(1));
                if oldest.is_none_or(|(first, ..)| lower < first) {
                    oldest = Some((lower, upper, slot, local));
                }
            }
        }
        (stats.unreclaimed, stats.unreclaimed_bytes) = self.unreclaimed();
        stats.bound = epochs_held
            .saturating_add(PIPELINE_BAGS)
            .saturating_mul(self.batch_len as u64 * stats.writers);
        stats.oldest = oldest.map(|(lower, upper, slot, local)| OldestGuard {
            age_ticks: stats.epoch.saturating_sub(lower),
            age: local.seen.age(lower, now_ns),
            span_ticks: span_ticks(lower, upper),
            name: local.guard_name.get(),
            thread: thread_slot::name_of(slot),
        });
        stats
    }
}

impl Stats {
    fn see_guard(&mut self, lower: u64, upper: u64) {
        self.pinned += 1;
        if upper == u64::MAX {
            self.classic += 1;
        } else {
            self.widest_span_ticks = self.widest_span_ticks.max(span_ticks(lower, upper));
        }
    }
}

fn span_ticks(lower: u64, upper: u64) -> u64 {
    if upper == u64::MAX { upper } else { upper.saturating_sub(lower) }
}
