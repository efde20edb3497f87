//! [`HandlePool`]: values behind generation-tagged [`Handle`]s, for those who keep references outside guards.
//!
//! ```text
//! Handle { index, generation }                  8 bytes, Copy
//! slots[index]   place ──▶ node { generation, value }     in the pool's memory, reclaimed by leased epochs; null: free
//!                generation of the next value · link of the free list
//! ```
//! 1. A node holds the generation it was inserted with, so one protected load decides: the node's generation is the handle's, or the
//!    handle is stale. No second word has to be compared with the first.
//! 2. A slot belongs to who took its node out (by the one CAS to null) until its number is on the free list, then to who pops it. Only the
//!    owner changes its generation, and each owner after a removal moves it on.
//! 3. A slot whose generations have run out never gets on the free list again.
//!
//! Tags: `[slot]` Relaxed accesses of a slot's generation by its owner; the free list's CASes order them; `[fresh]` Relaxed, the counter
//! alone decides; `[publish]` Release swap of the node into its place, AcqRel CAS out of it.

use crate::chunks::Chunks;
use crate::index_stack::{IndexStack, Mutation as StackMutation};
use crate::pool::Pool;
use std::fmt;
use std::num::NonZeroU32;
use stillpoint_primitive::sync::atomic::{AtomicU32, Ordering};
use stillpoint_primitive::{OwnerCounter, drop_all};
use stillpoint_reclaim::{Atomic, Collector, Guard, Owned, Shared};

/// Names a value in a [`HandlePool`] for as long as it is there, and nothing else ever after. (Of another pool it names anything or
/// nothing, but is never unsound.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Handle {
    index: u32,
    generation: NonZeroU32,
}

const _: () = assert!(size_of::<Option<Handle>>() == 8);

impl Handle {
    /// As a number, to be kept where only numbers can be.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation.get()) << 32 | u64::from(self.index)
    }

    /// The handle of that number, if it is one.
    pub fn from_bits(bits: u64) -> Option<Handle> {
        Some(Handle { index: bits as u32, generation: NonZeroU32::new((bits >> 32) as u32)? })
    }
}

/// Why a value was not inserted.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// There was no memory for so many bytes.
    NoMemory(usize),
    /// So many slots are used, or used up, and there can be no more.
    Full(u32),
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InsertError::NoMemory(bytes) => write!(f, "no memory for a value of {bytes} bytes"),
            InsertError::Full(slots) => write!(f, "all {slots} slots are used"),
        }
    }
}

impl std::error::Error for InsertError {}

/// What a model may take out, to show that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutation {
    None,
    #[cfg(all(test, stillpoint_loom))]
    NoBump,
}

struct Node<T> {
    generation: NonZeroU32,
    value: T,
}

struct Slot<T> {
    place: Atomic<Node<T>>,
    /// Of the next value.
    generation: AtomicU32,
    next: AtomicU32,
}

impl<T> Slot<T> {
    fn new() -> Slot<T> {
        Slot {
            place: Atomic::null(),
            generation: AtomicU32::new(FIRST_GENERATION.get()),
            next: AtomicU32::new(0),
        }
    }
}

const FIRST_GENERATION: NonZeroU32 = NonZeroU32::MIN;
/// Slots there can be, give or take one a thread: what is left of 32 bits is more than there can be threads.
const MAX_SLOTS: u32 = u32::MAX - (1 << 20);

