//! [`Quarantine`]: the mode that catches misuse. Freed blocks are poisoned and held back for a while.
//!
//! ```text
//! free ──▶ in `free`? panic: freed twice ── poison ── held (a queue a thread) ──▶ poison intact? else panic ──▶ magazines, or the system
//! alloc ─▶ was it in `free`? poison intact? else panic ── no longer in `free`
//! ```
//! 1. `free` names every block that has been freed and not been allocated again, whether it is held or in a magazine.
//! 2. A block in `free` is all poison.
//!
//! A panic on a thread that is ending aborts the process: its held blocks are checked by its exit hook.

use crate::class;
use crate::local::Local;
use crate::slab::Slab;
use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

const POISON: u8 = 0xdb;

/// A freed block that waits, poisoned, before it may be used again.
pub(crate) struct Held {
    block: NonNull<u8>,
}

impl Held {
    pub(crate) fn block(&self) -> NonNull<u8> {
        self.block
    }
}

pub(crate) struct Quarantine {
    /// Blocks held a thread.
    blocks: usize,
    free: Mutex<BTreeSet<usize>>,
}

impl Quarantine {
    pub(crate) fn new(blocks: usize) -> Option<Quarantine> {
        (blocks > 0).then(|| Quarantine { blocks, free: Mutex::default() })
    }

    pub(crate) fn free(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Poisons `block` and holds it.
    ///
    /// # Panics
    /// When the block is free already.
    pub(crate) fn hold(&self, local: &Local, block: NonNull<u8>) {
        let fresh = self.free().insert(block.as_ptr().addr());
        assert!(fresh, "block {block:p} ({}) was freed twice", class_of(block));
        // SAFETY: freed, hence nobody's, and so long.
        unsafe { block.as_ptr().write_bytes(POISON, bytes_of(block)) };
        local.held.borrow_mut().push_back(Held { block });
    }

    /// The block that has waited longest, once there are more than the quarantine holds, or in any case if `all`.
    ///
    /// # Panics
    /// When somebody wrote to it.
    pub(crate) fn release(&self, local: &Local, all: bool) -> Option<NonNull<u8>> {
        let mut held = local.held.borrow_mut();
        if held.len() <= self.blocks && !all {
            return None;
        }
        let Held { block } = held.pop_front()?;
        drop(held);
        check(block);
        Some(block)
    }

    /// A block goes to a new owner.
    ///
    /// # Panics
    /// When somebody wrote to it since it was freed.
    pub(crate) fn leave(&self, block: NonNull<u8>) {
        if self.free().remove(&block.as_ptr().addr()) {
            check(block);
        }
    }

    /// The memory of these bytes goes back to the system: what was free in it is not poison any more.
    pub(crate) fn forget(&self, start: usize, bytes: usize) {
        let mut free = self.free();
        let mut behind = free.split_off(&start);
        free.append(&mut behind.split_off(&(start + bytes)));
    }
}

fn bytes_of(block: NonNull<u8>) -> usize {
    // SAFETY: the header of a block that has not gone back to the system.
    unsafe { Slab::of(block).as_ref() }.usable_bytes()
}

fn class_of(block: NonNull<u8>) -> String {
    // SAFETY: as above.
    let large = unsafe { Slab::of(block).as_ref() }.class as usize == class::LARGE;
    if large {
        format!("large, {} bytes", bytes_of(block))
    } else {
        format!("class of {} bytes", bytes_of(block))
    }
}

fn check(block: NonNull<u8>) {
    for offset in 0..bytes_of(block) {
        let at = block.as_ptr().wrapping_add(offset);
        // SAFETY: inside the block, which is nobody's.
        let byte = unsafe { at.read() };
        assert_eq!(
            byte,
            POISON,
            "block {block:p} ({}) was written to at offset {offset} after it was freed",
            class_of(block)
        );
    }
}
