//! [`Pool`]: the handle, and its settings.

use crate::class;
use crate::core::Core;
use crate::slab::{SLAB_BYTES, Slab};
use crate::stats::{ClassTable, PoolStats};
use crate::trim::Patience;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use stillpoint_primitive::prefetch;
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
    /// Poison freed blocks and hold back so many a thread, to catch use after free and double frees (default 0: off): a write to a freed
    /// block panics when the block leaves the quarantine or is allocated again, a second free at once. Slow: a lock for each call.
    pub quarantine_blocks: usize,
    /// Take every block from the system allocator, so that its tools (AddressSanitizer) see each one (default: off, unless built with
    /// `--cfg stillpoint_system_alloc`).
    pub system: bool,
    /// How long a slab must have been wholly free before [`Pool::trim_idle`] gives it back (default 10 s).
    pub decommit_after_ns: u64,
    /// Go on working in the child of a `fork`, until the last block has gone: the pool's locks are held across it, and what the parent's other threads have in their
    /// magazines (at most 8 KiB or 2 blocks a magazine, two a class) is lost there, as is, at the end, the pool's memory if there were
    /// any (default: off, a child must not touch the pool unless the process had one thread).
    pub survive_fork: bool,
    /// From how many bytes on the pool asks the system for huge pages (default 2 MiB; `None`: never). Blocks are then found
    /// with fewer misses of the processor's table of pages, and a first touch brings 2 MiB at once instead of 4 KiB: fewer of them, each of which takes longer.
    pub huge_pages_after_bytes: Option<usize>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let system = cfg!(stillpoint_system_alloc);
        PoolConfig {
            quarantine_blocks: 0,
            system,
            decommit_after_ns: 10_000_000_000,
            survive_fork: false,
            huge_pages_after_bytes: Some(2 << 20),
        }
    }
}

/// A pool of memory blocks. A cheap handle: clones share one pool.
///
/// Blocks may outlive the last handle; the pool's memory goes with the last of them. Dropping the last handle waits for frees that are
/// under way on other threads at that moment (some instructions each).
#[derive(Clone)]
pub struct Pool {
    core: NonNull<Core>,
    keeper: Arc<Keeper>,
}

// SAFETY: a core is made for sharing.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Closes the core with the last handle.
struct Keeper {
    core: NonNull<Core>,
}

// SAFETY: a core is made for sharing.
unsafe impl Send for Keeper {}
// SAFETY: as above.
unsafe impl Sync for Keeper {}

impl Drop for Keeper {
    fn drop(&mut self) {
        // SAFETY: made by `Pool::with_config` for this keeper; no handle is left.
        unsafe { Core::close(self.core) };
    }
}

impl ExitHook for Keeper {
    fn thread_exits(&self, slot: usize) -> bool {
        // SAFETY: there until the keeper goes.
        let core = unsafe { self.core.as_ref() };
        core.leave(core.locals.get_or_grow(slot));
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
        Pool::of(Core::new(config))
    }

    fn of(core: Core) -> Pool {
        let core = NonNull::from(Box::leak(Box::new(core)));
        let keeper = Arc::new(Keeper { core });
        let pool = Pool { core, keeper };
        pool.core().set_hook(Arc::downgrade(&pool.keeper) as Weak<dyn ExitHook>);
        if let Some(survivor) = &pool.core().survivor {
            survivor.watch(core);
        }
        pool
    }

    #[inline(always)]
    fn core(&self) -> &Core {
        // SAFETY: there until the keeper goes, of which we hold one.
        unsafe { self.core.as_ref() }
    }

