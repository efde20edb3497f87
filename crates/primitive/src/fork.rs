//! What is to be done in a child after `fork`: threads of the parent do not exist there, their per-thread state does.
//!
//! ```text
//! fork()  prepare: take HOOKS, what hooks hold, and the registry of thread numbers ─┬─ parent: let go
//!                                                                                   └─ child: let go, run the hooks
//! ```
//! 1. Handlers are installed once, by the first [`on_fork`], and stay; nothing is installed before.
//! 2. All these locks are held across the fork, so in the child they are in order and free. A hook's come before the registry's, since
//!    whoever holds one of them may ask for its thread's number.
//! 3. Numbers of the threads that are gone are not given out again in the child: who keeps state by number may not know of the fork.
//! 4. `HELD` belongs to whoever has HOOKS, which is to say to the one fork under way. It is no thread-local, since a thread whose
//!    thread-locals are gone may fork too.

use std::any::Any;
use std::sync::Weak;

/// Told in the child of a fork.
pub trait ForkHook: Send + Sync {
    /// This thread is about to fork. What it returns (guards of locks) is dropped by the same thread after the fork, in the parent and in
    /// the child, where [`forked`](ForkHook::forked) comes next; the hook stays until then. Must not call [`on_fork`].
    fn hold(&self) -> Option<Box<dyn Any>> {
        None
    }

    /// This process is a child that has just been forked; the calling thread is its only one. Must not call [`on_fork`].
    fn forked(&self);
}

/// Runs `hook` in every child from now on. `false` where there is no fork (or under a model checker).
pub fn on_fork(hook: Weak<dyn ForkHook>) -> bool {
    handlers::add(hook)
}

#[cfg(all(unix, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod handlers {
    use super::ForkHook;
    use crate::thread_slot::RegistryHold;
    use std::any::Any;
    use std::cell::UnsafeCell;
    use std::sync::{Arc, Mutex, MutexGuard, Weak};

    #[derive(Default)]
    struct Hooks {
        installed: bool,
        list: Vec<Weak<dyn ForkHook>>,
    }

    static HOOKS: Mutex<Hooks> = Mutex::new(Hooks { installed: false, list: Vec::new() });

    /// The locks that the forking thread holds meanwhile, and whose they are.
    struct Held {
        holds: Vec<Option<Box<dyn Any>>>,
        owners: Vec<Arc<dyn ForkHook>>,
        registry: RegistryHold,
        hooks: MutexGuard<'static, Hooks>,
    }

    /// See invariant 4 of the file.
    struct OfTheFork(UnsafeCell<Option<Held>>);
    // SAFETY: touched by the forking thread only, while it has the lock of HOOKS; what is in it stays on that thread.
    unsafe impl Sync for OfTheFork {}

    static HELD: OfTheFork = OfTheFork(UnsafeCell::new(None));

    /// Replaces what the fork under way holds.
    ///
    /// # Safety
    /// The calling thread has the lock of HOOKS, directly or in what is there.
    unsafe fn exchange(held: Option<Held>) -> Option<Held> {
        // SAFETY: the caller's promise: nobody else comes here meanwhile.
        unsafe { HELD.0.get().replace(held) }
    }

    /// Lets go of everything; returns the hooks.
    fn let_go() -> Vec<Arc<dyn ForkHook>> {
        // SAFETY: called after the fork by the thread for which `prepare` took the lock and put it there.
        let held = unsafe { exchange(None) };
        let Some(Held { holds, owners, registry, hooks }) = held else { return Vec::new() };
        // What owners do when they go is not to meet a lock of ours.
        drop((holds, registry, hooks));
        owners
    }

    fn lock() -> MutexGuard<'static, Hooks> {
        HOOKS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn add(hook: Weak<dyn ForkHook>) -> bool {
        let mut hooks = lock();
        if !hooks.installed {
            // SAFETY: the handlers are functions of this program, and stay.
            let failed = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
            if failed != 0 {
                return false;
            }
            hooks.installed = true;
        }
        hooks.list.retain(|hook| hook.strong_count() > 0);
        hooks.list.push(hook);
        true
    }

    extern "C" fn prepare() {
        let hooks = lock();
        let owners: Vec<_> = hooks.list.iter().filter_map(Weak::upgrade).collect();
        let holds = owners.iter().map(|owner| owner.hold()).collect();
        let held = Held { holds, owners, registry: RegistryHold::take(), hooks };
        // SAFETY: the lock is `held.hooks`.
        let before = unsafe { exchange(Some(held)) };
        debug_assert!(before.is_none(), "the fork before has let go");
    }

    extern "C" fn parent() {
        drop(let_go());
    }

    extern "C" fn child() {
        for hook in let_go() {
            hook.forked();
        }
    }
}

#[cfg(not(all(unix, not(any(stillpoint_loom, stillpoint_shuttle)))))]
mod handlers {
    pub(super) fn add(_hook: std::sync::Weak<dyn super::ForkHook>) -> bool {
        false
    }
}
