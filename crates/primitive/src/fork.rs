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
    use std::cell::RefCell;
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

    thread_local! {
        static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    }

    /// Lets go of everything; returns the hooks.
    fn let_go() -> Vec<Arc<dyn ForkHook>> {
        let held = HELD.try_with(|cell| cell.borrow_mut().take()).ok().flatten();
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
        // A thread whose thread-locals are gone forks without holding anything.
        let _ = HELD.try_with(|cell| *cell.borrow_mut() = Some(held));
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
