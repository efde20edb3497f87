//! [`Local`]: a thread's part of the collector, at the index of its thread slot.
//!
//! ```text
//! Local ── first       the head of the chain of blocks that scans read
//!       ── free        the blocks that no guard uses; null: none, or the slot is nobody's (the slow path tells)
//!       ── lists       kept (to be scanned), ready (to be reclaimed); the scan's buffer
//!       ── trigger     as many kept nodes make a scan
//! ```
//! 1. All but the slots and the counters is the owner's, who is the thread that has the slot's number.

use crate::hp::hazards::Hazards;
use crate::retired::Retired;
use core::cell::{Cell, RefCell};
use core::ptr::null;
use stillpoint_primitive::thread_slot::Temporary;
use stillpoint_primitive::{CachePadded, OwnerCounter};

#[derive(Default)]
pub(crate) struct Lists {
    pub(crate) kept: Vec<Retired>,
    pub(crate) ready: Vec<Retired>,
    /// Addresses in slots, sorted: the buffer of scans.
    pub(crate) held: Vec<usize>,
}

pub(crate) struct Local {
    pub(crate) first: CachePadded<Hazards>,
    pub(crate) free: Cell<*const Hazards>,
    pub(crate) registered: Cell<bool>,
    /// Its first block is among those counted.
    pub(crate) counted: Cell<bool>,
    /// Owned for one operation of a thread past its exit.
    pub(crate) is_temporary: Cell<bool>,
    pub(crate) reclaiming: Cell<bool>,
    pub(crate) trigger: Cell<usize>,
    pub(crate) lists: RefCell<Lists>,
    pub(crate) temporary: RefCell<Option<Temporary>>,
    pub(crate) retired: OwnerCounter,
    pub(crate) reclaimed: OwnerCounter,
    pub(crate) scans: OwnerCounter,
}

// SAFETY: slots and counters are made for sharing; the rest is the owner's, by invariant 1.
unsafe impl Sync for Local {}
// SAFETY: the lists hold only what `retire_node` was promised to be reclaimable anywhere; block pointers go with the local.
unsafe impl Send for Local {}

impl Default for Local {
    fn default() -> Self {
        Local {
            first: CachePadded::default(),
            free: Cell::new(null()),
            registered: Cell::new(false),
            counted: Cell::new(false),
            is_temporary: Cell::new(false),
            reclaiming: Cell::new(false),
            trigger: Cell::new(0),
            lists: RefCell::default(),
            temporary: RefCell::default(),
            retired: OwnerCounter::new(),
            reclaimed: OwnerCounter::new(),
            scans: OwnerCounter::new(),
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.first.free_rest();
    }
}

impl Local {
    /// A thread takes the slot.
    pub(crate) fn appear(&self, trigger: usize) {
        self.registered.set(true);
        self.trigger.set(trigger);
        self.first.chain().for_each(|block| self.give_back(block));
    }

    /// The thread gives the slot up.
    pub(crate) fn vanish(&self) {
        self.registered.set(false);
        self.free.set(null());
    }

    /// A block that no guard uses.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<&Hazards> {
        // SAFETY: blocks stay as long as the local.
        let block = unsafe { self.free.get().as_ref() }?;
        self.free.set(block.next_free.get());
        Some(block)
    }

    /// A guard no longer uses `block`.
    #[inline(always)]
    pub(crate) fn give_back(&self, block: &Hazards) {
        block.next_free.set(self.free.get());
        self.free.set(block);
    }

    /// Whether no guard is left.
    pub(crate) fn is_idle(&self) -> bool {
        // SAFETY: blocks stay as long as the local.
        let at = |block: *const Hazards| unsafe { block.as_ref() };
        let free = core::iter::successors(at(self.free.get()), |block| at(block.next_free.get()));
        free.count() == self.first.chain().count()
    }
}
