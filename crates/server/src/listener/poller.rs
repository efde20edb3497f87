//! [`Poller`]: which sockets are ready; level-triggered epoll. [`Mailbox`]: how another thread wakes a loop.

use super::accept::Accepted;
use super::connection::Connection;
use crate::counter::Gauge;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// For the peer's end, while nothing is read.
    pub(crate) end: bool,
}

impl Interest {
    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags.set(EventFlags::RDHUP, self.end);
        flags
    }
}

/// One socket's readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// The peer is gone in both directions.
    pub(crate) broken: bool,
    /// The peer sends nothing more; told only if asked for.
    pub(crate) ended: bool,
}

impl Ready {
    fn of(event: &Event) -> Self {
        let (flags, data) = (event.flags, event.data);
        Ready {
            token: data.u64(),
            read: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            write: flags.contains(EventFlags::OUT),
            broken: flags.intersects(EventFlags::ERR | EventFlags::HUP),
            ended: flags.contains(EventFlags::RDHUP),
        }
    }
}

/// Sockets of one pass; what is left over is reported by the next.
const MAX_EVENTS: usize = 256;

/// The set of sockets that one loop watches.
pub(crate) struct Poller {
    epoll: OwnedFd,
    ready: Vec<Ready>,
}

impl Poller {
    pub(crate) fn new() -> std::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll, ready: Vec::with_capacity(MAX_EVENTS) })
    }
    pub(crate) fn add(
        &self,
        socket: impl AsFd,
        token: u64,
        interest: Interest,
    ) -> std::io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), interest.flags())?)
    }
    pub(crate) fn change(
        &self,
        socket: impl AsFd,
        token: u64,
        interest: Interest,
    ) -> std::io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest.flags())?)
    }
    /// Takes a socket out; closing it would do as well.
    pub(crate) fn remove(&self, socket: impl AsFd) {
        // A socket that is not in the set is out of it.
        let _gone = epoll::delete(&self.epoll, socket);
    }
    /// Sleeps until a socket is ready or `timeout_ms` have passed (`None`: for ever).
    pub(crate) fn wait(&mut self, timeout_ms: Option<u64>) -> std::io::Result<()> {
        self.ready.clear();
        let timeout = timeout_ms.map(|ms| Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: (ms % 1000 * 1_000_000) as _,
        });
        let mut events = [const { MaybeUninit::<Event>::uninit() }; MAX_EVENTS];
        match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((events, _)) => self.ready.extend(events.iter().map(Ready::of)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
    /// Sockets found ready by the last [`wait`](Poller::wait).
    pub(crate) fn count(&self) -> usize {
        self.ready.len()
    }
    pub(crate) fn ready(&self, i: usize) -> Ready {
        self.ready[i]
    }
}

/// A connection that comes to a loop.
pub(crate) enum Arrival {
    New(Accepted),
    /// From another loop.
    Moved(Box<Connection>),
}

/// Where other threads leave word for a loop.
pub(crate) struct Mailbox {
    bell: OwnedFd,
    arrivals: Mutex<Vec<Arrival>>,
    /// Tokens of connections that have something in their inbox.
    calls: Mutex<Vec<u64>>,
    calls_waiting: Gauge,
    kills: Gauge,
    /// Tokens of connections whose waiting is over.
    answered: Mutex<Vec<u64>>,
}

impl Mailbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Mailbox {
            bell,
            arrivals: Mutex::default(),
            calls: Mutex::default(),
            calls_waiting: Gauge::default(),
            kills: Gauge::default(),
            answered: Mutex::default(),
        })
    }
    /// What to watch for word from others.
    pub(crate) fn bell(&self) -> &OwnedFd {
        &self.bell
    }
    /// Ends the loop's sleep.
    pub(crate) fn wake(&self) {
        // The only failure is a counter that is full, and then the bell is ringing already.
        let _rung = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
    /// Ends the loop's sleep and has it look for killed connections.
    pub(crate) fn wake_for_kill(&self) {
        self.kills.add(1);
        self.wake();
    }
    /// Hands a connection over.
    pub(crate) fn give(&self, arrival: Arrival) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.wake();
    }
    /// Has the loop look at a connection's inbox; `wakes`: it may be asleep.
    pub(crate) fn call(&self, token: u64, wakes: bool) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(token);
        self.calls_waiting.set(calls.len() as u64);
        drop(calls);
        if wakes {
            self.wake();
        }
    }
    /// Tokens called since the last time.
    pub(crate) fn take_calls(&self) -> Vec<u64> {
        if self.calls_waiting.get() == 0 {
            return Vec::new();
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        self.calls_waiting.set(0);
        std::mem::take(&mut *calls)
    }
    /// Says that the reply that the connection of this token waits for is there.
    pub(crate) fn answer(&self, token: u64) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        self.wake();
    }
    /// Tokens of connections whose reply has come since the last time.
    pub(crate) fn take_answered(&self) -> Vec<u64> {
        std::mem::take(&mut *self.answered.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Stops the bell; to be called before the mail is read.
    pub(crate) fn silence(&self) {
        let mut count = [0u8; 8];
        // Nothing to read: it was silent.
        let _silent = rustix::io::read(&self.bell, &mut count);
    }
    pub(crate) fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Kills asked for so far.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.get()
    }
}
