//! Segments: 2 MiB of address space from the system, cut into 32 slabs.
//!
//! Slabs are handed out one after the other, all zeroes; a trimmed slab gives its pages back, which makes it all zeroes again, and waits
//! here for the next class that needs one. Slow path only (once in 64 KiB), so a mutex guards it.

use crate::slab::SLAB_BYTES;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a segment.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

#[derive(Default)]
struct Memory {
    /// Mappings: start and length.
    mapped: Vec<(usize, usize)>,
    /// Slabs never used, or given back: all zero.
    fresh: Vec<usize>,
}

/// Where slabs come from.
#[derive(Default)]
pub(crate) struct Segments {
    memory: Mutex<Memory>,
}

impl Segments {
    /// A zeroed slab, or `None` when the system refuses.
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        let mut memory = self.lock();
        if memory.fresh.is_empty() {
            memory.map()?;
        }
        NonNull::new(std::ptr::with_exposed_provenance_mut(memory.fresh.pop()?))
    }

    /// Takes a slab back that nobody can name any more; its pages go to the system.
    pub(crate) fn give(&self, slab: NonNull<u8>) {
        decommit(slab);
        self.lock().fresh.push(slab.as_ptr().expose_provenance());
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes mapped, bytes of slabs handed out.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let memory = self.lock();
        let mapped = memory.mapped.len() * SEGMENT_BYTES;
        (mapped, mapped - memory.fresh.len() * SLAB_BYTES)
    }
}

impl Memory {
    fn map(&mut self) -> Option<()> {
        let (start, length, first) = map_aligned()?;
        self.mapped.push((start, length));
        let first = first.as_ptr().expose_provenance();
        self.fresh.extend((0..SEGMENT_BYTES / SLAB_BYTES).rev().map(|i| first + i * SLAB_BYTES));
        Some(())
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        for (start, length) in std::mem::take(&mut self.lock().mapped) {
            unmap(start, length);
        }
    }
}

/// Maps a segment whose first slab is aligned: (start, length of the mapping, first slab).
fn map_aligned() -> Option<(usize, usize, NonNull<u8>)> {
    let length = SEGMENT_BYTES + SLAB_BYTES;
    // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing of ours.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    let first = start.map_addr(|addr| addr.next_multiple_of(SLAB_BYTES)).cast::<u8>();
    Some((start.expose_provenance(), length, NonNull::new(first)?))
}

/// Gives the pages of a slab back to the system; they read as zeroes from now on.
fn decommit(slab: NonNull<u8>) {
    // SAFETY: pages of a private anonymous mapping of ours that hold nothing any more.
    let outcome = unsafe { libc::madvise(slab.as_ptr().cast(), SLAB_BYTES, libc::MADV_DONTNEED) };
    if outcome != 0 {
        // The system keeps the pages then, and the zeroes are ours to write.
        // SAFETY: as above.
        unsafe { slab.as_ptr().write_bytes(0, SLAB_BYTES) };
    }
}

fn unmap(start: usize, length: usize) {
    // SAFETY: a mapping made by `map_aligned`, with no block in use (the core drops with the last one).
    let outcome = unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(start), length) };
    debug_assert_eq!(outcome, 0, "a mapping of our own can be unmapped");
}
