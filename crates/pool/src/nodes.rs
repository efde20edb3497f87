//! The pool as the allocator of nodes, on every scheme of `stillpoint-reclaim`.

use crate::pool::Pool;
use crate::slab::BLOCK_ALIGN;
use std::alloc::Layout;
use std::ptr::NonNull;
use stillpoint_reclaim::{AllocError, NodeAlloc};

/// A value aligned to 64 is the most that a block can hold:
/// ```
/// # use stillpoint_pool::Pool;
/// # use stillpoint_reclaim::{Collector, Owned};
/// #[repr(align(64))]
/// struct Line(u8);
/// let (collector, pool) = (Collector::new(), Pool::new());
/// let node = Owned::new_in(&collector.pin(), Line(1), &pool);
/// assert!((&raw const *node).addr().is_multiple_of(64));
/// ```
/// One that needs more does not compile:
/// ```compile_fail
/// # use stillpoint_pool::Pool;
/// # use stillpoint_reclaim::{Collector, Owned};
/// #[repr(align(128))]
/// struct Lines(u8);
/// let (collector, pool) = (Collector::new(), Pool::new());
/// let node = Owned::new_in(&collector.pin(), Lines(1), &pool);
/// ```
// SAFETY: a block is of nobody else's until it is freed, from any thread; it is as large as asked for, and aligned, since the padded size is
// a multiple of the alignment (see `Pool::alloc`).
unsafe impl NodeAlloc for Pool {
    const MAX_ALIGN: usize = BLOCK_ALIGN;

    #[inline]
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let refused = AllocError { bytes: layout.size() };
        if layout.align() > BLOCK_ALIGN {
            return Err(refused);
        }
        Pool::alloc(self, layout.pad_to_align().size()).map_err(|_| refused)
    }

    #[inline]
    unsafe fn free(block: NonNull<u8>, _layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { Pool::free(block) };
    }
}
