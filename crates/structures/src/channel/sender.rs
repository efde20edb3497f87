//! [`Sender`]: the end that values go in at.

use super::core::Core;
use super::end::end;
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
        // A timeout beyond the clock's range is none.
        self.send_until(value, || Instant::now().checked_add(timeout))
    }

    /// As [`send`](Sender::send), until `deadline` at the latest.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// [`SendTimeoutError`].
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, || Some(deadline))
    }

    fn send_until(
        &self,
        value: T,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        match self.core.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(TrySendError::Full(value)) => self.wait(value, deadline()),
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
}

end!(Sender, add_sender, remove_sender, receivers_line, "Whether all receivers are gone.");
