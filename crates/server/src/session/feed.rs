//! [`Session::feed`]: consumes what has arrived, request by request.

use super::buffer::ReadBuffer;
use super::dispatch::{is_held_up, reply_to};
use super::scout::Scout;
use super::state::{Mobility, ReplyMode, State};
use crate::acl::Login;
use crate::clients::Card;
use crate::command::Named;
use crate::env::Env;
use crate::resp::{Args, ParseLimits, Parsed, Parser, Reply};
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

/// What became of some bytes.
enum Step {
    /// They said nothing.
    Skipped,
    /// They were a request.
    Answered,
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
        // What it finds stands in this buffer, so it is this turn's.
        let mut scout = std::mem::take(&mut env.scout);
        let progress = loop {
            if self.state.close_after_reply {
                break Progress::Close;
            }
            if budget == 0 || out.has_enough(soft_limit) {
                break Progress::HasMore;
            }
            match self.step(&mut scout, input, out, env, budget) {
                Ok(Step::Skipped) => {}
                Ok(Step::Answered) => budget -= 1,
                Err(progress) => break progress,
            }
            if self.state.waiter.is_some() {
                break Progress::Blocked;
            }
        };
        scout.forget();
        env.scout = scout;
        progress
    }

    /// Consumes one request; `Err` if it does not, or is to be the last. An `Err` leaves the parser at a request's start, or in its midst.
    fn step(
        &mut self,
        scout: &mut Scout,
        input: &mut ReadBuffer,
        out: &mut Reply,
        env: &mut Env,
        budget: usize,
    ) -> Result<Step, Progress> {
        let limits = ParseLimits {
            max_bulk_bytes: env.settings.proto_max_bulk_len,
            unauthenticated: self.state.login.is_stranger(),
        };
        let bytes = input.unread();
        // A request whose beginning the parser has understood is the parser's.
        if self.parser.is_at_start()
            && let Some(next) = scout.next(
                bytes,
                limits,
                budget,
                self.state.db,
                (&env.settings.renames, &env.server.store),
            )
        {
            let before = out.len();
            answer(next.args, next.named, &mut self.state, out, env)?;
            let bytes = next.bytes;
            scout.saw_reply(out.len().saturating_sub(before));
            input.consume(bytes);
            return Ok(Step::Answered);
        }
        let step = match self.parser.parse(bytes, limits) {
            Ok(Parsed::Incomplete(more)) => return Err(Progress::NeedsInput(more)),
            Ok(Parsed::Empty) => Step::Skipped,
            Ok(Parsed::Request) => {
                let args = self.parser.args(bytes);
                let named = env.settings.renames.lookup(args.at(0));
                let answered = answer(args, named, &mut self.state, out, env);
                answered.inspect_err(|_| self.parser.reset())?;
                Step::Answered
            }
            Err(error) => {
                out.error(&format!("ERR Protocol error: {error}"));
                self.state.close_after_reply = true;
                return Err(Progress::Close);
            }
        };
        input.consume(self.parser.consumed());
        self.parser.reset();
        Ok(step)
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
        self.state.commands += 1;
        if !std::mem::take(&mut self.state.is_muted) {
            out.raw(&reply);
        }
        self.state.waiter = None;
        true
    }

    /// Moves what others have for this connection to `out`, until that holds `limit` bytes.
    pub(crate) fn take_mail(&self, out: &mut Reply, limit: usize) {
        take_mail(&self.state, out, limit);
    }
}

/// What a reply has caused goes behind it, also behind one that was written elsewhere and has not been taken yet.
fn take_mail(state: &State, out: &mut Reply, limit: usize) {
    let inbox = &state.card.inbox;
    match &state.waiter {
        Some(waiter) => waiter.unless_answered(|| inbox.drain(out, limit)),
        None => inbox.drain(out, limit),
    }
}

/// Answers a request of a command so named, unless it is held up or moves elsewhere.
fn answer(
    args: Args<'_>,
    named: Named,
    state: &mut State,
    out: &mut Reply,
    env: &mut Env,
) -> Result<(), Progress> {
    if env.holds_up() && is_held_up(args, named, state, env) {
        return Err(Progress::Paused);
    }
    // What came before the request goes before its reply, what it caused itself goes behind.
    state.card.inbox.drain(out, usize::MAX);
    let mark = out.mark();
    let before = state.reply_mode;
    reply_to(args, named, state, out, env);
    if state.mobility == Mobility::Moving {
        return Err(Progress::Moves);
    }
    state.is_muted = state.waiter.is_some() && before != ReplyMode::On;
    // CLIENT REPLY itself answers only when it switches replies on.
    match (before, state.reply_mode) {
        (ReplyMode::SkipNext, ReplyMode::SkipNext) => {
            if !state.pushes {
                out.rewind(mark);
            }
            state.reply_mode = ReplyMode::On;
        }
        (ReplyMode::Off, ReplyMode::Off) if !state.pushes => out.rewind(mark),
        _ => {}
    }
    state.pushes = false;
    take_mail(state, out, usize::MAX);
    Ok(())
}
