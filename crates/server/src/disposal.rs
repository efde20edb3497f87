//! [`Disposal`]: frees large collections on a thread of its own, so that no event loop stops for it.
//!
//! ```text
//! DEL, expiry ── a reference to the doomed collection ──▶ list ──▶ thread: frees it once that reference is the last
//! ```
//! Reclaiming the version that held it then only counts down; the thread, which looks every few milliseconds, has the work. It ends when the list is empty.
//!
//! Invariant: while the list is not empty there is a thread that looks at it, or whoever put something there has been told that there is none.

use crate::value::Object;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stillpoint_primitive::scheduling;

/// How often the thread looks whether others have let go.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Default)]
struct State {
    doomed: Vec<Arc<Object>>,
    has_thread: bool,
    /// Collections freed so far.
    freed: u64,
}

/// Collections that are to be freed.
#[derive(Clone, Default)]
pub(crate) struct Disposal(Arc<Mutex<State>>);

impl Disposal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that this reference to the collection is dropped last, and elsewhere. Without a thread it is dropped here.
    pub(crate) fn take(&self, doomed: Arc<Object>) {
        let mut state = self.lock();
        if !state.has_thread {
            let this = self.clone();
            let thread = std::thread::Builder::new().name("disposal".into());
            if thread.spawn(move || this.work()).is_err() {
                return;
            }
            state.has_thread = true;
        }
        state.doomed.push(doomed);
    }

    /// Collections that wait to be freed, and those that have been.
    pub(crate) fn figures(&self) -> (usize, u64) {
        let state = self.lock();
        (state.doomed.len(), state.freed)
    }

    fn work(&self) {
        scheduling::give_way();
        loop {
            std::thread::sleep(LOOK_EVERY);
            let mut state = self.lock();
            let (free, held) =
                state.doomed.drain(..).partition(|object| Arc::strong_count(object) == 1);
            state.doomed = held;
            let free: Vec<_> = free;
            state.freed += free.len() as u64;
            if state.doomed.is_empty() {
                state.doomed = Vec::new();
                state.has_thread = false;
                drop(state);
                return dismantle(free);
            }
            drop(state);
            dismantle(free);
        }
    }
}

/// Drops one after the other, with a yield point after each.
pub(crate) fn dismantle<T>(all: impl IntoIterator<Item = T>) {
    for one in all {
        drop(one);
        scheduling::yield_point();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::LargeHash;
    use std::time::Instant;

    #[test]
    fn the_last_reference_goes_on_the_thread_and_the_thread_ends() {
        let disposal = Disposal::default();
        let mut hash = LargeHash::new();
        (0..1000u32).for_each(|i| assert!(hash.set(&i.to_le_bytes(), b"")));
        let object = Arc::new(Object::Hash(hash));
        let (held, watched) = (Arc::clone(&object), Arc::downgrade(&object));
        disposal.take(object);
        std::thread::sleep(4 * LOOK_EVERY);
        assert_eq!(Arc::strong_count(&held), 2, "kept as long as somebody else has it");
        drop(held);
        let until = Instant::now() + Duration::from_secs(10);
        while watched.strong_count() > 0 || disposal.lock().has_thread {
            assert!(Instant::now() < until);
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
