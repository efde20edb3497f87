//! Fetching what several operations will need, all at once.
//!
//! ```text
//! one by one:   bin ····· version ····· work  bin ····· version ····· work      (· waiting for memory)
//! fetched:      bin bin ····· version version ····· work work
//! ```

use crate::Store;

/// A key on its way: its space, its hash, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHint {
    space: u8,
    hash: u64,
    replaces: bool,
}

impl KeyHint {
    /// Of a key whose value will be replaced or removed: what that takes is fetched, too.
    #[must_use]
    pub fn replaced(self) -> Self {
        Self { replaces: true, ..self }
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    /// What [`prefetch`](Store::prefetch) has to know of a key.
    ///
    /// # Panics
    /// If the store has no such space.
    #[inline]
    pub fn hint(&self, space: u8, key: &[u8]) -> KeyHint {
        KeyHint { space, hash: self.engine.space(space).hash(key), replaces: false }
    }

    /// Fetches the newest versions of keys that are about to be read or written into the cache. A hint: nothing depends on it.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Cost
    /// One wait for memory per step, not per key; worth it from two keys on.
    pub fn prefetch(&self, hints: &[KeyHint]) {
        let engine = &*self.engine;
        let guard = engine.collector.pin();
        for hint in hints {
            engine.space(hint.space).prefetch(&guard, hint.hash);
        }
        for hint in hints {
            engine.space(hint.space).prefetch_version(&guard, hint.hash, hint.replaces);
        }
        for hint in hints.iter().filter(|hint| hint.replaces) {
            engine.space(hint.space).prefetch_births(&guard, hint.hash);
        }
    }

    /// Fetches what [`prefetch`](Store::prefetch) left of a long value that is about to be read, best while the one before is. A hint, too.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Cost
    /// Some ten nanoseconds, which a value of one or two hundred bytes is not worth.
    #[inline]
    pub fn prefetch_rest(&self, hint: KeyHint) {
        if !hint.replaces {
            let guard = self.engine.collector.pin();
            self.engine.space(hint.space).prefetch_rest(&guard, hint.hash);
        }
    }
}
