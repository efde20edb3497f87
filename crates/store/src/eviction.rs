//! Eviction: how a store stays within `Config::max_bytes`.
//!
//! ```text
//!  hit ──▶ usage bits of the newest version (usage)                        counted ≈ live + objects + index
//!  write ─▶ counted + what comes > max? ─▶ look at some keys ─▶ best of 16 candidates ─▶ tombstone if stamp and usage are as they were
//! ```
//! # Invariants
//! 1. What is limited are the newest values, their objects and the index. Old versions, which snapshots need, are not: to evict for their sake would
//!    free nothing and drain the store. Their limit is `max_version_bytes`, and an evicted version that a snapshot needs counts there.
//! 2. `counted` is set to the true sum whenever a thread's writes have changed the store by another [`Evictor::batch_bits`] worth of bytes, and by
//!    maintenance. So the store is above its limit by at most one such batch a thread, 16 KiB, beside what an index that grows takes at once.
//! 3. A write evicts before it is installed, [`PER_WRITE`] keys at most and one more for each [`PER_KEY`] of its own bytes; so nobody pays for
//!    a limit that was lowered at once. If no key may go, the write is refused (`Eviction::refuse`) or goes on.
//! 4. Only the very version that was looked at is evicted, and only if nobody has used it since.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[rules]` | Relaxed everywhere: each word stands alone, and holds from about now on |
//! | `[counted]` | Relaxed everywhere: an estimate |

mod limits;
mod policy;
mod sampling;
mod usage;
mod victim;

pub use policy::{Eviction, EvictionPolicy, Room, Usage};

use std::sync::Mutex;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use usage::{GENERATIONS, Gauge, Tracking};
use victim::Candidate;

/// Keys that one write evicts at most for the sake of others.
const PER_WRITE: usize = 16;
/// Bytes of its own for which it evicts one more.
const PER_KEY: usize = 128;
const NO_LIMIT: u64 = u64::MAX;

/// The state of eviction.
pub(crate) struct Evictor {
    rules: AtomicU64,
    max_bytes: AtomicU64,
    /// The caller's clock, as far as it was told.
    seconds: AtomicU32,
    counted: CachePadded<AtomicU64>,
    /// Bytes evicted so far.
    turned_bytes: CachePadded<AtomicU64>,
    draws: AtomicU64,
    pool: Mutex<Vec<Candidate>>,
}

/// The settings in one word.
///
/// ```text
///  0  2      5        6      7   8       16           32              48
///  │tracking│policy│volatile│refuse│ │ samples │ log factor │ decay minutes │
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules(u64);

impl Rules {
    fn new(eviction: &Eviction, is_limited: bool) -> Self {
        let tracking = match eviction.policy {
            _ if !is_limited && !eviction.always_track => Tracking::Off,
            EvictionPolicy::Lfu => Tracking::Frequency,
            EvictionPolicy::S3Fifo => Tracking::Turnover,
            EvictionPolicy::Lru => Tracking::Recency,
            _ if eviction.always_track => Tracking::Recency,
            _ => Tracking::Off,
        };
        let volatile = eviction.volatile_only || eviction.policy == EvictionPolicy::Ttl;
        let short = |number: u32| u64::from(number.min(u32::from(u16::MAX)));
        Rules(
            tracking as u64
                | (eviction.policy as u64) << 2
                | u64::from(volatile) << 5
                | u64::from(eviction.refuse) << 6
                | u64::from(eviction.samples.clamp(1, 255)) << 8
                | short(eviction.lfu_log_factor) << 16
                | short(eviction.lfu_decay_minutes) << 32,
        )
    }

    fn tracking(self) -> Tracking {
        match self.0 & 3 {
            0 => Tracking::Off,
            1 => Tracking::Recency,
            2 => Tracking::Frequency,
            _ => Tracking::Turnover,
        }
    }

    fn policy(self) -> EvictionPolicy {
        match self.0 >> 2 & 7 {
            0 => EvictionPolicy::None,
            1 => EvictionPolicy::Lru,
            2 => EvictionPolicy::Lfu,
            3 => EvictionPolicy::S3Fifo,
            4 => EvictionPolicy::Ttl,
            _ => EvictionPolicy::Random,
        }
    }

