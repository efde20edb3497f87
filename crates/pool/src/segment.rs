//! Segments: 2 MiB of address space from the system, cut into 32 slabs.
//!
//! Slabs are handed out one after the other, all zeroes; a trimmed slab gives its pages back, which makes it all zeroes again, and waits
//! here for the next class that needs one. Slow path only (once in 64 KiB), so a mutex guards it.

use crate::mapping::{Mapping, decommit};
use crate::slab::SLAB_BYTES;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a segment.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Memory {
    /// Unmapped with the segments: no block is in use then (the core drops with the last one).
    mapped: Vec<Mapping>,
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
        // SAFETY: a slab of a mapping of ours, by the caller nobody's any more.
        unsafe { decommit(slab, SLAB_BYTES) };
        self.lock().fresh.push(slab.as_ptr().expose_provenance());
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
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
        let (mapping, first) = map_aligned()?;
        self.mapped.push(mapping);
        let first = first.as_ptr().expose_provenance();
        self.fresh.extend((0..SEGMENT_BYTES / SLAB_BYTES).rev().map(|i| first + i * SLAB_BYTES));
        Some(())
    }
}

/// Maps a segment; returns it and its first slab, which is aligned.
fn map_aligned() -> Option<(Mapping, NonNull<u8>)> {
    let mapping = Mapping::new(SEGMENT_BYTES + SLAB_BYTES)?;
    let before = mapping.start().as_ptr().align_offset(SLAB_BYTES);
    // SAFETY: less than a slab, by which the mapping is longer than a segment.
    let first = unsafe { mapping.start().add(before) };
    Some((mapping, first))
}
