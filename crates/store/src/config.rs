//! [`Config`] and [`At`]: what a store is made of, and where and when an operation happens.

use crate::SpaceSet;

/// Where and when an operation happens: the key space and the caller's wall clock in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Key space: 0 to `Config::spaces - 1`.
    pub space: u8,
    /// The caller's wall clock: what has `expire_at_ms <= now_ms` is absent.
    pub now_ms: u64,
}

/// What happens when old versions kept for snapshots take more than [`Config::max_version_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PressurePolicy {
    /// Nothing: snapshots are protected, and `Stats` tells how much they hold.
    #[default]
    Protect,
    /// The oldest snapshot ends; its readers are told `SnapshotExpired`.
    ExpireOldest,
}

/// Settings of a store. Those of MVCC can be changed while it runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of key spaces (default 16).
    pub spaces: u8,
    /// The spaces whose keys are kept in order too, for ranges and prefixes (default none). A new key costs an insertion into a B+tree then, which waits for
    /// other new keys of the same leaf, and its bytes once more; writes of keys that are there cost nothing.
    pub ordered: SpaceSet,
    /// Whether [`Store::try_snapshot`](crate::Store::try_snapshot) grants snapshots (default true). The short leases of transactions and of
    /// [`Store::snapshot`](crate::Store::snapshot) work in any case.
    pub mvcc_enabled: bool,
    /// How many versions a key may hold because of snapshots before the writer looks whether memory is short (default 2).
    /// A target: a version that a snapshot needs is never cut for it.
    pub max_versions: u32,
    /// Pause of the background collector in microseconds (default 100).
    pub gc_interval_us: u64,
    /// Bytes of old versions above which [`on_pressure`](Config::on_pressure) acts (default: no limit).
    pub max_version_bytes: Option<u64>,
    /// What happens above that limit (default: nothing).
    pub on_pressure: PressurePolicy,
    /// Whether every committed change is published, for logs and feeds (default: no). A store that publishes pays for it with each write.
    pub stream: Option<StreamConfig>,
}

/// Settings of the stream of committed changes.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Bytes of changes that are kept for who has not read them yet (default 64 MiB). What is older goes; a feed that wanted it is told so, and
    /// while a log wants it writers wait.
    pub budget_bytes: usize,
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig { budget_bytes: 64 << 20 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            spaces: 16,
            ordered: SpaceSet::NONE,
            mvcc_enabled: true,
            max_versions: 2,
            gc_interval_us: 100,
            max_version_bytes: None,
            on_pressure: PressurePolicy::Protect,
            stream: None,
        }
    }
}
