//! **Epochs** (EBR): a guard holds back everything that is retired after it began. Loads are free and never fail.
//!
//! # Idea
//! A reader announces the epoch in which it begins; a full bag of retired nodes is sealed with the epoch, which then moves on. A bag may
//! go once every reader that there is has begun in a later epoch.
//!
//! ```text
//! epoch   1 ───── 2 ───── 3 ───── 4 ───── 5 ──▶
//! reader          ├ announces 2 ─────────────── …
//! bags    │ free  │ held  │ held  │ held  │ held      everything sealed from 2 on, for as long as the reader stays
//! ```
//! It is the engine of [`leased`] with a lease that never ends: the same reservations, bags, sweeps, shared heavy fences,
//! amortised freeing, thread exit and limits. What differs is what one compares the two for: no test after a load, no births in nodes, and
//! no bound. Instead of the classic three epochs that wait for every reader to follow, the epoch moves on with every bag and a sweep
//! looks at the oldest announcement: a reader that lags holds back the bags after it, but not the clock.
//!
//! # Progress
//! pin, unpin and loads are wait-free (two stores, no processor fence where `membarrier` is at hand); retire is as in `leased`.
//!
//! # The bound
//! **None.** A guard that stalls holds back all that is retired afterwards, and the heap grows. Without stalled guards a thread keeps up to
//! `11·R` nodes, `R` being [`batch_len`](crate::Builder::batch_len). [`Builder::soft_limit`](crate::Builder::soft_limit) at least says so, and names the guard.
//!
//! # Why it is safe
//! Points 1, 2 and 4 of [`leased`'s argument](crate::leased#why-it-is-safe); 3 and 5 are void, since every epoch is inside the lease. For
//! the same reason the link of an unlinked node may be followed: what it names was reachable at the pin or later.
//!
//! # Orderings
//! Those of the engine: Release announcement and light fence at the pin; SeqCst fence between unlinking and the read of a bag's epoch;
//! heavy fence before the scan; Release at unpin, Acquire in the scan. A load is an Acquire load.
//!
//! # When to choose it
//! When guards are short and cannot stall, or the structure cannot restart a traversal. Else `leased`, which costs one compare more.
//!
//! Sources: Fraser, *Practical lock-freedom* (2004); Wen et al., PPoPP 2018, for the form without a global hand-over.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Owned, Protect, Scheme, ebr::Ebr};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let scheme = Ebr::new();
//! let guard = scheme.pin();
//! let cell = Atomic::new(Owned::new(&guard, 7));
//! let seen = guard.load(&cell);
//! let old = cell.swap(Owned::new(&guard, 8), Ordering::AcqRel);
//! // SAFETY: unlinked just now, by us alone.
//! unsafe { old.retire(&guard) };
//! // SAFETY: loaded under `guard`.
//! assert_eq!(unsafe { seen.deref() }, &7);
//! # let last = cell.take(Ordering::AcqRel);
//! # // SAFETY: the cell is about to go.
//! # unsafe { last.retire(&guard) };
//! ```

use crate::atomic::{Atomic, Shared};
use crate::epoch::Epoch;
use crate::leased;
use crate::node::Header;
use crate::plain_loads::{engine_guard, engine_scheme, plain_loads};
use crate::scheme::{Protect, Scheme};

/// A lease that no collector's clock reaches the end of.
pub(crate) const FOR_EVER_TICKS: u64 = 1 << 62;

/// A collector of epochs. A cheap handle; the last one dropped reclaims everything that is left.
#[derive(Clone, Debug)]
pub struct Ebr {
    engine: leased::Collector,
}

impl Default for Ebr {
    fn default() -> Self {
        Ebr::new()
    }
}

impl Ebr {
    /// A collector with the default settings.
    ///
    /// # Cost
    /// As [`Collector::new`](leased::Collector::new).
    pub fn new() -> Self {
        Ebr::from_builder(leased::Builder::default())
    }

    /// With settings: name, [`batch_len`](leased::Builder::batch_len), [`strict`](leased::Builder::strict), limits. What is said about
    /// leases is disregarded.
    pub fn from_builder(builder: leased::Builder) -> Self {
        let builder = builder.lease_ticks(FOR_EVER_TICKS).max_lease_ticks(None);
        Ebr { engine: builder.build() }
    }

    /// Figures of this moment; [`bound`](leased::Stats::bound) is `u64::MAX`, or 0 before anything has been retired.
    ///
    /// # Cost
    /// As [`Collector::stats`](leased::Collector::stats).
    pub fn stats(&self) -> leased::Stats {
        self.engine.stats()
    }
}

/// Protects whatever is loaded while it lasts. Of one thread; nests.
#[derive(Debug)]
#[repr(transparent)]
pub struct Guard<'c>(leased::Guard<'c>);

impl Guard<'_> {
    /// Loads a pointer from any place: [`protect`](Protect::protect), which cannot fail here.
    ///
    /// # Progress
    /// Wait-free: one load.
    #[inline(always)]
    pub fn load<'g, T>(&'g self, src: &Atomic<T>) -> Shared<'g, T> {
        src.load_acquire()
    }

    /// Runs `f` once every guard that there is now has gone.
    ///
    /// # Progress
    /// As [`leased::Guard::retire_fn`].
    pub fn retire_fn<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.0.retire_fn(f);
    }
}

// SAFETY: the argument of the module's page.
unsafe impl Scheme for Ebr {
    engine_scheme!("ebr");
}

// SAFETY: as above.
unsafe impl Protect for Guard<'_> {
    plain_loads!();

    /// Nothing: nodes carry no birth.
    #[inline(always)]
    fn header(&self) -> u64 {
        0
    }

    #[inline(always)]
    unsafe fn retire_node(
        &self,
        ptr: *mut u8,
        _header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        // SAFETY: the caller's promise; epoch zero is before every birth.
        unsafe { self.0.retire(ptr, Epoch::ZERO, bytes, reclaim) };
    }

    engine_guard!();
}
