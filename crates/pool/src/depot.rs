//! [`Depot`]: where threads exchange whole magazines (Bonwick and Adams, "Magazines and Vmem", 2001).
//!
//! ```text
//! full, empty   stacks of magazines by number
//! links         number ──▶ the next one in its stack           arena   number ──▶ the magazine itself
//! ```
//! A magazine that is in no stack belongs to whoever popped it. Numbers and a tag in one word make the stacks safe against ABA without a
//! 128-bit CAS (see `index_stack`).
//!
//! Where the system has no memory for a magazine, blocks go one by one, under the lock: allocation carves single ones, and what is freed
//! waits among the strays. If the list of strays cannot grow either, blocks are lost until the pool goes.

use crate::chunks::Chunks;
use crate::index_stack::{IndexStack, Mutation};
use crate::magazine::{Arena, Loaded};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::PoisonError;
use stillpoint_primitive::OwnerCounter;
use stillpoint_primitive::sync::atomic::AtomicU32;
use stillpoint_primitive::sync::{Mutex, MutexGuard, UnsafeCell};

/// What is kept of a magazine beside its memory.
struct Link {
    next: AtomicU32,
    /// Stands for what the magazine holds, where a model looks on; nothing otherwise.
    watched: UnsafeCell<()>,
}

// SAFETY: `watched` is touched only by whoever popped the magazine, until it is pushed again.
unsafe impl Send for Link {}
// SAFETY: as above.
unsafe impl Sync for Link {}

impl Link {
    fn new() -> Link {
        Link { next: AtomicU32::new(0), watched: UnsafeCell::new(()) }
    }
}

/// What is done one at a time.
#[derive(Default)]
pub(crate) struct Making {
    /// Magazines there are.
    count: u32,
    /// Free blocks in no magazine.
    strays: Vec<NonNull<u8>>,
}

// SAFETY: blocks may change threads.
unsafe impl Send for Making {}

/// The depot of one size class.
pub(crate) struct Depot {
    full: IndexStack,
    empty: IndexStack,
    links: Chunks<Link>,
    arena: Arena,
    /// Who makes a magazine has the lock after who made the links' chunk, and a model sees it.
    making: Mutex<Making>,
    /// How many strays there are: a look that needs no lock.
    strays: OwnerCounter,
    capacity: usize,
    /// Magazines that went into `full`, and out of it.
    given: OwnerCounter,
    taken: OwnerCounter,
    mutation: Mutation,
}

impl Depot {
    pub(crate) fn new(capacity: usize, mutation: Mutation) -> Self {
        Depot {
            full: IndexStack::new(),
            empty: IndexStack::new(),
            links: Chunks::new(),
            arena: Arena::new(capacity),
            making: Mutex::new(Making::default()),
            strays: OwnerCounter::new(),
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
        let magazine = self.pop_from(&self.full)?;
        self.taken.add_shared(1);
        Some(magazine)
    }

    /// A magazine without blocks; makes one if need be, and if there is memory.
    pub(crate) fn take_empty(&self) -> Option<Loaded> {
        self.take_left_empty().or_else(|| self.make())
    }

    /// Keeps free blocks for which there is no magazine.
    #[cold]
    pub(crate) fn keep(&self, blocks: &[NonNull<u8>]) {
        let strays = &mut self.hold().strays;
        if strays.try_reserve(blocks.len()).is_ok() {
            strays.extend_from_slice(blocks);
            self.strays.set(strays.len() as u64);
        }
    }

    /// One of those blocks.
    pub(crate) fn take_stray(&self) -> Option<NonNull<u8>> {
        if self.strays.get() == 0 {
            return None;
        }
        let strays = &mut self.hold().strays;
        let block = strays.pop();
        self.strays.set(strays.len() as u64);
        block
    }

    /// Puts strays into magazines, as far as there is memory for those.
    pub(crate) fn gather(&self) {
        while self.strays.get() > 0
            && let Some(mut magazine) = self.take_empty()
        {
            let strays = &mut self.hold().strays;
            let rest = strays.len().saturating_sub(self.capacity);
            magazine.extend(&strays[rest..]);
            strays.truncate(rest);
            self.strays.set(rest as u64);
            self.give(magazine);
        }
    }

    /// A magazine without blocks, if there is one.
    pub(crate) fn take_left_empty(&self) -> Option<Loaded> {
        self.pop_from(&self.empty)
    }

    /// Gives a magazine back: to the full ones if it has blocks, else to the empty ones.
    pub(crate) fn give(&self, magazine: Loaded) {
        let stack = if magazine.len() == 0 { &self.empty } else { &self.full };
        if magazine.len() > 0 {
            self.given.add_shared(1);
        }
        self.push_to(stack, magazine.id());
    }

    /// Gives magazines back that hold nothing, and their memory to the system. The lowest is the next to be taken.
    ///
    /// # Safety
    /// They are the caller's and empty.
    pub(crate) unsafe fn give_without_memory(&self, ids: Range<u32>) {
        // SAFETY: the caller's promise; made, since somebody has had them.
        unsafe { self.arena.decommit(ids.clone()) };
        ids.rev().for_each(|id| self.push_to(&self.empty, id));
    }

    /// A magazine that is the caller's already, by its number.
    ///
    /// # Safety
    /// It is the caller's, who has one [`Loaded`] of it at a time.
    pub(crate) unsafe fn own(&self, id: u32) -> Loaded {
        // SAFETY: the caller's promise; made, since somebody has had it.
        unsafe { self.arena.loaded(id) }
    }

    /// Keeps others from making magazines, and from strays.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Making> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, id: u32) -> &Link {
        self.links.get(id).expect("numbers are handed out after their link is in place")
    }

    fn make(&self) -> Option<Loaded> {
        let mut making = self.hold();
        let id = making.count;
        if !self.arena.make(id) {
            return None;
        }
        let link = self.links.get_or_make(id, Link::new);
        assert!(link.is_some(), "a depot of 2^32 magazines exceeds the address space");
        making.count = id + 1;
        // SAFETY: made just now, for us.
        Some(unsafe { self.arena.loaded(id) })
    }

    fn push_to(&self, stack: &IndexStack, id: u32) {
        let link = self.link(id);
        link.watched.with_mut(|_| ());
        stack.push(id, &link.next, self.mutation);
    }

    fn pop_from(&self, stack: &IndexStack) -> Option<Loaded> {
        let id = stack.pop(|id| &self.link(id).next)?;
        self.link(id).watched.with_mut(|_| ());
        // SAFETY: popped, so ours; it was made before it was pushed.
        Some(unsafe { self.arena.loaded(id) })
    }
}

#[cfg(all(test, not(stillpoint_shuttle)))]
mod tests;
