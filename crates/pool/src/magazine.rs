//! [`Loaded`]: a magazine, some blocks of one class that change hands together; [`Arena`]: where magazines lie, by number.
//!
//! ```text
//! magazine    len u64 · blocks [NonNull<u8>; capacity]            all zero: an empty one
//! arena       chunk k: FIRST << k magazines in one mapping, made when its first number is asked for
//! ```
//! 1. A magazine never moves, and is mapped as long as the arena; what it holds belongs to whoever has its [`Loaded`].
//! 2. Empty ones need no memory: their pages may go back to the system at any time, and read as empty magazines afterwards.

use crate::chunks::{CHUNKS, Chunks};
use crate::mapping::{Mapping, decommit};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// A magazine that is out of its depot, hence one's own.
pub(crate) struct Loaded {
    at: NonNull<Len>,
    id: u32,
    capacity: u32,
}

type Len = usize;
type Block = NonNull<u8>;

impl Loaded {
    /// Its number in the depot.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub(crate) fn len(&self) -> usize {
        // SAFETY: mapped, and ours (1).
        unsafe { self.at.read() }
    }

    /// Where its blocks are, `capacity` places of which the first `len` hold blocks.
    pub(crate) fn places(&self) -> NonNull<Block> {
        // SAFETY: the blocks stand behind the length, in the same mapping.
        unsafe { self.at.add(1) }.cast()
    }

    /// # Safety
    /// The first `len` places hold blocks.
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity(), "{len} blocks in a magazine of {}", self.capacity);
        // SAFETY: mapped, and ours (1).
        unsafe { self.at.write(len) };
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        // SAFETY: so many places hold blocks, and are ours while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.places().as_ptr(), self.len()) }
    }

    /// Puts `block` behind the others.
    ///
    /// # Panics
    /// When it is full.
    pub(crate) fn push(&mut self, block: Block) {
        let len = self.len();
        assert!(len < self.capacity(), "a magazine of {} is full", self.capacity);
        // SAFETY: a place of this magazine, since `len < capacity`.
        let place = unsafe { self.places().add(len) };
        // SAFETY: as above; ours.
        unsafe { place.write(block) };
        // SAFETY: written just now, behind the others.
        unsafe { self.set_len(len + 1) };
    }

    /// Puts `blocks` behind the others.
    ///
    /// # Panics
    /// When there is not so much room.
    pub(crate) fn extend(&mut self, blocks: &[Block]) {
        let len = self.len();
        assert!(blocks.len() <= self.capacity() - len, "{} blocks are too many", blocks.len());
        // SAFETY: a place of this magazine or its end, since `len <= capacity`.
        let places = unsafe { self.places().add(len) };
        // SAFETY: there is room for so many; the caller's slice is not part of a magazine that is out of its depot.
        unsafe { places.as_ptr().copy_from_nonoverlapping(blocks.as_ptr(), blocks.len()) };
        // SAFETY: written just now, behind the others.
        unsafe { self.set_len(len + blocks.len()) };
    }
}

/// Memory of the magazines of one depot.
pub(crate) struct Arena {
    chunks: [OnceLock<Mapping>; CHUNKS],
    capacity: usize,
}

impl Arena {
    /// For magazines of `capacity` blocks.
    pub(crate) fn new(capacity: usize) -> Arena {
        Arena { chunks: [const { OnceLock::new() }; CHUNKS], capacity }
    }

    fn stride(&self) -> usize {
        size_of::<Len>() + self.capacity * size_of::<Block>()
    }

    /// Sees to it that magazine `id` is there; `false` when the system has no memory for it. By one thread at a time.
    pub(crate) fn make(&self, id: u32) -> bool {
        let (chunk, _) = Chunks::<()>::place(id);
        if self.chunks[chunk].get().is_some() {
            return true;
        }
        let mapping = Mapping::new(Chunks::<()>::len_of(chunk) * self.stride());
        mapping.is_some_and(|mapping| self.chunks[chunk].set(mapping).is_ok())
    }

    fn at(&self, id: u32) -> NonNull<Len> {
        let (chunk, index) = Chunks::<()>::place(id);
        let mapping = self.chunks[chunk].get();
        let start = mapping.expect("numbers are handed out after their magazine is in place");
        // SAFETY: `index` is less than the chunk's length, for which it was mapped.
        unsafe { start.start().add(index * self.stride()) }.cast()
    }

    /// Magazine `id`.
    ///
    /// # Safety
    /// It has been made, and is nobody else's until it is given away.
    pub(crate) unsafe fn loaded(&self, id: u32) -> Loaded {
        Loaded { at: self.at(id), id, capacity: self.capacity as u32 }
    }

    /// Gives the memory of these magazines back to the system.
    ///
    /// # Safety
    /// They have been made, are the caller's and empty.
    pub(crate) unsafe fn decommit(&self, ids: Range<u32>) {
        let mut from = ids.start;
        while from < ids.end {
            let (chunk, index) = Chunks::<()>::place(from);
            let left = Chunks::<()>::len_of(chunk) - index;
            let count = left.min((ids.end - from) as usize);
            // SAFETY: so many magazines of one chunk, hence of one mapping, and none holds anything.
            unsafe { decommit(self.at(from).cast(), count * self.stride()) };
            from += count as u32;
        }
    }
}
