//! [`Stats`]: what the store says of itself; and its live settings.

use crate::Store;
use crate::config::PressurePolicy;
use crate::counters::Figure;
use stillpoint_primitive::scheduling;

/// Versions that one call of `reclaim` frees at most.
const RECLAIMED: usize = 4096;
/// After how many of them a caller is asked whether it goes on: an object may be freed in no time, or in a hundred microseconds.
const RECLAIM_STEP: usize = 8;

/// Figures of one moment; sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Bytes of keys and newest values with their version headers, objects left out.
    pub live_bytes: u64,
    /// Of those, bytes of keys.
    pub key_bytes: u64,
    /// Bytes of the objects that are newest values, as [`Store::with_object_bytes`] was told.
    pub object_bytes: u64,
    /// Versions kept beside the newest ones (the backlog).
    pub old_versions: u64,
    /// Bytes of those, objects left out.
    pub old_version_bytes: u64,
    /// Bytes of the objects of those at most: as if none shared anything with another.
    pub old_object_bytes: u64,
    /// Entries that wait for a snapshot to end.
    pub waiting_versions: u64,
    /// Retired, not yet reclaimed blocks.
    pub unreclaimed: u64,
    /// Their bytes, objects left out.
    pub unreclaimed_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Keys in ordered indexes.
    pub ordered_keys: u64,
    /// Bytes that those take once more for their order; the blocks that refer to them are the pool's.
    pub ordered_bytes: u64,
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
    /// Keys removed to make room.
    pub evicted_keys: u64,
    /// Loaders that [`Store::get_or_load`] and its sisters have run.
    pub loads: u64,
    /// How many of them failed.
    pub failed_loads: u64,
    /// Changes that the stream has made final: those that feeds and logs could read.
    pub published_changes: u64,
    /// Bytes of changes that the stream keeps, final or not.
    pub stream_bytes: u64,
    /// Times that a feed found that something it wanted was gone.
    pub lagged_feeds: u64,
    /// How far the slowest consumer that must not miss anything is behind, in clock ticks; 0 without one.
    pub log_lag: u64,
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Figures of this moment.
    ///
    /// # Cost
    /// A step per thread that ever wrote, and one per space.
    pub fn stats(&self) -> Stats {
        let engine = &*self.engine;
        let sum = |figure| engine.counters.sum(figure);
        let (snapshots, oldest) = engine.leases.count_and_oldest();
        let pool = engine.pool.stats();
        let reclaim = engine.collector.stats();
        let clock = engine.clock.now();
        let stream = engine.stream.as_ref().map(|stream| stream.0.figures()).unwrap_or_default();
        let (loads, failed_loads) = engine.loads.begun_and_failed();
        let keys: u64 = engine.spaces().map(|(space, _)| engine.counters.keys(space)).sum();
        Stats {
            live_bytes: sum(Figure::LiveBytes),
            key_bytes: sum(Figure::KeyBytes),
            object_bytes: sum(Figure::LiveObjectBytes),
            old_versions: sum(Figure::Versions).saturating_sub(keys),
            old_version_bytes: engine.old_version_bytes(),
            old_object_bytes: engine
                .counters
                .difference(Figure::ObjectBytes, Figure::LiveObjectBytes),
            waiting_versions: engine.limbo.len() as u64,
            unreclaimed: reclaim.unreclaimed,
            unreclaimed_bytes: reclaim.unreclaimed_bytes,
            index_bytes: engine.index_bytes(),
            ordered_keys: engine
                .spaces()
                .filter_map(|(space, _)| engine.ordered(space))
                .map(|ordered| ordered.len() as u64)
                .sum(),
            ordered_bytes: sum(Figure::OrderedBytes),
            pool_bytes: pool.slab_bytes + pool.large_bytes,
            snapshots,
            oldest_snapshot_age: oldest.map_or(0, |oldest| clock.saturating_sub(oldest)),
            clock,
            expired_snapshots: sum(Figure::ExpiredSnapshots),
            commits: sum(Figure::Commits),
            aborts: sum(Figure::Aborts),
            helps: sum(Figure::Helps),
            expired_keys: sum(Figure::ExpiredKeys),
            evicted_keys: sum(Figure::EvictedKeys),
            loads,
            failed_loads,
            published_changes: stream.published,
            stream_bytes: stream.bytes,
            lagged_feeds: stream.lagged,
            log_lag: stream.slowest.map_or(0, |next| (clock + 1).saturating_sub(next)),
        }
    }

    /// The memory of keys, versions, newest objects and indexes in use, in bytes: blocks as their classes round them up.
    pub fn used_bytes(&self) -> u64 {
        let sum = |figure| self.engine.counters.sum(figure);
        let beside = sum(Figure::LiveObjectBytes) + sum(Figure::OrderedBytes);
        self.engine.pool.stats().bytes + beside + self.engine.index_bytes()
    }

    /// Reclaims what the calling thread has replaced and removed, and what readers have held back until now, as far as no reader is at it, up to
    /// 4,096 versions. For a thread that may not write again for a while, or whose values are large: by itself it keeps up to 2,560 versions
    /// until it writes more. With yield points in between ([`scheduling::yield_point`]).
    ///
    /// # Cost
    /// Nothing if there is nothing; else a `membarrier` (some microseconds, on some hosts milliseconds), and what it takes to free what is reclaimed.
    pub fn reclaim(&self) {
        self.reclaim_while(RECLAIMED, || {
            scheduling::yield_point();
            true
        });
    }

    /// As [`reclaim`](Store::reclaim) up to `versions`, for a thread that is waited for: after every eight of them it asks `may_go_on`, and ends if it may not. How many
    /// versions went. The rest stays with this thread; a call for no more than that goes on with it without another `membarrier`.
    pub fn reclaim_while(&self, versions: usize, may_go_on: impl FnMut() -> bool) -> usize {
        self.engine.collector.reclaim_while(versions, RECLAIM_STEP, may_go_on)
    }

    /// Gives memory that is not used back to the system; how many bytes.
    pub fn trim(&self) -> usize {
        self.engine.collector.flush();
        self.engine.pool.trim()
    }

    /// Grants or refuses lasting snapshots from now on; those that there are stay.
    pub fn set_mvcc_enabled(&self, on: bool) {
        self.engine.settings.set_mvcc_enabled(on);
    }

    /// Sets how many versions a key may hold because of snapshots before its writer looks whether memory is short (at least 1).
    pub fn set_max_versions(&self, n: u32) {
        self.engine.settings.set_max_versions(n);
    }

    /// Sets the pause of the maintenance thread.
    pub fn set_gc_interval_us(&self, us: u64) {
        self.engine.settings.set_gc_interval_us(us);
    }

    /// Sets how old snapshots that begin from now on may become, in milliseconds of the caller's clock.
    pub fn set_max_snapshot_age_ms(&self, limit: Option<u64>) {
        self.engine.settings.set_max_snapshot_age_ms(limit);
    }

    /// Sets how many bytes old versions may take, and what happens above that.
    pub fn set_pressure(&self, max_version_bytes: Option<u64>, policy: PressurePolicy) {
        self.engine.settings.set_pressure(max_version_bytes, policy);
    }
}
