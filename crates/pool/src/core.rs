//! [`Core`]: the pool proper: classes, depots, slabs; the slow paths of allocation and freeing.
//!
//! A block in use counts on its core being there. Handles share the core; when the last one goes while blocks are in use (nodes still
//! waiting in a collector's bags, say) the core is left in place for good instead of pulling the ground from under them.
//!
//! Tags: `[count]` figures; `[slab]` Release store of a class's current slab / Acquire load: the header was written before.

use crate::class;
use crate::depot::{Depot, Loaded};
use crate::local::{Local, Locals, Pair};
use crate::pool::{AllocError, PoolConfig};
use crate::segment::Segments;
use crate::slab::{LARGE, SLAB_BYTES, Slab};
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError, Weak};
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};

/// Bytes of free blocks that one magazine may hold, at most (never fewer than two blocks).
const MAGAZINE_BYTES: usize = 8 * 1024;
const MAGAZINE_BLOCKS: usize = 64;
const POISON: u8 = 0xdb;

pub(crate) struct Core {
    pub(crate) config: PoolConfig,
    pub(crate) segments: Segments,
    pub(crate) depots: Box<[Depot]>,
    current: Box<[AtomicPtr<Slab>]>,
    pub(crate) slabs: Mutex<Slabs>,
    pub(crate) locals: Locals,
    pub(crate) large_bytes: AtomicU64,
    pub(crate) hook: Mutex<Option<Weak<dyn ExitHook>>>,
}

// SAFETY: everything inside is made for sharing; slabs are reached through pointers that any thread may use.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

/// The slabs of all classes. A slab keeps its class for ever: a thread that was stalled while its slab was trimmed may still carve
/// from it, and must find blocks of the size it expects.
#[derive(Default)]
pub(crate) struct Slabs {
    pub(crate) all: Vec<NonNull<Slab>>,
    /// Trimmed and not current: their pages are with the system, their headers in place.
    pub(crate) idle: Vec<NonNull<Slab>>,
}

impl Slabs {
    fn take_idle(&mut self, class: usize) -> Option<NonNull<Slab>> {
        // SAFETY: headers stay.
        let at =
            self.idle.iter().rposition(|slab| unsafe { slab.as_ref() }.class as usize == class)?;
        Some(self.idle.swap_remove(at))
    }
}

/// A freed block that waits, poisoned, before it may be used again.
pub(crate) struct Quarantined {
    block: NonNull<u8>,
    bytes: usize,
}

impl Core {
    pub(crate) fn new(config: PoolConfig) -> Self {
        let capacity = |class| (MAGAZINE_BYTES / class::bytes_of(class)).clamp(2, MAGAZINE_BLOCKS);
        Core {
            config,
            segments: Segments::default(),
            depots: (0..class::COUNT).map(|class| Depot::new(capacity(class))).collect(),
            current: (0..class::COUNT).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect(),
            slabs: Mutex::default(),
            locals: Locals::new(),
            large_bytes: AtomicU64::new(0),
            hook: Mutex::new(None),
        }
    }

    /// Runs `f` on the calling thread's local.
    #[inline(always)]
    fn with_local<R>(&self, f: impl FnOnce(&Local) -> R) -> R {
        if let Some(local) = self.locals.get(thread_slot::current_or_max())
            && local.registered.get()
        {
            return f(local);
        }
        self.with_new_local(f)
    }

    #[cold]
    fn with_new_local<R>(&self, f: impl FnOnce(&Local) -> R) -> R {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(slot) = thread_slot::claim_current()
            && let Some(hook) = hook
            && thread_slot::on_exit(hook)
        {
            self.locals.mark_used(slot);
            let local = self.locals.get_or_grow(slot);
            local.registered.set(true);
            return f(local);
        }
        // Past the thread's exit: a slot for this one call.
        let temporary = Temporary::claim();
        self.locals.mark_used(temporary.slot());
        let local = self.locals.get_or_grow(temporary.slot());
        let result = f(local);
        self.empty_local(local);
        drop(temporary);
        result
    }

    #[inline(always)]
    pub(crate) fn alloc(&self, bytes: usize) -> Result<NonNull<u8>, AllocError> {
        let class = if self.config.system { None } else { class::class_for(bytes) };
        let Some(class) = class else { return self.alloc_large(bytes) };
        self.with_local(|local| {
            // SAFETY: we own the slot, and `Pair::take` calls nothing that comes back here.
            let hit = unsafe { local.pair(class, Pair::take) };
            let block = match hit {
                Some(block) => block,
                None => self.refill(local, class).ok_or(AllocError { bytes })?,
            };
            local.allocated.add(1);
            local.allocated_bytes.add(class::bytes_of(class) as u64);
            Ok(block)
        })
    }

