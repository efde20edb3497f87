//! [`Subject`]: something that hands out blocks of 64 bytes.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use stillpoint_pool::Pool;

/// What every block is.
pub(crate) const BLOCK: Layout = Layout::new::<[u64; 8]>();

/// Hands out blocks of 64 bytes, on any thread.
pub(crate) trait Subject: Sync {
    fn alloc(&self) -> NonNull<u8>;

    /// # Safety
    /// `block` came from `alloc`, and is freed once.
    unsafe fn free(&self, block: NonNull<u8>);

    /// # Safety
    /// As `free`, for each.
    unsafe fn free_many(&self, blocks: &[NonNull<u8>]) {
        for block in blocks {
            // SAFETY: the caller's promise.
            unsafe { self.free(*block) };
        }
    }

    /// Gives free memory back to the system, where there is a call for it.
    fn trim(&self) {}
}

#[derive(Default)]
pub(crate) struct Stillpoint(Pool);

impl Subject for Stillpoint {
    #[inline(always)]
    fn alloc(&self) -> NonNull<u8> {
        self.0.alloc(BLOCK.size()).expect("there is memory")
    }
    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { self.0.free_sized(block, BLOCK.size()) };
    }
    unsafe fn free_many(&self, blocks: &[NonNull<u8>]) {
        // SAFETY: the caller's promise.
        unsafe { Pool::free_batch(blocks) };
    }
    fn trim(&self) {
        self.0.trim();
    }
}

/// The pool, told nothing but where a block is.
#[derive(Default)]
pub(crate) struct ByAddress(Stillpoint);

impl Subject for ByAddress {
    #[inline(always)]
    fn alloc(&self) -> NonNull<u8> {
        self.0.alloc()
    }
    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { Pool::free(block) };
    }
    fn trim(&self) {
        self.0.trim();
    }
}

/// Any allocator of Rust's kind.
pub(crate) struct Allocator<A>(pub(crate) A);

impl<A: GlobalAlloc + Sync + 'static> Subject for Allocator<A> {
    #[inline(always)]
    fn alloc(&self) -> NonNull<u8> {
        // SAFETY: not empty.
        NonNull::new(unsafe { self.0.alloc(BLOCK) }).expect("there is memory")
    }
    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(block.as_ptr(), BLOCK) };
    }
    fn trim(&self) {
        if std::any::TypeId::of::<A>() == std::any::TypeId::of::<std::alloc::System>() {
            trim_glibc();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim_glibc() {
    // SAFETY: takes a number, may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim_glibc() {}

/// The lower bound: a list of one thread.
pub(crate) struct ThreadLocalVec;

std::thread_local! {
    static FREE: UnsafeCell<Vec<NonNull<u8>>> = const { UnsafeCell::new(Vec::new()) };
}

impl Subject for ThreadLocalVec {
    #[inline(always)]
    fn alloc(&self) -> NonNull<u8> {
        FREE.with(|free| {
            // SAFETY: this thread's alone, and `pop` does not come back here.
            let block = unsafe { (*free.get()).pop() };
            block.unwrap_or_else(|| Allocator(std::alloc::System).alloc())
        })
    }
    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: this thread's alone, and `push` does not come back here.
        FREE.with(|free| unsafe { (*free.get()).push(block) });
    }
}
