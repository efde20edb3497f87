//! [`Collector`]: the epoch, the locals of all threads, the orphans; pinning.
//!
//! Tags: `[epoch]` Relaxed and Acquire loads of the epoch (monotone, see the crate's argument) and the Release CAS of a tick;
//! `[lost]`: see `fork`.

use crate::epoch::Epoch;
#[cfg(feature = "std")]
use crate::leased::background::{BackgroundBuilder, Signal};
use crate::leased::backlog::BacklogStack;
use crate::leased::builder::Builder;
use crate::leased::guard::Guard;
use crate::leased::limits::Watch;
use crate::leased::local::{Local, Locals, TEMPORARY, UNREGISTERED};
use crate::leased::reservation::IDLE;
use crate::leased::stats::Stats;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::time::Instant;
use stillpoint_primitive::fence::Fences;
#[cfg(feature = "std")]
use stillpoint_primitive::fork;
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stillpoint_primitive::sync::{Mutex, MutexGuard};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};
use stillpoint_primitive::{CachePadded, OwnerCounter};

/// What a model may take out of the protocol, to show that it is needed.
#[cfg(stillpoint_loom)]
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// The protocol as it is.
    None,
    /// No light fence after announcing at pin.
    NoPinFence,
    /// No light fence after a renewal.
    NoRenewFence,
    /// Loads do not test the epoch against the lease.
    NoLoadTest,
    /// An interior load extends the lease in place instead of restarting.
    ExtendInPlace,
    /// A bag's retire epoch is read without a fence after the unlinking.
    NoSealFence,
    /// No fence at all on the reclaimer's side: in a model every fence is a SeqCst one, so the one before sealing would stand in
    /// for the heavy one.
    NoHeavyFence,
}

/// The longest lease that one can ask for: an epoch added to it does not overflow.
const MAX_LEASE_TICKS: u64 = 1 << 62;

/// Bags a writing thread may have beside what the formula counts in epochs: open, sealed and ready ones (see `sweep`), and two whose nodes
/// were unlinked before a reader's pin, but are retired in its first epoch or later: the open one, and one sealed in that epoch (a thread
/// that seals a second one moves the epoch on).
pub(crate) const PIPELINE_BAGS: u64 = crate::leased::sweep::OWN_BAGS as u64 + 2;

/// A domain of reclamation: guards of one collector protect nodes retired in the same one. A cheap handle; the last one dropped
/// reclaims everything that is left.
///
/// Nothing is process-wide: a structure, a test or a store has a collector of its own, and its nodes may hold data that is not
/// `'static` as long as the collector goes first.
#[derive(Clone)]
pub struct Collector {
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

pub(crate) struct Inner {
    epoch: CachePadded<AtomicU64>,
    pub(crate) name: Option<Arc<str>>,
    /// When the collector was made: ages are counted from here.
    #[cfg(feature = "std")]
    pub(crate) made: Instant,
    pub(crate) fences: Fences,
    pub(crate) lease_ticks: u64,
    pub(crate) max_lease_ticks: u64,
    pub(crate) batch_len: usize,
    pub(crate) locals: Locals,
    /// Bags retired before this epoch may be swept: the epoch as read before the latest heavy fence.
    pub(crate) fenced: CachePadded<AtomicU64>,
    pub(crate) fencing: AtomicBool,
    pub(crate) backlogs: BacklogStack,
    pub(crate) limits: Vec<Watch>,
    pub(crate) reclaim_on_retire: bool,
    pub(crate) ask_ahead: Option<fn(*const u8)>,
    /// Of the background threads.
    #[cfg(feature = "std")]
    pub(crate) signals: std::sync::Mutex<Vec<Weak<Signal>>>,
    /// Whether the last handle has gone. Held by a thread that exits while it posts its bags, and by the last handle while it takes
    /// the bags of all threads: each node is reclaimed by the end of the last handle, or before.
    pub(crate) closed: Mutex<bool>,
    /// A thread held `closed` that a fork has not taken along.
    pub(crate) lock_lost: AtomicBool,
    /// Nodes and bytes that a fork has left in nobody's hands.
    pub(crate) abandoned: OwnerCounter,
    pub(crate) abandoned_bytes: OwnerCounter,
    /// Guards that went on past their cap.
    pub(crate) overdrafts: OwnerCounter,
    me: Weak<Inner>,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: Mutation,
}

/// A handle of a [`Collector`] that does not keep it: see [`Collector::downgrade`].
#[derive(Clone)]
pub struct WeakCollector {
    last: Weak<Last>,
}

impl WeakCollector {
    /// The collector, if a handle of it is left.
    pub fn upgrade(&self) -> Option<Collector> {
        let last = self.last.upgrade()?;
        Some(Collector { inner: last.inner.clone(), _last: last })
    }
}

impl core::fmt::Debug for WeakCollector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WeakCollector").finish_non_exhaustive()
    }
}

