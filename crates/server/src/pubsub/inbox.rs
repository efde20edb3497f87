//! [`Inbox`]: what others have for a connection, until its loop moves it to the output buffer.
//!
//! ```text
//! any thread ── deliver ──▶ parcels [ … ] ── drain (own loop) ──▶ Reply
//!                  │  the first since the last drain
//!                  └─▶ home: mailbox.call(token): the loop serves the connection in this or its next pass
//! ```
//!
//! Invariants:
//! 1. Parcels leave in the order in which they came.
//! 2. Parcels are never left without a call: the home is read, and changed, under the parcels' lock, and a loop that takes a connection in serves it
//!    at once. So whoever delivers before the move is seen by the new loop's first look, and whoever delivers after it calls the new loop.
//! 3. It holds `hard_bytes` at most, and one parcel; a connection that falls further behind is closed.

use crate::counter::Gauge;
use crate::listener::Mailbox;
use crate::resp::{Protocol, Reply};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something for a connection that it has not asked for.
#[derive(Clone)]
pub(crate) enum Parcel {
    /// A message in its RESP2 form, an array; for RESP3 it becomes a push.
    Message(Arc<[u8]>),
    /// Whole replies, sent as they are.
    Plain(Arc<[u8]>),
}

impl Parcel {
    fn bytes(&self) -> &Arc<[u8]> {
        match self {
            Parcel::Message(bytes) | Parcel::Plain(bytes) => bytes,
        }
    }
    /// What a parcel costs beside its bytes, which it shares.
    fn cost(&self) -> usize {
        self.bytes().len() + size_of::<Parcel>()
    }
    fn write(&self, out: &mut Reply) {
        match self {
            Parcel::Message(bytes) if out.protocol() == Protocol::Resp3 => {
                out.raw(b">");
                out.raw(&bytes[1..]);
            }
            Parcel::Message(bytes) | Parcel::Plain(bytes) => out.raw(bytes),
        }
    }
}

#[derive(Default)]
struct State {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    /// The loop that serves the connection, and its name for it.
    home: Option<(Arc<Mailbox>, u64)>,
    /// The loop has been called since it last looked.
    called: bool,
    overfull: bool,
}

/// Parcels for one connection.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Bytes waiting; its own loop looks here first. At least 1 as long as there is something to see to.
    waiting: Gauge,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the connection is served from now on.
    pub(crate) fn settle(&self, mailbox: &Arc<Mailbox>, token: u64) {
        let mut state = self.lock();
        state.home = Some((mailbox.clone(), token));
        state.called = false;
    }

    /// Adds a parcel and calls the connection's loop. `own`: the mailbox of the loop that runs here, which looks without being woken.
    pub(crate) fn deliver(&self, parcel: Parcel, hard_bytes: usize, own: Option<&Arc<Mailbox>>) {
        let mut state = self.lock();
        if state.overfull {
            return;
        }
        state.bytes += parcel.cost();
        if hard_bytes > 0 && state.bytes > hard_bytes {
            state.overfull = true;
            state.parcels = VecDeque::new();
        } else {
            state.parcels.push_back(parcel);
        }
        self.waiting.set(state.bytes as u64);
        if let Some((mailbox, token)) = &state.home
            && !state.called
        {
            let here = own.is_some_and(|own| Arc::ptr_eq(own, mailbox));
            mailbox.call(*token, !here);
            state.called = true;
        }
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get() as usize
    }

    /// Whether more came than may wait.
    pub(crate) fn is_overfull(&self) -> bool {
        self.waiting() > 0 && self.lock().overfull
    }

    /// Moves parcels to `out` until that holds `limit` bytes.
    pub(crate) fn drain(&self, out: &mut Reply, limit: usize) {
        if self.waiting() == 0 {
            return;
        }
        let mut state = self.lock();
        state.called = false;
        while out.len() < limit
            && let Some(parcel) = state.parcels.pop_front()
        {
            state.bytes -= parcel.cost();
            parcel.write(out);
        }
        self.waiting.set(state.bytes as u64);
    }
}
