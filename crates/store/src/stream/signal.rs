//! [`Signal`]: sleeping until somebody says that something has changed.
//!
//! # Invariants
//! 1. No wake-up is lost: a sleeper reads the round, *then* says that it listens, *then* looks at what it waits for, and sleeps only while the round
//!    is the same. Who changes something looks afterwards whether anybody listens; if it does not see that, the sleeper's look came later and
//!    sees the change; if it does, it counts the round up.
//! 2. Who changes something and finds nobody listening pays one load.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[listening]` | SeqCst: store, then look, against change, then load; the change and the look are SeqCst or under one lock |

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Signal {
    listening: AtomicBool,
    round: Mutex<u64>,
    changed: Condvar,
}

impl Default for Signal {
    fn default() -> Self {
        Signal {
            listening: AtomicBool::new(false),
            round: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.round.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// From here on a change ends the wait for the round that is returned.
    pub(crate) fn listen(&self) -> u64 {
        let round = *self.lock();
        // SeqCst [listening]: before the look at what is waited for
        self.listening.store(true, Ordering::SeqCst);
        round
    }

    /// Something has changed.
    #[inline]
    pub(crate) fn notify(&self) {
        // SeqCst [listening]: after the change
        if self.listening.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // SeqCst [listening]: one of those who see it wakes all
        if self.listening.swap(false, Ordering::SeqCst) {
            *self.lock() += 1;
            self.changed.notify_all();
        }
    }

    /// Sleeps until something changes after the `listen` that returned `round`, or until `deadline`.
    ///
    /// # Progress
    /// Blocking.
    pub(crate) fn wait(&self, round: u64, deadline: Option<Instant>) {
        let mut at = self.lock();
        while *at == round {
            at = match deadline {
                None => self.changed.wait(at).unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let waited = self.changed.wait_timeout(at, left);
                    waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
                }
            };
        }
    }
}
