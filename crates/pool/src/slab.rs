//! [`Slab`]: 64 KiB of blocks of one size, found from any of its blocks by masking.
//!
//! ```text
//! 0        header: owner, class, geometry, number, birth base
//! 64       births: one u32 a block
//! first    blocks, the first aligned to 64 ────────────── 65536
//! ```
//! The header is read only by way of a block of the slab. How far a slab has been carved stands in its class's word (see `carve`), so
//! a slab all of whose blocks have come back is nobody's, header and all, and its pages may go.
//!
//! Births are kept as differences to the slab's base, saturating: too large a difference reads back as an *earlier* epoch, which is
//! conservative; a birth before the base reads back as 0, which is more so.
//!
//! Tags: `[birth]` Relaxed, a block's birth travels with the pointer to the block.

use crate::class;
use std::ptr::NonNull;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::{SideWord, prefetch};

/// Bytes of a slab, and its alignment.
pub(crate) const SLAB_BYTES: usize = 64 * 1024;
/// How far below the first birth the base lies, to leave room for births of slower threads.
const BASE_MARGIN: u64 = 1 << 16;
/// Alignment of a slab's first block, and the most that a block is aligned to.
pub(crate) const BLOCK_ALIGN: usize = 64;
const HEADER_BYTES: usize = size_of::<Slab>();

/// The header at the start of a slab, and of a large block (which has `class == LARGE` and its birth in `base`).
#[repr(C, align(64))]
pub(crate) struct Slab {
    /// The pool's core, as an opaque pointer.
    pub(crate) owner: NonNull<()>,
    /// Its locals of the first segment, likewise: freeing goes there without a way through the core.
    pub(crate) locals: NonNull<()>,
    pub(crate) class: u32,
    pub(crate) block_bytes: u32,
    first: u32,
    /// Where the slab stands in the core's table.
    pub(crate) number: u32,
    /// Free blocks that the trim under way has seen; [`Slab::GONE`] when the slab is to go. The trimmer's alone.
    pub(crate) seen: SideWord,
    /// [`Geometry::reciprocal`]
    reciprocal: u64,
    base: AtomicU64,
    /// Bytes of a large block, header included.
    pub(crate) large_bytes: usize,
}

// A model's atomics are larger than what they model.
const _: () = assert!(HEADER_BYTES == 64 || cfg!(any(stillpoint_loom, stillpoint_shuttle)));

/// Where the blocks of a class's slabs are.
#[derive(Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) block_bytes: usize,
    pub(crate) first: usize,
    pub(crate) blocks: usize,
}

impl Geometry {
    pub(crate) const fn of(class: usize) -> Geometry {
        let block_bytes = class::bytes_of(class);
        let blocks = (SLAB_BYTES - HEADER_BYTES) / (block_bytes + size_of::<u32>());
        let first = (HEADER_BYTES + blocks * size_of::<u32>()).next_multiple_of(BLOCK_ALIGN);
        let room = (SLAB_BYTES - first) / block_bytes;
        Geometry { block_bytes, first, blocks: if room < blocks { room } else { blocks } }
    }

    /// ⌈2^32 / block_bytes⌉: turns the division of an offset into a multiplication.
    const fn reciprocal(self) -> u64 {
        (1u64 << 32).div_ceil(self.block_bytes as u64)
    }

    /// Where block `index` of `slab` is.
    pub(crate) fn block(&self, slab: NonNull<Slab>, index: usize) -> NonNull<u8> {
        debug_assert!(index < self.blocks, "block {index} of {}", self.blocks);
        // SAFETY: `index < blocks`, so the block lies inside the slab.
        unsafe { slab.cast::<u8>().add(self.first + index * self.block_bytes) }
    }
}

/// Where the births of a class's blocks are, for who has not read the slab's header.
#[derive(Clone, Copy)]
pub(crate) struct Births {
    first: u32,
    reciprocal: u32,
}

