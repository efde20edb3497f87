//! [`Collector`]: the epoch, the locals of all threads, the orphans; pinning.
//!
//! Tags: `[epoch]` loads of the epoch (monotone, see the crate's argument) and the CAS of a tick in `tick_from`; `[count]` figures.

use crate::builder::{Builder, LimitCallback};
use crate::epoch::Epoch;
use crate::guard::Guard;
use crate::local::{Local, Locals, TEMPORARY, UNREGISTERED};
use crate::reservation::IDLE;
use crate::stats::{OldestGuard, Stats};
use crate::sweep::Orphans;
use std::sync::{Arc, Weak};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};

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
    /// The retire epoch is read without a fence, and no heavy fence precedes the scan.
    NoHeavyFence,
}

/// A domain of reclamation: guards of one collector protect nodes retired in the same one. A cheap handle; the last one dropped
/// reclaims everything that is left.
///
/// Nothing is process-wide: a structure, a test or a store has a collector of its own, and its nodes may hold data that is not
/// `'static` as long as the collector goes first.
#[derive(Clone)]
pub struct Collector {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    epoch: CachePadded<AtomicU64>,
    pub(crate) fences: Fences,
    pub(crate) lease_ticks: u64,
    pub(crate) max_lease_ticks: u64,
    pub(crate) batch_len: usize,
    pub(crate) locals: Locals,
    /// Bags retired before this epoch may be swept: the epoch as read before the latest heavy fence.
    pub(crate) fenced: CachePadded<AtomicU64>,
    pub(crate) fencing: AtomicBool,
    pub(crate) barriers: AtomicU64,
    pub(crate) orphans: Orphans,
    pub(crate) limits: Vec<(u64, LimitCallback)>,
    me: Weak<Inner>,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: Mutation,
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
    /// About 25 KB, and 384 bytes more for each thread past the 64th.
    pub fn new() -> Self {
        Builder::default().build()
    }

