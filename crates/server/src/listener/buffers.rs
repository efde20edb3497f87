//! [`Buffers`]: memory that a loop lends its connections while there is something in it.
//!
//! ```text
//!  common  ◀── received into, by one connection after the other: each is served at once, so that what it has received is still in the cache
//!     └─ the beginning of a request that has not come whole is moved out of it, into memory of its own, and back for the rest
//!  spare   ◀── replies
//! ```
//! Invariants:
//! 1. A connection that has received up to [`REST_BYTES`] of a request into the common buffer holds as much memory for it as they take. Memory
//!    of its own, which has grown for a large request, it keeps while a quarter of it is unread or about to come (of a large argument up to a megabyte counts
//!    ahead), or it has no more than 64 KiB.
//! 2. What is kept for later is bounded, in number and in bytes.

/// What is asked of the kernel at a time where the common buffer is free: a pipeline of 64 requests of a kilobyte, and more.
const COMMON_BYTES: usize = 128 * 1024;
/// The largest beginning of a request that is moved out of the common buffer.
pub(super) const REST_BYTES: usize = 16 * 1024;
/// Buffers kept, the largest of them, and the bytes of all.
const MAX_SPARE: usize = 256;
const MAX_SPARE_BYTES: usize = 512 * 1024;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A loop's buffers that nobody uses. All are empty.
#[derive(Default)]
pub(super) struct Buffers {
    common: Vec<u8>,
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
}

impl Buffers {
    /// The common buffer, or another one as large.
    pub(super) fn common(&mut self) -> Vec<u8> {
        let mut memory = std::mem::take(&mut self.common);
        if memory.capacity() == 0
            && let Some(other) = self.spare.pop_if(|other| Self::is_common(other.capacity()))
        {
            self.spare_bytes -= other.capacity();
            memory = other;
        }
        memory.reserve(COMMON_BYTES);
        memory
    }

    /// Whether a buffer of such a capacity may be the common one.
    pub(super) fn is_common(capacity: usize) -> bool {
        (COMMON_BYTES..=2 * COMMON_BYTES).contains(&capacity)
    }

    /// A buffer that has been used before, if there is one.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        let memory = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= memory.capacity();
        memory
    }

    /// Takes a buffer back, whatever is in it.
    pub(super) fn give(&mut self, mut memory: Vec<u8>) {
        let capacity = memory.capacity();
        memory.clear();
        if self.common.capacity() == 0 && Self::is_common(capacity) {
            self.common = memory;
        } else if capacity > 0
            && capacity <= MAX_SPARE_BYTES
            && self.spare.len() < MAX_SPARE
            && self.spare_bytes + capacity <= MAX_BYTES
        {
            self.spare_bytes += capacity;
            self.spare.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_buffer_does_for_all_that_are_served_one_after_the_other() {
        let mut buffers = Buffers::default();
        let first = buffers.common();
        let at = first.as_ptr();
        buffers.give(first);
        let again = buffers.common();
        assert_eq!((again.as_ptr(), again.is_empty()), (at, true));
        // Another has it.
        let other = buffers.common();
        let other_at = other.as_ptr();
        assert!(other.capacity() >= COMMON_BYTES && other_at != at);
        buffers.give(again);
        buffers.give(other);
        let (kept, second) = (buffers.common(), buffers.common());
        assert_eq!((kept.as_ptr(), second.as_ptr()), (at, other_at));
        assert_eq!((buffers.spare().capacity(), buffers.spare_bytes), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = Buffers::default();
        buffers.give(Vec::new());
        buffers.give(Vec::with_capacity(MAX_SPARE_BYTES + 1));
        assert_eq!((buffers.spare.len(), buffers.common.capacity()), (0, 0));
        (0..2 * MAX_SPARE).for_each(|_| buffers.give(Vec::with_capacity(100)));
        assert_eq!(buffers.spare.len(), MAX_SPARE);
        let mut buffers = Buffers::default();
        (0..100).for_each(|_| buffers.give(Vec::with_capacity(MAX_SPARE_BYTES)));
        assert_eq!(buffers.spare_bytes, MAX_BYTES);
    }
}
