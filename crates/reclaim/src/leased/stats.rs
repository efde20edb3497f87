//! [`Stats`]: what a collector says of itself.

/// Figures of one moment: sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
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
    /// Guards that reached their cap inside another guard, during an operation that cannot fail, and went on as classic ones.
    pub overdrafts: u64,
    /// The widest reservation of a leased guard, in ticks.
    pub widest_span_ticks: u64,
    /// What [`Collector::bound`](crate::Collector::bound) gives for no live nodes: the part of the bound that does not depend on
    /// the structure.
    pub bound: u64,
    /// The guard with the oldest reservation.
    pub oldest: Option<OldestGuard>,
}

/// The guard that holds back most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldestGuard {
    /// Ticks since it was pinned.
    pub age_ticks: u64,
    /// How many ticks its reservation spans (`u64::MAX` for a classic guard).
    pub span_ticks: u64,
    /// Its thread's name, when the thread has one.
    pub thread: Option<String>,
}
