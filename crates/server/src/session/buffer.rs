//! [`ReadBuffer`]: bytes received and not yet consumed.
//!
//! ```text
//! bytes  ░░░░░░░░ consumed ░░░░░░░░│ unread │ spare capacity
//!                                start     len
//! ```

/// Received bytes of one connection. Without unread bytes it can give up its memory.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl ReadBuffer {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }
    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
    /// The vector to append received bytes to, with at least `room` bytes of spare capacity.
    ///
    /// # Cost
    /// May move the unread bytes to the front; growth is by doubling, so it stays linear in what was received.
    pub(crate) fn receive(&mut self, room: usize) -> &mut Vec<u8> {
        if self.bytes.capacity() - self.bytes.len() < room {
            if self.start > 0 {
                self.bytes.drain(..self.start);
                self.start = 0;
            }
            self.bytes.reserve(room);
        }
        &mut self.bytes
    }
    /// Takes the memory of an empty buffer, leaving none.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.start = 0;
        std::mem::take(&mut self.bytes)
    }
    /// Goes on in this memory with the unread bytes; what it had before.
    ///
    /// # Cost
    /// The unread bytes are copied.
    pub(crate) fn move_to(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        memory.clear();
        memory.extend_from_slice(self.unread());
        self.start = 0;
        std::mem::replace(&mut self.bytes, memory)
    }
}
