//! **RCU** (QSBR: quiescent states): guards cost nothing; threads say now and then that they hold nothing.
//!
//! # Idea
//! A thread that has pinned once is *online*, and everything retired since its last *quiescent state* may be in its hands. Between two
//! guards it says so: [`Rcu::quiescent`]. A node is reclaimed once every online thread has been quiescent after its retirement (a *grace
//! period*). A guard only counts: no store that others read, no fence.
//!
//! ```text
//! period   5 ────────── 6 ────────── 7 ──────────▶      each full bag ends a period
//! thread A   Q(5)            Q(6)  ├ guard ┤  Q(7)       seen = 7
//! thread B   Q(5)  ├ guard ┤  ├ guard ┤                  seen = 5: bags of 5 and later wait for B
//! thread C   offline                                      holds back nothing
//! ```
//!
//! # Who has to say what
//! - The outermost unpin says it by itself once in [`QUIESCENT_EVERY`] guards, so a thread at work needs to say nothing.
//! - **A thread that stops using the structure, but lives, holds back everything** until it says [`Rcu::offline`] (or ends). That is the
//!   price of guards that cost nothing; `ebr` and `leased` have no such duty.
//! - [`Rcu::synchronize`] waits for a grace period, [`Rcu::call`] runs a closure after one.
//!
//! # Progress
//! pin, unpin and loads are wait-free. retire is wait-free, except that the collector's `period` is a shared counter, moved once a bag, and that
//! a sweep hands on all bags whose turn has come, and looks at each that an exited thread left: both without a bound but their number.
//! synchronize and flush block.
//!
//! # The bound
//! **None** behind a thread that is online and says nothing. Else a thread keeps about two bags a grace period.
//!
//! # Why it is safe
//! 1. A bag is sealed by the very `fetch_add` that ends its period `r`, after its nodes have been unlinked. All writes of `period` are
//!    read-modify-writes, so whoever acquires a value above `r` sees the unlinking (a release sequence): a thread with `seen > r` cannot
//!    load these nodes afterwards.
//! 2. What it loaded before, it used before its Release store of `seen`; the reclaimer acquires that.
//! 3. Coming online is a store before loads, and the scan is loads after a store: both have a SeqCst fence. Who the scan takes for offline
//!    sees the unlinking after its fence.
//!
//! In the child of a `fork` a collector of this kind is not to be used: threads that are not there stay online for ever.
//!
//! # When to choose it
//! For threads that live in a loop with a natural resting point (an event loop, a packet, a frame), and reads so short that a pin counts.
//!
//! Sources: McKenney and Slingwine (1998); Hart, McKenney, Brown and Walpole, *Performance of memory reclamation for lockless
//! synchronization* (2007); liburcu's `qsbr` flavour. The code is our own.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Owned, Protect, Scheme, rcu::Rcu};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let rcu = Rcu::new();
//! let cell = Atomic::new(Owned::new(&rcu.pin(), 7));
//! {
//!     let guard = rcu.pin();
//!     let old = cell.swap(Owned::new(&guard, 8), Ordering::AcqRel);
//!     // SAFETY: unlinked just now, by us alone.
//!     unsafe { old.retire(&guard) };
//! }
//! rcu.synchronize(); // nobody has the old value any more
//! rcu.offline();     // nor do we hold anybody back while we do something else
//! # let guard = rcu.pin();
//! # // SAFETY: the cell is about to go.
//! # unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
//! ```

mod engine;
mod member;

use crate::node::Header;
use crate::plain_loads::plain_loads;
use crate::retired::{Birth, Retired};
use crate::scheme::{Protect, Scheme};
use core::fmt;
use core::marker::PhantomData;
use engine::Engine;
use member::Member;
use std::sync::Arc;

#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use engine::Weakened;
pub use member::QUIESCENT_EVERY;

/// A collector of this scheme. A cheap handle; the last one dropped reclaims everything that is left.
#[derive(Clone)]
pub struct Rcu {
    engine: Arc<Engine>,
    /// Counts the handles; not `engine`, which an exiting thread holds for a moment.
    _last: Arc<Last>,
}

struct Last {
    engine: Arc<Engine>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.engine.close();
    }
}

impl Default for Rcu {
    fn default() -> Self {
        Rcu::new()
    }
}

