//! [`Core`]: the pool proper: shelves, depots, slabs; how a block is found and where it goes.
//!
//! ```text
//! alloc   shelf ─▶ turn ─▶ depot: a full magazine ─▶ carve ─▶ a fresh slab          (large, or `system`: the system's allocator)
//! free    shelf ─▶ turn ─▶ an empty magazine in, the full one to the depot
//! ```
//! A block in use counts on its core being there. Handles share the core; the last one to go frees it, or the last block after that
//! (see `closing`).
//!
//! Tags: `[count]` figures.

use crate::carve::Carving;
use crate::class;
use crate::closing::Remaining;
use crate::depot::Depot;
use crate::fork::Survivor;
use crate::index_stack::Mutation;
use crate::local::{CLOSED, Local, Locals, READY, SLOW, UNREGISTERED};
use crate::magazine::Loaded;
use crate::pool::PoolConfig;
use crate::quarantine::Quarantine;
use crate::segment::Segments;
use crate::shelf::Shelf;
use crate::slab::{BIRTHS, Geometry, SLAB_BYTES, Slab};
use crate::slabs::Slabs;
use std::alloc::Layout;
use std::ops::DerefMut;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, Weak};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::Mutex;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};
use stillpoint_primitive::{prefetch, prefetch_lines};

/// Bytes of free blocks that one magazine may hold, at most (never fewer than two blocks).
const MAGAZINE_BYTES: usize = 8 * 1024;
const MAGAZINE_BLOCKS: usize = 64;
/// Lines of a block to come that are fetched, a kilobyte's and some; of what is behind them the processor sees that it is written in order.
const FETCHED_LINES: usize = 20;

pub(crate) struct Core {
    pub(crate) locals: Locals,
    fences: Fences,
    pub(crate) config: PoolConfig,
    pub(crate) depots: Box<[Depot]>,
    pub(crate) carvings: Box<[Carving]>,
    pub(crate) quarantine: Option<Quarantine>,
    pub(crate) slabs: Mutex<Slabs>,
    /// Held by the one trim under way.
    pub(crate) trimming: Mutex<()>,
    pub(crate) segments: Segments,
    /// Blocks too large for slabs in use, and their bytes.
    pub(crate) large_blocks: AtomicU64,
    pub(crate) large_bytes: AtomicU64,
    registry: Mutex<Registry>,
    pub(crate) remaining: Remaining,
    /// With `survive_fork`.
    pub(crate) survivor: Option<Arc<Survivor>>,
}

/// What a thread needs to join; the lock is held while one does, so that a close sees all that joined before.
#[derive(Default)]
pub(crate) struct Registry {
    hook: Option<Weak<dyn ExitHook>>,
    closed: bool,
}

// SAFETY: everything inside is made for sharing; slabs are reached through pointers that any thread may use.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

/// What an allocation finds when the depot has no full magazine.
enum Carved {
    Magazine(Loaded),
    Block(NonNull<u8>),
}

