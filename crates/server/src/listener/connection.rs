//! [`Connection`]: a socket, its session, its buffers.
//!
//! ```text
//! socket ──receive──▶ input ──execute──▶ output ──send──▶ socket
//!            (buffers are lent by the loop, and given back as soon as they are empty: see `Buffers`)
//! ```
//!
//! Invariants:
//! 1. While `output` holds more than its bound, or a value of which it is written as it is sent, or CLIENT PAUSE holds a request up, nothing is received
//!    and nothing is executed: a client that does not read its replies costs that bound, one reply, and what it has sent, at most.
//! 2. A reply that holds a value is written and sent a piece a turn: it costs [`PIECE`], and the others the time for that.
//! 3. An idle connection holds no buffer.

use super::buffers::{Buffers, REST_BYTES};
use super::poller::Interest;
use super::stream::{Received, Stream};
use crate::clients::Card;
use crate::env::Env;
use crate::resp::{Reply, Room};
use crate::session::{Mobility, Progress, ReadBuffer, Session};
use rustix::io::Errno;
use std::sync::Arc;

/// Bytes asked of the kernel at a time at least; larger requests ask for what they lack, and all but those under TLS for as many as the buffer has room for.
pub(crate) const READ_BYTES: usize = 16 * 1024;
/// Most bytes reserved ahead for a large argument. Growth beyond goes by what has arrived.
const MAX_AHEAD_BYTES: usize = 1 << 20;
/// Replies held for a client without an output limit before its requests have to wait.
const OUTPUT_BOUND_BYTES: usize = 1 << 20;
/// Replies made in one turn before they are sent.
const TURN_OUTPUT_BYTES: usize = 256 * 1024;
/// Output above which messages wait in the inbox.
const MAIL_BYTES: usize = 64 * 1024;
/// Requests answered in one turn, so that other connections get theirs.
const TURN_REQUESTS: usize = 1024;
/// The most that is sent to one connection at a time: twice in a pass, if its replies are sent at once.
const SEND_BYTES: usize = 256 * 1024;
/// Replies that do not wait until the others have been served: they would be out of the cache by then.
const SENT_AT_ONCE_BYTES: usize = 8 * 1024;

/// How much of a large value is written at a time: rows that take about as long to write as a command may without going elsewhere.
const PIECE: Room = Room { bytes: 64 * 1024, rows: 512 };

/// What the loop is to do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for the socket.
    Wait,
    /// CLIENT PAUSE holds it up.
    Paused,
    /// It waits for a key.
    Blocked,
    /// Its script takes long and goes on elsewhere.
    Moves,
    /// It is over.
    Close,
}

/// One client's connection.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) session: Session,
    input: ReadBuffer,
    output: Reply,
    /// Bytes that the parser needs at least to go on.
    wanted: usize,
    pub(crate) interest: Interest,
    /// In the loop's list of connections to be served this pass.
    pub(crate) is_listed: bool,
    /// Requests have been received that the last turn had no room for.
    has_requests: bool,
    /// CLIENT PAUSE holds its next request up.
    is_paused: bool,
    /// The client will send nothing more.
    at_end: bool,
    /// The session has ended; what is written is still to be sent.
    ending: bool,
    /// Since when the output has been above its soft limit.
    over_soft_since_ms: Option<u64>,
}

impl Connection {
    pub(crate) fn new(stream: Stream, card: Arc<Card>, env: &Env) -> Self {
        let mut session = Session::new(card, env);
        session.state.mobility = Mobility::MayMove;
        Connection {
            stream,
            session,
            input: ReadBuffer::default(),
            output: Reply::streaming(PIECE),
            wanted: 1,
            interest: Interest { read: true, write: false, end: false },
            is_listed: false,
            has_requests: false,
            is_paused: false,
            at_end: false,
            ending: false,
            over_soft_since_ms: None,
        }
    }
    pub(crate) fn card(&self) -> &Card {
        &self.session.state.card
    }

