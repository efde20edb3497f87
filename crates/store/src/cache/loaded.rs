//! [`Loaded`]: what a loader hands over; [`LoadOptions`]: how it is kept.

use crate::draft::OwnedValue;
use crate::entry::{Entry, VersionStamp};
use crate::owned_entry::OwnedEntry;
use std::sync::Arc;
use std::time::Duration;

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How what is loaded is kept.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use stillpoint_store::LoadOptions;
///
/// // Kept for a minute; whoever asks in its last five seconds loads it anew, while others still get what is there.
/// let options = LoadOptions::default().time_to_live(Duration::from_secs(60)).refresh_ahead(Duration::from_secs(5));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    time_to_live: Option<Duration>,
    refresh_ahead: Option<Duration>,
}

impl LoadOptions {
    /// Lets what is loaded expire so long after its loader returned (default: never), unless the loader itself says when.
    #[must_use]
    pub fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// Loads a value again as soon as it expires within that time (default: when it has expired). One caller does so, and gets what it loads, or what
    /// was there if its loader fails; the others get what is there at once.
    #[must_use]
    pub fn refresh_ahead(mut self, time: Duration) -> Self {
        self.refresh_ahead = Some(time);
        self
    }

    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.time_to_live
    }

    /// Whether an entry that is there is to be loaded anew.
    pub(crate) fn is_due<O>(&self, entry: &Entry<'_, O>, now_ms: u64) -> bool {
        let (Some(ahead), Some(at)) = (self.refresh_ahead, entry.expire_at_ms()) else {
            return false;
        };
        at <= now_ms.saturating_add(millis(ahead))
    }
}

/// What a loader hands over: a value, with its kind and its expiry if it has any.
pub struct Loaded<O = ()> {
    value: OwnedValue<O>,
    kind: u8,
    expire_at_ms: Option<u64>,
}

impl<O> Loaded<O> {
    /// Bytes, of kind 0.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Loaded { value: OwnedValue::Bytes(bytes.into()), kind: 0, expire_at_ms: None }
    }

    /// An object, of kind 0.
    pub fn object(object: impl Into<Arc<O>>) -> Self {
        Loaded { value: OwnedValue::Object(object.into()), kind: 0, expire_at_ms: None }
    }

    /// Gives it a kind.
    #[must_use]
    pub fn kind(mut self, kind: u8) -> Self {
        self.kind = kind;
        self
    }

    /// Lets it expire at that time of the caller's clock.
    #[must_use]
    pub fn expire_at_ms(mut self, at: u64) -> Self {
        self.expire_at_ms = Some(at);
        self
    }

    /// The entry that it becomes.
    pub(super) fn into_entry(self, key: &[u8], now_ms: u64, options: LoadOptions) -> OwnedEntry<O> {
        let lifetime = options.lifetime().map(|time| now_ms.saturating_add(millis(time)));
        let expire_at_ms = self.expire_at_ms.or(lifetime);
        OwnedEntry::new(key.into(), self.value, self.kind, expire_at_ms, VersionStamp(0))
    }
}
