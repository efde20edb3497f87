//! [`Session::feed`]: consumes what has arrived, request by request.

use super::buffer::ReadBuffer;
use super::dispatch::{is_held_up, reply_to};
use super::state::{Mobility, ReplyMode, State};
use crate::acl::Login;
use crate::clients::Card;
use crate::env::Env;
use crate::resp::{ParseLimits, Parsed, Parser, Reply};
use std::sync::Arc;

/// Why `feed` returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All whole requests are answered; at least so many more bytes are needed.
    NeedsInput(usize),
    /// The budget is spent, more requests are there.
    HasMore,
    /// CLIENT PAUSE, or a transaction, holds the next request up.
    Paused,
    /// It waits for a key.
    Blocked,
    /// The next request goes on elsewhere, from its beginning.
    Moves,
    /// The connection ends once its output has been sent.
    Close,
}

/// A connection without its socket.
pub(crate) struct Session {
    parser: Parser,
    pub(crate) state: State,
}

impl Session {
    pub(crate) fn new(card: Arc<Card>, env: &Env) -> Self {
        let login = Login::new(&env.server.acl);
        Session { parser: Parser::default(), state: State::new(card, login) }
    }

    /// Answers the whole requests in `input`, at most `budget` of them, until `out` holds `soft_limit` bytes, or a value.
    pub(crate) fn feed(
        &mut self,
        input: &mut ReadBuffer,
        out: &mut Reply,
        env: &mut Env,
        mut budget: usize,
        soft_limit: usize,
    ) -> Progress {
        if !self.resume(out, env) {
            return Progress::Blocked;
        }
        // Requests to answer before the scout goes on.
        let mut scouted = 0;
        loop {
            if self.state.close_after_reply {
                return Progress::Close;
            }
            if budget == 0 || out.has_enough(soft_limit) {
                return Progress::HasMore;
            }
            let limits = ParseLimits {
                max_bulk_bytes: env.settings.proto_max_bulk_len,
                unauthenticated: self.state.login.is_stranger(),
            };
            match self.parser.parse(input.unread(), limits) {
                Ok(Parsed::Incomplete(more)) => return Progress::NeedsInput(more),
                Ok(Parsed::Empty) => {}
                Ok(Parsed::Request) => {
                    if env.holds_up()
                        && is_held_up(self.parser.args(input.unread()), &self.state, env)
                    {
                        self.parser.reset();
                        return Progress::Paused;
                    }
                    budget -= 1;
                    if scouted > 0 {
                        scouted -= 1;
                    } else {
                        let more = &input.unread()[self.parser.consumed()..];
                        scouted = env.scout.look(more, limits, &self.state, &env.server.store);
                    }
                    self.answer(input, out, env);
                    if self.state.mobility == Mobility::Moving {
                        self.parser.reset();
                        return Progress::Moves;
                    }
                }
                Err(error) => {
                    out.error(&format!("ERR Protocol error: {error}"));
                    self.state.close_after_reply = true;
                    return Progress::Close;
                }
            }
            input.consume(self.parser.consumed());
            self.parser.reset();
            if self.state.waiter.is_some() {
                return Progress::Blocked;
            }
        }
    }

    /// Takes the reply that the session waits for, or gives up when its time is over. Whether it may go on.
    fn resume(&mut self, out: &mut Reply, env: &Env) -> bool {
        let Some(waiter) = &self.state.waiter else { return true };
        let mut reply = waiter.take_reply();
        let is_late = waiter.deadline_ms.is_some_and(|deadline| deadline <= env.now_ms);
        if reply.is_none() && is_late {
            let still_waited = env.server.blocking.leave(waiter);
            if still_waited && let Some(id) = waiter.command() {
                env.stats.command(id).calls.add(1);
            }
            reply = if still_waited { Some(waiter.nothing()) } else { waiter.take_reply() };
        }
        let Some(reply) = reply else { return false };
        if !std::mem::take(&mut self.state.is_muted) {
            out.raw(&reply);
        }
        self.state.waiter = None;
        true
    }

    /// Moves what others have for this connection to `out`, until that holds `limit` bytes.
    pub(crate) fn take_mail(&self, out: &mut Reply, limit: usize) {
        self.state.card.inbox.drain(out, limit);
    }

    fn answer(&mut self, input: &ReadBuffer, out: &mut Reply, env: &mut Env) {
        // What came before the request goes before its reply, what it caused itself goes behind.
        self.take_mail(out, usize::MAX);
        let mark = out.mark();
        let before = self.state.reply_mode;
        reply_to(self.parser.args(input.unread()), &mut self.state, out, env);
        if self.state.mobility == Mobility::Moving {
            return;
        }
        self.state.is_muted = self.state.waiter.is_some() && before != ReplyMode::On;
        // CLIENT REPLY itself answers only when it switches replies on.
        match (before, self.state.reply_mode) {
            (ReplyMode::SkipNext, ReplyMode::SkipNext) => {
                if !self.state.pushes {
                    out.rewind(mark);
                }
                self.state.reply_mode = ReplyMode::On;
            }
            (ReplyMode::Off, ReplyMode::Off) if !self.state.pushes => out.rewind(mark),
            _ => {}
        }
        self.state.pushes = false;
        self.take_mail(out, usize::MAX);
    }
}