impl Core {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self::with_mutation(config, Mutation::None)
    }

    pub(crate) fn with_mutation(config: PoolConfig, mutation: Mutation) -> Self {
        let capacity = |class| (MAGAZINE_BYTES / class::bytes_of(class)).clamp(2, MAGAZINE_BLOCKS);
        Core {
            locals: Locals::new(),
            fences: Fences::detect(),
            quarantine: Quarantine::new(config.quarantine_blocks),
            survivor: config.survive_fork.then(Arc::default),
            depots: (0..class::COUNT).map(|class| Depot::new(capacity(class), mutation)).collect(),
            carvings: (0..class::COUNT).map(|_| Carving::new()).collect(),
            slabs: Mutex::new(Slabs::default()),
            trimming: Mutex::new(()),
            segments: Segments::new(config.huge_pages_after_bytes),
            large_blocks: AtomicU64::new(0),
            large_bytes: AtomicU64::new(0),
            registry: Mutex::new(Registry::default()),
            remaining: Remaining::new(),
            config,
        }
    }

    pub(crate) fn set_hook(&self, hook: Weak<dyn ExitHook>) {
        self.registry().hook = Some(hook);
    }

    pub(crate) fn registry(&self) -> impl DerefMut<Target = Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slabs(&self) -> impl DerefMut<Target = Slabs> {
        self.slabs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a slab's header says of its pool.
    fn as_owner(&self) -> (NonNull<()>, NonNull<()>) {
        (NonNull::from(self).cast(), NonNull::from(self.locals.first()).cast())
    }

    /// The shelf of the calling thread, if nothing stands in the way of a fast path.
    #[inline(always)]
    fn fast_local(&self) -> Option<&Local> {
        self.locals.get(thread_slot::current_or_max())
    }

    #[inline(always)]
    pub(crate) fn alloc(&self, bytes: usize) -> Option<NonNull<u8>> {
        let class = class::class_for(bytes);
        if let Some(local) = self.fast_local()
            && let Some(shelf) = local.shelves.get(class)
            && local.state() == READY
            // SAFETY: the slot is ours.
            && let Some(block) = unsafe { shelf.take() }
        {
            return Some(block);
        }
        self.alloc_slow(class, bytes)
    }

    /// Asks for the memory of the next block that [`alloc`](Core::alloc) would give from the loaded magazine, for its birth and its slab's header.
    #[inline]
    pub(crate) fn prefetch_next(&self, bytes: usize) {
        let class = class::class_for(bytes);
        if let Some(local) = self.fast_local()
            && let Some(shelf) = local.shelves.get(class)
            && local.state() == READY
            // SAFETY: the slot is ours.
            && let Some(block) = unsafe { shelf.next() }
        {
            prefetch_lines(block.as_ptr(), bytes.div_ceil(64).min(FETCHED_LINES));
            prefetch(Slab::of(block).as_ptr().cast());
            prefetch(BIRTHS[class].of(block));
        }
    }

    #[cold]
    fn alloc_slow(&self, class: usize, bytes: usize) -> Option<NonNull<u8>> {
        let block = self
            .with_local(|local| self.alloc_on(local, class, bytes))
            .expect("the caller has a handle, so the pool is not closed")?;
        if let Some(quarantine) = &self.quarantine {
            quarantine.leave(block);
        }
        Some(block)
    }

    fn alloc_on(&self, local: &Local, class: usize, bytes: usize) -> Option<NonNull<u8>> {
        if class == class::LARGE || self.config.system {
            return self.alloc_large(bytes);
        }
        let shelf = &local.shelves[class];
        // SAFETY: the slot is ours.
        if let Some(block) = unsafe { shelf.take() } {
            return Some(block);
        }
        // SAFETY: as above.
        unsafe { shelf.turn() };
        // SAFETY: as above.
        if let Some(block) = unsafe { shelf.take() } {
            return Some(block);
        }
        let magazine = match self.depots[class].take_full() {
            Some(full) => full,
            None => match self.carve(class)? {
                Carved::Magazine(magazine) => magazine,
                Carved::Block(block) => {
                    shelf.passed_on();
                    return Some(block);
                }
            },
        };
        // SAFETY: as above.
        if let Some(old) = unsafe { shelf.exchange(magazine) } {
            self.depots[class].give(old);
        }
        // SAFETY: as above.
        unsafe { shelf.take() }
    }

    /// Blocks that were never used; at least one, and no more where there is no memory for a magazine.
    fn carve(&self, class: usize) -> Option<Carved> {
        let (depot, carving, geometry) =
            (&self.depots[class], &self.carvings[class], Geometry::of(class));
        if let Some(stray) = depot.take_stray() {
            return Some(Carved::Block(stray));
        }
        let magazine = depot.take_empty();
        let want = if magazine.is_some() { depot.capacity() } else { 1 };
        let (slab, range) = loop {
            if let Some(found) = carving.take(want, geometry.blocks) {
                break found;
            }
            if self.bring_slab(class, geometry).is_none() {
                magazine.into_iter().for_each(|magazine| depot.give(magazine));
                return None;
            }
        };
        let Some(mut magazine) = magazine else {
            return Some(Carved::Block(geometry.block(slab, range.start)));
        };
        // Reversed, so that allocation walks upwards.
        range.rev().for_each(|index| magazine.push(geometry.block(slab, index)));
        Some(Carved::Magazine(magazine))
    }

    /// Puts a fresh slab where `class` carves, unless somebody else did.
    fn bring_slab(&self, class: usize, geometry: Geometry) -> Option<()> {
        let mut slabs = self.slabs();
        let carving = &self.carvings[class];
        if carving.current().is_some_and(|(_, carved)| carved < geometry.blocks) {
            return Some(());
        }
        let memory = self.segments.take()?;
        // SAFETY: fresh from the segments: zeroed, aligned, ours.
        let format = |number| unsafe { Slab::format(memory, self.as_owner(), class, number) };
        let slab = slabs.add(class, format);
        if !carving.put(slab, geometry.blocks) {
            slabs.remove(slab);
            self.segments.give(memory);
        }
        Some(())
    }

    fn alloc_large(&self, bytes: usize) -> Option<NonNull<u8>> {
        let header = size_of::<Slab>();
        // A block of no bytes would begin where its memory ends, and be nobody's.
        let total = bytes.max(1).checked_add(header)?;
        let layout = Layout::from_size_align(total, SLAB_BYTES).ok()?;
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        // SAFETY: fresh memory, large and aligned enough.
        unsafe { memory.cast::<Slab>().write(Slab::large(self.as_owner(), total)) };
        // Relaxed [count]: a figure, and for the close, which comes after.
        self.large_blocks.fetch_add(1, Ordering::Relaxed);
        // Relaxed [count]: a figure.
        self.large_bytes.fetch_add(total as u64, Ordering::Relaxed);
        // SAFETY: inside the allocation, which is at least a header long.
        Some(unsafe { memory.add(header) })
    }

    /// The local of the calling thread, by way of a block's header, if nothing stands in the way of a fast path.
    ///
    /// # Safety
    /// The header's core is there as long as the result is used.
    #[inline(always)]
    unsafe fn local_of<'l>(header: &Slab) -> Option<&'l Local> {
        let slot = thread_slot::current_or_max();
        if slot >= Locals::FIRST_LEN {
            return None;
        }
        // SAFETY: the first segment has so many elements.
        let local = unsafe { header.locals.cast::<Local>().add(slot) };
        // SAFETY: there as long as the core.
        Some(unsafe { local.as_ref() })
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` came from `alloc` of a core, lies in `slab`, and is freed once.
    #[inline(always)]
    pub(crate) unsafe fn free(block: NonNull<u8>, slab: NonNull<Slab>) {
        // SAFETY: the block is in use, so its header is there.
        let header = unsafe { slab.as_ref() };
        let (core, class) = (header.owner.cast::<Core>(), header.class as usize);
        // SAFETY: a core stays while a block of it is in use.
        if let Some(local) = unsafe { Self::local_of(header) }
            && let Some(shelf) = local.shelves.get(class)
        {
            // SAFETY: as above.
            local.freeing.begin(unsafe { core.as_ref() }.fences);
            // SAFETY: the slot is ours.
            let done = local.state() == READY && unsafe { shelf.put(block) };
            local.freeing.end();
            if done {
                return;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { Self::free_slow(core, class, &[block]) };
    }

    /// As [`free`](Core::free), for who knows the core, of which there is a handle, and how much was asked for.
    ///
    /// # Safety
    /// As there; `block` came from `alloc(bytes)` of this core, or of another request of the same class.
    #[inline(always)]
    pub(crate) unsafe fn free_sized(&self, block: NonNull<u8>, bytes: usize) {
        let class = class::class_for(bytes);
        debug_assert!(
            self.has_given(block, bytes),
            "{block:p} is no block of {bytes} bytes of this pool"
        );
        if let Some(local) = self.fast_local()
            && let Some(shelf) = local.shelves.get(class)
            // SAFETY: the slot is ours.
            && local.state() == READY && unsafe { shelf.put(block) }
        {
            return;
        }
        // SAFETY: the block is in use, so its header is there.
        let class = unsafe { Slab::of(block).as_ref() }.class as usize;
        // SAFETY: the caller's promise.
        unsafe { Self::free_slow(NonNull::from(self), class, &[block]) };
    }

    /// Whether `block` may have come from `alloc(bytes)` of this core.
    fn has_given(&self, block: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: asked of blocks in use, so the header is there.
        let header = unsafe { Slab::of(block).as_ref() };
        let class = if self.config.system { class::LARGE } else { class::class_for(bytes) };
        header.owner == NonNull::from(self).cast()
            && header.class as usize == class
            && header.usable_bytes() >= bytes
    }

    /// Takes blocks of one class back (one block, if it is a large one).
    ///
    /// # Safety
    /// As [`free`](Core::free), for each.
    #[inline]
    pub(crate) unsafe fn free_run(slab: NonNull<Slab>, blocks: &[NonNull<u8>]) {
        // SAFETY: the blocks are in use, so their header is there.
        let header = unsafe { slab.as_ref() };
        let (core, class) = (header.owner.cast::<Core>(), header.class as usize);
        // SAFETY: a core stays while a block of it is in use.
        let this = unsafe { core.as_ref() };
        // SAFETY: as above.
        if let Some(local) = unsafe { Self::local_of(header) }
            && let Some(shelf) = local.shelves.get(class)
        {
            local.freeing.begin(this.fences);
            if local.state() == READY {
                // SAFETY: the slot is ours.
                let others = unsafe { shelf.put_many(blocks) };
                if !others.is_empty() {
                    this.spill(shelf, class, others);
                }
                return local.freeing.end();
            }
            local.freeing.end();
        }
        // SAFETY: the caller's promise.
        unsafe { Self::free_slow(core, class, blocks) };
    }

    /// # Safety
    /// As [`free_run`](Core::free_run).
    #[cold]
    unsafe fn free_slow(core: NonNull<Core>, class: usize, blocks: &[NonNull<u8>]) {
        // SAFETY: a core stays while a block of it is in use.
        let this = unsafe { core.as_ref() };
        let done = this.with_local(|local| this.free_on(local, class, blocks));
        if done == Some(true) {
            return;
        }
        // Closed. Nobody will allocate again, so there is no need to put the blocks away.
        if class == class::LARGE {
            blocks.iter().for_each(|block| this.give_back_large(*block));
        }
        if this.remaining.take(blocks.len() as u64) {
            // SAFETY: the handles had gone, and these were the last blocks.
            unsafe { Self::destroy(core) };
        }
    }

    /// Whether the blocks have been put away; not if the pool is closed.
    fn free_on(&self, local: &Local, class: usize, blocks: &[NonNull<u8>]) -> bool {
        let _freeing = Freeing::begin(local, self.fences);
        if local.state() == CLOSED {
            return false;
        }
        let Some(quarantine) = &self.quarantine else {
            if class == class::LARGE {
                blocks.iter().for_each(|block| self.uncount_large(*block));
            }
            blocks.iter().for_each(|block| self.put_away(local, *block));
            return true;
        };
        for block in blocks {
            quarantine.hold(local, *block);
            match local.shelves.get(class) {
                Some(shelf) => shelf.passed_by(1),
                None => self.uncount_large(*block),
            }
            if let Some(block) = quarantine.release(local, false) {
                self.put_away_held(local, block);
            }
        }
        true
    }

    /// Puts a block away that came out of quarantine, and went out of use when it got there.
    fn put_away_held(&self, local: &Local, block: NonNull<u8>) {
        // SAFETY: a block of ours, so its header is there.
        let class = unsafe { Slab::of(block).as_ref() }.class as usize;
        if let Some(shelf) = local.shelves.get(class) {
            shelf.expects_one();
        }
        self.put_away(local, block);
    }

    fn put_away(&self, local: &Local, block: NonNull<u8>) {
        // SAFETY: a block of ours, so its header is there.
        let class = unsafe { Slab::of(block).as_ref() }.class as usize;
        if class == class::LARGE {
            return self.give_back_large(block);
        }
        let shelf = &local.shelves[class];
        // SAFETY: the slot is ours.
        if !unsafe { shelf.put(block) } {
            self.spill(shelf, class, &[block]);
        }
    }

    /// The loaded magazine is full: turn, then exchange with the depot; what makes a whole magazine goes straight there.
    #[cold]
    fn spill(&self, shelf: &Shelf, class: usize, blocks: &[NonNull<u8>]) {
        let depot = &self.depots[class];
        // SAFETY: the slot is ours, by `free_on` and `free_run`.
        unsafe { shelf.turn() };
        // SAFETY: as above.
        let others = unsafe { shelf.put_many(blocks) };
        shelf.passed_by(others.len());
        for chunk in others.chunks(depot.capacity()) {
            let Some(mut magazine) = depot.take_empty() else {
                depot.keep(chunk);
                continue;
            };
            magazine.extend(chunk);
            if chunk.len() == depot.capacity() {
                depot.give(magazine);
                continue;
            }
            // SAFETY: as above.
            if let Some(full) = unsafe { shelf.exchange(magazine) } {
                depot.give(full);
            }
        }
    }

    fn uncount_large(&self, block: NonNull<u8>) {
        // SAFETY: the header stands in front of the block.
        let total = unsafe { Slab::of(block).as_ref() }.large_bytes;
        // Relaxed [count]: a figure, and for the close, which waits for the end of this free.
        self.large_blocks.fetch_sub(1, Ordering::Relaxed);
        // Relaxed [count]: a figure.
        self.large_bytes.fetch_sub(total as u64, Ordering::Relaxed);
    }

    fn give_back_large(&self, block: NonNull<u8>) {
        let slab = Slab::of(block);
        // SAFETY: the header stands in front of the block.
        let total = unsafe { slab.as_ref() }.large_bytes;
        let layout = Layout::from_size_align(total, SLAB_BYTES).expect("it was allocated so");
        if let Some(quarantine) = &self.quarantine {
            quarantine.forget(slab.as_ptr().addr(), total);
        }
        // SAFETY: allocated by `alloc_large` with this layout; freed once, by the promise of `free`.
        unsafe { std::alloc::dealloc(slab.cast::<u8>().as_ptr(), layout) };
    }

    /// Runs `f` on the calling thread's local; `None` when the pool is closed.
    fn with_local<R>(&self, f: impl FnOnce(&Local) -> R) -> Option<R> {
        if let Some(local) = self.locals.get(thread_slot::current_or_max())
            && local.state() != UNREGISTERED
        {
            return Some(f(local));
        }
        let registry = self.registry();
        if registry.closed {
            return None;
        }
        let hook = registry.hook.clone();
        if let Some(slot) = thread_slot::claim_current()
            && let Some(hook) = hook
            && thread_slot::on_exit(hook)
        {
            let local = self.join(slot);
            drop(registry);
            return Some(f(local));
        }
        // Past the thread's exit: a slot for this one call, which a close waits for.
        let temporary = Temporary::claim();
        let mut visit = Visit { core: self, local: self.join(temporary.slot()), ended: false };
        let result = f(visit.local);
        self.leave(visit.local);
        visit.ended = true;
        drop(visit);
        drop(temporary);
        drop(registry);
        Some(result)
    }

    /// Holding the registry's lock.
    fn join(&self, slot: usize) -> &Local {
        self.locals.mark_used(slot);
        let local = self.locals.get_or_grow(slot);
        let slow = self.quarantine.is_some() || self.config.system;
        local.set_state(if slow { SLOW } else { READY });
        local
    }

    /// The end of a thread's membership: what it has goes to the depots.
    pub(crate) fn leave(&self, local: &Local) {
        if let Some(quarantine) = &self.quarantine {
            while let Some(block) = quarantine.release(local, true) {
                self.put_away_held(local, block);
            }
        }
        self.clear_shelves(local);
        local.set_state(UNREGISTERED);
    }

    /// Gives the magazines of the calling thread's local to the depots.
    fn clear_shelves(&self, local: &Local) {
        for (shelf, depot) in local.shelves.iter().zip(&self.depots) {
            // SAFETY: the slot is ours.
            unsafe { shelf.clear() }.for_each(|magazine| depot.give(magazine));
        }
    }

    /// Gives the calling thread's magazines to the depots, if it has any.
    pub(crate) fn clear_own_shelves(&self) {
        if let Some(local) = self.locals.get(thread_slot::current_or_max())
            && matches!(local.state(), READY | SLOW)
        {
            self.clear_shelves(local);
        }
    }

    /// The last handle goes. See `closing`.
    ///
    /// # Safety
    /// Once, by the last handle, whose core it is.
    pub(crate) unsafe fn close(core: NonNull<Core>) {
        // SAFETY: freed only by ourselves, or by the last block once `remaining` knows of it.
        let this = unsafe { core.as_ref() };
        this.registry().closed = true;
        this.locals.iter().for_each(|local| local.set_state(CLOSED));
        this.fences.heavy();
        this.locals.iter().for_each(|local| local.freeing.wait());
        let shelves = this.locals.iter().flat_map(|local| &local.shelves);
        // Relaxed [count]: all that counted have been waited for.
        let large = this.large_blocks.load(Ordering::Relaxed);
        let in_use = shelves.map(Shelf::in_use).fold(large, u64::wrapping_add);
        if this.remaining.add(in_use) {
            // SAFETY: no handle, no block is left.
            unsafe { Self::destroy(core) };
        }
    }

    /// # Safety
    /// Nobody uses the core any more.
    unsafe fn destroy(core: NonNull<Core>) {
        // SAFETY: still there.
        if let Some(survivor) = unsafe { core.as_ref() }.survivor.clone() {
            survivor.forget_core();
        }
        // SAFETY: made by `Box::leak` in `Pool::with_config`.
        let core = unsafe { Box::from_raw(core.as_ptr()) };
        for held in core.locals.iter().flat_map(|local| local.held.take()) {
            core.destroy_held(held.block());
        }
    }

    /// A large block that was in quarantine when the pool ended belongs to the system's allocator.
    fn destroy_held(&self, block: NonNull<u8>) {
        // SAFETY: a held block's header is there.
        if unsafe { Slab::of(block).as_ref() }.class as usize == class::LARGE {
            self.give_back_large(block);
        }
    }
}

/// A temporary slot's membership. After a panic (the quarantine's) what is held stays so for the next who gets the slot.
struct Visit<'c> {
    core: &'c Core,
    local: &'c Local,
    ended: bool,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.core.clear_shelves(self.local);
            self.local.set_state(UNREGISTERED);
        }
    }
}

/// A free under way; ends when it goes out of scope, also by a panic.
struct Freeing<'l>(&'l Local);

impl Freeing<'_> {
    fn begin(local: &Local, fences: Fences) -> Freeing<'_> {
        local.freeing.begin(fences);
        Freeing(local)
    }
}

impl Drop for Freeing<'_> {
    fn drop(&mut self) {
        self.0.freeing.end();
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::Core;
    use crate::class;
    use crate::depot::Depot;
    use crate::local::{Local, Locals};

    /// What the crate's page says that a pool costs.
    #[test]
    fn a_pool_costs_what_is_said() {
        let locals = Locals::FIRST_LEN * size_of::<Local>();
        let all = size_of::<Core>() + locals + class::COUNT * size_of::<Depot>();
        assert!((180_000..240_000).contains(&all), "{all}");
        assert!((80_000..120_000).contains(&locals), "{locals}");
    }
}
