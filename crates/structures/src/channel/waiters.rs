//! [`Waiters`]: the line of those, threads and tasks alike, who wait on one side of a channel; [`Ticket`]: a place in it.
//!
//! ```text
//! word:  waiting << 1 | closed          line:  (id, waker) (id, waker) …  oldest first, ids ascending, under a lock
//! ```
//! | step | `word` |
//! |---|---|
//! | listen, under the lock | + 2 |
//! | notify one, leave, under the lock | − 2 |
//! | close | \| 1, then all are notified |
//!
//! # No wake-up is lost
//! 1. A sleeper announces itself (`listen`), *then* looks whether there is something, and only then sleeps. Who puts something in does so
//!    first and *then* reads `word`. Both orders hold in the total order of SeqCst operations (the announcement, with the fence behind it; the
//!    buffer's draw; the load of `word`): either the sleeper sees the value, or the other sees the sleeper.
//! 2. A notification takes its sleeper out of the line, so the next one goes to another. A sleeper that leaves (timed out, cancelled, served by
//!    another channel) and finds itself already taken out passes its notification on. So there are at least as many notified
//!    threads under way as values that nobody has come for, or nobody is waiting.
//! 3. Whoever was notified looks; if another was faster it announces itself anew. It is then last in the line: the channel is FIFO for values,
//!    and only nearly so for waiters.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[sleep]` | the SeqCst operations of 1 |
//!
//! Blocking: the line has a lock, held for a few instructions, and taken only when somebody sleeps or is about to. Wakers are cloned, called
//! and dropped outside. One that panics when it is called has its panic contained: who calls it has sent or received, and others still wait to be woken.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;
use stillpoint_primitive::contain;
use stillpoint_primitive::sync::Mutex;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering, fence};

use super::parker::Parker;
use crate::backoff::Backoff;

const CLOSED: usize = 1;
const ONE: usize = 2;

pub(super) struct Waiters {
    word: AtomicUsize,
    line: Mutex<Line>,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    pub(super) mutation: crate::weakened::Weakened,
}

#[derive(Default)]
struct Line {
    next_id: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl Line {
    fn remove(&mut self, id: u64) -> Option<Waker> {
        let at = self.waiting.binary_search_by_key(&id, |entry| entry.0).ok()?;
        self.waiting.remove(at).map(|entry| entry.1)
    }
}

impl Waiters {
    pub(super) fn new() -> Self {
        Waiters {
            word: AtomicUsize::new(0),
            line: Mutex::new(Line::default()),
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
        }
    }

    /// No code of others runs under the lock, so it is not poisoned in the midst of anything.
    fn with_line<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        f(&mut self.line.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Whether the other side is gone.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // SeqCst [sleep]: as in `notify`.
        self.word.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// After something has been put in (or taken out): wakes one who waits for it. Whether the other side is gone.
    #[inline]
    pub(super) fn notify(&self) -> bool {
        // SeqCst [sleep]: after the draw that put it in.
        let word = self.word.load(Ordering::SeqCst);
        if word >= ONE {
            self.notify_one();
        }
        word & CLOSED != 0
    }

    #[cold]
    fn notify_one(&self) {
        let first = self.with_line(|line| {
            let first = line.waiting.pop_front();
            if first.is_some() {
                // SeqCst [sleep]: as in `listen`.
                self.word.fetch_sub(ONE, Ordering::SeqCst);
            }
            first
        });
        if let Some((_, waker)) = first {
            contain(|| waker.wake());
        }
    }

    /// The other side is gone: for all who wait, and all who will look.
    pub(super) fn close(&self) {
        // SeqCst [sleep]: before those who wait are read.
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
    }

    /// Wakes all.
    pub(super) fn notify_all(&self) {
        let all = self.with_line(|line| {
            let all = std::mem::take(&mut line.waiting);
            // SeqCst [sleep]: as in `listen`.
            self.word.fetch_sub(all.len() * ONE, Ordering::SeqCst);
            all
        });
        all.into_iter().for_each(|(_, waker)| contain(|| waker.wake()));
    }

    /// Announces a sleeper, who has to look once more before it sleeps.
    pub(super) fn listen(&self, waker: Waker) -> Ticket<'_> {
        let id = self.with_line(|line| {
            let id = line.next_id;
            line.next_id += 1;
            line.waiting.push_back((id, waker));
            // SeqCst [sleep]: the announcement.
            self.word.fetch_add(ONE, Ordering::SeqCst);
            id
        });
        // SeqCst [sleep]: before the look that follows, whatever its loads are.
        fence(Ordering::SeqCst);
        Ticket { waiters: self, id, in_line: true }
    }

    /// Waits until `attempt` gives something; `None` when the deadline comes first.
    #[cold]
    pub(super) fn wait<R>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let mut backoff = Backoff::default();
        while !backoff.is_exhausted() {
            backoff.wait();
            if let Some(result) = attempt() {
                return Some(result);
            }
        }
        let parker = Parker::new();
        loop {
            let mut ticket = self.listen(parker.waker());
            if !self.sleeps_without_looking()
                && let Some(result) = attempt()
            {
                return Some(result);
            }
            if !ticket.sleep(&parker, deadline) {
                drop(ticket);
                return attempt();
            }
            if let Some(result) = attempt() {
                return Some(result);
            }
        }
    }

    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    fn sleeps_without_looking(&self) -> bool {
        self.mutation == crate::weakened::Weakened::SleepWithoutLooking
    }

    #[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
    fn sleeps_without_looking(&self) -> bool {
        false
    }
}

/// A place in the line. Dropped, it leaves; a notification that it has got meanwhile goes to the next.
pub(super) struct Ticket<'w> {
    waiters: &'w Waiters,
    id: u64,
    /// Not known to have been notified.
    in_line: bool,
}

impl<'w> Ticket<'w> {
    /// Where it is a place.
    pub(super) fn waiters(&self) -> &'w Waiters {
        self.waiters
    }

    /// Whether it has been notified; the notification is the caller's then, and the ticket is used up.
    pub(super) fn is_notified(&mut self) -> bool {
        let waits = |line: &mut Line| line.waiting.binary_search_by_key(&self.id, |entry| entry.0);
        self.in_line = self.in_line && self.waiters.with_line(waits).is_ok();
        !self.in_line
    }

    /// As [`is_notified`](Ticket::is_notified), and if not, it is `waker` that will be called.
    pub(super) fn is_notified_else(&mut self, waker: &Waker) -> bool {
        let mut fresh = Some(waker.clone());
        let old = self.waiters.with_line(|line| {
            let at = line.waiting.binary_search_by_key(&self.id, |entry| entry.0).ok()?;
            fresh.take().map(|fresh| std::mem::replace(&mut line.waiting[at].1, fresh))
        });
        self.in_line = self.in_line && old.is_some();
        !self.in_line
    }

    /// Sleeps until notified; `false` when the deadline comes first.
    fn sleep(&mut self, parker: &Parker, deadline: Option<Instant>) -> bool {
        while !self.is_notified() {
            if !parker.park(deadline) {
                return false;
            }
        }
        true
    }

    /// Leaves the line; whether it has been notified meanwhile.
    fn take_out(&mut self) -> bool {
        if !std::mem::take(&mut self.in_line) {
            return false;
        }
        let waker = self.waiters.with_line(|line| {
            let waker = line.remove(self.id);
            if waker.is_some() {
                // SeqCst [sleep]: as in `listen`.
                self.waiters.word.fetch_sub(ONE, Ordering::SeqCst);
            }
            waker
        });
        waker.is_none()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.take_out() {
            self.waiters.notify();
        }
    }
}