    /// A block of at least `bytes` bytes, contents undefined, aligned to the largest power of two from 8 to 64 that divides `bytes`.
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
        self.core().alloc(bytes).ok_or(AllocError { bytes })
    }

    /// Asks the processor to fetch what the next allocation of as many bytes on this thread will probably give. For those between whose
    /// allocations so much happens that a free block is in no cache: what is written into it then waits for memory.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_next(&self, bytes: usize) {
        self.core().prefetch_next(bytes);
    }

    /// What an allocation of `bytes` takes: its class's size, or its own size and a header.
    pub fn block_bytes(bytes: usize) -> usize {
        match class::class_for(bytes) {
            class::LARGE => bytes.saturating_add(size_of::<Slab>()),
            class => class::bytes_of(class),
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
        // SAFETY: the caller's promise; every block lies in a slab or behind a large header.
        unsafe { Core::free(block, Slab::of(block)) };
    }

    /// As [`free`](Pool::free), for who knows the block's pool and how much was asked for: does not look at the block or its slab, nor
    /// announce itself to a last handle that goes, so it costs half as much.
    ///
    /// # Progress
    /// As [`alloc`](Pool::alloc).
    ///
    /// # Safety
    /// As [`free`](Pool::free); `block` came from [`alloc`](Pool::alloc) of this very pool (of any handle of it), with `bytes`.
    ///
    /// # Examples
    /// ```
    /// let pool = stillpoint_pool::Pool::new();
    /// let block = pool.alloc(64)?;
    /// // SAFETY: allocated just now, from this pool and with this size; freed once.
    /// unsafe { pool.free_sized(block, 64) };
    /// # Ok::<(), stillpoint_pool::AllocError>(())
    /// ```
    #[inline]
    pub unsafe fn free_sized(&self, block: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.core().free_sized(block, bytes) };
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

    /// Asks the processor to fetch what [`free`](Pool::free), [`birth`](Pool::birth) and [`prefetch_birth`](Pool::prefetch_birth) look at first, ahead of its use. A
    /// hint: any address will do, nothing is read.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn prefetch_header(block: *const u8) {
        prefetch(block.wrapping_byte_sub(block.addr() & (SLAB_BYTES - 1)));
    }

    /// Asks the processor to fetch the birth of a block ahead of its use.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Safety
    /// As [`set_birth`](Pool::set_birth).
    #[inline]
    pub unsafe fn prefetch_birth(block: NonNull<u8>) {
        // SAFETY: every block lies in a slab or behind a large header.
        unsafe { Slab::of(block).as_ref() }.prefetch_birth(block);
    }

    /// Takes many blocks back at once, of any pools and classes. Neighbours of one class are handed on together, in whole magazines where
    /// they fill one: what a sweep of a collector, or a consumer of batches, wants to call.
    ///
    /// # Progress
    /// As [`alloc`](Pool::alloc), for every 64 blocks.
    ///
    /// # Safety
    /// As [`free`](Pool::free), for each block.
    pub unsafe fn free_batch(blocks: &[NonNull<u8>]) {
        let of = |block: NonNull<u8>| {
            let slab = Slab::of(block);
            // SAFETY: every block lies in a slab or behind a large header.
            let header = unsafe { slab.as_ref() };
            (header.owner, header.class)
        };
        let together = |a: &NonNull<u8>, b: &NonNull<u8>| {
            Slab::of(*a) == Slab::of(*b) || (of(*a) == of(*b) && of(*a).1 != class::LARGE as u32)
        };
        for run in blocks.chunk_by(together) {
            // SAFETY: the caller's promise; these are of one core and class.
            unsafe { Core::free_run(Slab::of(run[0]), run) };
        }
    }

    /// Figures of this moment.
    ///
    /// # Cost
    /// O(threads), and a lock on the slow path of slabs.
    pub fn stats(&self) -> PoolStats {
        self.core().stats()
    }

    /// Figures of this moment by class; `Display` makes a table of them.
    ///
    /// # Cost
    /// O(threads + slabs), holding the lock on slabs.
    ///
    /// # Examples
    /// ```
    /// let pool = stillpoint_pool::Pool::new();
    /// let block = pool.alloc(100)?;
    /// println!("{}", pool.class_table());
    /// # // SAFETY: allocated just now, freed once.
    /// # unsafe { stillpoint_pool::Pool::free(block) };
    /// # Ok::<(), stillpoint_pool::AllocError>(())
    /// ```
    pub fn class_table(&self) -> ClassTable {
        self.core().class_table()
    }

    /// Gets the memory for the next slabs ready if it will soon be wanted, for calling now and then beside those who allocate: they then need not wait until the
    /// system has found and cleared a huge page. One segment of 2 MiB at most is ready; a pool that asks for no huge pages yet
    /// ([`PoolConfig::huge_pages_after_bytes`]) has nothing to do, and where the system gives none only the first page of the segment is got ready. Whether it got one ready; a trim may give it back.
    ///
    /// # Progress
    /// Blocking: it is the system's time. Nobody waits for it, but whoever maps memory in the same moment.
    ///
    /// # Examples
    /// ```
    /// let pool = stillpoint_pool::Pool::new();
    /// assert!(!pool.prepare(), "a small pool has small pages");
    /// ```
    pub fn prepare(&self) -> bool {
        self.core().segments.prepare()
    }

    /// Gives all slabs that are wholly free back to the system. What other threads have in their magazines counts as used (at most 8 KiB
    /// or 2 blocks a magazine, two magazines a class); the caller's own is emptied first. Returns the number of bytes given back.
    ///
    /// # Progress
    /// Blocking against another trim. Allocation and freeing go on beside it; an allocation that needs a fresh slab may wait while the table
    /// of slabs is walked.
    ///
    /// # Cost
    /// O(free blocks + slabs), and a system call for each 64 KiB given back.
    pub fn trim(&self) -> usize {
        self.core().trim(Patience::None)
    }

    /// As [`trim`](Pool::trim), for calling now and then: gives back only slabs that have been wholly free at every call for
    /// [`PoolConfig::decommit_after_ns`] or longer. `now_ns` is a time of the caller's that does not go backwards.
    ///
    /// # Progress
    /// As [`trim`](Pool::trim).
    ///
    /// # Cost
    /// As [`trim`](Pool::trim).
    pub fn trim_idle(&self, now_ns: u64) -> usize {
        let core = self.core();
        core.trim(Patience::Wait { now_ns, delay_ns: core.config.decommit_after_ns })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish()
    }
}

#[cfg(all(test, stillpoint_shuttle, not(stillpoint_loom)))]
mod tests;