/// A concurrent map from handles, which it makes itself, to values: a slot map. What [`Pinned::get`] returns stays good until the pin
/// goes, whoever removes it meanwhile.
///
/// | operation | progress | cost |
/// |---|---|---|
/// | [`pin`](HandlePool::pin) | wait-free after the thread's first, while the thread has its thread-locals | two stores |
/// | [`get`](Pinned::get) | wait-free, at most 64 rounds, one in practice | one protected load, one compare |
/// | [`insert`](Pinned::insert) | lock-free | a block, two CASes |
/// | [`remove`](Pinned::remove) | lock-free; the removal itself wait-free: one CAS | one CAS, a retirement, one CAS |
///
/// A value costs its size and 12 bytes rounded up to 8, a slot 16 bytes; slots are never given back before the pool. A stalled pin holds
/// back a bounded number of removed values (see `stillpoint_reclaim`'s bound). A type aligned to more than a block, 64, does not compile. A slot serves 2^32 - 1 values, then it is left alone.
///
/// # Examples
/// ```
/// use stillpoint_pool::HandlePool;
///
/// let sessions = HandlePool::new();
/// let pinned = sessions.pin();
/// let handle = pinned.insert("first").map_err(|(error, _)| error)?;
/// assert_eq!(pinned.get(handle), Some(&"first"));
/// let removed = pinned.remove(handle);
/// // Good as long as the pin.
/// assert_eq!(removed, Some(&"first"));
/// let other = pinned.insert("second").map_err(|(error, _)| error)?;
/// assert_eq!((pinned.get(handle), pinned.get(other)), (None, Some(&"second")));
/// # Ok::<(), stillpoint_pool::InsertError>(())
/// ```
pub struct HandlePool<T: Send + Sync + 'static> {
    slots: Chunks<Slot<T>>,
    free: IndexStack,
    fresh: AtomicU32,
    inserted: OwnerCounter,
    removed: OwnerCounter,
    collector: Collector,
    memory: Pool,
    mutation: Mutation,
}

impl<T: Send + Sync + 'static> Default for HandlePool<T> {
    fn default() -> Self {
        HandlePool::new()
    }
}

impl<T: Send + Sync + 'static> HandlePool<T> {
    /// An empty one with memory of its own.
    ///
    /// # Cost
    /// That of a [`Pool`] and a collector, about 250 KB; see [`with_pool`](HandlePool::with_pool).
    pub fn new() -> Self {
        HandlePool::with_pool(Pool::new())
    }

    /// An empty one whose values live in `pool`.
    pub fn with_pool(pool: Pool) -> Self {
        HandlePool::with_parts(pool, Collector::new(), Mutation::None)
    }

    fn with_parts(memory: Pool, collector: Collector, mutation: Mutation) -> Self {
        HandlePool {
            slots: Chunks::new(),
            free: IndexStack::new(),
            fresh: AtomicU32::new(0),
            inserted: OwnerCounter::new(),
            removed: OwnerCounter::new(),
            collector,
            memory,
            mutation,
        }
    }

    /// Pins the calling thread: all operations go through this.
    ///
    /// # Progress
    /// Wait-free after the thread's first pin.
    #[inline]
    pub fn pin(&self) -> Pinned<'_, T> {
        Pinned { pool: self, guard: self.collector.pin() }
    }

    /// Values in it, about: two counters, read one after the other.
    ///
    /// # Progress
    /// Wait-free.
    pub fn len(&self) -> usize {
        let removed = self.removed.get();
        self.inserted.get().saturating_sub(removed) as usize
    }

    /// Whether there is no value in it, about.
    ///
    /// # Progress
    /// Wait-free.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reclaims what has been removed and no pin holds back.
    ///
    /// # Progress
    /// Blocking: destructors run.
    pub fn flush(&self) {
        self.collector.flush();
    }

    fn slot(&self, index: u32) -> &Slot<T> {
        self.slots.get(index).expect("a number is handed out after its slot is in place")
    }

    /// The number of a slot that is ours from now on.
    fn claim(&self) -> Option<u32> {
        if let Some(index) = self.free.pop(|index| &self.slot(index).next) {
            return Some(index);
        }
        // Relaxed [fresh]: a first look keeps the counter from running away at the end.
        if self.fresh.load(Ordering::Relaxed) >= MAX_SLOTS {
            return None;
        }
        // Relaxed [fresh]: the counter alone decides.
        let index = self.fresh.fetch_add(1, Ordering::Relaxed);
        self.slots.get_or_make(index, Slot::new).map(|_| index)
    }

    fn give_back(&self, index: u32) {
        self.free.push(index, &self.slot(index).next, StackMutation::None);
    }

    /// The generation after `generation`, if there is one.
    fn after(&self, generation: NonZeroU32) -> Option<NonZeroU32> {
        match self.mutation {
            Mutation::None => generation.checked_add(1),
            #[cfg(all(test, stillpoint_loom))]
            Mutation::NoBump => Some(generation),
        }
    }
}

