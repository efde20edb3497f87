//! [`TestClient`]: a session without a network, for tests and fuzzing: bytes in, bytes out, a clock that stands still.

use crate::clients::Card;
use crate::env::{Env, Server};
use crate::resp::{Reply, Room};
use crate::session::{Mobility, Progress, ReadBuffer, Session};
use std::sync::Arc;

/// One connection to a server in this process.
///
/// # Examples
/// ```
/// let mut client = stillpoint_server::TestClient::new();
/// assert_eq!(client.send(b"PING\r\n"), b"+PONG\r\n");
/// assert_eq!(client.run(&["ECHO", "hi"]), "$2\r\nhi\r\n");
/// ```
pub struct TestClient {
    session: Session,
    input: ReadBuffer,
    out: Reply,
    env: Env,
    closed: bool,
}

impl TestClient {
    /// A connection to a new server of its own; the clock stands at 1 700 000 000 000 ms.
    pub fn new() -> Self {
        TestClient::connect(&Arc::new(Server::new()))
    }
    /// One more connection to `server`.
    pub fn connect(server: &Arc<Server>) -> Self {
        let env = Env::new(server.clone(), 1_700_000_000_000);
        let card = server.clients.enter(Card { created_ms: env.now_ms, ..Card::default() });
        let session = Session::new(card, &env);
        TestClient {
            session,
            input: ReadBuffer::default(),
            out: Reply::default(),
            env,
            closed: false,
        }
    }
    /// One more connection to the same server.
    pub fn another(&self) -> Self {
        let mut other = TestClient::connect(&self.env.server);
        other.env.begin_pass(self.env.now_ms);
        other
    }
    /// Feeds raw bytes and returns the reply bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend(bytes);
        let mut replies = Vec::new();
        while !self.closed {
            match self.session.feed(&mut self.input, &mut self.out, &mut self.env, 1000, usize::MAX)
            {
                Progress::HasMore => self.take_replies(&mut replies),
                Progress::NeedsInput(_)
                | Progress::Paused
                | Progress::Blocked
                | Progress::Moves => break,
                Progress::Close => self.closed = true,
            }
        }
        self.take_replies(&mut replies);
        replies
    }
    /// Takes the replies as a socket would, a piece at a time.
    fn take_replies(&mut self, replies: &mut Vec<u8>) {
        let mut pieces = usize::MAX;
        while self.out.len() > 0 {
            let piece = self.out.front(&mut pieces);
            replies.extend_from_slice(piece);
            let sent = piece.len();
            self.out.take_front(sent);
        }
    }
    /// From now on replies are written so many bytes and rows of a large value at a time.
    pub fn stream_replies(&mut self, bytes: usize, rows: usize) {
        let protocol = self.out.protocol();
        self.out = Reply::streaming(Room { bytes, rows });
        self.out.set_protocol(protocol);
    }
    /// Sends one command and returns its reply, bytes beyond UTF-8 replaced.
    pub fn run(&mut self, words: &[&str]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
        String::from_utf8_lossy(&self.run_bytes(&words)).into_owned()
    }
    /// Sends one command of binary arguments and returns its reply.
    pub fn run_bytes(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.send(&request)
    }
    /// Sends one command as to an event loop; whether it would not be done there, and its reply from where it is.
    pub fn run_on_loop(&mut self, words: &[&str]) -> (bool, String) {
        self.session.state.mobility = Mobility::MayMove;
        let here = self.run(words);
        let moves = self.session.state.mobility == Mobility::Moving;
        self.session.state.mobility = Mobility::Stays;
        // What goes elsewhere has left its request where it was.
        let there = String::from_utf8_lossy(&self.send(b"")).into_owned();
        (moves, here + &there)
    }
    /// What others have sent to this connection, without it asking.
    pub fn received(&mut self) -> String {
        self.session.take_mail(&mut self.out, usize::MAX);
        let mail = String::from_utf8_lossy(self.out.as_bytes()).into_owned();
        self.out.take_front(self.out.len());
        mail
    }
    /// Lets `ms` milliseconds pass.
    pub fn advance_ms(&mut self, ms: u64) {
        self.env.begin_pass(self.env.now_ms + ms);
    }
    /// Whether the server has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.session.state.leave(&self.env);
    }
}

impl Default for TestClient {
    fn default() -> Self {
        TestClient::new()
    }
}