impl Default for Collector {
    fn default() -> Self {
        Collector::new()
    }
}

impl Collector {
    /// A collector with the default settings.
    ///
    /// # Cost
    /// About 33 KB; as much again for each 64 threads past the 64th. A thread's first retirement takes 8 KiB for its open bag, its first sweep 32 KiB for what
    /// it finds ready; they go with the thread, or the collector.
    pub fn new() -> Self {
        Builder::default().build()
    }

    /// Settings first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_builder(builder: Builder) -> Self {
        let fences = builder.fences.unwrap_or_else(Fences::detect);
        let lease_ticks = builder.lease_ticks.min(MAX_LEASE_TICKS);
        let inner = Arc::new_cyclic(|me| Inner {
            epoch: CachePadded::new(AtomicU64::new(1)),
            name: builder.name,
            #[cfg(feature = "std")]
            made: Instant::now(),
            fences,
            lease_ticks,
            max_lease_ticks: builder.max_lease_ticks.map_or(u64::MAX, |cap| cap.max(lease_ticks)),
            batch_len: builder.batch_len,
            locals: Locals::new(),
            fenced: CachePadded::new(AtomicU64::new(0)),
            fencing: AtomicBool::new(false),
            backlogs: BacklogStack::new(),
            limits: builder.limits,
            reclaim_on_retire: builder.reclaim_on_retire,
            ask_ahead: builder.ask_ahead,
            #[cfg(feature = "std")]
            signals: std::sync::Mutex::default(),
            closed: Mutex::new(false),
            lock_lost: AtomicBool::new(false),
            abandoned: OwnerCounter::new(),
            abandoned_bytes: OwnerCounter::new(),
            overdrafts: OwnerCounter::new(),
            me: me.clone(),
            #[cfg(stillpoint_loom)]
            mutation: builder.mutation,
        });
        #[cfg(feature = "std")]
        if builder.survive_fork {
            fork::on_fork(inner.me.clone() as Weak<dyn fork::ForkHook>);
        }
        Collector { _last: Arc::new(Last { inner: inner.clone() }), inner }
    }

    /// Pins the calling thread: what is loaded through the guard stays allocated while the guard lives. Guards nest.
    ///
    /// # Progress
    /// Wait-free after the thread's first pin; no processor fence where `membarrier` is at hand, else one. On a thread whose thread-locals are gone each
    /// outermost pin takes the registry's lock.
    ///
    /// # Cost
    /// Two stores to the thread's own line; where there is no `membarrier`, the second is an exchange (x86-64), or a fence follows.
    #[inline]
    pub fn pin(&self) -> Guard<'_> {
        self.inner.pin()
    }

    /// As [`pin`](Collector::pin), and gives the reservation a name, by which [`stats`](Collector::stats) and limit callbacks call it
    /// when it is the oldest. Inside another guard of this thread, whose reservation it shares, the name given first stays.
    ///
    /// # Progress
    /// As [`pin`](Collector::pin).
    ///
    /// # Cost
    /// Four more stores, and the name taken off again when the guard goes.
    ///
    /// # Examples
    /// ```
    /// let collector = stillpoint_reclaim::Collector::builder().name("orders").build();
    /// let guard = collector.pin_named("monthly report");
    /// let stats = collector.stats();
    /// assert_eq!(stats.oldest.and_then(|oldest| oldest.name), Some("monthly report"));
    /// # drop(guard);
    /// ```
    pub fn pin_named(&self, name: &'static str) -> Guard<'_> {
        let guard = self.inner.pin();
        if !guard.is_named() {
            guard.set_name(name);
        }
        guard
    }

    /// Pins with a reservation without end: loads never expire, and nothing retired from now on is reclaimed until the guard goes,
    /// as under plain epochs. For structures whose traversals cannot restart.
    ///
    /// # Progress
    /// As [`pin`](Collector::pin).
    pub fn pin_classic(&self) -> Guard<'_> {
        let guard = self.inner.pin();
        guard.make_classic();
        guard
    }

    /// The birth of a node that is made outside any guard: the current epoch.
    ///
    /// # Progress
    /// Wait-free after the thread's first call of anything here.
    pub fn birth(&self) -> Epoch {
        let epoch = self.inner.epoch();
        match self.inner.locals.get(thread_slot::current_or_max()) {
            Some(local) if local.state.get() != UNREGISTERED => {
                self.inner.count_birth(local, epoch);
            }
            // Uncounted births would be outside the bound.
            _ => self.inner.with_own_local(|local| self.inner.count_birth(local, epoch)),
        }
        Epoch::from_raw(epoch)
    }

    /// Reclaims whatever no live reservation holds back of the nodes that this thread, or a thread that has exited, retired, and of
    /// those that any reader has held back. What other live threads have in their bags (at most `10·R` nodes each) is theirs to flush.
    ///
    /// # Progress
    /// Blocking: a heavy fence and destructors, again for as long as destructors retire more.
    pub fn flush(&self) {
        self.inner.with_own_local(|local| self.inner.flush(local));
    }

    /// Does a share of what a [`flush`](Collector::flush) does: reclaims up to `nodes` nodes of this thread's bags and of what readers have held back, once; nothing, and no
    /// fence, if there are none. What is ready beyond that is left to whoever sweeps next. How many went.
    ///
    /// # Progress
    /// Blocking: a heavy fence and destructors. Of what readers have held back, all that may have been let go is looked at, whatever `nodes` is.
    pub fn reclaim(&self, nodes: usize) -> usize {
        self.reclaim_while(nodes, nodes, || true)
    }

    /// As [`reclaim`](Collector::reclaim), behind one fence, for a thread that shares its core or is waited for: after each `step` nodes it asks `may_go_on`. What is
    /// left if it may not lies ready with this thread, which goes on with it, without another fence, when it calls again for no more than that or retires more.
    ///
    /// # Progress
    /// As [`reclaim`](Collector::reclaim).
    pub fn reclaim_while(
        &self,
        nodes: usize,
        step: usize,
        may_go_on: impl FnMut() -> bool,
    ) -> usize {
        let mut reclaimed = 0;
        self.inner.with_own_local(|local| {
            let before = local.reclaimed.get();
            self.inner.maintain(local, nodes, step, may_go_on);
            reclaimed = local.reclaimed.get() - before;
        });
        reclaimed as usize
    }

    /// Leaves what this thread has retired to whoever sweeps next, a background thread for instance: for a thread that is about to be
    /// idle for long. (A thread that exits does so by itself.)
    ///
    /// # Progress
    /// Wait-free, but for the allocator.
    pub fn hand_over(&self) {
        self.inner.with_own_local(|local| self.inner.post_bags(local));
    }

    /// A thread that reclaims what no thread in particular is about to: what readers have held back, what exited threads left, what was
    /// [handed over](Collector::hand_over); with [`reclaim_on_retire(false)`](Builder::reclaim_on_retire) everything.
    #[cfg(feature = "std")]
    pub fn background(&self) -> BackgroundBuilder {
        BackgroundBuilder::new(self.clone())
    }

    /// A handle that does not keep the collector: for callbacks, and for what the collector's own nodes refer to.
    pub fn downgrade(&self) -> WeakCollector {
        WeakCollector { last: Arc::downgrade(&self._last) }
    }

    /// Figures of this moment.
    ///
    /// # Cost
    /// O(threads), and a lock for the oldest guard's name.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// The most nodes that can be unreclaimed behind one guard that stalls without having renewed its lease, when `live_at_pin` nodes
    /// were reachable at its pin: the formula in the crate's docs, with as many writing threads as have been seen so far. For a guard that
    /// goes on loading see [`bound_at_cap`](Collector::bound_at_cap).
    pub fn bound(&self, live_at_pin: u64) -> u64 {
        self.bound_for_span(live_at_pin, self.inner.lease_ticks)
    }

    /// As [`bound`](Collector::bound), for one guard at the longest lease that there is: whatever it does, as long as nothing that cannot fail
    /// makes it go on past the cap. `u64::MAX` without a cap.
    pub fn bound_at_cap(&self, live_at_pin: u64) -> u64 {
        self.bound_for_span(live_at_pin, self.inner.max_lease_ticks)
    }

    /// As [`bound`](Collector::bound), for a guard whose reservation spans `span_ticks` epochs beyond its first.
    pub fn bound_for_span(&self, live_at_pin: u64, span_ticks: u64) -> u64 {
        let figures = self.stats();
        let per_epoch = self.inner.batch_len as u64 * figures.writers;
        live_at_pin
            .saturating_add(span_ticks.saturating_add(1 + PIPELINE_BAGS).saturating_mul(per_epoch))
    }

    /// Whether leases have a cap ([`Builder::max_lease_ticks`]), as they do by default: then [`Guard::retrying`] can fail.
    pub fn is_capped(&self) -> bool {
        self.inner.max_lease_ticks != u64::MAX
    }

    pub(crate) fn is(&self, inner: &Inner) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.inner), inner)
    }
}

