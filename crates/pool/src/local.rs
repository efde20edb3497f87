//! [`Local`]: a thread's shelves and its quarantine, at the index of its thread slot.
//!
//! | state | meaning | set by |
//! |---|---|---|
//! | `UNREGISTERED` | nobody's | the owner's exit |
//! | `READY` | the fast paths may use it | the owner, holding the registry's lock |
//! | `SLOW` | as `READY`, but every call takes the slow path (quarantine, system allocator) | as `READY` |
//! | `CLOSED` | the last handle has gone (see `closing`) | the close |
//!
//! Invariant L1: the owner-only part is touched only by the thread that holds the slot's number (see `thread_slot`).
//!
//! Tags: `[close]` Relaxed: `closing` says what orders it.

use crate::class;
use crate::closing::Announcement;
use crate::quarantine::Held;
use crate::shelf::Shelf;
use std::cell::RefCell;
use std::collections::VecDeque;
use stillpoint_primitive::PerThread;
use stillpoint_primitive::sync::atomic::{AtomicU32, Ordering};

pub(crate) const UNREGISTERED: u32 = 0;
pub(crate) const READY: u32 = 1;
pub(crate) const SLOW: u32 = 2;
pub(crate) const CLOSED: u32 = 3;

#[repr(align(128))]
pub(crate) struct Local {
    state: AtomicU32,
    pub(crate) freeing: Announcement,
    pub(crate) shelves: [Shelf; class::COUNT],
    pub(crate) held: RefCell<VecDeque<Held>>,
}

// SAFETY: counters are made for sharing; the rest is owner-only by invariant L1.
unsafe impl Sync for Local {}
// SAFETY: blocks and magazines may change threads.
unsafe impl Send for Local {}

impl Default for Local {
    fn default() -> Self {
        Local {
            state: AtomicU32::new(UNREGISTERED),
            freeing: Announcement::default(),
            shelves: std::array::from_fn(|_| Shelf::default()),
            held: RefCell::default(),
        }
    }
}

impl Local {
    #[inline(always)]
    pub(crate) fn state(&self) -> u32 {
        // Relaxed [close]: our own word, or the close's, which the fences order.
        self.state.load(Ordering::Relaxed)
    }

    pub(crate) fn set_state(&self, state: u32) {
        // Relaxed [close]: as above.
        self.state.store(state, Ordering::Relaxed);
    }
}

/// All locals of a pool; few a segment, since each has its shelves in place.
pub(crate) type Locals = PerThread<Local, 16>;
