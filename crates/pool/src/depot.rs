//! [`Depot`]: where threads exchange whole magazines (Bonwick and Adams, "Magazines and Vmem", 2001).
//!
//! ```text
//! head   u64 = tag (32) | id + 1 (32)      0 in the low half: empty
//! table  id ──▶ Box<Magazine>, never freed while the depot lives
//! ```
//! A stack of magazines by number. A pop reads `head`, then the magazine's `next`, then CASes; between the two the magazine may have
//! been popped and pushed again with another `next` (ABA), so every push moves the tag on. Magazines stay mapped, so the stale read
//! of `next` is harmless.
//!
//! Tags: `[push]` Release CAS: the magazine's blocks come with it; `[pop]` Acquire CAS and load.

use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock, PoisonError};
use stillpoint_primitive::OwnerCounter;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// What a model may take out, to show that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutation {
    None,
    #[cfg(all(test, stillpoint_loom))]
    NoTag,
}

impl Mutation {
    fn tag_after(self, tag: u64) -> u64 {
        match self {
            Mutation::None => tag + 1,
            #[cfg(all(test, stillpoint_loom))]
            Mutation::NoTag => 0,
        }
    }
}

/// One stack of magazines.
struct Stack {
    head: AtomicU64,
}

const ID_MASK: u64 = u32::MAX as u64;

impl Stack {
    fn push(&self, magazine: &Magazine, mutation: Mutation) {
        // Relaxed [push]: compared only.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Relaxed [push]: published by the CAS.
            magazine.next.store(head as u32, Ordering::Relaxed);
            let tag = mutation.tag_after(head >> 32);
            let new = (tag << 32) | u64::from(magazine.id + 1);
            // Release [push]: see the header; Relaxed [push] on failure: again.
            match self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    fn pop(&self, table: &Table) -> Option<Loaded> {
        // Acquire [pop]: the magazine that it names is in the table.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let id = ((head & ID_MASK) as u32).checked_sub(1)?;
            let magazine = table.get(id);
            // SAFETY: in the table, so never freed while the depot lives.
            let next = unsafe { magazine.as_ref() }.next.load(Ordering::Relaxed); // Relaxed [pop]: checked by the CAS
            let new = (head & !ID_MASK) | u64::from(next);
            // Acquire [pop]: takes over the blocks; Acquire [pop] on failure: as above.
            match self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(Loaded(magazine)),
                Err(now) => head = now,
            }
        }
    }
}

/// Magazines by number. Lookups by id go through chunks that never move.
struct Table {
    chunks: [OnceLock<Chunk>; CHUNKS],
    count: Mutex<u32>,
}

type Chunk = Box<[OnceLock<Box<Magazine>>]>;

const CHUNKS: usize = 24;
const FIRST_CHUNK: u32 = 64;

impl Table {
    /// Chunk and index of a number: chunk `k` holds `FIRST_CHUNK << k` magazines.
    fn place(id: u32) -> (usize, usize) {
        let chunk = (id / FIRST_CHUNK + 1).ilog2();
        let before = FIRST_CHUNK * ((1 << chunk) - 1);
        (chunk as usize, (id - before) as usize)
    }

    fn get(&self, id: u32) -> NonNull<Magazine> {
        let (chunk, index) = Self::place(id);
        let magazine = self.chunks[chunk].get().and_then(|chunk| chunk[index].get());
        NonNull::from(&**magazine.expect("numbers are handed out after their magazine is in place"))
    }

    fn make(&self, capacity: usize) -> NonNull<Magazine> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *count;
        let (chunk, index) = Self::place(id);
        let slots = self.chunks[chunk]
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        let magazine = slots[index].get_or_init(|| {
            Box::new(Magazine {
                id,
                next: AtomicU32::new(0),
                blocks: UnsafeCell::new(Vec::with_capacity(capacity)),
            })
        });
        *count = id + 1;
        NonNull::from(&**magazine)
    }
}

/// The depot of one size class.
pub(crate) struct Depot {
    full: Stack,
    empty: Stack,
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
            full: Stack { head: AtomicU64::new(0) },
            empty: Stack { head: AtomicU64::new(0) },
            table: Table { chunks: Default::default(), count: Mutex::new(0) },
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
        let magazine = self.full.pop(&self.table)?;
        self.taken.add_shared(1);
        Some(magazine)
    }

    /// A magazine without blocks; makes one if need be.
    pub(crate) fn take_empty(&self) -> Loaded {
        self.empty.pop(&self.table).unwrap_or_else(|| Loaded(self.table.make(self.capacity)))
    }

    /// Gives a magazine back: to the full ones if it has blocks, else to the empty ones.
    pub(crate) fn give(&self, mut magazine: Loaded) {
        let empty = magazine.with(|blocks| blocks.is_empty());
        let stack = if empty { &self.empty } else { &self.full };
        if !empty {
            self.given.add_shared(1);
        }
        // SAFETY: lives as long as the depot.
        stack.push(unsafe { magazine.0.as_ref() }, self.mutation);
    }
}

#[cfg(test)]
mod tests;