    /// Gets a magazine of blocks from the depot, or carves one.
    #[cold]
    fn refill(&self, local: &Local, class: usize) -> Option<NonNull<u8>> {
        let depot = &self.depots[class];
        let magazine = match depot.take_full() {
            Some(full) => full,
            None => self.carve(class)?,
        };
        // SAFETY: we own the slot; the closure only moves magazines.
        let (block, old) = unsafe {
            local.pair(class, |pair| {
                let old = pair.spare.take();
                pair.spare = pair.loaded.replace(magazine);
                (pair.take(), old)
            })
        };
        if let Some(old) = old {
            depot.give(old);
        }
        block
    }

    /// A magazine of blocks that were never used; at least one.
    fn carve(&self, class: usize) -> Option<Loaded> {
        let depot = &self.depots[class];
        let mut magazine = depot.take_empty();
        loop {
            // Acquire [slab]: its header comes with it.
            let current = self.current[class].load(Ordering::Acquire);
            if let Some(slab) = NonNull::new(current) {
                // SAFETY: headers stay, with their class, even while a slab is trimmed.
                let range = unsafe { slab.as_ref() }.carve(depot.capacity() as u32);
                if !range.is_empty() {
                    // Reversed, so that allocation walks upwards.
                    magazine.with(|blocks| {
                        blocks.extend(range.rev().map(|index| Slab::block(slab, index)));
                    });
                    return Some(magazine);
                }
            }
            if self.new_slab(class, current).is_none() {
                depot.give(magazine);
                return None;
            }
        }
    }

    /// Puts another slab in the place of `exhausted`, unless somebody else did.
    fn new_slab(&self, class: usize, exhausted: *mut Slab) -> Option<()> {
        let mut slabs = self.slabs.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed [slab]: compared only; who changed it did so under the lock.
        if self.current[class].load(Ordering::Relaxed) != exhausted {
            return Some(());
        }
        let slab = match slabs.take_idle(class) {
            Some(idle) => idle,
            None => {
                let memory = self.segments.take()?;
                // SAFETY: fresh from the segments: zeroed, aligned, ours.
                let slab = unsafe { Slab::format(memory, (&raw const *self).cast(), class) };
                slabs.all.push(slab);
                slab
            }
        };
        // Release [slab]: the header goes with it.
        self.current[class].store(slab.as_ptr(), Ordering::Release);
        Some(())
    }

