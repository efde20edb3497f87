//! [`Anteroom`]: where clients and server agree on keys, on a thread of its own: signing with an RSA key takes a millisecond or more, and a loop that
//! does it keeps everybody else waiting.
//!
//! ```text
//! accept ──▶ anteroom: handshake ─┬▶ mailbox of the emptiest loop
//!                                 └▶ closed: it failed, took too long, was killed
//! ```
//! The thread begins with the first such client, and yields to the loops where there are fewer cores than threads.
//!
//! Invariant: a connection is either here or in a loop; requests that came with the handshake's last bytes go along with it.

use super::accept::Accepted;
use super::balance::Balance;
use super::poller::{Arrival, Interest, Mailbox, Poller};
use super::stream::Stream;
use super::tls::Shaken;
use crate::clock;
use crate::env::Server;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use stillpoint_primitive::scheduling;

/// How long a client may take to agree on keys.
const HANDSHAKE_MS: u64 = 10_000;
/// Between two looks for those that take longer.
const SWEEP_MS: u64 = 500;
/// How far the loops go before this thread where cores are scarce.
const NICENESS: i32 = 10;
const BELL: u64 = u64::MAX;
const READ: Interest = Interest { read: true, write: false, end: false };
const BOTH: Interest = Interest { read: true, write: true, end: false };

/// The thread's place, and its mailbox.
pub(super) struct Anteroom {
    server: Arc<Server>,
    balance: Arc<Balance>,
    mailbox: Arc<Mailbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Anteroom {
    pub(super) fn new(server: &Arc<Server>, balance: &Arc<Balance>) -> std::io::Result<Self> {
        let mailbox = Arc::new(Mailbox::new()?);
        server.add_mailbox(mailbox.clone());
        let thread = Mutex::default();
        Ok(Anteroom { server: server.clone(), balance: balance.clone(), mailbox, thread })
    }

    /// Takes a connection that begins with a handshake.
    pub(super) fn take(self: &Arc<Self>, accepted: Accepted) {
        self.mailbox.give(Arrival::New(accepted));
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return;
        }
        let this = self.clone();
        let spawned = std::thread::Builder::new().name("handshakes".into()).spawn(move || {
            // A loop has started this thread, and wakes as one that others wait for.
            scheduling::stand_back();
            if let Err(error) = Room::new(&this).and_then(Room::serve) {
                this.server.log.warning(&format!("There is no TLS any more: {error}"));
                this.server.stop();
            }
        });
        match spawned {
            Ok(spawned) => *thread = Some(spawned),
            // It is tried again with the next one.
            Err(error) => self.server.log.warning(&format!("No thread for TLS: {error}")),
        }
    }

    /// Waits for the thread, which ends with the server.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(panic)) = thread.map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A client that shakes hands.
struct Guest {
    accepted: Accepted,
    interest: Interest,
}

/// What the thread has.
struct Room<'a> {
    anteroom: &'a Anteroom,
    poller: Poller,
    guests: HashMap<u64, Guest>,
    next_token: u64,
    next_sweep_ms: u64,
    kills_seen: u64,
}

impl<'a> Room<'a> {
    fn new(anteroom: &'a Anteroom) -> std::io::Result<Self> {
        // An improvement, not a condition.
        let _yields = rustix::process::nice(NICENESS);
        let poller = Poller::new()?;
        poller.add(anteroom.mailbox.bell(), BELL, READ)?;
        let guests = HashMap::new();
        Ok(Room { anteroom, poller, guests, next_token: 0, next_sweep_ms: 0, kills_seen: 0 })
    }

    fn serve(mut self) -> std::io::Result<()> {
        while !self.anteroom.server.is_stopping() {
            self.poller.wait((!self.guests.is_empty()).then_some(SWEEP_MS))?;
            for i in 0..self.poller.count() {
                match self.poller.ready(i).token {
                    BELL => self.read_mail(),
                    token => self.shake(token),
                }
            }
            self.sweep(clock::now_ms());
        }
        Ok(())
    }

    fn read_mail(&mut self) {
        let mailbox = &self.anteroom.mailbox;
        mailbox.silence();
        for arrival in mailbox.take_arrivals() {
            let Arrival::New(accepted) = arrival else { continue };
            let token = self.next_token;
            self.next_token += 1;
            let is_watched = self.poller.add(accepted.stream.socket(), token, READ).is_ok();
            self.guests.insert(token, Guest { accepted, interest: READ });
            if !is_watched {
                self.close(token);
            }
        }
        if mailbox.kills() != self.kills_seen {
            self.kills_seen = mailbox.kills();
            self.next_sweep_ms = 0;
        }
    }

    fn shake(&mut self, token: u64) {
        let Some(guest) = self.guests.get_mut(&token) else { return };
        let Stream::Tls(stream) = &mut guest.accepted.stream else { return };
        match stream.shake() {
            Shaken::Done => self.hand_over(token),
            Shaken::Over(why) => {
                if let Some(why) = why {
                    let card = &guest.accepted.card;
                    let (from, at) = (&card.address, &card.local_address);
                    self.anteroom.server.log.verbose(&format!(
                        "Error in a client's TLS connection: {why} (addr={from} laddr={at})"
                    ));
                }
                self.close(token);
            }
            Shaken::Waits => {
                let wanted = if stream.has_unsent() { BOTH } else { READ };
                if wanted != guest.interest {
                    guest.interest = wanted;
                    let socket = guest.accepted.stream.socket();
                    if self.poller.change(socket, token, wanted).is_err() {
                        self.close(token);
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, token: u64) {
        let Some(guest) = self.guests.remove(&token) else { return };
        self.poller.remove(guest.accepted.stream.socket());
        self.anteroom.balance.welcome(guest.accepted);
    }

    fn close(&mut self, token: u64) {
        if let Some(guest) = self.guests.remove(&token) {
            self.anteroom.server.clients.leave(guest.accepted.card.id);
        }
    }

    /// Closes those that take too long or have been killed.
    fn sweep(&mut self, now_ms: u64) {
        if now_ms < self.next_sweep_ms {
            return;
        }
        self.next_sweep_ms = now_ms + SWEEP_MS;
        let is_over = |guest: &Guest| {
            let card = &guest.accepted.card;
            card.killed.get() != 0 || now_ms.saturating_sub(card.created_ms) > HANDSHAKE_MS
        };
        let over = self.guests.iter().filter(|(_, guest)| is_over(guest)).map(|(token, _)| *token);
        over.collect::<Vec<_>>().into_iter().for_each(|token| self.close(token));
    }
}
