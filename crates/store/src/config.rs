//! [`Config`] and [`At`]: what a store is made of, and where and when an operation happens.

use crate::SpaceSet;
use crate::eviction::Eviction;

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
    /// Of which keys past versions are kept, and how many (default: none). The first that fits a key counts. It needs the stream, which is then on.
    pub retention: Vec<Retention>,
    /// The commit clock's first value (default 1, at least 1, at most 2^50): for a store that goes on where another one ended.
    pub first_timestamp: u64,
    /// Milliseconds of the caller's clock after which a snapshot is ended (default: never). Transactions are not.
    pub max_snapshot_age_ms: Option<u64>,
    /// Bytes that newest values, their objects and the index may take (default: no limit).
    pub max_bytes: Option<u64>,
    /// How room is made above that.
    pub eviction: Eviction,
    /// Whether the memory of versions is asked of the system in huge pages, where there is more than 2 MiB of it (default true): operations miss the processor's
    /// table of pages less. A first touch then brings 2 MiB at once: on hosts that give memory to their guests only at its first touch that can take a
    /// writer some 10 ms, where small pages would take 512 writers 20 µs each.
    pub huge_pages: bool,
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
            retention: Vec::new(),
            first_timestamp: 1,
            max_snapshot_age_ms: None,
            max_bytes: None,
            eviction: Eviction::default(),
            huge_pages: true,
        }
    }
}

/// How many past versions of the keys with a prefix are kept, apart from what snapshots need. Beside them one copy of each newest value is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The key space.
    pub space: u8,
    /// What the keys begin with.
    pub prefix: Vec<u8>,
    /// Versions of one key, the newest among them (at least 1; `None`: any number).
    pub max_versions: Option<u32>,
    /// Milliseconds for which a version is kept after it was superseded or removed (`None`: for ever). By the clock of the store's maintenance.
    pub max_age_ms: Option<u64>,
    /// Bytes of all past versions with the prefix, and of keys that have been removed (default 64 MiB); above it those go that ended first.
    pub max_bytes: usize,
}

impl Retention {
    /// As many versions as 64 MiB hold, of keys of a space with that prefix.
    pub fn of(space: u8, prefix: &[u8]) -> Self {
        let prefix = prefix.to_vec();
        Retention { space, prefix, max_versions: None, max_age_ms: None, max_bytes: 64 << 20 }
    }
}
