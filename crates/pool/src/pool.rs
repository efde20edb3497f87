//! [`Pool`]: the handle; its settings, its figures, trimming.
//!
//! Tags: `[count]` figures.

use crate::core::Core;
use crate::slab::{SLAB_BYTES, Slab};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, Weak};
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_primitive::thread_slot::ExitHook;

/// The memory was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// Bytes asked for.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for a block of {} bytes", self.bytes)
    }
}

impl std::error::Error for AllocError {}

/// Settings of a pool.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Poison freed blocks and hold back so many a thread, to catch use after free (default 0: off). Not for large blocks.
    pub quarantine_blocks: usize,
    /// Take every block from the system allocator, so that its tools (AddressSanitizer) see each one (default: off, unless built with
    /// `--cfg stillpoint_system_alloc`).
    pub system: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let system = cfg!(stillpoint_system_alloc);
        PoolConfig { quarantine_blocks: 0, system }
    }
}

/// Figures of one moment: sums of per-thread counters, so not one atomic cut.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Blocks in use.
    pub blocks: u64,
    /// Their bytes, rounded up to their classes.
    pub bytes: u64,
    /// Bytes of slabs that are not wholly free and decommitted.
    pub slab_bytes: u64,
    /// Address space mapped for slabs.
    pub mapped_bytes: u64,
    /// Bytes of blocks too large for slabs.
    pub large_bytes: u64,
}

/// A pool of memory blocks. A cheap handle: clones share one pool.
#[derive(Clone)]
pub struct Pool {
    keeper: Arc<Keeper>,
}

/// Frees the core with the last handle, if no block is in use.
struct Keeper {
    core: NonNull<Core>,
}

// SAFETY: a core is made for sharing.
unsafe impl Send for Keeper {}
// SAFETY: as above.
unsafe impl Sync for Keeper {}

impl Keeper {
    fn core(&self) -> &Core {
        // SAFETY: freed only by our own drop.
        unsafe { self.core.as_ref() }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.core().stats().blocks == 0 {
            // SAFETY: made by `Box::leak` in `with_config`; no handle, no block is left.
            drop(unsafe { Box::from_raw(self.core.as_ptr()) });
        }
    }
}

impl ExitHook for Keeper {
    fn thread_exits(&self, slot: usize) -> bool {
        let local = self.core().locals.get_or_grow(slot);
        self.core().empty_local(local);
        local.registered.set(false);
        true
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new()
    }
}

impl Pool {
    /// A pool with the default settings.
    pub fn new() -> Pool {
        Pool::with_config(PoolConfig::default())
    }

    /// A pool with settings of one's own.
    pub fn with_config(config: PoolConfig) -> Pool {
        let core = NonNull::from(Box::leak(Box::new(Core::new(config))));
        let keeper = Arc::new(Keeper { core });
        let hook = Arc::downgrade(&keeper) as Weak<dyn ExitHook>;
        *keeper.core().hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
        Pool { keeper }
    }

    /// A block of at least `bytes` bytes, aligned to 8, contents undefined.
    ///
    /// # Progress
    /// Wait-free on a magazine hit, lock-free through the depot; the operating system is outside every claim.
    ///
    /// # Errors
    /// [`AllocError`] when the system has no memory, or `bytes` exceeds what an allocation can be.
    ///
    /// # Cost
    /// `Pool::block_bytes(bytes)` bytes, and 4 more for its birth.
    #[inline]
    pub fn alloc(&self, bytes: usize) -> Result<NonNull<u8>, AllocError> {
        self.keeper.core().alloc(bytes)
    }

    /// What an allocation of `bytes` takes: its class's size, or its own size and a header.
    pub fn block_bytes(bytes: usize) -> usize {
        match crate::class::class_for(bytes) {
            Some(class) => crate::class::bytes_of(class),
            None => bytes.saturating_add(size_of::<Slab>()),
        }
    }

