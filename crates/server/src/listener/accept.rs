//! [`Acceptor`]: takes new connections, refuses those that are too many, deals the others out to the loops.
//!
//! It lives on loop 0. Of the loops at work the one with the fewest connections gets the next.

use super::anteroom::Anteroom;
use super::balance::Balance;
use super::poller::{Interest, Poller};
use super::socket::Listening;
use super::stream::Stream;
use super::tls::TlsStream;
use crate::clients::Card;
use crate::env::Env;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketAddrAny, SocketFlags, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A connection on its way to its loop.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) card: Arc<Card>,
}

/// Tokens of listening sockets: this bit and their number.
pub(crate) const LISTENING: u64 = 1 << 63;
/// Connections taken in one pass from one socket, so that those that exist get their turn.
const MAX_ACCEPTS: usize = 256;
const READ: Interest = Interest { read: true, write: false, end: false };

/// The door.
pub(crate) struct Acceptor {
    listening: Vec<Arc<Listening>>,
    /// Which state of the server's doors that is.
    changes_seen: u64,
    balance: Arc<Balance>,
    anteroom: Arc<Anteroom>,
    /// Out of descriptors: not listening until the next tick, lest the loop spin.
    deaf: bool,
}

impl Acceptor {
    pub(crate) fn new(
        listening: Vec<Arc<Listening>>,
        balance: Arc<Balance>,
        anteroom: Arc<Anteroom>,
    ) -> Self {
        Acceptor { listening, changes_seen: 0, balance, anteroom, deaf: false }
    }
    /// Watches other sockets, if the doors have changed.
    #[inline]
    pub(crate) fn refresh(&mut self, poller: &Poller, env: &Env) {
        let changes = env.server.doors.changes();
        if changes != self.changes_seen {
            self.changes_seen = changes;
            self.listening.iter().for_each(|listening| poller.remove(&listening.socket));
            self.listening = env.server.doors.now();
            self.deaf = self.listen(poller).is_err();
        }
    }
    /// Watches the listening sockets.
    pub(crate) fn listen(&mut self, poller: &Poller) -> std::io::Result<()> {
        self.deaf = false;
        for (i, listening) in self.listening.iter().enumerate() {
            poller.add(&listening.socket, LISTENING | i as u64, READ)?;
        }
        Ok(())
    }
    /// Listens again after it had to stop.
    pub(crate) fn tick(&mut self, poller: &Poller) {
        if self.deaf {
            self.deaf = self.listen(poller).is_err();
        }
    }
    /// Takes what waits at one socket.
    pub(crate) fn accept(&mut self, token: u64, poller: &Poller, env: &Env) {
        let Some(listening) = self.listening.get((token & !LISTENING) as usize) else { return };
        for _ in 0..MAX_ACCEPTS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::acceptfrom_with(&listening.socket, flags) {
                Ok((socket, peer)) => self.welcome(socket, peer, listening, env),
                // `INVAL`: it has just been shut.
                Err(Errno::AGAIN | Errno::INVAL) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    env.server.log.warning(&format!("Accepting client connection: {error}"));
                    for listening in &self.listening {
                        poller.remove(&listening.socket);
                    }
                    self.deaf = true;
                    return;
                }
            }
        }
    }

    fn welcome(
        &self,
        socket: OwnedFd,
        peer: Option<SocketAddrAny>,
        listening: &Listening,
        env: &Env,
    ) {
        let clients = &env.server.clients;
        let refuse = |text: &str| {
            if !listening.is_tls {
                // The refusal is a courtesy: a client that cannot take it is refused all the same.
                let _sent = rustix::net::send(&socket, text.as_bytes(), SendFlags::NOSIGNAL);
            }
            clients.refused.add(1);
        };
        if clients.count() >= env.settings.maxclients {
            return refuse("-ERR max number of clients reached\r\n");
        }
        let tcp = |any: SocketAddrAny| SocketAddr::try_from(any).ok();
        let (mut address, mut local) =
            (format!("{}:0", listening.name), format!("{}:0", listening.name));
        if listening.port.is_some() {
            let Some(from) = peer.and_then(tcp) else { return };
            if is_foreign(from) && env.server.is_protected(&env.settings) {
                return refuse(DENIED);
            }
            address = from.to_string();
            local = rustix::net::getsockname(&socket)
                .ok()
                .and_then(tcp)
                .map_or(local, |a| a.to_string());
            // Both are improvements, not conditions.
            let _faster = sockopt::set_tcp_nodelay(&socket, true);
            let _checked = keep_alive(&socket, env.settings.tcp_keepalive_s);
        }
        let descriptor = socket.as_raw_fd();
        let stream = if listening.is_tls {
            let under = env.server.tls().and_then(|tls| TlsStream::new(socket, &tls));
            let Some(stream) = under else {
                clients.refused.add(1);
                return;
            };
            Stream::Tls(Box::new(stream))
        } else {
            Stream::Plain(socket)
        };
        clients.accepted.add(1);
        let card = clients.enter(Card {
            address,
            local_address: local,
            descriptor,
            created_ms: env.now_ms,
            ..Card::default()
        });
        card.active_ms.set(env.now_ms);
        let accepted = Accepted { stream, card };
        match listening.is_tls {
            true => self.anteroom.take(accepted),
            false => self.balance.welcome(accepted),
        }
    }
}

fn is_foreign(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

fn keep_alive(socket: &OwnedFd, seconds: u64) -> rustix::io::Result<()> {
    if seconds == 0 {
        return Ok(());
    }
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(seconds))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs((seconds / 3).max(1)))?;
    sockopt::set_tcp_keepcnt(socket, 3)
}

const DENIED: &str = "-DENIED Stillpoint is running in protected mode: it has no password, and so it takes connections \
from this machine only. To take them from elsewhere, set a password (requirepass), or start it with --protected-mode no.\r\n";
