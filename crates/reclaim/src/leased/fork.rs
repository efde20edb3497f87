//! A collector in the child of a `fork`: the threads that do not exist there must not hold back or lock anything.
//!
//! | of a thread that is gone | becomes |
//! |---|---|
//! | its reservation | absent: it holds back nothing |
//! | a participant | kept as it was, bags and all: it may be the forking thread's |
//! | a temporary slot | kept as it was if the forking thread is past its thread-locals' end: it may be its own; else as the rest |
//! | its bags | leaked: it may have been in the middle of changing them; [`Stats::abandoned`](crate::Stats::abandoned) counts their nodes |
//! | its thread's number | never given out again in the child |
//! | the lock of the collector's end | given up if it held it: then threads that exit keep their bags until the collector's end |
//!
//! Tag: `[lost]`: all accesses Relaxed; set while the process has one thread.

use crate::leased::collector::{Collector, Inner};
use crate::leased::local::{Bags, Local, TEMPORARY, UNREGISTERED};
use core::cell::RefCell;
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::fork::ForkHook;
use stillpoint_primitive::sync::Mutex;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_primitive::thread_slot;
use stillpoint_primitive::thread_slot::Temporary;

impl Collector {
    /// Makes the collector usable in the child of a `fork`, in which only the forking thread exists: what other threads held back or
    /// had locked is let go, what they had retired themselves is leaked, unless it was in common hands already.
    ///
    /// [`Builder::survive_fork`](crate::Builder::survive_fork) calls it by itself, and keeps other threads from taking or giving back their
    /// number at the moment of the fork, which otherwise would leave the registry of numbers locked in the child.
    /// Background threads do not exist in the child; start new ones.
    ///
    /// # Safety
    /// Called in a child, before it starts another thread, by the thread that forked.
    ///
    /// # Examples
    /// ```no_run
    /// # fn fork() -> i32 { 0 }
    /// let collector = stillpoint_reclaim::Collector::new();
    /// if fork() == 0 {
    ///     // SAFETY: just forked, no other thread yet.
    ///     unsafe { collector.after_fork_in_child() };
    ///     drop(collector.pin());
    /// }
    /// ```
    pub unsafe fn after_fork_in_child(&self) {
        self.inner.forget_other_threads();
    }
}

impl ForkHook for Inner {
    fn forked(&self) {
        self.forget_other_threads();
    }
}

impl Inner {
    fn forget_other_threads(&self) {
        // The registration for `membarrier` is the process's.
        let _ = Fences::detect();
        for local in self.locals_of_others() {
            local.abandon();
        }
        self.dismiss_all();
        // Relaxed [lost]: the process has one thread.
        self.fencing.store(false, Ordering::Relaxed);
        // Relaxed [lost]: as above.
        self.lock_lost.store(is_stuck(&self.closed), Ordering::Relaxed);
        self.count_abandoned();
    }

    /// Locals of threads that are gone; none that may be the calling thread's.
    fn locals_of_others(&self) -> impl Iterator<Item = &Local> {
        let (own, past_exit) = (thread_slot::current_or_kept(), thread_slot::is_past_exit());
        let locals = self.locals.iter().enumerate().filter(move |(slot, _)| *slot != own);
        locals.map(|(_, local)| local).filter(move |local| {
            let state = local.state.get();
            let temporary = state != UNREGISTERED && state & TEMPORARY != 0;
            !(local.explicit.get() || past_exit && temporary)
        })
    }

    /// Notes how many nodes are in nobody's hands any more.
    fn count_abandoned(&self) {
        let mut backlog = crate::leased::backlog::Backlog::default();
        self.backlogs.take_all(&mut backlog);
        let (mut nodes, mut bytes) = backlog.size();
        // Those of `locals_of_others` have none.
        for (in_bags, bytes_in_bags) in self.locals.iter().map(Local::in_bags) {
            nodes += in_bags;
            bytes += bytes_in_bags;
        }
        let (unreclaimed, unreclaimed_bytes) = self.unreclaimed();
        self.abandoned.add_shared(unreclaimed.saturating_sub(nodes));
        self.abandoned_bytes.add_shared(unreclaimed_bytes.saturating_sub(bytes));
        if !backlog.is_empty()
            && let Err(backlog) = self.backlogs.push(backlog)
        {
            // Cannot happen in a process of one thread; a leak is the worst of it.
            core::mem::forget(backlog);
        }
    }
}

/// Whether nobody will ever unlock it: asked while the process has one thread.
fn is_stuck(lock: &Mutex<bool>) -> bool {
    lock.try_lock().is_err()
}

impl Local {
    /// Makes the slot one that nobody has.
    fn abandon(&self) {
        self.reservation.vanish();
        self.guard_name.set(None);
        self.state.set(UNREGISTERED);
        self.count_bags_as((0, 0));
        // SAFETY: the owner is gone and nobody else uses it. It may have left the old value in the middle of a change, so that is not
        // dropped; all of it is made of cells.
        unsafe { (&raw const self.bags).cast_mut().write(RefCell::<Bags>::default()) };
        // SAFETY: as above; a number is not given back, see `primitive::fork`.
        unsafe {
            (&raw const self.temporary).cast_mut().write(RefCell::<Option<Temporary>>::new(None))
        };
    }
}