impl Rcu {
    /// A collector.
    ///
    /// # Cost
    /// About 16 KB; as much again for each 64 threads past the 64th.
    pub fn new() -> Self {
        #[cfg(not(stillpoint_loom))]
        let engine = Engine::new();
        #[cfg(stillpoint_loom)]
        let engine = Engine::new(Weakened::Nothing);
        Rcu { _last: Arc::new(Last { engine: engine.clone() }), engine }
    }

    /// A collector that lacks something, so that a model can show that it is needed.
    #[cfg(stillpoint_loom)]
    #[doc(hidden)]
    pub fn weakened(weakened: Weakened) -> Self {
        let engine = Engine::new(weakened);
        Rcu { _last: Arc::new(Last { engine: engine.clone() }), engine }
    }

    /// The calling thread holds nothing that it loaded before. Does nothing inside a guard, or offline.
    ///
    /// # Progress
    /// Wait-free: a load and a store.
    pub fn quiescent(&self) {
        if let Some(member) = self.engine.own() {
            self.engine.quiescent(member);
        }
    }

    /// The calling thread holds nothing, and does not hold anybody back until its next pin. Does nothing inside a guard.
    ///
    /// # Progress
    /// Wait-free: a store.
    pub fn offline(&self) {
        if let Some(member) = self.engine.own() {
            member.go_offline();
        }
    }

    /// Waits until every guard that there is now has gone.
    ///
    /// # Progress
    /// Blocking: for as long as some thread is online and says nothing.
    ///
    /// # Panics
    /// Inside a guard of the calling thread: it would wait for itself.
    pub fn synchronize(&self) {
        self.engine.synchronize();
    }

    /// Runs `f`, on some thread, once every guard that there is now has gone.
    ///
    /// # Progress
    /// As a retirement.
    ///
    /// # Cost
    /// One allocation.
    pub fn call<F: FnOnce() + Send + 'static>(&self, f: F) {
        let ptr = Box::into_raw(Box::new(f)).cast::<u8>();
        let (reclaim, bytes) = (call_box::<F> as unsafe fn(*mut u8), size_of::<F>());
        let node = Retired { ptr, reclaim, birth: Birth::of(crate::Epoch::ZERO), bytes };
        let guard = self.pin();
        guard.engine.retire(guard.member, node);
    }
}

unsafe fn call_box<F: FnOnce()>(ptr: *mut u8) {
    // SAFETY: `call` hands over what `Box::into_raw` gave for an `F`.
    let f = unsafe { Box::from_raw(ptr.cast::<F>()) };
    f();
}

impl fmt::Debug for Rcu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rcu").field("unreclaimed", &self.unreclaimed()).finish()
    }
}

/// Protects whatever is loaded while it lasts. Of one thread; nests.
pub struct Guard<'c> {
    engine: &'c Engine,
    member: &'c Member,
    /// Not `Send`: the membership is the thread's.
    not_send: PhantomData<*mut ()>,
}

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.engine.unpin(self.member);
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("rcu::Guard").finish_non_exhaustive()
    }
}

// SAFETY: the argument of the module's page.
unsafe impl Scheme for Rcu {
    const NAME: &'static str = "rcu";
    const ROBUST: bool = false;
    const NEEDS_BIRTH: bool = false;
    const PER_POINTER: bool = false;
    const SLOTS: usize = usize::MAX;
    const FROZEN_LINKS_OK: bool = true;

    type Guard<'c> = Guard<'c>;

    #[inline(always)]
    fn pin(&self) -> Guard<'_> {
        Guard { engine: &self.engine, member: self.engine.pin(), not_send: PhantomData }
    }

    #[inline(always)]
    fn owns(&self, guard: &Guard<'_>) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.engine), guard.engine)
    }

    /// As [`Scheme::flush`]. The calling thread counts as quiescent, unless it is inside a guard.
    fn flush(&self) {
        self.engine.flush();
    }

    fn unreclaimed(&self) -> u64 {
        self.engine.unreclaimed()
    }
}

// SAFETY: as above.
unsafe impl Protect for Guard<'_> {
    plain_loads!();

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
        let birth = Birth::of(crate::Epoch::ZERO);
        self.engine.retire(self.member, Retired { ptr, reclaim, birth, bytes });
    }

    fn nested(&self) -> Self {
        self.member.nesting.set(self.member.nesting.get() + 1);
        Guard { engine: self.engine, member: self.member, not_send: PhantomData }
    }

    fn repin(&mut self) {
        self.engine.repin(self.member);
    }
}
