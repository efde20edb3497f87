//! [`Http`]: as much of HTTP/1.1 as the admin port needs: one request a connection, GET and HEAD, all connections on the caller's thread.
//!
//! ```text
//! accept ─▶ head, up to its empty line ─▶ reply ─▶ sent ─▶ the client's end, or its time is over
//! ```
//! | bound | |
//! |---|---|
//! | [`MAX_GUESTS`] | connections; one more closes the oldest |
//! | [`HEAD_BYTES`] | a request's line and headers |
//! | [`PATIENCE`] | from a connection's begin to its end, whatever it does |

use crate::listener::{Interest, Poller};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const MAX_GUESTS: usize = 32;
const HEAD_BYTES: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections taken in one turn.
const MAX_ACCEPTS: usize = 16;
const DOOR: u64 = u64::MAX;
const READ: Interest = Interest { read: true, write: false, end: false };
const WRITE: Interest = Interest { read: false, write: true, end: false };

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    /// Without what follows a question mark.
    pub(super) path: &'r str,
    pub(super) host: Option<&'r str>,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

/// One connection.
struct Guest {
    token: u64,
    socket: TcpStream,
    until: Instant,
    head: Vec<u8>,
    reply: Vec<u8>,
    sent: usize,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Waits,
    Writes,
    Ends,
}

/// The port.
pub(super) struct Http {
    poller: Poller,
    door: TcpListener,
    /// The oldest first.
    guests: Vec<Guest>,
    next_token: u64,
}

impl Http {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let door = TcpListener::bind(address)?;
        door.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.add(&door, DOOR, READ)?;
        Ok(Http { poller, door, guests: Vec::new(), next_token: 0 })
    }

    /// Serves those who are there, for so long at most if nobody is.
    ///
    /// # Errors
    /// The system no longer tells who is.
    pub(super) fn turn(
        &mut self,
        patience_ms: u64,
        mut answer: impl FnMut(Request<'_>) -> Response,
    ) -> std::io::Result<()> {
        self.poller.wait(Some(patience_ms))?;
        for i in 0..self.poller.count() {
            match self.poller.ready(i).token {
                DOOR => self.accept(),
                token => self.serve(token, &mut answer),
            }
        }
        let now = Instant::now();
        self.guests.retain(|guest| now < guest.until);
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..MAX_ACCEPTS {
            // Without descriptors, too, it is the next turn's matter.
            let Ok((socket, _)) = self.door.accept() else { return };
            let token = self.next_token;
            self.next_token += 1;
            let is_watched = socket.set_nonblocking(true).is_ok()
                && self.poller.add(&socket, token, READ).is_ok();
            if !is_watched {
                continue;
            }
            if self.guests.len() >= MAX_GUESTS {
                self.guests.remove(0);
            }
            let until = Instant::now() + PATIENCE;
            let (head, reply) = (Vec::new(), Vec::new());
            self.guests.push(Guest { token, socket, until, head, reply, sent: 0 });
        }
    }

    fn serve(&mut self, token: u64, answer: &mut impl FnMut(Request<'_>) -> Response) {
        let Some(at) = self.guests.iter().position(|guest| guest.token == token) else { return };
        let guest = &mut self.guests[at];
        let next = match guest.reply.is_empty() {
            true => guest.receive(answer),
            false => guest.send(),
        };
        let goes_on = match next {
            Next::Waits => true,
            Next::Writes => self.poller.change(&guest.socket, token, WRITE).is_ok(),
            Next::Ends => false,
        };
        if !goes_on {
            self.guests.remove(at);
        }
    }
}

impl Guest {
    /// Reads on, and answers when the whole head is there.
    fn receive(&mut self, answer: &mut impl FnMut(Request<'_>) -> Response) -> Next {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Next::Ends,
                Ok(n) => self.head.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Next::Ends,
            }
            let end = self.head.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if end.is_none() && self.head.len() < HEAD_BYTES {
                continue;
            }
            let request = end.and_then(|end| parse(&self.head[..end]));
            let is_head = request.is_some_and(|request| request.method == "HEAD");
            let response = match (request, end) {
                (Some(request), _) => answer(request),
                (None, Some(_)) => refusal(400, "this is no request\n"),
                (None, None) => refusal(431, "this request is too long\n"),
            };
            self.reply = written(&response, is_head);
            return self.send();
        }
    }

    fn send(&mut self) -> Next {
        while self.sent < self.reply.len() {
            match self.socket.write(&self.reply[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Writes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Next::Ends,
            }
        }
        self.end()
    }

    /// Says that nothing more comes. What the client goes on to send is not left unread, which would take the reply back.
    fn end(&mut self) -> Next {
        let _said = self.socket.shutdown(Shutdown::Write);
        let mut buffer = [0; 4096];
        // A request's body, if somebody sends one; what comes later is nobody's loss.
        for _ in 0..MAX_ACCEPTS {
            match self.socket.read(&mut buffer) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
        Next::Ends
    }
}

fn refusal(status: u16, text: &str) -> Response {
    Response { status, kind: super::TEXT, body: text.to_owned() }
}

/// The request that a head is, without its empty line.
fn parse(head: &[u8]) -> Option<Request<'_>> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return None;
    }
    let mut host = None;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("host") {
            // Two names would be one to check and one to go by.
            if host.replace(value.trim()).is_some() {
                return None;
            }
        }
    }
    Some(Request { method, path: target.split('?').next().unwrap_or(""), host })
}

fn written(response: &Response, is_head: bool) -> Vec<u8> {
    let reason = match response.status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; connect-src 'self'; style-src \
         'unsafe-inline'; script-src 'unsafe-inline'\r\n\r\n",
        response.status,
        response.kind,
        response.body.len()
    );
    let body = if is_head { "" } else { &response.body };
    [head.as_bytes(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{Request, parse, refusal, written};

    #[test]
    fn heads_are_understood_or_refused() {
        let head = b"GET /stats?x=1 HTTP/1.1\r\nAccept: */*\r\nhOsT:  localhost:80 ";
        let request = Request { method: "GET", path: "/stats", host: Some("localhost:80") };
        assert_eq!(parse(head), Some(request));
        assert_eq!(parse(b"HEAD / HTTP/1.0").unwrap().host, None);
        for wrong in [
            &b""[..],
            b"GET",
            b"GET / HTTP/1.1 x",
            b"GET stats HTTP/1.1",
            b"GET / SPDY/3",
            b"GET / HTTP/1.1\r\nno colon",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
            b"GET /\xff HTTP/1.1",
        ] {
            assert_eq!(parse(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_head_is_answered_without_the_body() {
        let text = |is_head| String::from_utf8(written(&refusal(404, "none\n"), is_head)).unwrap();
        assert!(
            text(true).contains("\r\nContent-Length: 5\r\n") && text(true).ends_with("\r\n\r\n")
        );
        assert!(text(false).starts_with("HTTP/1.1 404 Not Found\r\n"));
        assert!(text(false).ends_with("\r\n\r\nnone\n"));
    }
}