    /// Takes what the socket has; tells whether there is anything to do afterwards.
    pub(super) fn receive(&mut self, env: &Env, buffers: &mut Buffers) -> bool {
        if self.ending
            || self.at_end
            || self.is_paused
            || self.is_blocked()
            || self.output.has_enough(output_bound(env) + 1)
        {
            return false;
        }
        if self.input.unread().len() <= REST_BYTES && self.wanted <= READ_BYTES {
            drop(self.input.move_to(buffers.common()));
        }
        let ahead = self.wanted.clamp(READ_BYTES, MAX_AHEAD_BYTES);
        match self.stream.receive(&mut self.input, ahead) {
            Received::Nothing => {
                self.give_back_input(buffers);
                return false;
            }
            Received::Some { bytes, ended } => {
                self.at_end |= ended;
                if bytes > 0 {
                    env.stats.reads.add(1);
                    env.stats.net_input_bytes.add(bytes as u64);
                    self.card().received_bytes.add(bytes as u64);
                }
            }
            Received::Broken(why) => {
                if let Some(why) = why {
                    let (from, at) = (&self.card().address, &self.card().local_address);
                    env.server.log.verbose(&format!(
                        "Error in a client's TLS connection: {why} (addr={from} laddr={at})"
                    ));
                }
                self.at_end = true;
                self.ending = true;
            }
        }
        true
    }

    /// Moves what others have for it to the output, a piece at a time: the rest waits in the inbox, which has a bound.
    pub(crate) fn take_mail(&mut self) {
        self.session.take_mail(&mut self.output, MAIL_BYTES);
    }
    fn has_room_for_mail(&self) -> bool {
        self.output.len() < MAIL_BYTES && self.card().inbox.waiting() > 0
    }

