//! [`Hazard`]: the collector; pinning, the ends of threads, the end of the last handle.

use crate::hp::guard::Guard;
use crate::hp::hazards::{Hazards, SLOTS};
use crate::hp::local::Local;
use crate::retired::Retired;
use crate::scheme::Scheme;
use std::sync::{Arc, Weak};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::{Mutex, MutexGuard};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};
use stillpoint_primitive::{OwnerCounter, PerThread};

/// What a model may take out of the protocol, to show that it is needed.
#[cfg(stillpoint_loom)]
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// The protocol as it is.
    None,
    /// No light fence after a slot is set.
    NoLightFence,
    /// No heavy fence before a scan.
    NoHeavyFence,
    /// The place is not looked at again after a slot is set.
    NoReload,
}

const DEFAULT_THRESHOLD: usize = 512;

/// A collector of hazard pointers. A cheap handle; the last one dropped reclaims everything that is left.
#[derive(Clone)]
pub struct Hazard {
    pub(crate) inner: Arc<Inner>,
    /// Counts the handles; not `inner`, since a thread that exits holds that one too for a moment.
    _last: Arc<Last>,
}

/// Reclaims everything when the last handle goes.
struct Last {
    inner: Arc<Inner>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.inner.close();
    }
}

/// What exited threads left.
#[derive(Default)]
pub(crate) struct Orphans {
    pub(crate) nodes: Vec<Retired>,
    /// The last handle has gone.
    pub(crate) closed: bool,
}

pub(crate) struct Inner {
    pub(crate) fences: Fences,
    pub(crate) threshold: usize,
    pub(crate) locals: PerThread<Local>,
    /// Blocks that there are.
    blocks: OwnerCounter,
    orphans: Mutex<Orphans>,
    me: Weak<Inner>,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: Mutation,
}

/// Figures of one moment: sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nodes retired and not reclaimed.
    pub unreclaimed: u64,
    /// Nodes retired since the collector was made.
    pub retired: u64,
    /// Scans, each with a heavy fence.
    pub scans: u64,
    /// Slots that there are: the `H` of the bound.
    pub slots: u64,
    /// Thread slots that have ever retired a node: the `T` of the bound.
    pub writers: u64,
}

impl Default for Hazard {
    fn default() -> Self {
        Hazard::new()
    }
}

impl Hazard {
    /// A collector whose threads scan with 512 retired nodes, or twice as many as there are slots.
    ///
    /// # Cost
    /// About 25 KB; as much again for each 64 threads past the 64th.
    pub fn new() -> Self {
        Hazard::with_threshold(DEFAULT_THRESHOLD)
    }

    /// A collector whose threads scan with `nodes` retired nodes, or twice as many as there are slots if that is more: the `R` of the bound.
    /// A scan costs a heavy fence, which a small number makes frequent.
    pub fn with_threshold(nodes: usize) -> Self {
        Hazard::build(nodes, Fences::detect())
    }

    /// As [`new`](Hazard::new), with a `SeqCst` fence a load instead of `membarrier` a scan: for real-time threads, and hosts that
    /// forbid the call.
    pub fn strict() -> Self {
        Hazard::build(DEFAULT_THRESHOLD, Fences::Strict)
    }

    /// A collector of a model, which scans with every node.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn mutated(mutation: Mutation) -> Self {
        Hazard::from_inner(|me| Inner { mutation, ..Inner::new(1, Fences::detect(), me) })
    }

    fn build(threshold: usize, fences: Fences) -> Self {
        Hazard::from_inner(|me| Inner::new(threshold, fences, me))
    }

    fn from_inner(make: impl FnOnce(Weak<Inner>) -> Inner) -> Self {
        let inner = Arc::new_cyclic(|me| make(me.clone()));
        Hazard { _last: Arc::new(Last { inner: inner.clone() }), inner }
    }

    /// Figures of this moment.
    ///
    /// # Cost
    /// O(threads).
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { slots: self.inner.slots() as u64, ..Stats::default() };
        let mut reclaimed = 0;
        for local in self.inner.locals.iter() {
            let retired = local.retired.get();
            stats.retired += retired;
            stats.scans += local.scans.get();
            stats.writers += u64::from(retired > 0);
            reclaimed += local.reclaimed.get();
        }
        stats.unreclaimed = stats.retired.saturating_sub(reclaimed);
        stats
    }

    /// The most nodes that can be unreclaimed, whatever guards do: the formula of the module's page, with as many slots and retiring
    /// threads as have been seen so far.
    pub fn bound(&self) -> u64 {
        (self.stats().writers + 1).saturating_mul(self.inner.full_len() as u64)
    }
}

impl Inner {
    fn new(threshold: usize, fences: Fences, me: Weak<Inner>) -> Self {
        Inner {
            fences,
            threshold: threshold.max(1),
            locals: PerThread::new(),
            blocks: OwnerCounter::new(),
            orphans: Mutex::new(Orphans::default()),
            me,
            #[cfg(stillpoint_loom)]
            mutation: Mutation::None,
        }
    }

    fn slots(&self) -> usize {
        self.blocks.get() as usize * SLOTS
    }