    /// Takes a block back, on any thread. No handle is needed: the block's slab is found by its address.
    ///
    /// # Progress
    /// As [`alloc`](Pool::alloc).
    ///
    /// # Safety
    /// `block` came from [`alloc`](Pool::alloc), is freed once, and nobody uses it any more.
    #[inline]
    pub unsafe fn free(block: NonNull<u8>) {
        let slab = Slab::of(block);
        // SAFETY: every block lies in a slab or behind a large header.
        let slab = unsafe { slab.as_ref() };
        // SAFETY: a core stays while blocks of it are in use.
        let core = unsafe { &*slab.owner.cast::<Core>() };
        // SAFETY: the caller's promise.
        unsafe { core.free(block, slab) };
    }

    /// Notes the birth of a block (an epoch, see `stillpoint-reclaim`), outside the block itself.
    ///
    /// # Safety
    /// `block` came from [`alloc`](Pool::alloc) and is in use.
    #[inline]
    pub unsafe fn set_birth(block: NonNull<u8>, birth: u64) {
        // SAFETY: every block lies in a slab or behind a large header.
        unsafe { Slab::of(block).as_ref() }.set_birth(block, birth);
    }

    /// The birth noted, or an earlier one: births are kept in 32 bits relative to their slab, which errs to the conservative side.
    ///
    /// # Safety
    /// As [`set_birth`](Pool::set_birth).
    #[inline]
    pub unsafe fn birth(block: NonNull<u8>) -> u64 {
        // SAFETY: every block lies in a slab or behind a large header.
        unsafe { Slab::of(block).as_ref() }.birth(block)
    }

    /// Figures of this moment.
    ///
    /// # Cost
    /// O(threads), and a lock on the slow path of slabs.
    pub fn stats(&self) -> PoolStats {
        self.keeper.core().stats()
    }

    /// Gives the pages of slabs that are wholly free back to the system. Blocks in other threads' magazines count as used.
    /// Returns the number of bytes given back.
    ///
    /// # Progress
    /// Blocking against another `trim`; allocation and freeing go on beside it.
    ///
    /// # Cost
    /// O(free blocks).
    pub fn trim(&self) -> usize {
        self.keeper.core().trim()
    }
}

impl Core {
    pub(crate) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats::default();
        let (mut freed, mut freed_bytes) = (0u64, 0u64);
        for local in self.locals.iter() {
            stats.blocks = stats.blocks.wrapping_add(local.allocated.get());
            stats.bytes = stats.bytes.wrapping_add(local.allocated_bytes.get());
            freed = freed.wrapping_add(local.freed.get());
            freed_bytes = freed_bytes.wrapping_add(local.freed_bytes.get());
        }
        stats.blocks = stats.blocks.saturating_sub(freed);
        stats.bytes = stats.bytes.saturating_sub(freed_bytes);
        let (mapped, slabs) = self.segments.bytes();
        let idle = self.slabs.lock().unwrap_or_else(PoisonError::into_inner).idle.len();
        stats.mapped_bytes = mapped as u64;
        stats.slab_bytes = (slabs - idle * SLAB_BYTES) as u64;
        // Relaxed [count]: a figure.
        stats.large_bytes = self.large_bytes.load(Ordering::Relaxed);
        stats
    }

    fn trim(&self) -> usize {
        let mut slabs = self.slabs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut magazines = Vec::new();
        let mut free: HashMap<NonNull<Slab>, u32> = HashMap::new();
        for (class, depot) in self.depots.iter().enumerate() {
            while let Some(mut magazine) = depot.take_full() {
                magazine.with(|blocks| {
                    blocks.iter().for_each(|block| *free.entry(Slab::of(*block)).or_default() += 1);
                });
                magazines.push((class, magazine));
            }
        }
        let whole = |slab: &NonNull<Slab>| {
            // SAFETY: headers stay.
            let carved = unsafe { slab.as_ref() }.carved();
            free.get(slab) == Some(&carved) && !self.is_current(*slab)
        };
        let gone: HashSet<_> = slabs.all.iter().copied().filter(whole).collect();
        for (class, mut magazine) in magazines {
            magazine.with(|blocks| blocks.retain(|block| !gone.contains(&Slab::of(*block))));
            self.depots[class].give(magazine);
        }
        let mut bytes = 0;
        for slab in gone {
            bytes += Slab::decommit(slab);
            if !slabs.idle.contains(&slab) {
                slabs.idle.push(slab);
            }
        }
        bytes
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish()
    }
}
