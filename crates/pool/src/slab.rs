//! [`Slab`]: 64 KiB of blocks of one size, found from any of its blocks by masking.
//!
//! ```text
//! 0        header: owner, class, geometry, carved, birth base
//! 64       births: one u32 a block
//! first    blocks ───────────────────────────────────── 65536
//! ```
//! A slab is carved lazily: `carved` counts the blocks handed out for the first time, so pages nobody used are never touched.
//!
//! Births are kept as differences to the slab's base, saturating: too large a difference reads back as an *earlier* epoch, which is
//! conservative; a birth before the base reads back as 0, which is more so.
//!
//! Tags: `[carve]` Relaxed fetch_add, the atom decides who gets which block, the memory is fresh; `[birth]` Relaxed, a block's birth
//! travels with the pointer to the block.

use crate::class;
use std::ptr::NonNull;
use stillpoint_primitive::SideWord;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a slab, and its alignment.
pub(crate) const SLAB_BYTES: usize = 64 * 1024;
/// How far below the first birth the base lies, to leave room for births of slower threads.
const BASE_MARGIN: u64 = 1 << 16;
const HEADER_BYTES: usize = 64;
/// In `Slab::class`: a block of its own.
pub(crate) const LARGE: u32 = u32::MAX;

/// The header at the start of a slab, and of a large block (which has `class == LARGE` and its birth in `base`).
#[repr(C, align(64))]
pub(crate) struct Slab {
    /// The pool's core, as an opaque pointer.
    pub(crate) owner: *const (),
    pub(crate) class: u32,
    pub(crate) block_bytes: u32,
    pub(crate) blocks: u32,
    first: u32,
    /// ⌈2^32 / block_bytes⌉: turns the division of an offset into a multiplication.
    reciprocal: u64,
    carved: AtomicU32,
    base: AtomicU64,
    /// Bytes of a large block, header included.
    pub(crate) large_bytes: usize,
}

const _: () = assert!(size_of::<Slab>() == HEADER_BYTES);

impl Slab {
    /// Makes the header of a slab of `class` in fresh zeroed memory.
    ///
    /// # Safety
    /// `at` is the start of [`SLAB_BYTES`] of zeroed memory, aligned to that, and nobody else's.
    pub(crate) unsafe fn format(at: NonNull<u8>, owner: *const (), class: usize) -> NonNull<Slab> {
        let block = class::bytes_of(class);
        let blocks = (SLAB_BYTES - HEADER_BYTES) / (block + size_of::<u32>());
        let first = (HEADER_BYTES + blocks * size_of::<u32>()).next_multiple_of(8);
        let blocks = blocks.min((SLAB_BYTES - first) / block);
        let slab = at.cast::<Slab>();
        let header = Slab {
            owner,
            class: class as u32,
            block_bytes: block as u32,
            blocks: blocks as u32,
            first: first as u32,
            reciprocal: (1u64 << 32).div_ceil(block as u64),
            carved: AtomicU32::new(0),
            base: AtomicU64::new(0),
            large_bytes: 0,
        };
        // SAFETY: the caller's memory, large and aligned enough.
        unsafe { slab.write(header) };
        slab
    }

    /// A header for a large block of `bytes` in all.
    pub(crate) fn large(owner: *const (), bytes: usize) -> Slab {
        Slab {
            owner,
            class: LARGE,
            block_bytes: 0,
            blocks: 1,
            first: HEADER_BYTES as u32,
            reciprocal: 0,
            carved: AtomicU32::new(1),
            base: AtomicU64::new(0),
            large_bytes: bytes,
        }
    }

    /// The header of the slab (or large block) that `block` lies in.
    #[inline(always)]
    pub(crate) fn of(block: NonNull<u8>) -> NonNull<Slab> {
        let base = block.as_ptr().map_addr(|addr| addr & !(SLAB_BYTES - 1));
        NonNull::new(base.cast()).expect("no block lies in the first 64 KiB of the address space")
    }

