//! **Deferred reference counting** (RC): every node has a count, and any node can be kept by a counted handle.
//!
//! # Idea
//! Counting at every load costs two contended writes a node. So loads under a guard are not counted: epochs protect them. Only what is kept
//! beyond a guard is, and the count is in the scheme's own word in the node.
//!
//! ```text
//! Block   header = count                         value
//!         └ 1: the structure's, given up by `retire` once every guard of that moment has gone
//!         └ 1 for each Counted: promote and clone add, drop takes away; whoever comes to 0 reclaims
//! ```
//! The race between a load and its increment is closed by deferring the decrement: a reader that loaded the pointer before it was unlinked
//! is inside a guard, and until that has gone the structure's reference is there. See [`counted`](crate::Countable) for the same handle as an
//! opt-in on every other scheme; here it needs no special node type.
//!
//! # Progress
//! Those of [`ebr`](crate::ebr). [`Guard::promote`], clone and drop of a handle: wait-free, one read-modify-write (and the last one's drop of
//! the value).
//!
//! # The bound
//! **None**, as under epochs: a stalled guard holds back all that is retired after it. A handle holds back its own node, and
//! nothing else.
//!
//! # Why it is safe
//! Epochs protect what is loaded under a guard; the count is at least 1 while they do, so a promotion never starts from 0; from 0 it never
//! rises.
//!
//! # Orderings
//! Those of `ebr`; and `[count]`: Relaxed increments, by somebody who has a reference or whose guard
//! protects the node; AcqRel decrements: all uses of the value come before its drop.
//!
//! # When to choose it
//! When many nodes are handed out beyond guards. When few are, a [`Countable`](crate::Countable) in those nodes on a bounded scheme is better.
//!
//! Sources: Detlefs et al., *Lock-free reference counting* (PODC 2001), for the race; Anderson, Blelloch, Wei, *Turning manual concurrent
//! memory reclamation into automatic reference counting* (PLDI 2022), for deferred decrements.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Owned, Scheme, rc::{Counted, Rc}};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let scheme = Rc::new();
//! let cell = Atomic::new(Owned::new(&scheme.pin(), "kept".to_owned()));
//! let kept: Counted<String> = {
//!     let guard = scheme.pin();
//!     // SAFETY: loaded under `guard`, from the heap, and retired by `retire` alone.
//!     let kept = unsafe { guard.promote(guard.load(&cell)) };
//!     // SAFETY: unlinked by the take, by us alone.
//!     unsafe { cell.take(Ordering::AcqRel).retire(&guard) };
//!     kept
//! };
//! drop(scheme);
//! assert_eq!(std::thread::spawn(move || kept.len()).join().unwrap(), 4);
//! ```

use crate::atomic::{Atomic, Shared};
use crate::ebr::FOR_EVER_TICKS;
use crate::leased;
use crate::node::{Block, Header, Heap, NodeAlloc};
use crate::plain_loads::{engine_guard, engine_scheme, plain_loads};
use crate::retired::{Birth, Retired};
use crate::scheme::{Protect, Scheme};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// More handles than this are a leak in a loop.
const MAX_COUNT: u64 = 1 << 62;

/// One more reference, by somebody who has one or whose guard protects the node.
#[inline]
fn acquire(count: &AtomicU64) {
    // Relaxed [count]: the caller's own access to the node orders it.
    let before = count.fetch_add(1, Ordering::Relaxed);
    debug_assert!(before > 0, "promoted a node that is gone");
    assert!(before < MAX_COUNT, "{before} counted handles of one node");
}

/// One reference less; `true` for the last one, who frees the node.
#[inline]
pub(crate) fn release(count: &AtomicU64) -> bool {
    // AcqRel [count]: our uses come before the drop by the last one, which is after everybody's.
    count.fetch_sub(1, Ordering::AcqRel) == 1
}

/// A collector whose nodes are counted. A cheap handle; the last one dropped gives up whatever references it still has to give up.
#[derive(Clone, Debug)]
pub struct Rc {
    engine: leased::Collector,
}

