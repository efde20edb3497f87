//! [`Core`]: what the two ends of a channel share.
//!
//! | field | `word` says closed when | those in its line wait for |
//! |---|---|---|
//! | `receivers_line` | the last receiver is gone | a value |
//! | `senders_line` | the last sender is gone | room (bounded channels only) |
//!
//! # Invariants
//! 1. An end that finds nothing to do looks whether the other side is gone, and then tries once more: what was sent before the last
//!    sender went is received.
//! 2. Who sends looks *after* the value is in whether the receivers are gone, and then empties the buffer itself. So values that nobody can
//!    receive do not stay in the buffer, whoever was later.
//!
//! Tags: `[ends]` the counts of ends: Relaxed when one is cloned, AcqRel when one goes, so that the last sees what all did.

use super::error::{TryRecvError, TrySendError};
use super::waiters::Waiters;
use crate::array_queue::ArrayQueue;
use crate::segment_queue::SegmentQueue;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};
use stillpoint_reclaim::{NodeAlloc, Scheme};

pub(super) enum Buffer<T, S: Scheme, A: NodeAlloc> {
    Bounded(ArrayQueue<T>),
    Unbounded(SegmentQueue<T, S, A>),
}

pub(super) struct Core<T, S: Scheme, A: NodeAlloc> {
    pub(super) buffer: Buffer<T, S, A>,
    pub(super) receivers_line: CachePadded<Waiters>,
    pub(super) senders_line: CachePadded<Waiters>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T, S: Scheme, A: NodeAlloc> Core<T, S, A> {
    /// With one end of each kind.
    pub(super) fn new(buffer: Buffer<T, S, A>) -> Self {
        Core {
            buffer,
            receivers_line: CachePadded::new(Waiters::new()),
            senders_line: CachePadded::new(Waiters::new()),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.receivers_line.is_closed() {
            return Err(TrySendError::Disconnected(value));
        }
        match &self.buffer {
            Buffer::Bounded(queue) => queue.push(value).map_err(TrySendError::Full)?,
            Buffer::Unbounded(queue) => queue.push(value),
        }
        if self.receivers_line.notify() {
            // Invariant 2.
            self.discard();
        }
        Ok(())
    }

    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        if let Some(value) = self.take() {
            return Ok(value);
        }
        if !self.senders_line.is_closed() {
            return Err(TryRecvError::Empty);
        }
        // Invariant 1.
        self.take().ok_or(TryRecvError::Disconnected)
    }

    #[inline]
    fn take(&self) -> Option<T> {
        match &self.buffer {
            Buffer::Bounded(queue) => {
                let value = queue.pop()?;
                self.senders_line.notify();
                Some(value)
            }
            Buffer::Unbounded(queue) => queue.pop(),
        }
    }

    #[cold]
    fn discard(&self) {
        drop_all(std::iter::from_fn(|| self.take()));
    }

    pub(super) fn len(&self) -> usize {
        match &self.buffer {
            Buffer::Bounded(queue) => queue.len(),
            Buffer::Unbounded(queue) => queue.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.buffer {
            Buffer::Bounded(queue) => queue.is_empty(),
            Buffer::Unbounded(queue) => queue.is_empty(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        match &self.buffer {
            Buffer::Bounded(queue) => queue.is_full(),
            Buffer::Unbounded(_) => false,
        }
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        match &self.buffer {
            Buffer::Bounded(queue) => Some(queue.capacity()),
            Buffer::Unbounded(_) => None,
        }
    }

    pub(super) fn add_sender(&self) {
        // Relaxed [ends]: the caller has one already.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_receiver(&self) {
        // Relaxed [ends]: the caller has one already.
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        // AcqRel [ends]: see the header.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.senders_line.close();
            self.receivers_line.notify_all();
        }
    }

    pub(super) fn remove_receiver(&self) {
        // AcqRel [ends]: see the header.
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.receivers_line.close();
            self.senders_line.notify_all();
            self.discard();
        }
    }
}
