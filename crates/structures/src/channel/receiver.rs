//! [`Receiver`]: the end that values come out at; its iterators.

use super::core::Core;
use super::end::end;
use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::future::RecvFuture;
use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::Arc;
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Scheme};

/// The receiving end of a channel; clones receive from the same one, and each value goes to one of them. When the last goes, what is
/// left in the channel is dropped and sending fails.
pub struct Receiver<T, S: Scheme = Collector, A: NodeAlloc = Heap> {
    pub(super) core: Arc<Core<T, S, A>>,
}

impl<T, S: Scheme, A: NodeAlloc> Receiver<T, S, A> {
    /// Receives the next value; waits for one.
    ///
    /// # Progress
    /// Blocking when the channel is empty; else as [`try_recv`](Receiver::try_recv).
    ///
    /// # Errors
    /// [`RecvError`]: the channel is empty and all senders are gone.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        match self.core.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => self.wait(None).map_err(|_| RecvError),
        }
    }

    /// Receives the next value if there is one.
    ///
    /// # Progress
    /// That of the buffer: an unbounded channel's is lock-free, a bounded one's see [`array_queue`](crate::array_queue). Blocking for
    /// a few instructions when somebody waits for the room, to wake it.
    ///
    /// # Errors
    /// [`TryRecvError`].
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.core.try_recv()
    }

    /// As [`recv`](Receiver::recv), for at most `timeout`.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        // A timeout beyond the clock's range is none.
        self.recv_until(|| Instant::now().checked_add(timeout))
    }

    /// As [`recv`](Receiver::recv), until `deadline` at the latest.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// [`RecvTimeoutError`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(|| Some(deadline))
    }

    fn recv_until(
        &self,
        deadline: impl FnOnce() -> Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        match self.core.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => self.wait(deadline()),
        }
    }

    #[cold]
    fn wait(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        match self.core.receivers_line.wait(deadline, || self.attempt()) {
            Some(Ok(value)) => Ok(value),
            Some(Err(RecvError)) => Err(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// `None`: there is nothing yet.
    pub(super) fn attempt(&self) -> Option<Result<T, RecvError>> {
        match self.core.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Receives from a task: the future waits for a value. Dropped before it is ready it has taken none.
    pub fn recv_async(&self) -> RecvFuture<'_, T, S, A> {
        RecvFuture::new(self)
    }

    /// The values as they come, until the channel is empty and all senders are gone.
    ///
    /// # Progress
    /// Blocking.
    pub fn iter(&self) -> Iter<'_, T, S, A> {
        Iter { receiver: self }
    }

    /// The values that are there, without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T, S, A> {
        TryIter { receiver: self }
    }
}

end!(
    Receiver,
    add_receiver,
    remove_receiver,
    senders_line,
    "Whether all senders are gone; there may be values left."
);

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'r, T, S: Scheme, A: NodeAlloc> {
    receiver: &'r Receiver<T, S, A>,
}

impl<T, S: Scheme, A: NodeAlloc> Iterator for Iter<'_, T, S, A> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'r, T, S: Scheme, A: NodeAlloc> {
    receiver: &'r Receiver<T, S, A>,
}

/// A channel that has ended stays so.
impl<T, S: Scheme, A: NodeAlloc> FusedIterator for Iter<'_, T, S, A> {}

impl<T, S: Scheme, A: NodeAlloc> Iterator for TryIter<'_, T, S, A> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// As [`Iter`], owning the end.
#[derive(Debug)]
pub struct IntoIter<T, S: Scheme, A: NodeAlloc> {
    receiver: Receiver<T, S, A>,
}

impl<T, S: Scheme, A: NodeAlloc> Iterator for IntoIter<T, S, A> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T, S: Scheme, A: NodeAlloc> FusedIterator for IntoIter<T, S, A> {}

impl<'r, T, S: Scheme, A: NodeAlloc> IntoIterator for &'r Receiver<T, S, A> {
    type Item = T;
    type IntoIter = Iter<'r, T, S, A>;
    fn into_iter(self) -> Iter<'r, T, S, A> {
        self.iter()
    }
}

impl<T, S: Scheme, A: NodeAlloc> IntoIterator for Receiver<T, S, A> {
    type Item = T;
    type IntoIter = IntoIter<T, S, A>;
    fn into_iter(self) -> IntoIter<T, S, A> {
        IntoIter { receiver: self }
    }
}
