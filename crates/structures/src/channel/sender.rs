//! [`Sender`]: the end that values go in at.

use super::core::Core;
use super::error::{SendError, SendTimeoutError, TrySendError};
use super::future::SendFuture;
use std::fmt;
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::Arc;
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Scheme};

/// The sending end of a channel; clones send into the same one. When the last goes, receivers get what is left and then an error.
pub struct Sender<T, S: Scheme = Collector, A: NodeAlloc = Heap> {
    pub(super) core: Arc<Core<T, S, A>>,
}

impl<T, S: Scheme, A: NodeAlloc> Sender<T, S, A> {
    /// Sends `value`; on a full channel waits for room.
    ///
    /// # Progress
    /// Blocking when the channel is full; else as [`try_send`](Sender::try_send).
    ///
    /// # Errors
    /// [`SendError`]: all receivers are gone.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.core.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => match self.wait(value, None) {
                Ok(()) => Ok(()),
                Err(error) => Err(SendError(error.into_inner())),
            },
        }
    }

    /// Sends `value` if there is room.
    ///
    /// # Progress
    /// That of the buffer: an unbounded channel's is lock-free, a bounded one's see [`array_queue`](crate::array_queue). Blocking for
    /// a few instructions when somebody sleeps on the other side, to wake it.
    ///
    /// # Errors
    /// [`TrySendError`].
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.core.try_send(value)
    }

    /// As [`send`](Sender::send), for at most `timeout`.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// [`SendTimeoutError`].
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        match self.core.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            // A timeout beyond the clock's range is none.
            Err(TrySendError::Full(value)) => self.wait(value, Instant::now().checked_add(timeout)),
        }
    }

    #[cold]
    fn wait(&self, value: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        let mut value = Some(value);
        let sent = self.core.senders_line.wait(deadline, || self.attempt(&mut value));
        match (sent, value) {
            (Some(Ok(())), _) => Ok(()),
            (Some(Err(SendError(value))), _) => Err(SendTimeoutError::Disconnected(value)),
            (None, value) => {
                let value = value.expect("an attempt that ends with nothing leaves the value");
                Err(SendTimeoutError::Timeout(value))
            }
        }
    }

    /// `None`, and the value where it was: there is no room.
    pub(super) fn attempt(&self, value: &mut Option<T>) -> Option<Result<(), SendError<T>>> {
        match self.core.try_send(value.take()?) {
            Ok(()) => Some(Ok(())),
            Err(TrySendError::Disconnected(value)) => Some(Err(SendError(value))),
            Err(TrySendError::Full(refused)) => {
                *value = Some(refused);
                None
            }
        }
    }

    /// Sends `value` from a task: the future waits for room. Dropped before it is ready it has not sent, and drops the value.
    pub fn send_async(&self, value: T) -> SendFuture<'_, T, S, A> {
        SendFuture::new(self, value)
    }

    /// How many values are in the channel, at about this moment.
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether nothing is in the channel at this moment.
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }

    /// Whether there is no room at this moment; never, in an unbounded channel.
    pub fn is_full(&self) -> bool {
        self.core.is_full()
    }

    /// How many values fit; `None` when unbounded.
    pub fn capacity(&self) -> Option<usize> {
        self.core.capacity()
    }

    /// Whether all receivers are gone.
    pub fn is_disconnected(&self) -> bool {
        self.core.receivers_line.is_closed()
    }

    /// Whether both are ends of one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl<T, S: Scheme, A: NodeAlloc> Clone for Sender<T, S, A> {
    fn clone(&self) -> Self {
        self.core.add_sender();
        Sender { core: self.core.clone() }
    }
}

impl<T, S: Scheme, A: NodeAlloc> Drop for Sender<T, S, A> {
    fn drop(&mut self) {
        self.core.remove_sender();
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for Sender<T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}