    /// Settings first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_builder(builder: Builder) -> Self {
        let inner = Arc::new_cyclic(|me| Inner {
            epoch: CachePadded::new(AtomicU64::new(1)),
            fences: builder.fences.unwrap_or_else(Fences::detect),
            lease_ticks: builder.lease_ticks,
            max_lease_ticks: builder.max_lease_ticks.unwrap_or(u64::MAX),
            batch_len: builder.batch_len,
            locals: Locals::new(),
            fenced: CachePadded::new(AtomicU64::new(0)),
            fencing: AtomicBool::new(false),
            barriers: AtomicU64::new(0),
            orphans: Orphans::new(),
            limits: builder.limits,
            me: me.clone(),
            #[cfg(stillpoint_loom)]
            mutation: builder.mutation,
        });
        Collector { inner }
    }

    /// Pins the calling thread: what is loaded through the guard stays allocated while the guard lives. Guards nest.
    ///
    /// # Progress
    /// Wait-free after the thread's first pin; no processor fence where `membarrier` is at hand.
    ///
    /// # Cost
    /// Two stores to the thread's own line.
    #[inline]
    pub fn pin(&self) -> Guard<'_> {
        self.inner.pin()
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
    pub fn birth(&self) -> Epoch {
        Epoch::from_raw(self.inner.epoch())
    }

    /// Reclaims whatever of the calling thread's and of exited threads' retired nodes no live reservation holds back.
    /// Nodes in the open bags of other live threads are theirs to flush.
    ///
    /// # Progress
    /// Wait-free but for the heavy fence; runs destructors.
    pub fn flush(&self) {
        self.pin().flush();
    }

    /// Figures of this moment.
    ///
    /// # Cost
    /// O(threads), and a lock for the oldest guard's name.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// The most nodes that can be unreclaimed behind one guard that has stalled when `live` nodes were reachable at its pin, by the
    /// formula in the crate's docs, with as many threads as have been seen so far.
    pub fn bound(&self, live: u64) -> u64 {
        let batch = self.inner.batch_len as u64;
        let threads = self.stats().threads.max(1);
        live + (self.inner.lease_ticks + 1) * 2 * batch * threads + 4 * threads * batch
    }

    pub(crate) fn is(&self, inner: &Inner) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.inner), inner)
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

    /// Moves the epoch on from `seen`; somebody else having done so is as good.
    pub(crate) fn tick_from(&self, seen: u64) {
        // Release [epoch]: part of the order that the crate's argument 1 speaks of; Relaxed [epoch] on failure: nothing is learnt.
        let _ = self.epoch.compare_exchange(seen, seen + 1, Ordering::Release, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> Guard<'_> {
        if let Some(local) = self.locals.get_first(thread_slot::current_or_max())
            && local.state.get() == 0
            && local.reservation.own_lower() == IDLE
        {
            self.announce(local);
            return Guard::new(self, local);
        }
        self.pin_slow()
    }

    #[inline(always)]
    pub(crate) fn announce(&self, local: &Local) {
        let epoch = self.epoch();
        local.reservation.publish(epoch, epoch.saturating_add(self.lease_ticks));
        self.light_at_pin();
    }

    #[cfg(not(stillpoint_loom))]
    #[inline(always)]
    fn light_at_pin(&self) {
        self.fences.light();
    }

    #[cfg(stillpoint_loom)]
    fn light_at_pin(&self) {
        if self.mutation != Mutation::NoPinFence {
            self.fences.light();
        }
    }

    #[cold]
    fn pin_slow(&self) -> Guard<'_> {
        let Some(slot) = thread_slot::claim_current() else { return self.pin_temporary() };
        let local = self.locals.get_or_grow(slot);
        if local.state.get() == UNREGISTERED {
            let hook = self.me.clone() as Weak<dyn ExitHook>;
            if !thread_slot::on_exit(hook) {
                return self.pin_temporary();
            }
            self.register(local, 0);
        }
        if local.reservation.own_lower() == IDLE {
            self.announce(local);
        } else {
            local.state.set(local.state.get() + 1);
        }
        Guard::new(self, local)
    }

    /// A pin by a thread whose thread-locals are being destroyed: a slot for this one guard.
    fn pin_temporary(&self) -> Guard<'_> {
        let temporary = Temporary::claim();
        let local = self.locals.get_or_grow(temporary.slot());
        self.register(local, TEMPORARY);
        local.temporary.replace(Some(temporary));
        self.announce(local);
        Guard::new(self, local)
    }

    fn register(&self, local: &Local, flags: u32) {
        let name = std::thread::current().name().map(str::to_owned);
        *local.thread_name.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = name;
        local.epoch_seen.set(self.epoch());
        local.state.set(flags);
    }

    /// The end of a temporary guard: its bags become orphans, its slot goes back.
    #[cold]
    pub(crate) fn unpin_temporary(&self, local: &Local) {
        self.orphan_bags(local);
        local.state.set(UNREGISTERED);
        drop(local.temporary.take());
    }

    pub(crate) fn unreclaimed(&self) -> u64 {
        let (retired, reclaimed) = self.locals.iter().fold((0u64, 0u64), |(r, f), local| {
            (r.wrapping_add(local.retired.get()), f.wrapping_add(local.reclaimed.get()))
        });
        retired.saturating_sub(reclaimed)
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { epoch: self.epoch(), ..Stats::default() };
        // Relaxed [count]: a figure for people.
        stats.barriers = self.barriers.load(Ordering::Relaxed);
        let (mut reclaimed, mut reclaimed_bytes, mut oldest) = (0, 0, u64::MAX);
        for local in self.locals.iter() {
            let retired = local.retired.get();
            stats.retired += retired;
            stats.unreclaimed_bytes += local.retired_bytes.get();
            reclaimed += local.reclaimed.get();
            reclaimed_bytes += local.reclaimed_bytes.get();
            let name = local.thread_name.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let Some((lower, upper)) = local.reservation.read() else {
                stats.threads += u64::from(name.is_some() || retired > 0);
                continue;
            };
            stats.threads += 1;
            stats.pinned += 1;
            stats.classic += u64::from(upper == u64::MAX);
            if lower < oldest {
                oldest = lower;
                stats.oldest = Some(OldestGuard {
                    age_ticks: stats.epoch.saturating_sub(lower),
                    span_ticks: if upper == u64::MAX { upper } else { upper - lower },
                    thread: name.clone(),
                });
            }
        }
        stats.unreclaimed = stats.retired.saturating_sub(reclaimed);
        stats.unreclaimed_bytes = stats.unreclaimed_bytes.saturating_sub(reclaimed_bytes);
        stats
    }
}

impl ExitHook for Inner {
    fn thread_exits(&self, slot: usize) -> bool {
        let local = self.locals.get_or_grow(slot);
        if local.state.get() != 0 || local.reservation.own_lower() != IDLE {
            // A guard outlives its thread's exit hooks (it sits in a thread-local): the slot stays its own for good.
            return local.state.get() == UNREGISTERED;
        }
        self.orphan_bags(local);
        local.state.set(UNREGISTERED);
        true
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("stats", &self.stats()).finish()
    }
}