impl Inner {
    /// The current epoch.
    #[inline(always)]
    pub(crate) fn epoch(&self) -> u64 {
        // Relaxed [epoch]: monotone; a stale value is older, which is only conservative, and coherence makes it at least the birth
        // of any node acquired before.
        self.epoch.load(Ordering::Relaxed)
    }

    /// The current epoch, for a reservation: pointers are loaded after it.
    #[inline(always)]
    fn epoch_to_announce(&self) -> u64 {
        // Acquire [epoch]: whoever retired in an earlier epoch unlinked before the tick; the light fence of `Asymmetric` alone would
        // let a weakly ordered processor load a pointer first and the epoch second.
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts a birth in `epoch`. The thread's `R`-th birth in one epoch moves the epoch on.
    #[inline]
    pub(crate) fn count_birth(&self, local: &Local, epoch: u64) {
        let births = local.births.add(1);
        if local.birth_epoch.replace(epoch) != epoch {
            local.births_before.set(births - 1);
        }
        if births - local.births_before.get() >= self.batch_len as u64 {
            self.tick_from(epoch);
        }
    }

    /// Moves the epoch on from `seen`; somebody else having done so is as good.
    pub(crate) fn tick_from(&self, seen: u64) {
        // Release [epoch]: part of the order that the crate's argument 1 speaks of; Relaxed [epoch] on failure: nothing is learnt.
        let _ = self.epoch.compare_exchange(seen, seen + 1, Ordering::Release, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> Guard<'_> {
        let slot = thread_slot::current_or_max();
        // Slots past the first segment, and threads that have none, go the slow way.
        if slot < Locals::FIRST_LEN {
            // SAFETY: checked just now, against a constant; the first segment never has another length.
            let local = unsafe { self.locals.get_first_unchecked(slot) };
            // IDLE says three things at once: registered, not pinned, no flags.
            if local.reservation.own_lower() == IDLE {
                return Guard::new(self, local, self.announce(local));
            }
        }
        let local = self.pin_slow();
        Guard::new(self, local, local.reservation.own_upper())
    }

    /// Publishes a reservation from the current epoch on, makes it count, and returns its upper end.
    #[inline(always)]
    pub(crate) fn announce(&self, local: &Local) -> u64 {
        let epoch = self.epoch_to_announce();
        // Neither comes near 2^63.
        let upper = epoch.wrapping_add(self.lease_ticks);
        #[cfg(stillpoint_loom)]
        if self.mutation == Mutation::NoPinFence {
            local.reservation.publish_unfenced(epoch, upper);
            return upper;
        }
        local.reservation.publish(self.fences, epoch, upper);
        upper
    }

    /// Pins and returns the local; its reservation's upper end is the guard's lease.
    #[cold]
    fn pin_slow(&self) -> &Local {
        let local = self.own_local();
        if local.reservation.own_lower() == IDLE {
            self.announce(local);
        } else {
            local.nest();
        }
        local
    }

    /// The calling thread's local, made ready at its first use. For a thread whose thread-locals are being destroyed: a temporary
    /// one, to be given back by [`leave_temporary`](Inner::leave_temporary).
    fn own_local(&self) -> &Local {
        if let Some(slot) = thread_slot::claim_current() {
            let local = self.locals.get_or_grow(slot);
            if local.state.get() != UNREGISTERED {
                return local;
            }
            if thread_slot::on_exit(self.me.clone() as Weak<dyn ExitHook>) {
                self.register(local, slot, 0);
                return local;
            }
        }
        let temporary = Temporary::claim();
        let local = self.locals.get_or_grow(temporary.slot());
        self.register(local, temporary.slot(), TEMPORARY);
        local.temporary.replace(Some(temporary));
        local
    }

    /// Runs `f` with the calling thread's local, without announcing anything.
    pub(crate) fn with_own_local(&self, f: impl FnOnce(&Local)) {
        let local = self.own_local();
        f(local);
        if local.state.get() & TEMPORARY != 0 {
            self.leave_temporary(local);
        }
    }

    /// Pins on a local of the caller's: a participant's.
    #[inline(always)]
    pub(crate) fn pin_local<'c>(&'c self, local: &'c Local) -> Guard<'c> {
        let lease = if local.reservation.own_lower() == IDLE {
            self.announce(local)
        } else {
            local.nest();
            local.reservation.own_upper()
        };
        Guard::new(self, local, lease)
    }

    pub(crate) fn register(&self, local: &Local, slot: usize, flags: u32) {
        local.state.set(flags);
        // Whoever had the local before may have left by a panic, or not at all.
        local.reclaiming.set(false);
        local.reporting.set(false);
        self.locals.mark_used(slot);
        local.reservation.appear();
    }

    /// The end of a temporary local: its bags are posted, its slot goes back.
    #[cold]
    pub(crate) fn leave_temporary(&self, local: &Local) {
        self.settle(local);
        self.leave_bags(local);
        self.unregister(local);
        drop(local.temporary.take());
    }

    /// From now on nobody has the local.
    pub(crate) fn unregister(&self, local: &Local) {
        local.state.set(UNREGISTERED);
        local.reservation.vanish();
    }

    /// The lock of the end; `None` when a thread held it that a fork has not taken along.
    pub(crate) fn lock_closed(&self) -> Option<MutexGuard<'_, bool>> {
        // Relaxed [lost]: set while the process has one thread.
        if self.lock_lost.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl ExitHook for Inner {
    fn thread_exits(&self, slot: usize) -> bool {
        // Without the lock the bags stay where they are, until the collector's end finds them.
        let Some(closed) = self.lock_closed() else { return false };
        if *closed {
            return true;
        }
        let local = self.locals.get_or_grow(slot);
        if local.state.get() == UNREGISTERED {
            return true;
        }
        if local.state.get() != 0 || local.reservation.own_lower() != IDLE {
            // A guard outlives its thread's exit hooks (it sits in a thread-local): the slot stays its own for good.
            return false;
        }
        self.leave_bags(local);
        self.unregister(local);
        true
    }
}

impl core::fmt::Debug for Collector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Collector").field("stats", &self.stats()).finish()
    }
}
