//! [`Depot`]: where threads exchange whole magazines (Bonwick and Adams, "Magazines and Vmem", 2001).
//!
//! ```text
//! full, empty   stacks of magazines by number
//! table         number ──▶ Magazine, in place, never freed while the depot lives
//! ```
//! A magazine that is in no stack belongs to whoever popped it. Numbers and a tag in one word make the stacks safe against ABA without a
//! 128-bit CAS (see `index_stack`).

use crate::chunks::Chunks;
use crate::index_stack::{IndexStack, Mutation};
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock, PoisonError};
use stillpoint_primitive::OwnerCounter;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::AtomicU32;

/// A stack of free blocks of one class, moved between threads as a whole.
pub(crate) struct Magazine {
    id: u32,
    next: AtomicU32,
    blocks: UnsafeCell<Vec<NonNull<u8>>>,
}

// SAFETY: a magazine's blocks are touched only by whoever popped it, until it is pushed again.
unsafe impl Send for Magazine {}
// SAFETY: `next` is atomic; for `blocks` see above.
unsafe impl Sync for Magazine {}

/// A magazine that is out of its depot, hence one's own.
pub(crate) struct Loaded(NonNull<Magazine>);

impl Loaded {
    #[inline(always)]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut Vec<NonNull<u8>>) -> R) -> R {
        // SAFETY: magazines live as long as the depot, which outlives what it has lent (the pool's core owns both).
        let magazine = unsafe { self.0.as_ref() };
        magazine.blocks.with_mut(|blocks| {
            // SAFETY: popped, so ours alone, and `&mut self` keeps us from doing it twice.
            f(unsafe { &mut *blocks })
        })
    }
}

/// Magazines by number.
struct Table {
    magazines: Chunks<OnceLock<Magazine>>,
    count: Mutex<u32>,
}

impl Table {
    fn get(&self, id: u32) -> &Magazine {
        let magazine = self.magazines.get(id).and_then(OnceLock::get);
        magazine.expect("numbers are handed out after their magazine is in place")
    }

    fn make(&self, capacity: usize) -> NonNull<Magazine> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *count;
        let place = self.magazines.get_or_make(id, OnceLock::new);
        let place = place.expect("a depot of 2^32 magazines exceeds the address space");
        let magazine = place.get_or_init(|| Magazine {
            id,
            next: AtomicU32::new(0),
            blocks: UnsafeCell::new(Vec::with_capacity(capacity)),
        });
        *count = id + 1;
        NonNull::from(magazine)
    }

    /// Pops a magazine from a stack of numbers.
    fn pop_from(&self, stack: &IndexStack) -> Option<Loaded> {
        let id = stack.pop(|id| &self.get(id).next)?;
        Some(Loaded(NonNull::from(self.get(id))))
    }
}

/// The depot of one size class.
pub(crate) struct Depot {
    full: IndexStack,
    empty: IndexStack,
    table: Table,
    capacity: usize,
    /// Magazines that went into `full`, and out of it.
    given: OwnerCounter,
    taken: OwnerCounter,
    mutation: Mutation,
}

impl Depot {
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with_mutation(capacity, Mutation::None)
    }

    fn with_mutation(capacity: usize, mutation: Mutation) -> Self {
        Depot {
            full: IndexStack::new(),
            empty: IndexStack::new(),
            table: Table { magazines: Chunks::new(), count: Mutex::new(0) },
            capacity,
            given: OwnerCounter::new(),
            taken: OwnerCounter::new(),
            mutation,
        }
    }

    /// Blocks a magazine.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many magazines with blocks in them there are, about.
    pub(crate) fn full_magazines(&self) -> u64 {
        let taken = self.taken.get();
        self.given.get().saturating_sub(taken)
    }

    /// A magazine with blocks in it.
    pub(crate) fn take_full(&self) -> Option<Loaded> {
        let magazine = self.table.pop_from(&self.full)?;
        self.taken.add_shared(1);
        Some(magazine)
    }

    /// A magazine without blocks; makes one if need be.
    pub(crate) fn take_empty(&self) -> Loaded {
        let Some(mut magazine) = self.table.pop_from(&self.empty) else {
            return Loaded(self.table.make(self.capacity));
        };
        // A trim takes the memory of empty ones away.
        magazine.with(|blocks| {
            if blocks.capacity() == 0 {
                blocks.reserve_exact(self.capacity);
            }
        });
        magazine
    }

    /// Gives a magazine back: to the full ones if it has blocks, else to the empty ones.
    pub(crate) fn give(&self, mut magazine: Loaded) {
        let empty = magazine.with(|blocks| blocks.is_empty());
        let stack = if empty { &self.empty } else { &self.full };
        if !empty {
            self.given.add_shared(1);
        }
        // SAFETY: lives as long as the depot.
        let magazine = unsafe { magazine.0.as_ref() };
        stack.push(magazine.id, &magazine.next, self.mutation);
    }
}

#[cfg(test)]
mod tests;