impl Default for Rc {
    fn default() -> Self {
        Rc::new()
    }
}

impl Rc {
    /// A collector with the default settings.
    ///
    /// # Cost
    /// As [`Collector::new`](leased::Collector::new).
    pub fn new() -> Self {
        Rc::from_builder(leased::Builder::default())
    }

    /// With settings: see [`Ebr::from_builder`](crate::ebr::Ebr::from_builder).
    pub fn from_builder(builder: leased::Builder) -> Self {
        Rc { engine: builder.lease_ticks(FOR_EVER_TICKS).max_lease_ticks(None).build() }
    }

    /// Figures of this moment; a node that only handles keep counts as reclaimed.
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

    /// A handle of a node that this guard protects.
    ///
    /// # Progress
    /// Wait-free: one increment.
    ///
    /// # Panics
    /// It is null.
    ///
    /// # Safety
    /// Loaded under this guard, of this collector, its memory from an `A`; it is retired only by [`retire_in::<A>`](Shared::retire_in), and
    /// taken back only when no handle is left.
    #[inline]
    pub unsafe fn promote<T: Send + Sync + 'static, A: NodeAlloc>(
        &self,
        shared: Shared<'_, T>,
    ) -> Counted<T, A> {
        let block: NonNull<Block<T>> = NonNull::new(shared.untagged()).expect("a node to promote");
        let counted = core::mem::ManuallyDrop::new(Counted { block, owns: PhantomData });
        acquire(counted.header().word());
        core::mem::ManuallyDrop::into_inner(counted)
    }
}

/// A handle of a node: keeps the value, and neither a guard nor the collector. The last one drops it, on its own thread.
pub struct Counted<T, A: NodeAlloc = Heap> {
    block: NonNull<Block<T>>,
    owns: PhantomData<(T, A)>,
}

// SAFETY: gives out `&T`, and drops the `T` on whatever thread has the last handle.
unsafe impl<T: Send + Sync, A: NodeAlloc> Send for Counted<T, A> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync, A: NodeAlloc> Sync for Counted<T, A> {}

impl<T, A: NodeAlloc> Counted<T, A> {
    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: alive while there is a handle, or a guard about to make one.
        unsafe { &(*self.block.as_ptr()).header }
    }

    /// Whether both are handles of one node.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        self.block == other.block
    }
}

impl<T, A: NodeAlloc> Deref for Counted<T, A> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: alive while there is a handle.
        unsafe { &(*self.block.as_ptr()).value }
    }
}

impl<T, A: NodeAlloc> Clone for Counted<T, A> {
    fn clone(&self) -> Self {
        acquire(self.header().word());
        Counted { block: self.block, owns: PhantomData }
    }
}

impl<T, A: NodeAlloc> Drop for Counted<T, A> {
    fn drop(&mut self) {
        if release(self.header().word()) {
            // SAFETY: the last reference, to a node from an `A`, by the promise of `promote`.
            unsafe { Block::<T>::reclaim::<A>(self.block.as_ptr().cast()) };
        }
    }
}

impl<T: fmt::Debug, A: NodeAlloc> fmt::Debug for Counted<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&**self).finish()
    }
}

// SAFETY: the argument of the module's page.
unsafe impl Scheme for Rc {
    engine_scheme!("rc");
}

// SAFETY: as above.
unsafe impl Protect for Guard<'_> {
    plain_loads!();

    /// One reference: the structure's.
    #[inline(always)]
    fn header(&self) -> u64 {
        1
    }

    #[inline(always)]
    unsafe fn retire_node(
        &self,
        ptr: *mut u8,
        header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        // SAFETY: the caller's promise: the header goes with the node, and holds a count.
        let birth = unsafe { Birth::counted(header) };
        self.0.retire_unborn(Retired { ptr, reclaim, birth, bytes });
    }

    engine_guard!();
}