impl<T: Send + Sync + 'static> Drop for HandlePool<T> {
    /// Drops all that is left. When a destructor panics, the others still run.
    fn drop(&mut self) {
        drop_all(self.slots.iter_mut().map(|slot| {
            // SAFETY: nobody else is there, what has been removed is in no place, and nodes are made in a pool.
            unsafe { slot.place.take_owned::<Pool>() }
        }));
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for HandlePool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlePool").field("len", &self.len()).finish()
    }
}

/// A [`HandlePool`] in the hands of a pinned thread. Of one thread; keep it as long as an operation, not as long as a session.
pub struct Pinned<'p, T: Send + Sync + 'static> {
    pool: &'p HandlePool<T>,
    guard: Guard<'p>,
}

impl<T: Send + Sync + 'static> Pinned<'_, T> {
    /// Puts `value` in and makes its handle.
    ///
    /// # Progress
    /// Lock-free; a chunk of new slots now and then is the allocator's business.
    ///
    /// # Errors
    /// [`InsertError`], and the value.
    pub fn insert(&self, value: T) -> Result<Handle, (InsertError, T)> {
        let node = Node { generation: FIRST_GENERATION, value };
        let mut node = match Owned::try_new_in(&self.guard, node, &self.pool.memory) {
            Ok(node) => node,
            Err((error, node)) => return Err((InsertError::NoMemory(error.bytes), node.value)),
        };
        let Some(index) = self.pool.claim() else {
            return Err((InsertError::Full(MAX_SLOTS), node.into_value().value));
        };
        let slot = self.pool.slot(index);
        // Relaxed [slot]: ours.
        let generation = NonZeroU32::new(slot.generation.load(Ordering::Relaxed));
        node.generation = generation.expect("generations begin at 1 and never wrap around");
        let handle = Handle { index, generation: node.generation };
        // Release [publish]: the value comes with the node. Nothing was there.
        slot.place.swap(node, Ordering::Release);
        self.pool.inserted.add_shared(1);
        Ok(handle)
    }

    /// The node of `handle`, if it is there.
    #[inline]
    fn find(&self, handle: Handle) -> Option<(&Slot<T>, Shared<'_, Node<T>>)> {
        let slot = self.pool.slots.get(handle.index)?;
        let node = self.guard.insisting(|guard| guard.protect(&slot.place));
        // SAFETY: protected by the guard.
        let found = unsafe { node.as_ref() }?;
        (found.generation == handle.generation).then_some((slot, node))
    }

    /// The value of `handle`, if it has not been removed.
    ///
    /// # Progress
    /// Wait-free: at most 64 rounds, one in practice.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&T> {
        let (_, node) = self.find(handle)?;
        // SAFETY: protected by the guard, which `self` keeps.
        Some(unsafe { &node.deref().value })
    }

    /// Takes the value of `handle` out. Of several that try, one gets it; it stays readable for all who are pinned.
    ///
    /// # Progress
    /// The removal is wait-free: one CAS, which fails only if somebody else has removed it. Handing the slot on is lock-free.
    pub fn remove(&self, handle: Handle) -> Option<&T> {
        let (slot, node) = self.find(handle)?;
        slot.place.compare_exchange(node, Shared::null()).ok()?;
        if let Some(generation) = self.pool.after(handle.generation) {
            // Relaxed [slot]: ours until it is given back.
            slot.generation.store(generation.get(), Ordering::Relaxed);
            self.pool.give_back(handle.index);
        }
        self.pool.removed.add_shared(1);
        // SAFETY: protected by the guard, which `self` keeps.
        let value = unsafe { &node.deref().value };
        // SAFETY: taken out of the only place that led to it, by us alone; made in a pool.
        unsafe { node.retire_in::<Pool, _>(&self.guard) };
        Some(value)
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Pinned<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("pool", self.pool).finish()
    }
}

#[cfg(all(test, not(stillpoint_shuttle)))]
mod tests;