    /// Takes up to `want` blocks that were never handed out; the range of their indices.
    pub(crate) fn carve(&self, want: u32) -> std::ops::Range<u32> {
        // Relaxed [carve]: a first look keeps the counter from running away on a full slab.
        if self.carved.load(Ordering::Relaxed) >= self.blocks {
            return 0..0;
        }
        // Relaxed [carve]: see the header.
        let start = self.carved.fetch_add(want, Ordering::Relaxed);
        start.min(self.blocks)..start.saturating_add(want).min(self.blocks)
    }

    /// How many blocks have been handed out at least once.
    pub(crate) fn carved(&self) -> u32 {
        // Relaxed [carve]: a figure.
        self.carved.load(Ordering::Relaxed).min(self.blocks)
    }

    /// Starts over: every block is as if never handed out, and the pages behind the header and the births go back to the system.
    /// The caller has all of the slab's carved blocks. Returns the number of bytes given back.
    pub(crate) fn decommit(slab: NonNull<Slab>) -> usize {
        // SAFETY: headers stay.
        let header = unsafe { slab.as_ref() };
        let keep = (header.first as usize).next_multiple_of(4096);
        // SAFETY: inside the slab.
        let rest = unsafe { slab.cast::<u8>().add(keep) };
        crate::segment::decommit(rest, SLAB_BYTES - keep);
        // Relaxed [carve]: whoever carves from now on gets memory that nobody else has.
        header.carved.store(0, Ordering::Relaxed);
        SLAB_BYTES - keep
    }

    /// Where block `index` of `slab` is.
    pub(crate) fn block(slab: NonNull<Slab>, index: u32) -> NonNull<u8> {
        // SAFETY: formatted, and headers are never taken away.
        let header = unsafe { slab.as_ref() };
        let offset = header.first as usize + index as usize * header.block_bytes as usize;
        // SAFETY: `index < blocks`, so the block lies inside the slab.
        unsafe { slab.cast::<u8>().add(offset) }
    }

    #[inline]
    fn birth_word(&self, block: NonNull<u8>) -> &SideWord {
        let offset = (block.as_ptr().addr() & (SLAB_BYTES - 1)) - self.first as usize;
        let index = ((offset as u64 * self.reciprocal) >> 32) as usize;
        let births = (&raw const *self).cast::<u8>().wrapping_add(HEADER_BYTES).cast::<SideWord>();
        // SAFETY: `index < blocks`, and the births stand right behind the header, zeroed from the start.
        unsafe { &*births.wrapping_add(index) }
    }

    /// Notes the birth of `block`.
    #[inline]
    pub(crate) fn set_birth(&self, block: NonNull<u8>, birth: u64) {
        if self.class == LARGE {
            // Relaxed [birth]: see the header.
            self.base.store(birth, Ordering::Relaxed);
            return;
        }
        // Relaxed [birth]: the base is written once.
        let mut base = self.base.load(Ordering::Relaxed);
        if base == 0 {
            let wanted = birth.saturating_sub(BASE_MARGIN).max(1);
            // Relaxed [birth]: the first one wins, all use what is there.
            let won = self.base.compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed);
            base = won.err().unwrap_or(wanted);
        }
        let difference =
            birth.checked_sub(base).map_or(0, |d| d.saturating_add(1).min(u32::MAX.into()));
        self.birth_word(block).set(difference as u32);
    }

    /// The birth noted for `block`, or an earlier epoch.
    #[inline]
    pub(crate) fn birth(&self, block: NonNull<u8>) -> u64 {
        // Relaxed [birth]: see the header.
        let base = self.base.load(Ordering::Relaxed);
        if self.class == LARGE {
            return base;
        }
        match self.birth_word(block).get() {
            0 => 0,
            difference => base + u64::from(difference - 1),
        }
    }
}
