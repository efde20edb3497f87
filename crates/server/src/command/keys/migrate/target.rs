//! [`Target`]: the other server of a MIGRATE.

use crate::clients::Card;
use crate::command::CommandError;
use crate::env::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the other server said: that it is done, or why not.
pub(super) type Reply = Result<(), String>;

/// How long a connection may take to be made, whatever the request says.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// How often a wait looks whether the server stops.
const LOOK: Duration = Duration::from_millis(100);
/// The longest line that is a reply.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A connection to it.
pub(super) struct Target {
    socket: TcpStream,
    timeout: Duration,
    server: Arc<Server>,
    /// The client that asks; when it is ended, so is this.
    client: Arc<Card>,
    /// What has been received and is no reply yet.
    input: Vec<u8>,
}

impl Target {
    pub(super) fn connect(
        host: &str,
        port: u16,
        timeout_ms: u64,
        server: &Arc<Server>,
        client: &Arc<Card>,
    ) -> Result<Self, CommandError> {
        let timeout = Duration::from_millis(timeout_ms);
        let unreachable =
            |e: std::io::Error| CommandError::other(format!("Can't connect to target node: {e}"));
        let addresses = (host, port).to_socket_addrs().map_err(unreachable)?;
        let mut last = std::io::Error::from(ErrorKind::NotFound);
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout.min(MAX_CONNECT)) {
                Ok(socket) => {
                    let set = socket
                        .set_nodelay(true)
                        .and_then(|()| socket.set_read_timeout(Some(LOOK)))
                        .and_then(|()| socket.set_write_timeout(Some(LOOK)));
                    set.map_err(unreachable)?;
                    let (server, client) = (Arc::clone(server), Arc::clone(client));
                    return Ok(Target { socket, timeout, server, client, input: Vec::new() });
                }
                Err(error) => last = error,
            }
        }
        match last.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                Err(CommandError::Coded("IOERR error or timeout connecting to the client".into()))
            }
            _ => Err(unreachable(last)),
        }
    }

    /// Sends a request.
    pub(super) fn send(&mut self, words: &[&[u8]]) -> Result<(), CommandError> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let failed = || lost("writing");
        let mut rest = &request[..];
        let mut moved = Instant::now();
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(0) => return Err(failed()),
                Ok(n) => {
                    rest = &rest[n..];
                    moved = Instant::now();
                }
                Err(error) => self.goes_on(&error, moved).then_some(()).ok_or_else(failed)?,
            }
        }
        Ok(())
    }

    /// The reply to the oldest request that has none yet.
    pub(super) fn reply(&mut self) -> Result<Reply, CommandError> {
        let failed = || lost("reading");
        let begun = Instant::now();
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).collect();
                return match &line[..end] {
                    b"+OK" => Ok(Ok(())),
                    [b'-', why @ ..] => Ok(Err(String::from_utf8_lossy(why).into_owned())),
                    // Whatever it is, it has not taken the key.
                    _ => Err(CommandError::Coded(
                        "IOERR the target instance does not answer as a Redis server does".into(),
                    )),
                };
            }
            if self.input.len() > MAX_LINE_BYTES {
                return Err(failed());
            }
            let mut piece = [0; 4096];
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(failed()),
                Ok(n) => self.input.extend_from_slice(&piece[..n]),
                Err(error) => self.goes_on(&error, begun).then_some(()).ok_or_else(failed)?,
            }
        }
    }

    /// Whether it is worth while to wait on: CLIENT KILL ends it as the time does.
    fn goes_on(&self, error: &std::io::Error, since: Instant) -> bool {
        let waits = matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        );
        let is_wanted = !self.server.is_stopping() && self.client.killed.get() == 0;
        waits && since.elapsed() < self.timeout && is_wanted
    }
}

fn lost(what: &str) -> CommandError {
    CommandError::Coded(format!("IOERR error or timeout {what} to target instance").into())
}
