//! [`Block`]: a node as it lies in memory; [`Header`]: the scheme's word in it; [`NodeAlloc`]: where blocks come from.
//!
//! ```text
//! Block<T>   header u64   value T
//!            └ leased: birth epoch · rc: count · others: unused
//! ```
//!
//! Tags: `[header]` the header is written before the node is published, and read by whoever has the node: only the scheme's own
//! operations on it (a count) need more.

use crate::epoch::Epoch;
use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use stillpoint_primitive::sync::atomic::AtomicU64;
#[cfg(not(stillpoint_loom))]
use stillpoint_primitive::sync::atomic::Ordering;

/// The word that a scheme keeps in each node.
#[derive(Debug)]
#[repr(transparent)]
pub struct Header(AtomicU64);

impl Header {
    /// A header that holds `word`.
    pub fn new(word: u64) -> Self {
        Header(AtomicU64::new(word))
    }

    /// The word, for schemes that change it.
    #[inline(always)]
    pub fn word(&self) -> &AtomicU64 {
        &self.0
    }

    /// The word of a scheme that never changes it: the node's birth.
    #[inline(always)]
    pub fn birth(&self) -> Epoch {
        Epoch::from_raw(self.unchanging())
    }

    #[cfg(not(stillpoint_loom))]
    #[inline(always)]
    fn unchanging(&self) -> u64 {
        // Relaxed [header]: written before the node was published.
        self.0.load(Ordering::Relaxed)
    }

    /// As above, without a point where the model switches threads.
    #[cfg(stillpoint_loom)]
    fn unchanging(&self) -> u64 {
        // SAFETY: nobody writes it after publication.
        unsafe { self.0.unsync_load() }
    }
}

#[repr(C)]
pub(crate) struct Block<T> {
    pub(crate) header: Header,
    pub(crate) value: T,
}

impl<T> Block<T> {
    pub(crate) const TAG_MASK: usize = align_of::<Block<T>>() - 1;

    /// Drops the value and gives the memory back.
    ///
    /// # Safety
    /// `ptr` is a `Block<T>` whose memory came from an `A`; nobody uses it any more, and this is the only call for it.
    pub(crate) unsafe fn reclaim<A: NodeAlloc>(ptr: *mut u8) {
        let block = ptr.cast::<Block<T>>();
        // The memory goes back even if the value's destructor panics.
        let _memory = Memory::<T, A> { block, alloc: core::marker::PhantomData };
        // SAFETY: the caller's promise.
        unsafe { block.drop_in_place() };
    }
}

struct Memory<T, A: NodeAlloc> {
    block: *mut Block<T>,
    alloc: core::marker::PhantomData<A>,
}

impl<T, A: NodeAlloc> Drop for Memory<T, A> {
    fn drop(&mut self) {
        if let Some(block) = NonNull::new(self.block) {
            // SAFETY: allocated with this layout by an `A`, by the promise of `reclaim`.
            unsafe { A::free(block.cast(), Layout::new::<Block<T>>()) };
        }
    }
}

/// There was no memory for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// Bytes asked for.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for a node of {} bytes", self.bytes)
    }
}

impl core::error::Error for AllocError {}

/// Where the memory of nodes comes from and goes back to. Freeing needs no handle: a retired node is freed by whichever thread finds
/// that it may go, long after the structure's own call.
///
/// # Safety
/// `alloc` gives memory of at least that layout, of nobody else's, until `free` takes it back, on any thread.
pub unsafe trait NodeAlloc: Clone + Send + Sync + 'static {
    /// The largest alignment that it gives. Nodes of values that need more do not compile.
    const MAX_ALIGN: usize = usize::MAX;

    /// Memory for one node.
    ///
    /// # Errors
    /// [`AllocError`]: there is none, or the layout is not supported.
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError>;

    /// Takes the memory back.
    ///
    /// # Safety
    /// `block` came from `alloc` of an allocator of this type, with this layout; it is freed once, and nobody uses it any more.
    unsafe fn free(block: NonNull<u8>, layout: Layout);
}

/// The program's global allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: the global allocator's own promise; a block's layout is never empty, since it has a header.
unsafe impl NodeAlloc for Heap {
    #[inline]
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        assert!(layout.size() > 0, "a node of no bytes");
        // SAFETY: the layout is not empty.
        let block = unsafe { alloc::alloc::alloc(layout) };
        NonNull::new(block).ok_or(AllocError { bytes: layout.size() })
    }

    #[inline]
    unsafe fn free(block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { alloc::alloc::dealloc(block.as_ptr(), layout) };
    }
}
