//! [`Select`]: waiting for the first of several sends and receives, as a thread or as a task.
//!
//! Each arm waits in its channel's own line. When one has succeeded the others leave theirs; those that were notified meanwhile pass it on.
//! Which of several ready arms is taken is left to chance, so that a busy channel does not starve another.

use super::error::{RecvError, SendError};
use super::parker::Parker;
use super::receiver::Receiver;
use super::sender::Sender;
use super::waiters::{Ticket, Waiters};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use stillpoint_reclaim::{NodeAlloc, Scheme};

/// One send or receive, and what is to be done when it has happened.
trait Arm<'c, R> {
    fn attempt(&mut self) -> Option<Done<'_, R>>;
    fn waiters(&self) -> &'c Waiters;
}

/// It has happened; what is left is the caller's own code, which runs after the lines are left.
type Done<'a, R> = Box<dyn FnOnce() -> R + 'a>;

struct RecvArm<'c, T, S: Scheme, A: NodeAlloc, F> {
    receiver: &'c Receiver<T, S, A>,
    then: Option<F>,
}

impl<'c, T, S: Scheme, A: NodeAlloc, R, F> Arm<'c, R> for RecvArm<'c, T, S, A, F>
where
    F: FnOnce(Result<T, RecvError>) -> R,
{
    fn attempt(&mut self) -> Option<Done<'_, R>> {
        let received = self.receiver.attempt()?;
        let then = self.then.take().expect("an arm happens once");
        Some(Box::new(move || then(received)))
    }

    fn waiters(&self) -> &'c Waiters {
        &self.receiver.core.receivers_line
    }
}

struct SendArm<'c, T, S: Scheme, A: NodeAlloc, F> {
    sender: &'c Sender<T, S, A>,
    value: Option<T>,
    then: Option<F>,
}

impl<'c, T, S: Scheme, A: NodeAlloc, R, F> Arm<'c, R> for SendArm<'c, T, S, A, F>
where
    F: FnOnce(Result<(), SendError<T>>) -> R,
{
    fn attempt(&mut self) -> Option<Done<'_, R>> {
        let sent = self.sender.attempt(&mut self.value)?;
        let then = self.then.take().expect("an arm happens once");
        Some(Box::new(move || then(sent)))
    }

    fn waiters(&self) -> &'c Waiters {
        &self.sender.core.senders_line
    }
}

/// The first of several sends and receives: add arms, then wait.
///
/// An arm whose channel is disconnected happens at once, with the error.
///
/// # Examples
/// ```
/// use stillpoint_structures::channel::{self, Select};
///
/// let (_keep, numbers) = channel::unbounded::<u32>();
/// let (send, words) = channel::bounded(1);
/// send.send("hello").unwrap();
/// let said = Select::new()
///     .recv(&numbers, |number| format!("{number:?}"))
///     .recv(&words, |word| word.unwrap().to_owned())
///     .wait();
/// assert_eq!(said, "hello");
/// ```
#[must_use = "it waits only when told to"]
pub struct Select<'c, R> {
    arms: Vec<Box<dyn Arm<'c, R> + Send + 'c>>,
}

impl<R> Default for Select<'_, R> {
    fn default() -> Self {
        Select { arms: Vec::new() }
    }
}

impl<'c, R: 'c> Select<'c, R> {
    /// Without an arm.
    pub fn new() -> Self {
        Select::default()
    }

    /// Adds a receive; `then` makes the result of what was received.
    pub fn recv<T: Send + 'c, S: Scheme, A: NodeAlloc>(
        mut self,
        receiver: &'c Receiver<T, S, A>,
        then: impl FnOnce(Result<T, RecvError>) -> R + Send + 'c,
    ) -> Self {
        self.arms.push(Box::new(RecvArm { receiver, then: Some(then) }));
        self
    }

    /// Adds a send; `then` makes the result. When another arm is first the value is dropped.
    pub fn send<T: Send + 'c, S: Scheme, A: NodeAlloc>(
        mut self,
        sender: &'c Sender<T, S, A>,
        value: T,
        then: impl FnOnce(Result<(), SendError<T>>) -> R + Send + 'c,
    ) -> Self {
        self.arms.push(Box::new(SendArm { sender, value: Some(value), then: Some(then) }));
        self
    }

    /// The first arm that can happen now, if any.
    pub fn try_now(mut self) -> Option<R> {
        let (_, done) = self.attempt()?;
        Some(done())
    }

    /// Waits for the first arm.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Panics
    /// Without an arm.
    pub fn wait(self) -> R {
        self.wait_until(None).expect("there is no deadline")
    }

    /// Waits for the first arm for at most `timeout`.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Panics
    /// Without an arm.
    pub fn wait_timeout(self, timeout: Duration) -> Option<R> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Waits for the first arm until `deadline` at the latest.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Panics
    /// Without an arm.
    pub fn wait_deadline(self, deadline: Instant) -> Option<R> {
        self.wait_until(Some(deadline))
    }

    /// Waits for the first arm in a task. Dropped before it is ready, no arm has happened.
    ///
    /// # Panics
    /// Without an arm.
    pub fn wait_async(self) -> SelectFuture<'c, R> {
        assert!(!self.arms.is_empty(), "a select without an arm never ends");
        SelectFuture { select: self, tickets: Tickets::default(), is_over: false }
    }

    fn wait_until(mut self, deadline: Option<Instant>) -> Option<R> {
        assert!(!self.arms.is_empty(), "a select without an arm never ends");
        if let Some((_, done)) = self.attempt() {
            return Some(done());
        }
        let parker = Parker::new();
        let waker = parker.waker();
        let mut tickets = Tickets::default();
        loop {
            tickets.listen(&self.arms, &waker);
            if let Some((arm, done)) = self.attempt() {
                tickets.leave_all_but(arm);
                return Some(done());
            }
            if !parker.park(deadline) {
                drop(tickets);
                return self.attempt().map(|(_, done)| done());
            }
            tickets.collect();
            if let Some((arm, done)) = self.attempt() {
                tickets.leave_all_but(arm);
                return Some(done());
            }
            tickets.forget_collected();
        }
    }

    /// Tries all arms, from any one on; which has happened, and what is left to do.
    fn attempt(&mut self) -> Option<(usize, Done<'_, R>)> {
        let len = self.arms.len();
        let first = chance(len);
        // In two steps, since the one that has happened is borrowed by the result.
        let (before, after) = self.arms.split_at_mut(first);
        let order = after.iter_mut().enumerate().map(|(i, arm)| (i + first, arm));
        order.chain(before.iter_mut().enumerate()).find_map(|(i, arm)| Some((i, arm.attempt()?)))
    }
}