    #[cold]
    fn alloc_large(&self, bytes: usize) -> Result<NonNull<u8>, AllocError> {
        let header = size_of::<Slab>();
        let layout = bytes
            .checked_add(header)
            .and_then(|total| Layout::from_size_align(total, SLAB_BYTES).ok())
            .ok_or(AllocError { bytes })?;
        // SAFETY: the layout is not empty.
        let memory =
            NonNull::new(unsafe { std::alloc::alloc(layout) }).ok_or(AllocError { bytes })?;
        let slab = memory.cast::<Slab>();
        // SAFETY: fresh memory, large and aligned enough.
        unsafe { slab.write(Slab::large((&raw const *self).cast(), layout.size())) };
        // Relaxed [count]: a figure.
        self.large_bytes.fetch_add(layout.size() as u64, Ordering::Relaxed);
        self.with_local(|local| {
            local.allocated.add(1);
            local.allocated_bytes.add(layout.size() as u64);
        });
        // SAFETY: inside the allocation, which is at least a header long.
        Ok(unsafe { memory.add(header) })
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` came from `alloc` of this core and is freed once.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, block: NonNull<u8>, slab: &Slab) {
        if slab.class == LARGE {
            // SAFETY: as the caller promises.
            return unsafe { self.free_large(block, slab) };
        }
        let class = slab.class as usize;
        self.with_local(|local| {
            local.freed.add(1);
            local.freed_bytes.add(u64::from(slab.block_bytes));
            let block = if self.config.quarantine_blocks > 0 {
                self.quarantine(local, block, slab.block_bytes as usize)
            } else {
                Some(block)
            };
            let Some(block) = block else { return };
            // The block that leaves the quarantine may be of another class.
            let class = if self.config.quarantine_blocks > 0 {
                // SAFETY: as above.
                unsafe { Slab::of(block).as_ref() }.class as usize
            } else {
                class
            };
            // SAFETY: we own the slot, and `Pair::put` calls nothing that comes back here.
            if let Some(block) = unsafe { local.pair(class, |pair| pair.put(block)) } {
                self.spill(local, class, block);
            }
        });
    }

    /// Both magazines are full: one goes to the depot.
    #[cold]
    fn spill(&self, local: &Local, class: usize, block: NonNull<u8>) {
        let depot = &self.depots[class];
        let mut fresh = depot.take_empty();
        fresh.with(|blocks| blocks.push(block));
        // SAFETY: we own the slot; the closure only moves magazines.
        let full = unsafe {
            local.pair(class, |pair| {
                let full = pair.spare.take();
                pair.spare = pair.loaded.replace(fresh);
                full
            })
        };
        if let Some(full) = full {
            depot.give(full);
        }
    }

    /// # Safety
    /// As `free`, for a large block.
    #[cold]
    unsafe fn free_large(&self, block: NonNull<u8>, slab: &Slab) {
        let total = slab.large_bytes;
        // SAFETY: the very layout that `alloc_large` used.
        let layout = unsafe { Layout::from_size_align_unchecked(total, SLAB_BYTES) };
        // Relaxed [count]: a figure.
        self.large_bytes.fetch_sub(total as u64, Ordering::Relaxed);
        self.with_local(|local| {
            local.freed.add(1);
            local.freed_bytes.add(total as u64);
        });
        let memory = Slab::of(block).cast::<u8>();
        // SAFETY: allocated by `alloc_large` with this layout; the caller frees once.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
    }

    /// Poisons `block` and holds it back; gives out the one that has waited longest, after checking its poison.
    fn quarantine(&self, local: &Local, block: NonNull<u8>, bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: freed, hence nobody's, and `bytes` long.
        unsafe { block.as_ptr().write_bytes(POISON, bytes) };
        let mut waiting = local.quarantine.borrow_mut();
        waiting.push_back(Quarantined { block, bytes });
        if waiting.len() <= self.config.quarantine_blocks {
            return None;
        }
        let oldest = waiting.pop_front()?;
        oldest.check();
        Some(oldest.block)
    }

    /// Gives everything that `local` holds back to the depots.
    pub(crate) fn empty_local(&self, local: &Local) {
        while let Some(oldest) = local.quarantine.borrow_mut().pop_front() {
            oldest.check();
            // SAFETY: a block of a slab of this core.
            let class = unsafe { Slab::of(oldest.block).as_ref() }.class as usize;
            let mut magazine = self.depots[class].take_empty();
            magazine.with(|blocks| blocks.push(oldest.block));
            self.depots[class].give(magazine);
        }
        for (class, depot) in self.depots.iter().enumerate() {
            // SAFETY: by the slot's owner, at its exit.
            let pair = unsafe { local.pair(class, std::mem::take) };
            for magazine in [pair.loaded, pair.spare].into_iter().flatten() {
                depot.give(magazine);
            }
        }
    }

    /// Whether `slab` is one that its class carves from.
    pub(crate) fn is_current(&self, slab: NonNull<Slab>) -> bool {
        // Relaxed [slab]: compared only.
        self.current.iter().any(|current| current.load(Ordering::Relaxed) == slab.as_ptr())
    }
}

impl Quarantined {
    fn check(&self) {
        for offset in 0..self.bytes {
            let at = self.block.as_ptr().wrapping_add(offset);
            // SAFETY: inside the block, which is nobody's.
            let byte = unsafe { at.read() };
            assert_eq!(
                byte, POISON,
                "block {:p} of {} bytes was written to at {offset} after it was freed",
                self.block, self.bytes
            );
        }
    }
}

impl Pair {
    #[inline(always)]
    fn take(&mut self) -> Option<NonNull<u8>> {
        if let Some(block) = self.loaded.as_mut()?.with(Vec::pop) {
            return Some(block);
        }
        std::mem::swap(&mut self.loaded, &mut self.spare);
        self.loaded.as_mut()?.with(Vec::pop)
    }

    /// Puts `block` away; gives it back when both magazines are full or missing.
    #[inline(always)]
    fn put(&mut self, block: NonNull<u8>) -> Option<NonNull<u8>> {
        for _ in 0..2 {
            let put = self.loaded.as_mut().is_some_and(|loaded| {
                loaded.with(|blocks| {
                    let room = blocks.len() < blocks.capacity();
                    if room {
                        blocks.push(block);
                    }
                    room
                })
            });
            if put {
                return None;
            }
            std::mem::swap(&mut self.loaded, &mut self.spare);
        }
        Some(block)
    }
}
