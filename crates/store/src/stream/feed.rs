//! [`Feed`]: the changes of some keys, in commit order, for a consumer that may be too slow.
//!
//! # Invariants
//! 1. A feed has no queue of its own in the stream: it is a position on the ring, and what it read last. So a slow one costs nothing but what the
//!    ring keeps anyway, and it finds out by its position that something it wanted is gone.
//! 2. Everything that it wants with a timestamp up to `through` has been handed out, once.

use super::group::{Change, Group};
use super::watch::Wanted;
use super::{Seat, Stream, lock};
use crate::engine::Engine;
use crate::error::Lagged;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Bytes of groups that are read at once (but at least one group).
const MOST_BYTES: usize = 1 << 20;

/// The wanted changes of one timestamp: of each transaction all that it changed among the watched keys.
pub struct Batch<O = ()> {
    group: Arc<Group<O>>,
    wanted: Box<[usize]>,
}

impl<O> Batch<O> {
    /// What is wanted of a group, if anything is.
    fn of(group: Arc<Group<O>>, wanted: &Wanted) -> Option<Self> {
        let which = group.changes().enumerate().filter(|(_, change)| wanted.has(*change));
        let wanted: Box<[usize]> = which.map(|(number, _)| number).collect();
        (!wanted.is_empty()).then_some(Batch { group, wanted })
    }

    /// The commit timestamp.
    pub fn timestamp(&self) -> u64 {
        self.group.timestamp()
    }

    /// The changes, at least one; those of one key in their order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Change<'_, O>> {
        self.wanted.iter().map(|number| self.group.change(*number))
    }
}

/// What a look at the stream gave.
enum Look<O> {
    Batch(Batch<O>),
    Nothing,
    Ended,
}

/// Every committed change of the watched keys, once, in commit order; made by [`Watch`](crate::Watch).
///
/// It does not keep the store alive: it ends after the store's last change. As an iterator it waits for changes; so does it, without blocking, as
/// a `futures_core::Stream`. Whoever is so slow that the stream had to give up what it still wanted gets [`Lagged`], once from the iterator and the
/// stream (which then end), and with each call from the other methods, until [`restart`](Feed::restart).
pub struct Feed<O: Send + Sync + 'static = ()> {
    stream: Arc<Stream<O>>,
    engine: Weak<Engine<O>>,
    wanted: Wanted,
    /// It has read everything before this timestamp.
    next: u64,
    read: VecDeque<Batch<O>>,
    told: bool,
    /// It has found out that it lags, which counts once.
    lags: bool,
    seat: Seat,
}

impl<O: Send + Sync + 'static> Drop for Feed<O> {
    fn drop(&mut self) {
        self.stream.published.leave(&mut self.seat);
    }
}

impl<O: Send + Sync + 'static> Feed<O> {
    pub(super) fn new(
        stream: &Arc<Stream<O>>,
        engine: &Arc<Engine<O>>,
        wanted: Wanted,
        next: u64,
    ) -> Self {
        let (stream, engine) = (Arc::clone(stream), Arc::downgrade(engine));
        let (read, told, lags, seat) = (VecDeque::new(), false, false, Seat::default());
        Feed { stream, engine, wanted, next, read, told, lags, seat }
    }

    /// Every change with a timestamp up to this one that was wanted has been handed out.
    pub fn through(&self) -> u64 {
        self.read.front().map_or(self.next, Batch::timestamp).saturating_sub(1)
    }

    /// Begins anew after a timestamp, which is that of a snapshot that was read in between.
    pub fn restart(&mut self, timestamp: u64) {
        self.read.clear();
        self.next = timestamp.saturating_add(1);
        (self.told, self.lags) = (false, false);
    }

    /// The next changes if there are any, without waiting.
    ///
    /// # Errors
    /// Something that was wanted is gone.
    pub fn try_next(&mut self) -> Result<Option<Batch<O>>, Lagged> {
        Ok(match self.look()? {
            Look::Batch(batch) => Some(batch),
            Look::Nothing | Look::Ended => None,
        })
    }

    /// As [`try_next`](Feed::try_next), but nothing later than `timestamp`: for who wants the state at that time. All of it has been handed out when
    /// [`through`](Feed::through) has reached it.
    ///
    /// # Errors
    /// Something that was wanted is gone.
    pub fn next_up_to(&mut self, timestamp: u64) -> Result<Option<Batch<O>>, Lagged> {
        Ok(match self.look()? {
            Look::Batch(batch) if batch.timestamp() <= timestamp => Some(batch),
            Look::Batch(later) => {
                self.read.push_front(later);
                None
            }
            Look::Nothing | Look::Ended => None,
        })
    }

    /// The next changes; waits up to `timeout` for them. `None`: there were none, or the store has ended.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// Something that was wanted is gone.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Batch<O>>, Lagged> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Batch<O>>, Lagged> {
        loop {
            let stream = Arc::clone(&self.stream);
            let round = stream.published.listen();
            match self.look()? {
                Look::Batch(batch) => return Ok(Some(batch)),
                Look::Ended => return Ok(None),
                Look::Nothing if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Ok(None);
                }
                Look::Nothing => stream.published.wait(round, deadline),
            }
        }
    }

    fn look(&mut self) -> Result<Look<O>, Lagged> {
        if let Some(batch) = self.read.pop_front() {
            return Ok(Look::Batch(batch));
        }
        let closed = self.stream.is_closed();
        self.stream.pump_by(&self.engine, closed);
        // Until something is wanted, or all is read.
        loop {
            let mut ring = lock(&self.stream.ring);
            if self.next < ring.floor {
                ring.lagged += u64::from(!std::mem::replace(&mut self.lags, true));
                return Err(Lagged { since: self.next.saturating_sub(1) });
            }
            let (groups, through) = ring.read(self.next, MOST_BYTES);
            let all = through.saturating_add(1) >= ring.low;
            drop(ring);
            self.next = self.next.max(through.saturating_add(1));
            let wanted = &self.wanted;
            self.read.extend(groups.into_iter().filter_map(|group| Batch::of(group, wanted)));
            match self.read.pop_front() {
                Some(batch) => return Ok(Look::Batch(batch)),
                None if all && closed => return Ok(Look::Ended),
                None if all => return Ok(Look::Nothing),
                None => {}
            }
        }
    }

    /// An answer of the iterator: the lag is told once.
    fn once(&mut self, next: Result<Option<Batch<O>>, Lagged>) -> Option<Result<Batch<O>, Lagged>> {
        self.told = next.is_err();
        next.transpose()
    }
}

impl<O: Send + Sync + 'static> Iterator for Feed<O> {
    type Item = Result<Batch<O>, Lagged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.told {
            return None;
        }
        let next = self.next_until(None);
        self.once(next)
    }
}

impl<O: Send + Sync + 'static> futures_core::Stream for Feed<O> {
    type Item = Result<Batch<O>, Lagged>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let feed = self.get_mut();
        if feed.told {
            return Poll::Ready(None);
        }
        loop {
            let round = feed.stream.published.listen();
            let next = match feed.look() {
                Ok(Look::Batch(batch)) => Ok(Some(batch)),
                Ok(Look::Ended) => Ok(None),
                Ok(Look::Nothing) => {
                    let published = &feed.stream.published;
                    if published.register(round, context.waker(), &mut feed.seat) {
                        return Poll::Pending;
                    }
                    continue;
                }
                Err(lagged) => Err(lagged),
            };
            return Poll::Ready(feed.once(next));
        }
    }
}
