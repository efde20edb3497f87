//! [`Settings`]: the part of the configuration that may change while the store runs.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[setting]` | Relaxed everywhere: each setting stands alone, and holds from about now on |

use crate::config::{Config, PressurePolicy};
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const NO_LIMIT: u64 = u64::MAX;

pub(crate) struct Settings {
    mvcc_enabled: AtomicBool,
    max_versions: AtomicU32,
    gc_interval_us: AtomicU64,
    max_version_bytes: AtomicU64,
    max_snapshot_age_ms: AtomicU64,
    expire_oldest: AtomicBool,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        Settings {
            mvcc_enabled: AtomicBool::new(config.mvcc_enabled),
            max_versions: AtomicU32::new(config.max_versions.max(1)),
            gc_interval_us: AtomicU64::new(config.gc_interval_us),
            max_version_bytes: AtomicU64::new(config.max_version_bytes.unwrap_or(NO_LIMIT)),
            max_snapshot_age_ms: AtomicU64::new(config.max_snapshot_age_ms.unwrap_or(NO_LIMIT)),
            expire_oldest: AtomicBool::new(config.on_pressure == PressurePolicy::ExpireOldest),
        }
    }

    pub(crate) fn mvcc_enabled(&self) -> bool {
        // Relaxed [setting]: stands alone
        self.mvcc_enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_mvcc_enabled(&self, on: bool) {
        // Relaxed [setting]: stands alone
        self.mvcc_enabled.store(on, Ordering::Relaxed);
    }

    pub(crate) fn max_versions(&self) -> usize {
        // Relaxed [setting]: stands alone
        self.max_versions.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_max_versions(&self, n: u32) {
        // Relaxed [setting]: stands alone
        self.max_versions.store(n.max(1), Ordering::Relaxed);
    }

    pub(crate) fn gc_interval_us(&self) -> u64 {
        // Relaxed [setting]: stands alone
        self.gc_interval_us.load(Ordering::Relaxed)
    }

    pub(crate) fn set_gc_interval_us(&self, us: u64) {
        // Relaxed [setting]: stands alone
        self.gc_interval_us.store(us, Ordering::Relaxed);
    }

    /// How old a snapshot may become, if there is such a limit.
    pub(crate) fn max_snapshot_age_ms(&self) -> Option<u64> {
        // Relaxed [setting]: stands alone
        let limit = self.max_snapshot_age_ms.load(Ordering::Relaxed);
        (limit != NO_LIMIT).then_some(limit)
    }

    pub(crate) fn set_max_snapshot_age_ms(&self, limit: Option<u64>) {
        // Relaxed [setting]: stands alone
        self.max_snapshot_age_ms.store(limit.unwrap_or(NO_LIMIT), Ordering::Relaxed);
    }

    /// How many bytes old versions may take, if there is such a limit.
    pub(crate) fn max_version_bytes(&self) -> Option<u64> {
        // Relaxed [setting]: stands alone
        let limit = self.max_version_bytes.load(Ordering::Relaxed);
        (limit != NO_LIMIT).then_some(limit)
    }

    /// Whether the oldest snapshot is to end above that.
    pub(crate) fn expires_oldest(&self) -> bool {
        // Relaxed [setting]: stands alone
        self.expire_oldest.load(Ordering::Relaxed)
    }

    pub(crate) fn set_pressure(&self, max_version_bytes: Option<u64>, policy: PressurePolicy) {
        // Relaxed [setting]: stands alone
        self.max_version_bytes.store(max_version_bytes.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        // Relaxed [setting]: stands alone
        self.expire_oldest.store(policy == PressurePolicy::ExpireOldest, Ordering::Relaxed);
    }
}
