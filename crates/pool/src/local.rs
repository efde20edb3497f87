//! [`Local`]: a thread's magazines and counters, at the index of its thread slot.
//!
//! Two magazines a class (Bonwick): allocation pops from `loaded`, freeing pushes to it; when that cannot be done it changes places
//! with `spare`; only when that does not help either is a magazine exchanged with the depot. So a thread that alternates around a
//! magazine's edge does not visit the depot each time.
//!
//! Invariant L1: the owner-only part is touched only by the thread that holds the slot's number (see `thread_slot`).

use crate::class;
use crate::core::Quarantined;
use crate::depot::Loaded;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::{OwnerCounter, PerThread};

#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) loaded: Option<Loaded>,
    pub(crate) spare: Option<Loaded>,
}

#[repr(align(128))]
pub(crate) struct Local {
    pub(crate) registered: Cell<bool>,
    pairs: UnsafeCell<[Pair; class::COUNT]>,
    pub(crate) quarantine: RefCell<VecDeque<Quarantined>>,
    /// Blocks and bytes handed out and taken back by this thread; differences over all threads are what is in use.
    pub(crate) allocated: OwnerCounter,
    pub(crate) allocated_bytes: OwnerCounter,
    pub(crate) freed: OwnerCounter,
    pub(crate) freed_bytes: OwnerCounter,
}

// SAFETY: counters are made for sharing; the rest is owner-only by invariant L1.
unsafe impl Sync for Local {}
// SAFETY: blocks and magazines may change threads.
unsafe impl Send for Local {}

impl Default for Local {
    fn default() -> Self {
        Local {
            registered: Cell::new(false),
            pairs: UnsafeCell::new(std::array::from_fn(|_| Pair::default())),
            quarantine: RefCell::default(),
            allocated: OwnerCounter::default(),
            allocated_bytes: OwnerCounter::default(),
            freed: OwnerCounter::default(),
            freed_bytes: OwnerCounter::default(),
        }
    }
}

impl Local {
    /// The magazines of `class`.
    ///
    /// # Safety
    /// By the slot's owner (L1), and not while another such call is under way.
    #[inline(always)]
    pub(crate) unsafe fn pair<R>(&self, class: usize, f: impl FnOnce(&mut Pair) -> R) -> R {
        self.pairs.with_mut(|pairs| {
            // SAFETY: exclusive by the caller's promise.
            f(unsafe { &mut (&mut *pairs)[class] })
        })
    }
}

/// All locals of a pool; few a segment, since each has its magazines in place.
pub(crate) type Locals = PerThread<Local, 16>;