/// By class.
pub(crate) static BIRTHS: [Births; class::COUNT] = {
    let mut births = [Births { first: 0, reciprocal: 0 }; class::COUNT];
    let mut class = 0;
    while class < births.len() {
        let geometry = Geometry::of(class);
        births[class] =
            Births { first: geometry.first as u32, reciprocal: geometry.reciprocal() as u32 };
        class += 1;
    }
    births
};

impl Births {
    /// Where the birth of `block` is, which must be of the class for the answer to mean anything.
    #[inline(always)]
    pub(crate) fn of(self, block: NonNull<u8>) -> *const u8 {
        let offset = (block.as_ptr().addr() & (SLAB_BYTES - 1)) as u64;
        let index =
            offset.wrapping_sub(self.first.into()).wrapping_mul(self.reciprocal.into()) >> 32;
        let births = Slab::of(block).as_ptr().cast::<u8>().wrapping_add(HEADER_BYTES);
        births.wrapping_add(index as usize * size_of::<SideWord>())
    }
}

impl Slab {
    /// In `seen`.
    pub(crate) const GONE: u32 = u32::MAX;

    /// Makes the header of slab `number` of `class` in fresh zeroed memory.
    ///
    /// # Safety
    /// `at` is the start of [`SLAB_BYTES`] of zeroed memory, aligned to that, and nobody else's.
    pub(crate) unsafe fn format(
        at: NonNull<u8>,
        (owner, locals): (NonNull<()>, NonNull<()>),
        class: usize,
        number: u32,
    ) -> NonNull<Slab> {
        let geometry = Geometry::of(class);
        let slab = at.cast::<Slab>();
        let header = Slab {
            owner,
            locals,
            class: class as u32,
            block_bytes: geometry.block_bytes as u32,
            first: geometry.first as u32,
            number,
            seen: SideWord::default(),
            reciprocal: geometry.reciprocal(),
            base: AtomicU64::new(0),
            large_bytes: 0,
        };
        // SAFETY: the caller's memory, large and aligned enough.
        unsafe { slab.write(header) };
        slab
    }

    /// A header for a large block of `bytes` in all.
    pub(crate) fn large((owner, locals): (NonNull<()>, NonNull<()>), bytes: usize) -> Slab {
        Slab {
            owner,
            locals,
            class: class::LARGE as u32,
            block_bytes: 0,
            first: HEADER_BYTES as u32,
            number: 0,
            seen: SideWord::default(),
            reciprocal: 0,
            base: AtomicU64::new(0),
            large_bytes: bytes,
        }
    }

    /// The header of the slab (or large block) that `block` lies in.
    #[inline(always)]
    pub(crate) fn of(block: NonNull<u8>) -> NonNull<Slab> {
        let base = block.as_ptr().wrapping_byte_sub(block.addr().get() & (SLAB_BYTES - 1));
        debug_assert!(!base.is_null(), "no block lies in the first 64 KiB of the address space");
        // SAFETY: the first 64 KiB of the address space are never mapped for us.
        unsafe { NonNull::new_unchecked(base.cast()) }
    }

    /// Bytes that whoever allocated the block may use.
    pub(crate) fn usable_bytes(&self) -> usize {
        if self.class as usize == class::LARGE {
            self.large_bytes - HEADER_BYTES
        } else {
            self.block_bytes as usize
        }
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
        if self.class as usize == class::LARGE {
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

    /// Asks for the line of the block's birth.
    #[inline]
    pub(crate) fn prefetch_birth(&self, block: NonNull<u8>) {
        // A large block's is in the header.
        if self.class as usize != class::LARGE {
            prefetch(std::ptr::from_ref(self.birth_word(block)).cast());
        }
    }

    /// The birth noted for `block`, or an earlier epoch.
    #[inline]
    pub(crate) fn birth(&self, block: NonNull<u8>) -> u64 {
        // Relaxed [birth]: see the header.
        let base = self.base.load(Ordering::Relaxed);
        if self.class as usize == class::LARGE {
            return base;
        }
        match self.birth_word(block).get() {
            0 => 0,
            difference => base + u64::from(difference - 1),
        }
    }
}
