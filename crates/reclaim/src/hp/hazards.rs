//! [`Hazards`]: a guard's slots; blocks of them hang together, so that scans reach all of a thread's.
//!
//! Tags and their sites:
//! - `[hazard]`: Release store of a slot in `set` and `clear` / Acquire load in `collect`: the accesses through what the slot held before
//!   come before the free by whoever no longer finds it there.
//! - `[append]`: Release store of `next` in `append` / Acquire load in `next`: the block comes with the pointer. Only the owner appends.

use core::cell::Cell;
use core::ptr::null_mut;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

/// Pointers that a guard protects at once: a skip list's search needs the most. Fewer in models, which step through each.
pub(crate) const SLOTS: usize = if cfg!(stillpoint_loom) { 2 } else { 8 };

pub(crate) struct Hazards {
    slots: [AtomicPtr<u8>; SLOTS],
    /// The thread's next block.
    next: AtomicPtr<Hazards>,
    /// The next block that no guard uses; the owner's.
    pub(crate) next_free: Cell<*const Hazards>,
}

impl Default for Hazards {
    fn default() -> Self {
        Hazards {
            slots: core::array::from_fn(|_| AtomicPtr::new(null_mut())),
            next: AtomicPtr::new(null_mut()),
            next_free: Cell::new(core::ptr::null()),
        }
    }
}

impl Hazards {
    /// Publishes `node`; a light fence must follow, and a reload.
    #[inline(always)]
    pub(crate) fn set(&self, slot: usize, node: *mut u8) {
        // Release [hazard]: see the header.
        self.slots[slot].store(node, Ordering::Release);
    }

    /// Empties the slots whose bits are set.
    #[inline(always)]
    pub(crate) fn clear(&self, used: usize) {
        for (at, slot) in self.slots.iter().enumerate() {
            if used >> at & 1 == 1 {
                // Release [hazard]: see the header.
                slot.store(null_mut(), Ordering::Release);
            }
        }
    }

    /// Adds what the slots hold; a heavy fence came before.
    pub(crate) fn collect(&self, held: &mut Vec<usize>) {
        for slot in &self.slots {
            // Acquire [hazard]: see the header.
            let node = slot.load(Ordering::Acquire);
            if !node.is_null() {
                held.push(node.addr());
            }
        }
    }

    /// The thread's next block.
    pub(crate) fn next(&self) -> Option<&Hazards> {
        // Acquire [append]: see the header.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: blocks stay until the whole chain goes, whose head `self` is or follows.
        unsafe { next.as_ref() }
    }

    /// This block and those after it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Hazards> {
        core::iter::successors(Some(self), |block| block.next())
    }

    /// A new block, in the second place of this chain. By the owner.
    #[cold]
    pub(crate) fn append(&self) -> &Hazards {
        let fresh = Box::<Hazards>::default();
        // Relaxed [append]: the owner's own store, or none.
        let second = self.next.load(Ordering::Relaxed);
        // Relaxed [append]: not published yet.
        fresh.next.store(second, Ordering::Relaxed);
        let fresh = Box::into_raw(fresh);
        // Release [append]: see the header.
        self.next.store(fresh, Ordering::Release);
        // SAFETY: it stays until the chain goes.
        unsafe { &*fresh }
    }

    /// Frees the blocks after this one, of which nobody holds any.
    pub(crate) fn free_rest(&mut self) {
        // Acquire [append]: exclusive by `&mut self`; the order is that of the hand-over.
        let mut next = self.next.load(Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: made by `append`, and freed only here.
            let block = unsafe { Box::from_raw(next) };
            // Acquire [append]: as above.
            next = block.next.load(Ordering::Acquire);
        }
    }
}
