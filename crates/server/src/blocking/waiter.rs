//! [`Waiter`]: one client that waits, as its own loop and those that serve it know it.

use super::wish::{Awaited, Nothing};
use crate::clients::Card;
use crate::command::CommandId;
use crate::listener::Mailbox;
use crate::resp::{Protocol, Reply};
use crate::session::Queue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A waiting client: its request, and where its reply goes.
pub(crate) struct Waiter {
    pub(super) arrival: u64,
    pub(crate) card: Arc<Card>,
    pub(super) db: u8,
    pub(super) keys: Vec<Box<[u8]>>,
    pub(super) awaited: Awaited,
    pub(super) nothing: Nothing,
    /// The command with its arguments, to be run again.
    pub(super) request: Queue,
    pub(super) protocol: Protocol,
    pub(crate) deadline_ms: Option<u64>,
    reply: Mutex<Place>,
}

/// Where the reply lies until its loop takes it, and how that loop is called.
#[derive(Default)]
struct Place {
    bytes: Option<Vec<u8>>,
    bell: Option<(Arc<Mailbox>, u64)>,
}

/// What a waiter is made of, before it has a place in the registry.
pub(super) struct Arriving {
    pub(super) card: Arc<Card>,
    pub(super) db: u8,
    pub(super) keys: Vec<Box<[u8]>>,
    pub(super) awaited: Awaited,
    pub(super) nothing: Nothing,
    pub(super) request: Queue,
    pub(super) protocol: Protocol,
    pub(super) deadline_ms: Option<u64>,
}

impl Waiter {
    pub(super) fn new(arrival: u64, it: Arriving) -> Self {
        Waiter {
            arrival,
            card: it.card,
            db: it.db,
            keys: it.keys,
            awaited: it.awaited,
            nothing: it.nothing,
            request: it.request,
            protocol: it.protocol,
            deadline_ms: it.deadline_ms,
            reply: Mutex::default(),
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the connection's loop called, as the connection of this token, when the reply is there. Whether it is there already.
    pub(crate) fn attach(&self, mailbox: &Arc<Mailbox>, token: u64) -> bool {
        let mut place = self.place();
        place.bell = Some((mailbox.clone(), token));
        place.bytes.is_some()
    }

    /// Leaves the reply, and calls the connection's loop.
    pub(super) fn deliver(&self, bytes: Vec<u8>) {
        let mut place = self.place();
        place.bytes = Some(bytes);
        if let Some((mailbox, token)) = &place.bell {
            mailbox.answer(*token);
        }
    }

    /// Runs `f` unless the reply is there; it does not come meanwhile.
    pub(crate) fn unless_answered(&self, f: impl FnOnce()) {
        let place = self.place();
        if place.bytes.is_none() {
            f();
        }
    }

    /// Takes the reply if it is there.
    pub(crate) fn take_reply(&self) -> Option<Vec<u8>> {
        self.place().bytes.take()
    }

    /// The command that it waits in.
    pub(crate) fn command(&self) -> Option<CommandId> {
        self.request.iter().next().map(|(id, _)| id)
    }

    /// An empty reply in the client's protocol.
    pub(super) fn blank_reply(&self) -> Reply {
        let mut reply = Reply::default();
        reply.set_protocol(self.protocol);
        reply
    }

    /// The reply to one who has waited in vain.
    pub(crate) fn nothing(&self) -> Vec<u8> {
        let mut reply = self.blank_reply();
        self.nothing.write(&mut reply);
        reply.as_bytes().to_vec()
    }
}