    /// As many retired nodes make a scan: at least half of them are in no slot.
    pub(crate) fn full_len(&self) -> usize {
        self.threshold.max(if cfg!(stillpoint_loom) { 1 } else { 2 * self.slots() })
    }

    pub(crate) fn lock_orphans(&self) -> MutexGuard<'_, Orphans> {
        // Nothing that can panic happens under the lock but allocation, which aborts.
        self.orphans.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What exited threads left, unless somebody has the lock.
    pub(crate) fn try_orphans(&self) -> Vec<Retired> {
        self.orphans
            .try_lock()
            .map_or_else(|_| Vec::new(), |mut orphans| core::mem::take(&mut orphans.nodes))
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> Guard<'_> {
        if let Some(local) = self.locals.get_first(thread_slot::current_or_max())
            && let Some(block) = local.take()
        {
            return Guard::new(self, local, block);
        }
        let (local, block) = self.pin_slow();
        Guard::new(self, local, block)
    }

    #[cold]
    fn pin_slow(&self) -> (&Local, &Hazards) {
        let local = self.own_local();
        let block = local.take().unwrap_or_else(|| {
            self.blocks.add_shared(1);
            local.first.append()
        });
        (local, block)
    }

    /// The calling thread's local, made ready at its first use; for a thread past its exit a temporary one.
    fn own_local(&self) -> &Local {
        if let Some(slot) = thread_slot::claim_current() {
            let local = self.locals.get_or_grow(slot);
            if local.registered.get() {
                return local;
            }
            if thread_slot::on_exit(self.me.clone() as Weak<dyn ExitHook>) {
                self.register(local, slot);
                return local;
            }
        }
        let temporary = Temporary::claim();
        let local = self.locals.get_or_grow(temporary.slot());
        self.register(local, temporary.slot());
        local.is_temporary.set(true);
        local.temporary.replace(Some(temporary));
        local
    }

    fn register(&self, local: &Local, slot: usize) {
        self.locals.mark_used(slot);
        self.blocks.add_shared(u64::from(!local.counted.replace(true)));
        let full = self.full_len();
        // Threads that exit before they ever scan would leave more and more: the next one scans at once.
        let trigger = if self.lock_orphans().nodes.len() < full { full } else { 1 };
        local.appear(trigger);
    }

    /// Runs `f` with the calling thread's local.
    pub(crate) fn with_own_local(&self, f: impl FnOnce(&Local)) {
        let local = self.own_local();
        f(local);
        if local.is_temporary.get() {
            self.leave_temporary(local);
        }
    }

    /// The end of a temporary local.
    #[cold]
    pub(crate) fn leave_temporary(&self, local: &Local) {
        self.leave_nodes(local, &mut self.lock_orphans());
        local.is_temporary.set(false);
        local.vanish();
        drop(local.temporary.take());
    }

    fn leave_nodes(&self, local: &Local, orphans: &mut Orphans) {
        let lists = local.lists.take();
        orphans.nodes.extend(lists.kept);
        orphans.nodes.extend(lists.ready);
    }

    /// The end of the last handle: everything goes. No guard can exist, since guards borrow a handle.
    fn close(&self) {
        let mut orphans = self.lock_orphans();
        orphans.closed = true;
        let mut nodes = core::mem::take(&mut orphans.nodes);
        for local in self.locals.iter() {
            let lists = local.lists.take();
            nodes.extend(lists.kept);
            nodes.extend(lists.ready);
        }
        drop(orphans);
        for node in nodes {
            // SAFETY: no guard exists, so no reader does; each node was in exactly one list.
            unsafe { node.reclaim() };
        }
    }
}

impl ExitHook for Inner {
    fn thread_exits(&self, slot: usize) -> bool {
        let mut orphans = self.lock_orphans();
        if orphans.closed {
            return true;
        }
        let local = self.locals.get_or_grow(slot);
        if !local.registered.get() {
            return true;
        }
        if !local.is_idle() {
            // A guard outlives its thread's exit hooks (it sits in a thread-local): the slot stays its own for good.
            return false;
        }
        self.leave_nodes(local, &mut orphans);
        local.vanish();
        true
    }
}

impl core::fmt::Debug for Hazard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hazard").field("stats", &self.stats()).finish()
    }
}

// SAFETY: the argument of the module's page.
unsafe impl Scheme for Hazard {
    const NAME: &'static str = "hp";
    const ROBUST: bool = true;
    const NEEDS_BIRTH: bool = false;
    const PER_POINTER: bool = true;
    const SLOTS: usize = SLOTS;
    const FROZEN_LINKS_OK: bool = false;

    type Guard<'c> = Guard<'c>;

    #[inline(always)]
    fn pin(&self) -> Guard<'_> {
        self.inner.pin()
    }

    #[inline(always)]
    fn owns(&self, guard: &Guard<'_>) -> bool {
        guard.is_from(&self.inner)
    }

    fn flush(&self) {
        self.inner.with_own_local(|local| self.inner.flush(local));
    }

    fn unreclaimed(&self) -> u64 {
        self.stats().unreclaimed
    }
}
