//! [`Removal`]: who is told when the store itself removes a key, or holds back more old versions than it may.
//!
//! # Invariants
//! 1. A listener is called in the middle of somebody else's operation, which goes on whatever the listener does: a panic is contained.
//! 2. While a thread is inside a listener nothing is evicted for the sake of what it writes, and it is not told of pressure. So no listener is called from
//!    within itself for what it wrote; room is made by whoever was about to make it.

use crate::Store;
use crate::engine::Engine;
use std::sync::OnceLock;
use stillpoint_primitive::contain;

/// Why the store removed a key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// Its value had expired.
    Expired,
    /// Room was needed.
    Evicted,
}

/// A key that the store itself removed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct Removal<'k> {
    /// The key's space.
    pub space: u8,
    /// The key.
    pub key: &'k [u8],
    /// Why.
    pub reason: RemovalReason,
}

type OnRemoval = Box<dyn Fn(Removal<'_>) + Send + Sync>;
type OnPressure = Box<dyn Fn(u64) + Send + Sync>;

/// Those who listen to a store.
#[derive(Default)]
pub(crate) struct Listeners {
    removal: OnceLock<OnRemoval>,
    pressure: OnceLock<OnPressure>,
}

impl<O: Send + Sync + 'static> Engine<O> {
    pub(crate) fn tell_of_pressure(&self, old_version_bytes: u64) {
        if let Some(listener) = self.listeners.pressure.get()
            && !self.counters.own().is_telling()
        {
            self.tell(|| listener(old_version_bytes));
        }
    }

    pub(crate) fn tell_of_removal(&self, space: u8, key: &[u8], reason: RemovalReason) {
        if let Some(listener) = self.listeners.removal.get() {
            self.tell(|| listener(Removal { space, key, reason }));
        }
    }

    fn tell(&self, call: impl FnOnce()) {
        self.counters.own().tell(1);
        contain(call);
        self.counters.own().tell(-1);
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// Calls `listener` for each key that expires or is evicted, once it is removed, on the thread that removed it: a reader that met an expired
    /// value, a writer that needed room, or maintenance. It should be quick, and must not wait for anything that may wait for this store.
    /// It may read and write the store: what it writes is let in whatever the limit, and room is made for it afterwards. A panic is reported and goes no
    /// further. Whether it is the store's first; there can be no other.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Mutex;
    /// use stillpoint_store::{At, Config, RemovalReason, Store};
    ///
    /// let store: Store = Store::new(Config::default());
    /// let gone = std::sync::Arc::new(Mutex::new(Vec::new()));
    /// let list = gone.clone();
    /// store.on_removal(move |removal| list.lock().unwrap().push((removal.key.to_vec(), removal.reason)));
    /// let at = At { space: 0, now_ms: 1_000 };
    /// store.set(at, b"session", 0, b"", Some(2_000))?;
    /// store.expire_due(2_000, 10);
    /// assert_eq!(*gone.lock().unwrap(), [(b"session".to_vec(), RemovalReason::Expired)]);
    /// # Ok::<(), stillpoint_store::WriteError>(())
    /// ```
    pub fn on_removal(&self, listener: impl Fn(Removal<'_>) + Send + Sync + 'static) -> bool {
        self.engine.listeners.removal.set(Box::new(listener)).is_ok()
    }

    /// Calls `listener` with the bytes of old versions whenever they are found to be more than
    /// [`Config::max_version_bytes`](crate::Config::max_version_bytes), before the policy acts: by writers whose key has many versions, and by
    /// maintenance; not for what a listener itself writes. A panic is reported and goes no further. Whether it is the store's first; there can be no other.
    pub fn on_pressure(&self, listener: impl Fn(u64) + Send + Sync + 'static) -> bool {
        self.engine.listeners.pressure.set(Box::new(listener)).is_ok()
    }
}
