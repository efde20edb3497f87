//! Small dense numbers for threads, given back at exit: the only process-wide state of Stillpoint, beside the list of
//! [fork hooks](crate::fork).
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
//!            KEPT (plain TLS word) ── n ──────▶ the number that it had, if a hook kept that from being given back
//! ```

use alloc::string::String;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
#[cfg(stillpoint_loom)]
use loom as checker;
#[cfg(all(stillpoint_shuttle, not(stillpoint_loom)))]
use shuttle as checker;

/// Told when a thread that registered with [`on_exit`] ends.
pub trait ExitHook: Send + Sync {
    /// The thread with number `slot` is about to give it back. Runs on that thread; must not call [`on_exit`]. `false` keeps the
    /// number from ever being reused, because something of the thread still uses it.
    fn thread_exits(&self, slot: usize) -> bool;
}

const UNSET: usize = usize::MAX;
const GONE: usize = usize::MAX - 1;

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
mod registry {
    use crate::sync::{Mutex, MutexGuard};
    use alloc::collections::BTreeSet;
    use alloc::string::String;
    use alloc::vec::Vec;

    struct Registry {
        free: BTreeSet<usize>,
        /// One for every number ever given out: the name of the thread that has it.
        names: Vec<Option<String>>,
    }

    static REGISTRY: Mutex<Registry> =
        Mutex::new(Registry { free: BTreeSet::new(), names: Vec::new() });

    /// The registry, locked: nobody takes or gives back a number meanwhile.
    #[cfg(feature = "std")]
    pub(crate) struct RegistryHold(
        #[expect(dead_code, reason = "held, not used")] MutexGuard<'static, Registry>,
    );

    #[cfg(feature = "std")]
    impl RegistryHold {
        pub(crate) fn take() -> RegistryHold {
            RegistryHold(lock())
        }
    }

    fn lock() -> MutexGuard<'static, Registry> {
        REGISTRY.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn claim(name: Option<String>) -> usize {
        let mut registry = lock();
        let slot = registry.free.pop_first().unwrap_or(registry.names.len());
        if slot == registry.names.len() {
            registry.names.push(None);
        }
        registry.names[slot] = name;
        slot
    }

    pub(super) fn give_back(slot: usize) {
        let mut registry = lock();
        registry.names[slot] = None;
        registry.free.insert(slot);
    }

    pub(super) fn name_of(slot: usize) -> Option<String> {
        lock().names.get(slot).cloned().flatten()
    }
}

/// Every execution of a model counts from 0 and reuses nothing, so that all of them see the same numbers.
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod registry {
    use super::checker;
    use core::cell::Cell;

    struct Next(Cell<usize>);
    // SAFETY: the threads of a model take turns on one thread of the system.
    unsafe impl Sync for Next {}

    checker::lazy_static! {
        static ref NEXT: Next = Next(Cell::new(0));
    }

    pub(super) fn claim(_name: Option<String>) -> usize {
        NEXT.0.replace(NEXT.0.get() + 1)
    }

    pub(super) fn give_back(_slot: usize) {}

    pub(super) fn name_of(_slot: usize) -> Option<String> {
        None
    }
}

#[cfg(all(feature = "std", unix, not(any(stillpoint_loom, stillpoint_shuttle))))]
pub(crate) use registry::RegistryHold;
use registry::{claim, give_back};

struct Exit {
    hooks: RefCell<Vec<Weak<dyn ExitHook>>>,
    /// The number; here too, since a model's thread-locals go all at once.
    slot: Cell<usize>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        slot_word(GONE);
        let slot = self.slot.get();
        if slot >= GONE {
            return;
        }
        if run_hooks(&self.hooks.take(), slot) {
            give_back(slot);
        } else {
            let _ = tls::KEPT.try_with(|word| word.set(slot));
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

/// Without `std` every thread is as one past its exit: nothing is known of it.
#[cfg(not(feature = "std"))]
mod tls {
    use super::*;
    use core::marker::PhantomData;

    pub(super) struct Nothing<T>(PhantomData<fn(T)>);

    impl<T> Nothing<T> {
        pub(super) fn try_with<R>(&self, _use: impl FnOnce(&T) -> R) -> Result<R, ()> {
            Err(())
        }
    }

    pub(super) static SLOT: Nothing<Cell<usize>> = Nothing(PhantomData);
    pub(super) static KEPT: Nothing<Cell<usize>> = Nothing(PhantomData);
    pub(super) static EXIT: Nothing<Exit> = Nothing(PhantomData);
}
#[cfg(all(feature = "std", not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tls {
    use super::*;
    thread_local! {
        pub(super) static SLOT: Cell<usize> = const { Cell::new(UNSET) };
        pub(super) static KEPT: Cell<usize> = const { Cell::new(UNSET) };
        pub(super) static EXIT: Exit = const { Exit { hooks: RefCell::new(Vec::new()), slot: Cell::new(UNSET) } };
    }
}
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
mod tls {
    use super::*;
    checker::thread_local! {
        pub(super) static SLOT: Cell<usize> = Cell::new(UNSET);
        pub(super) static KEPT: Cell<usize> = Cell::new(UNSET);
        pub(super) static EXIT: Exit = Exit { hooks: RefCell::new(Vec::new()), slot: Cell::new(UNSET) };
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

/// The calling thread's number, or the one that it had when it passed its exit if a hook has [kept](ExitHook::thread_exits) that; a number
/// larger than any slot when there is neither.
///
/// # Progress
/// Wait-free.
pub fn current_or_kept() -> usize {
    current().unwrap_or_else(|| tls::KEPT.try_with(Cell::get).unwrap_or(UNSET))
}

/// Whether the calling thread is past its exit: what it does goes by a [`Temporary`] number.
///
/// # Progress
/// Wait-free.
pub fn is_past_exit() -> bool {
    current_or_max() == GONE
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
            let slot = tls::EXIT.try_with(|exit| {
                let slot = claim(thread_name());
                exit.slot.set(slot);
                slot
            });
            let slot = slot.ok()?;
            slot_word(slot);
            Some(slot)
        }
        Ok(slot) if slot < GONE => Some(slot),
        _ => None,
    }
}

/// The name of the thread that has the number `slot`, if it has one. (Not under a model checker.)
///
/// # Progress
/// Blocking for a moment: the registry's lock.
pub fn name_of(slot: usize) -> Option<String> {
    registry::name_of(slot)
}

fn thread_name() -> Option<String> {
    #[cfg(feature = "std")]
    return crate::sync::thread::current().name().map(str::to_owned);
    #[cfg(not(feature = "std"))]
    None
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
        Temporary(claim(None))
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

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
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
    fn a_thread_is_known_by_name_while_it_has_its_number() {
        let named = std::thread::Builder::new().name("worker".into());
        let (slot, name) = named
            .spawn(|| claim_current().map(|slot| (slot, name_of(slot))).unwrap())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(name.as_deref(), Some("worker"));
        let temporary = Temporary::claim();
        assert!(temporary.slot() != slot || name_of(slot).is_none());
        assert_eq!(name_of(usize::MAX), None);
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
