//! A pool in the child of a `fork`: the threads that do not exist there must not have locked anything, nor be waited for.
//!
//! | of a thread that is gone | becomes |
//! |---|---|
//! | a lock of the pool's | nobody has one: the forking thread takes them all before, in the order in which they nest |
//! | its announcement of a free | over: a close does not wait for it |
//! | what it has in its magazines, or was carrying | lost: it may have been in the middle of changing them |
//! | its share in the number of blocks in use | off by what it was moving, so the last block does not free the core: it stays |
//! | its thread's number | never given out again in the child |
//!
//! Invariant: a fork finds the core as long as there is one, which may be longer than there are handles. [`Survivor`] says where it is, under a
//! lock that a fork holds, and the end of the core takes before.

use crate::core::Core;
use crate::local::UNREGISTERED;
use std::any::Any;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::fork::{ForkHook, on_fork};
use stillpoint_primitive::thread_slot;

/// What forks know of a core; the core's, and a fork's while one is under way.
#[derive(Default)]
pub(crate) struct Survivor {
    core: Mutex<Option<NonNull<Core>>>,
}

// SAFETY: a core is made for sharing.
unsafe impl Send for Survivor {}
// SAFETY: as above.
unsafe impl Sync for Survivor {}

impl Survivor {
    /// From now on forks find `core`, whose own this is.
    pub(crate) fn watch(self: &Arc<Self>, core: NonNull<Core>) {
        *self.lock() = Some(core);
        // Where there is no fork nothing is to be survived.
        on_fork(Arc::downgrade(self) as Weak<dyn ForkHook>);
    }

    /// The core is about to go. Waits for a fork under way.
    pub(crate) fn forget_core(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<NonNull<Core>>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ForkHook for Survivor {
    fn hold(&self) -> Option<Box<dyn Any>> {
        // SAFETY: the hook stays until what this returns has been dropped.
        let core = unsafe { NonNull::from(self).as_ref() }.lock();
        // SAFETY: there while the lock is held, which is dropped after the core's own.
        let locks = core.map(|core| unsafe { core.as_ref() }.hold());
        Some(Box::new((locks, core)))
    }

    fn forked(&self) {
        if let Some(core) = *self.lock() {
            // SAFETY: there while the lock is held.
            unsafe { core.as_ref() }.forget_other_threads();
        }
    }
}

impl Core {
    /// Takes every lock there is.
    pub(crate) fn hold(&'static self) -> Box<dyn Any> {
        let registry = self.registry();
        let trimming = self.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let slabs = self.slabs();
        let depots: Vec<_> = self.depots.iter().map(|depot| depot.hold()).collect();
        let segments = self.segments.lock();
        let quarantine = self.quarantine.as_ref().map(|quarantine| quarantine.free());
        Box::new((registry, trimming, slabs, depots, segments, quarantine))
    }

    /// Called in the child, by its only thread.
    pub(crate) fn forget_other_threads(&self) {
        // The registration for `membarrier` is the process's.
        let _ = Fences::detect();
        let own = thread_slot::current_or_max();
        // A free of a block of the first slots' announces itself before it looks whether its thread has joined.
        for (_, local) in self.locals.first().iter().enumerate().filter(|(slot, _)| *slot != own) {
            local.freeing.forget();
        }
        let mut others = 0;
        for (slot, local) in self.locals.iter().enumerate() {
            if slot != own && local.state() != UNREGISTERED {
                local.freeing.forget();
                local.set_state(UNREGISTERED);
                others += 1;
            }
        }
        if others > 0 {
            self.remaining.forgo();
        }
    }
}
