//! [`Eviction`]: which keys go when room is needed, as the embedding program says it.

/// Which of the keys that were looked at goes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EvictionPolicy {
    /// None: writes that need room are refused.
    #[default]
    None,
    /// The one not used for longest.
    Lru,
    /// The one least used, use long ago counting less.
    Lfu,
    /// The oldest one not used since it came, soon; one that was used only after everything was turned over once, or as often as it was used
    /// (three times at most). The manner of S3-FIFO: keys that are wanted once do not drive out others.
    S3Fifo,
    /// The one that expires soonest.
    Ttl,
    /// Any.
    Random,
}

/// How room is made when a store holds more than [`Config::max_bytes`](crate::Config::max_bytes). Can be changed while the store runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Which keys go (default: none).
    pub policy: EvictionPolicy,
    /// Only keys that expire may go (default false; of [`EvictionPolicy::Ttl`] always).
    pub volatile_only: bool,
    /// Whether hits are noted even if the policy does not ask for it, so that [`Store::usage`](crate::Store::usage) can tell (default false).
    pub always_track: bool,
    /// Whether a write is refused with [`WriteError::Full`](crate::WriteError::Full) when no key may go (default true). If not, the store grows
    /// beyond its limit, and [`Store::is_full`](crate::Store::is_full) says so.
    pub refuse: bool,
    /// Keys looked at for one that goes (default 5; at least 1).
    pub samples: u32,
    /// LFU: the more, the more uses it takes to count one higher (default 10).
    pub lfu_log_factor: u32,
    /// LFU: after how many minutes without use a key counts one lower (default 1; 0: never).
    pub lfu_decay_minutes: u32,
}

impl Default for Eviction {
    fn default() -> Self {
        Eviction {
            policy: EvictionPolicy::None,
            volatile_only: false,
            always_track: false,
            refuse: true,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
        }
    }
}

/// How a key is used, as far as it is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Seconds since it was last used, at most about 18 hours.
    pub idle_seconds: Option<u32>,
    /// The logarithm of how often it was used lately, 0 to 255; LFU only.
    pub frequency: Option<u8>,
}

/// What came of the wish for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Enough,
    /// Keys went, and more will have to.
    Some,
    /// No key may go.
    None,
}
