//! [`SendFuture`] and [`RecvFuture`]: a channel's ends for tasks, on any executor.
//!
//! A future waits in the same line as the threads do. Cancel-safe: a value goes in or comes out only in the poll that says "ready"; a future
//! dropped before leaves the line, and a wake-up meant for it goes to the next (`waiters`, no wake-up is lost, 2).

use super::error::{RecvError, SendError};
use super::receiver::Receiver;
use super::sender::Sender;
use super::waiters::{Ticket, Waiters};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use stillpoint_reclaim::{NodeAlloc, Scheme};

/// One poll of who waits in `waiters` for `attempt` to give something.
pub(super) fn poll<'w, R>(
    ticket: &mut Option<Ticket<'w>>,
    waiters: &'w Waiters,
    context: &Context<'_>,
    mut attempt: impl FnMut() -> Option<R>,
) -> Poll<R> {
    ticket.take_if(|ticket| ticket.is_notified_else(context.waker()));
    loop {
        let looks_again = ticket.is_some();
        if let Some(result) = attempt() {
            *ticket = None;
            return Poll::Ready(result);
        }
        if looks_again {
            return Poll::Pending;
        }
        *ticket = Some(waiters.listen(context.waker().clone()));
    }
}

/// See [`Sender::send_async`].
#[must_use = "a future does nothing until it is polled"]
pub struct SendFuture<'s, T, S: Scheme, A: NodeAlloc> {
    sender: &'s Sender<T, S, A>,
    value: Option<T>,
    ticket: Option<Ticket<'s>>,
}

// The value is moved out of it, and never pinned.
impl<T, S: Scheme, A: NodeAlloc> Unpin for SendFuture<'_, T, S, A> {}

impl<'s, T, S: Scheme, A: NodeAlloc> SendFuture<'s, T, S, A> {
    pub(super) fn new(sender: &'s Sender<T, S, A>, value: T) -> Self {
        SendFuture { sender, value: Some(value), ticket: None }
    }
}

impl<T, S: Scheme, A: NodeAlloc> Future for SendFuture<'_, T, S, A> {
    type Output = Result<(), SendError<T>>;

    /// # Panics
    /// When it has been ready already.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let SendFuture { sender, value, ticket } = self.get_mut();
        assert!(value.is_some(), "a send is polled after it was ready");
        poll(ticket, &sender.core.senders_line, context, || sender.attempt(value))
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for SendFuture<'_, T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").field("waits", &self.ticket.is_some()).finish_non_exhaustive()
    }
}

/// See [`Receiver::recv_async`].
#[must_use = "a future does nothing until it is polled"]
pub struct RecvFuture<'r, T, S: Scheme, A: NodeAlloc> {
    receiver: &'r Receiver<T, S, A>,
    ticket: Option<Ticket<'r>>,
}

impl<'r, T, S: Scheme, A: NodeAlloc> RecvFuture<'r, T, S, A> {
    pub(super) fn new(receiver: &'r Receiver<T, S, A>) -> Self {
        RecvFuture { receiver, ticket: None }
    }
}

impl<T, S: Scheme, A: NodeAlloc> Future for RecvFuture<'_, T, S, A> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let RecvFuture { receiver, ticket } = self.get_mut();
        poll(ticket, &receiver.core.receivers_line, context, || receiver.attempt())
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for RecvFuture<'_, T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvFuture").field("waits", &self.ticket.is_some()).finish_non_exhaustive()
    }
}