    /// Answers what has been received, within the turn's budget.
    pub(crate) fn execute(&mut self, env: &mut Env) -> Next {
        if self.ending {
            return Next::Close;
        }
        let bound = output_bound(env);
        if self.output.has_enough(bound + 1) {
            return Next::Wait;
        }
        self.has_requests = false;
        self.is_paused = false;
        // Said again if the next request is not whole.
        self.wanted = 1;
        let soft_limit = (self.output.len() + TURN_OUTPUT_BYTES).min(bound + 1);
        let progress =
            self.session.feed(&mut self.input, &mut self.output, env, TURN_REQUESTS, soft_limit);
        self.session.state.update_card(&self.output, env);
        self.card().input_bytes.set(self.input.unread().len() as u64);
        if self.has_sent_too_much(env) {
            env.stats.query_limit_disconnections.add(1);
            env.server.log.warning(&format!(
                "Closing client that reached max query buffer length: {}",
                self.card().line_for_log(env)
            ));
            return self.end();
        }
        match progress {
            Progress::NeedsInput(_) if self.at_end => self.end(),
            Progress::NeedsInput(n) => {
                self.wanted = n;
                Next::Wait
            }
            Progress::HasMore => {
                self.has_requests = true;
                Next::Wait
            }
            Progress::Paused => {
                self.is_paused = true;
                Next::Paused
            }
            // Nobody is there to take what it waits for.
            Progress::Blocked if self.at_end => {
                self.session.state.stop_waiting(env);
                self.end()
            }
            Progress::Blocked => Next::Blocked,
            Progress::Moves => Next::Moves,
            Progress::Close => self.end(),
        }
    }
    /// Whether a request that has not come to its end, and what MULTI has queued, take more than a client may have.
    fn has_sent_too_much(&self, env: &Env) -> bool {
        let queued = self.session.state.queue.as_ref().map_or(0, crate::session::Queue::sent_bytes);
        self.input.unread().len() + queued > env.settings.query_buffer_limit
    }
    /// Answers one request, on a thread that is no loop; the loop that gets the connection does the rest.
    pub(crate) fn execute_one(&mut self, env: &mut Env) {
        let limit = usize::MAX;
        self.has_requests = true;
        self.wanted = 1;
        match self.session.feed(&mut self.input, &mut self.output, env, 1, limit) {
            Progress::Close => self.ending = true,
            Progress::NeedsInput(n) => self.wanted = n,
            _ => {}
        }
        self.output.lay_into_pages();
        self.session.state.update_card(&self.output, env);
    }
    /// When its waiting ends.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.session.state.waiter.as_ref().and_then(|waiter| waiter.deadline_ms)
    }
    /// Whether it waits for a key.
    pub(crate) fn is_blocked(&self) -> bool {
        self.session.state.waiter.is_some()
    }
    fn end(&mut self) -> Next {
        self.ending = true;
        Next::Close
    }

    /// Sends what is written, and one more piece of a value, as far as the socket takes it; tells whether the connection lives on.
    pub(crate) fn send(&mut self, env: &Env) -> bool {
        let (mut sent, mut pieces) = (0, 1);
        while sent < SEND_BYTES {
            let front = self.output.front(&mut pieces);
            if front.is_empty() {
                break;
            }
            match self.stream.send(&front[..front.len().min(SEND_BYTES - sent)]) {
                Ok(n) => {
                    env.stats.writes.add(1);
                    sent += n;
                    self.output.take_front(n);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        if sent > 0 {
            env.stats.net_output_bytes.add(sent as u64);
            let card = self.card();
            card.sent_bytes.add(sent as u64);
            // Who reads a long reply is not idle.
            card.active_ms.set(env.now_ms);
            card.output_bytes.set(self.output.len() as u64);
        }
        self.stream.flush() && self.within_limits(env)
    }
    /// Whether all that is written has been sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.output.len() == 0 && !self.stream.has_unsent()
    }
    pub(crate) fn is_ending(&self) -> bool {
        self.ending
    }
    /// Whether there is more to execute at once.
    pub(crate) fn wants_another_turn(&self, env: &Env) -> bool {
        self.has_room_for_mail()
            || self.has_requests && !self.output.has_enough(output_bound(env) + 1)
    }
    /// What the socket is to be watched for now.
    pub(crate) fn wanted_interest(&self, env: &Env) -> Interest {
        let held_up = self.output.has_enough(output_bound(env) + 1);
        let waits = self.is_blocked();
        Interest {
            read: !(held_up || self.is_paused || waits || self.at_end || self.ending),
            write: !self.is_drained(),
            end: waits,
        }
    }

    /// Applies `client-output-buffer-limit`; tells whether the connection lives on.
    pub(crate) fn within_limits(&mut self, env: &Env) -> bool {
        let inbox = &self.card().inbox;
        let len = self.output.len() + inbox.waiting();
        let limit = match self.session.state.subscriptions.is_empty() {
            true => env.settings.output_limit,
            false => env.settings.pubsub_output_limit,
        };
        let over_hard = limit.hard_bytes > 0 && len > limit.hard_bytes || inbox.is_overfull();
        if limit.soft_bytes == 0 || len <= limit.soft_bytes {
            self.over_soft_since_ms = None;
        } else {
            self.over_soft_since_ms.get_or_insert(env.now_ms);
        }
        let over_soft = self.over_soft_since_ms.is_some_and(|since| {
            env.now_ms.saturating_sub(since) / 1000 >= limit.soft_seconds.max(1)
        });
        if !over_hard && !over_soft {
            return true;
        }
        env.stats.output_limit_disconnections.add(1);
        env.server.log.warning(&format!(
            "Client {} closed for overcoming of output buffer limits.",
            self.card().line_for_log(env)
        ));
        false
    }

    /// Whether its replies are so long that they are to be sent at once, and are there.
    pub(crate) fn has_much_to_send(&self) -> bool {
        !self.output.holds_values() && self.output.len() >= SENT_AT_ONCE_BYTES
    }

    /// Gives a buffer back that is empty, or that others have more use for than the beginning of a request.
    pub(super) fn give_back_input(&mut self, buffers: &mut Buffers) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            buffers.give(self.input.take_memory());
        } else if self.has_too_much_memory() {
            let rest = Vec::with_capacity(self.input.unread().len());
            buffers.give(self.input.move_to(rest));
        }
        let spare = self.input.capacity() - self.input.unread().len();
        self.card().input_spare_bytes.set(spare as u64);
    }
    /// Whether it would do with much less memory for what is unread and what its request lacks.
    fn has_too_much_memory(&self) -> bool {
        let (unread, capacity) = (self.input.unread().len(), self.input.capacity());
        let is_common = unread <= REST_BYTES && Buffers::is_common(capacity);
        let needed = unread + self.wanted.min(MAX_AHEAD_BYTES);
        let is_outgrown = capacity > 4 * needed.max(REST_BYTES);
        is_common || is_outgrown
    }
    /// Gives empty buffers back to the loop.
    pub(super) fn give_back(&mut self, buffers: &mut Buffers) {
        self.give_back_input(buffers);
        if self.is_drained() && self.output.capacity() > 0 {
            buffers.give(self.output.take_memory());
        }
    }
    /// Lends memory for the replies to come.
    pub(super) fn lend(&mut self, buffers: &mut Buffers) {
        if self.output.capacity() == 0 {
            self.output.give_memory(buffers.spare());
        }
    }
}

/// Output above this holds a client up: just above the hard limit where there is one, lest it never be reached.
fn output_bound(env: &Env) -> usize {
    let limit = env.settings.output_limit;
    OUTPUT_BOUND_BYTES.max(limit.hard_bytes).max(limit.soft_bytes)
}