    fn volatile_only(self) -> bool {
        self.0 >> 5 & 1 != 0
    }

    fn refuses(self) -> bool {
        self.0 >> 6 & 1 != 0
    }

    fn samples(self) -> usize {
        (self.0 >> 8 & 0xff) as usize
    }
}

impl Evictor {
    pub(crate) fn new(max_bytes: Option<u64>, eviction: &Eviction) -> Self {
        Evictor {
            rules: AtomicU64::new(Rules::new(eviction, max_bytes.is_some()).0),
            max_bytes: AtomicU64::new(max_bytes.unwrap_or(NO_LIMIT)),
            seconds: AtomicU32::new(1),
            counted: CachePadded::new(AtomicU64::new(0)),
            turned_bytes: CachePadded::new(AtomicU64::new(0)),
            draws: AtomicU64::new(0),
            pool: Mutex::default(),
        }
    }

    fn set(&self, max_bytes: Option<u64>, eviction: &Eviction) {
        let rules = Rules::new(eviction, max_bytes.is_some());
        // Relaxed [rules]: stands alone
        self.rules.store(rules.0, Ordering::Relaxed);
        // Relaxed [rules]: stands alone
        self.max_bytes.store(max_bytes.unwrap_or(NO_LIMIT), Ordering::Relaxed);
    }

    #[inline(always)]
    fn rules(&self) -> Rules {
        // Relaxed [rules]: stands alone
        Rules(self.rules.load(Ordering::Relaxed))
    }

    /// Whether hits are noted.
    #[inline(always)]
    pub(crate) fn is_tracking(&self) -> bool {
        self.rules().0 & 3 != 0
    }

    #[inline(always)]
    fn max_bytes(&self) -> u64 {
        // Relaxed [rules]: stands alone
        self.max_bytes.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn is_limited(&self) -> bool {
        self.max_bytes() != NO_LIMIT
    }

    /// Changes of this many bytes (a power of two) call for a new sum.
    pub(crate) fn batch_bits(&self) -> u32 {
        (self.max_bytes() >> 10).max(1).ilog2().clamp(6, 14)
    }

    #[inline(always)]
    fn counted(&self) -> u64 {
        // Relaxed [counted]: an estimate
        self.counted.load(Ordering::Relaxed)
    }

    fn set_counted(&self, bytes: u64) {
        // Relaxed [counted]: an estimate
        self.counted.store(bytes, Ordering::Relaxed);
    }

    /// Whether so many more bytes are within the limit.
    #[inline(always)]
    fn fits(&self, more: u64) -> bool {
        self.counted().saturating_add(more) <= self.max_bytes()
    }

    /// Takes freed bytes off the estimate.
    fn note_freed(&self, bytes: u64) {
        self.set_counted(self.counted().saturating_sub(bytes));
        // Relaxed [counted]: an estimate
        self.turned_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Moves the clock.
    #[inline]
    pub(crate) fn tell_time(&self, now_ms: u64) {
        let seconds = (now_ms / 1000) as u32;
        // Relaxed [rules]: stands alone
        if self.seconds.load(Ordering::Relaxed) != seconds {
            // Relaxed [rules]: stands alone
            self.seconds.store(seconds, Ordering::Relaxed);
        }
    }

    /// The clocks and settings of now.
    fn gauge(&self) -> Gauge {
        let rules = self.rules();
        let tracking = rules.tracking();
        let generation = match tracking {
            Tracking::Turnover => {
                // Relaxed [counted]: an estimate
                let turned = self.turned_bytes.load(Ordering::Relaxed);
                turned / (self.max_bytes() / GENERATIONS).max(1)
            }
            _ => 0,
        };
        Gauge {
            tracking,
            // Relaxed [rules]: stands alone
            seconds: self.seconds.load(Ordering::Relaxed),
            generation,
            log_factor: (rules.0 >> 16 & 0xffff) as u32,
            decay_minutes: (rules.0 >> 32 & 0xffff) as u32,
        }
    }

    /// A random number.
    fn draw(&self) -> u64 {
        // Relaxed [counted]: any number will do
        let mut state = self.draws.fetch_add(1, Ordering::Relaxed);
        crate::store::next_random(&mut state)
    }
}
