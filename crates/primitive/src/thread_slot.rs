//! Small dense numbers for threads, given back at exit: the only process-wide state of Stillpoint.
//!
//! A collector or a pool keeps per-thread state in an array indexed by [`current`]. Numbers are reused after a thread's exit,
//! lowest first, so the arrays stay as small as the largest number of threads that lived at once. Who keeps state registers an
//! [`ExitHook`] for the thread; hooks run at exit, before the number is given back, so the state of a number has exactly one
//! owner at any time.
//!
//! ```text
//! thread ──▶ SLOT (plain TLS word) ── UNSET ──▶ claim a number, arm EXIT
//!                                  ── n ──────▶ n
//!                                  ── GONE ───▶ thread is past its exit: callers use a temporary slot
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Weak;

/// Told when a thread that registered with [`on_exit`] ends.
pub trait ExitHook: Send + Sync {
    /// The thread with number `slot` is about to give it back. Runs on that thread; must not call [`on_exit`]. `false` keeps the
    /// number from ever being reused, because something of the thread still uses it.
    fn thread_exits(&self, slot: usize) -> bool;
}

const UNSET: usize = usize::MAX;
const GONE: usize = usize::MAX - 1;

struct Registry {
    free: BTreeSet<usize>,
    next: usize,
}

impl Registry {
    const fn new() -> Self {
        Registry { free: BTreeSet::new(), next: 0 }
    }

    fn claim(&mut self) -> usize {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

#[cfg(not(stillpoint_loom))]
mod registry {
    use super::Registry;
    use std::sync::Mutex;

    static REGISTRY: Mutex<Registry> = Mutex::new(Registry::new());

    pub(super) fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> R {
        f(&mut REGISTRY.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
/// A model's threads share one thread of the system, so each model has numbers of its own and every execution sees the same.
#[cfg(stillpoint_loom)]
mod registry {
    use super::Registry;
    use std::cell::RefCell;

    std::thread_local! {
        static REGISTRY: RefCell<Registry> = const { RefCell::new(Registry::new()) };
    }

    pub(super) fn with<R>(f: impl FnOnce(&mut Registry) -> R) -> R {
        REGISTRY.with(|registry| f(&mut registry.borrow_mut()))
    }
}

fn claim() -> usize {
    registry::with(Registry::claim)
}

fn give_back(slot: usize) {
    registry::with(|registry| registry.free.insert(slot));
}

struct Exit {
    hooks: RefCell<Vec<Weak<dyn ExitHook>>>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        let slot = slot_word(GONE);
        if slot < GONE && run_hooks(&self.hooks.take(), slot) {
            give_back(slot);
        }
    }
}

fn run_hooks(hooks: &[Weak<dyn ExitHook>], slot: usize) -> bool {
    let mut free = true;
    for hook in hooks.iter().filter_map(Weak::upgrade) {
        free &= hook.thread_exits(slot);
    }
    free
}

#[cfg(not(stillpoint_loom))]
mod tls {
    use super::*;
    thread_local! {
        pub(super) static SLOT: Cell<usize> = const { Cell::new(UNSET) };
        pub(super) static EXIT: Exit = const { Exit { hooks: RefCell::new(Vec::new()) } };
    }
}
#[cfg(stillpoint_loom)]
mod tls {
    use super::*;
    loom::thread_local! {
        pub(super) static SLOT: Cell<usize> = Cell::new(UNSET);
        pub(super) static EXIT: Exit = Exit { hooks: RefCell::new(Vec::new()) };
    }
}

/// Replaces the thread's word and returns what it was.
fn slot_word(new: usize) -> usize {
    tls::SLOT.try_with(|word| word.replace(new)).unwrap_or(GONE)
}

/// The calling thread's number if it already has one: the fast path.
///
/// # Progress
/// Wait-free: one load of a thread-local word.
#[inline(always)]
pub fn current() -> Option<usize> {
    match tls::SLOT.try_with(Cell::get) {
        Ok(slot) if slot < GONE => Some(slot),
        _ => None,
    }
}

/// As [`current`], as a number that is larger than any slot when the thread has none.
#[inline(always)]
pub fn current_or_max() -> usize {
    tls::SLOT.try_with(Cell::get).unwrap_or(GONE)
}

/// The calling thread's number, claimed now if need be; `None` when the thread is past its exit (its thread-locals are being
/// destroyed): use [`Temporary`] then.
///
/// # Progress
/// Blocking for a moment on the first call of a thread, wait-free afterwards.
pub fn claim_current() -> Option<usize> {
    match tls::SLOT.try_with(Cell::get) {
        Ok(UNSET) => {
            // Arms the destructor first: if that fails the thread is past its exit.
            tls::EXIT.try_with(|_| ()).ok()?;
            let slot = claim();
            slot_word(slot);
            Some(slot)
        }
        Ok(slot) if slot < GONE => Some(slot),
        _ => None,
    }
}

/// The calling thread's name, if it has one.
pub fn thread_name() -> Option<String> {
    crate::sync::thread::current().name().map(str::to_owned)
}

/// Registers `hook` to run when the calling thread ends. `false` when the thread is past its exit.
pub fn on_exit(hook: Weak<dyn ExitHook>) -> bool {
    tls::EXIT
        .try_with(|exit| {
            let mut hooks = exit.hooks.borrow_mut();
            hooks.retain(|hook| hook.strong_count() > 0);
            hooks.push(hook);
        })
        .is_ok()
}

/// A number for the length of one operation of a thread that is past its exit; given back on drop.
#[derive(Debug)]
pub struct Temporary(usize);

impl Temporary {
    /// Claims a number.
    pub fn claim() -> Temporary {
        Temporary(claim())
    }
    /// The number.
    pub fn slot(&self) -> usize {
        self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        give_back(self.0);
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Count(AtomicUsize);
    impl ExitHook for Count {
        fn thread_exits(&self, _slot: usize) -> bool {
            self.0.fetch_add(1, Ordering::SeqCst);
            true
        }
    }

    #[test]
    fn a_number_is_stable_within_a_thread_and_differs_between_live_threads() {
        let mine = claim_current().unwrap();
        assert_eq!(current(), Some(mine));
        let theirs = std::thread::spawn(|| claim_current().unwrap()).join().unwrap();
        assert_ne!(mine, theirs);
    }

    #[test]
    fn hooks_run_once_at_exit() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let weak: Weak<dyn ExitHook> = Arc::downgrade(&count) as Weak<dyn ExitHook>;
        std::thread::spawn(move || {
            claim_current().unwrap();
            assert!(on_exit(weak));
        })
        .join()
        .unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
