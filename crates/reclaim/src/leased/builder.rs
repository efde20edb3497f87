//! [`Builder`]: the settings of a collector.

use crate::leased::collector::Collector;
use crate::leased::limits::{Limit, Watch};
use crate::leased::stats::Stats;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use stillpoint_primitive::fence::Fences;

/// The largest bag: larger ones would be allocated whole, and their multiples overflow.
const MAX_BATCH_LEN: usize = 1 << 20;

/// The longest lease unless told otherwise: 2.5 ms where every thread replaces nodes as fast as it can, far longer than an operation
/// takes; and what it holds back, `256·R` nodes a writing thread, is 4 MB of 64-byte nodes.
const LONGEST_LEASE_TICKS: u64 = 256;

/// Settings of a [`Collector`]; every one has a default that suits most.
pub struct Builder {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) lease_ticks: u64,
    pub(crate) max_lease_ticks: Option<u64>,
    pub(crate) batch_len: usize,
    pub(crate) fences: Option<Fences>,
    pub(crate) limits: Vec<Watch>,
    pub(crate) reclaim_on_retire: bool,
    pub(crate) ask_ahead: Option<fn(*const u8)>,
    #[cfg(feature = "std")]
    pub(crate) survive_fork: bool,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: crate::leased::collector::Mutation,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            name: None,
            lease_ticks: 4,
            max_lease_ticks: Some(LONGEST_LEASE_TICKS),
            batch_len: 256,
            fences: None,
            limits: Vec::new(),
            reclaim_on_retire: true,
            ask_ahead: None,
            #[cfg(feature = "std")]
            survive_fork: false,
            #[cfg(stillpoint_loom)]
            mutation: crate::leased::collector::Mutation::None,
        }
    }
}

impl Builder {
    /// What [`Stats`] call the collector.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many ticks beyond the epoch of its pin a guard's reservation reaches (default 4). Longer: fewer renewals, a looser
    /// bound. 0 makes every tick expire every guard, which is how structures are tested. At most 2^62: for ever.
    pub fn lease_ticks(mut self, ticks: u64) -> Self {
        self.lease_ticks = ticks;
        self
    }

    /// The longest that a guard's reservation may ever span (default 256; at least [`lease_ticks`](Builder::lease_ticks)). So a slow *live*
    /// reader, which goes on loading under one guard, is bounded too: past the cap every load answers [`Expired`](crate::Expired) until
    /// [`Guard::repin`](crate::Guard::repin), and what cannot fail goes on as a [classic guard](Collector::pin_classic) and is counted
    /// ([`Stats::overdrafts`]).
    ///
    /// `None`: no cap. Loads from roots never fail, an operation of any length ends without an overdraft, and what a guard holds back
    /// grows with its age for as long as it goes on loading.
    pub fn max_lease_ticks(mut self, ticks: Option<u64>) -> Self {
        self.max_lease_ticks = ticks;
        self
    }

    /// `R`: how many births a thread may make in one epoch, and how many retired nodes make a bag (default 256, at least 1, at most 2^20). A bag is
    /// full with 96 KiB, too, however few nodes they are.
    pub fn batch_len(mut self, nodes: usize) -> Self {
        self.batch_len = nodes.clamp(1, MAX_BATCH_LEN);
        self
    }

    /// Uses a `SeqCst` fence a pin instead of `membarrier` a tick: for real-time threads, and hosts that forbid the call.
    pub fn strict(mut self, strict: bool) -> Self {
        self.fences = strict.then_some(Fences::Strict);
        self
    }

    /// When `limit` is reached, tries once to reclaim what can go; calls `callback` if that was not enough. Then not again before the
    /// figures have been an eighth below. May be given several times.
    ///
    /// Limits are looked at by whoever fills a bag, at least once in [`batch_len`](Builder::batch_len) retirements; the attempt and the callback
    /// take as long as they take, so a thread that retires is wait-free only as long as no limit is reached. A callback may
    /// pin, retire and flush; its panics are contained. It must not hold a [`Collector`] of its own, which would keep itself alive: a
    /// [`WeakCollector`](crate::WeakCollector) will do.
    pub fn soft_limit(
        mut self,
        limit: Limit,
        callback: impl Fn(&Stats) + Send + Sync + 'static,
    ) -> Self {
        self.limits.push(Watch::new(limit, false, Box::new(callback)));
        self
    }

    /// As [`soft_limit`](Builder::soft_limit), but while the limit is reached every thread that fills a bag flushes first: retiring
    /// slows down to the pace at which memory can be had back.
    pub fn hard_limit(
        mut self,
        limit: Limit,
        callback: impl Fn(&Stats) + Send + Sync + 'static,
    ) -> Self {
        self.limits.push(Watch::new(limit, true, Box::new(callback)));
        self
    }

    /// Whether threads that retire also reclaim, a few nodes a retirement (default), or leave it all to a
    /// [background thread](Collector::background) and to [`flush`](Collector::flush): then no destructor runs inside `retire` (but at a hard limit),
    /// and what the background thread has not come round to yet adds to the bound.
    pub fn reclaim_on_retire(mut self, reclaim: bool) -> Self {
        self.reclaim_on_retire = reclaim;
        self
    }

    /// Called with a node's address some reclamations before the node's own, to [ask the processor](stillpoint_primitive::prefetch) for what that will look at
    /// (default: nothing is asked for). A hint: it gets nodes of every kind that the collector has, and reads none.
    pub fn ask_ahead(mut self, ask: fn(*const u8)) -> Self {
        self.ask_ahead = Some(ask);
        self
    }

    /// Keeps the collector usable in children of a `fork`, by a handler (`pthread_atfork`) that does what
    /// [`Collector::after_fork_in_child`] says. Nothing where there is no fork.
    #[cfg(feature = "std")]
    pub fn survive_fork(mut self, survive: bool) -> Self {
        self.survive_fork = survive;
        self
    }

    /// Takes one fence or test out of the protocol, so that a model can show that it is needed.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn mutation(mut self, mutation: crate::leased::collector::Mutation) -> Self {
        self.mutation = mutation;
        self
    }

    /// Makes the collector.
    pub fn build(self) -> Collector {
        Collector::from_builder(self)
    }
}