impl<R> fmt::Debug for Select<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("arms", &self.arms.len()).finish_non_exhaustive()
    }
}

/// A number below `len`, if that is not 0; always 0 where runs have to repeat.
fn chance(len: usize) -> usize {
    use std::hash::BuildHasher;
    if len < 2 || cfg!(any(stillpoint_loom, stillpoint_shuttle)) {
        return 0;
    }
    foldhash::fast::RandomState::default().hash_one(len) as usize % len
}

/// The places of one select in the lines of its arms, in their order.
#[derive(Default)]
struct Tickets<'c> {
    waiting: Vec<Option<Ticket<'c>>>,
    /// Arms that were notified, and have not been seen to.
    notified: Vec<(usize, &'c Waiters)>,
}

impl<'c> Tickets<'c> {
    /// Into every line that it is not in.
    fn listen<R>(&mut self, arms: &[Box<dyn Arm<'c, R> + Send + 'c>], waker: &Waker) {
        self.waiting.resize_with(arms.len(), || None);
        for (ticket, arm) in self.waiting.iter_mut().zip(arms) {
            if ticket.is_none() {
                *ticket = Some(arm.waiters().listen(waker.clone()));
            }
        }
    }
}

impl Tickets<'_> {
    /// Out of the lines in which it was notified.
    fn collect(&mut self) {
        for (arm, place) in self.waiting.iter_mut().enumerate() {
            if let Some(ticket) = place.take_if(Ticket::is_notified) {
                self.notified.push((arm, ticket.waiters()));
            }
        }
    }

    /// Whoever was notified has looked, and found nothing.
    fn forget_collected(&mut self) {
        self.notified.clear();
    }

    /// `arm` has happened; the others' notifications are passed on.
    fn leave_all_but(&mut self, arm: usize) {
        self.waiting.clear();
        self.notified.retain(|(notified, _)| *notified != arm);
        for (_, waiters) in self.notified.drain(..) {
            waiters.notify();
        }
    }
}

impl Drop for Tickets<'_> {
    fn drop(&mut self) {
        self.leave_all_but(usize::MAX);
    }
}

/// See [`Select::wait_async`].
#[must_use = "a future does nothing until it is polled"]
pub struct SelectFuture<'c, R> {
    select: Select<'c, R>,
    tickets: Tickets<'c>,
    /// An arm has happened.
    is_over: bool,
}

impl<'c, R: 'c> Future for SelectFuture<'c, R> {
    type Output = R;

    /// # Panics
    /// When it has been ready already.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let SelectFuture { select, tickets, is_over } = self.get_mut();
        assert!(!*is_over, "a select is polled after it was ready");
        // Anew in every line, since the waker may be another; what was notified is seen to below.
        tickets.collect();
        tickets.waiting.clear();
        if tickets.notified.is_empty() {
            tickets.listen(&select.arms, context.waker());
        }
        loop {
            let listens = !tickets.waiting.is_empty();
            if let Some((arm, done)) = select.attempt() {
                *is_over = true;
                tickets.leave_all_but(arm);
                return Poll::Ready(done());
            }
            if listens {
                return Poll::Pending;
            }
            tickets.forget_collected();
            tickets.listen(&select.arms, context.waker());
        }
    }
}

impl<R> fmt::Debug for SelectFuture<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectFuture")
            .field("arms", &self.select.arms.len())
            .finish_non_exhaustive()
    }
}
