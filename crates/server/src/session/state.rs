//! [`State`]: what a connection is: its database, names, protocol, open MULTI.

use super::queue::Queue;
use crate::acl::Login;
use crate::blocking::Waiter;
use crate::clients::Card;
use crate::data::DataState;
use crate::env::Env;
use crate::pubsub::{Kind, Subscriptions};
use crate::resp::{Protocol, Reply};
use crate::tracking::Mode;
use std::sync::Arc;

/// CLIENT REPLY's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is dropped.
    SkipNext,
}

/// Whether the command that runs may go to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Mobility {
    /// It runs where it is.
    #[default]
    Stays,
    /// It may, if it takes long.
    MayMove,
    /// It does: it has left nothing behind, and starts again over there.
    Moving,
}

/// State of one connection.
pub(crate) struct State {
    pub(crate) id: u64,
    /// What others see of the connection.
    pub(crate) card: Arc<Card>,
    /// Number of the last command's row, plus one.
    pub(crate) last_command: usize,
    /// Requests so far.
    pub(crate) commands: u64,
    pub(crate) db: u8,
    /// Who it is.
    pub(crate) login: Login,
    pub(crate) reply_mode: ReplyMode,
    /// The connection ends once what is written has been sent.
    pub(crate) close_after_reply: bool,
    /// The commands since MULTI.
    pub(crate) queue: Option<Queue>,
    /// A command could not be queued: EXEC answers EXECABORT.
    pub(crate) queue_failed: bool,
    /// Whether a blocking command may wait here.
    pub(crate) may_wait: bool,
    /// What it waits for, if it waits.
    pub(crate) waiter: Option<Arc<Waiter>>,
    /// The reply that it waits for is to be dropped (CLIENT REPLY).
    pub(crate) is_muted: bool,
    pub(crate) mobility: Mobility,
    /// A script runs: no command waits for anything, and what it shows is the script's.
    pub(crate) in_script: bool,
    /// The error that a script replied with is one that INFO has counted.
    pub(crate) error_is_counted: bool,
    /// What the data commands keep here.
    pub(crate) data: DataState,
    pub(crate) subscriptions: Subscriptions,
    /// CLIENT TRACKING, if it is on.
    pub(crate) tracking: Option<Mode>,
    /// CLIENT CACHING has been said of the next command.
    pub(crate) caching: bool,
    /// The command that runs writes what CLIENT REPLY OFF does not silence.
    pub(crate) pushes: bool,
}

impl State {
    pub(crate) fn new(card: Arc<Card>, login: Login) -> Self {
        State {
            id: card.id,
            card,
            last_command: 0,
            commands: 0,
            db: 0,
            login,
            reply_mode: ReplyMode::On,
            close_after_reply: false,
            queue: None,
            queue_failed: false,
            may_wait: true,
            waiter: None,
            is_muted: false,
            mobility: Mobility::default(),
            in_script: false,
            error_is_counted: false,
            data: DataState::default(),
            subscriptions: Subscriptions::default(),
            tracking: None,
            caching: false,
            pushes: false,
        }
    }

    /// Leaves MULTI without running anything, and forgets watched keys.
    pub(crate) fn abandon_queue(&mut self) {
        self.queue = None;
        self.queue_failed = false;
        self.data.watched.clear();
    }

    /// Leaves whatever the server knows this connection by; it is over.
    pub(crate) fn leave(&mut self, env: &Env) {
        self.stop_waiting(env);
        self.subscriptions.clear(&env.server.pubsub, self.id);
        env.server.monitors.leave(&self.card);
        env.server.tracking.stop(&self.card);
        env.server.clients.leave(self.id);
    }

    /// Gives up what it waits for, if it waits.
    pub(crate) fn stop_waiting(&mut self, env: &Env) {
        if let Some(waiter) = self.waiter.take() {
            env.server.blocking.leave(&waiter);
        }
    }

    /// Whether only commands about subscriptions are allowed.
    pub(crate) fn is_listening(&self, out: &Reply) -> bool {
        out.protocol() == Protocol::Resp2 && !self.subscriptions.is_empty()
    }

    /// Brings the card up to date; once per turn, and before a command shows it.
    pub(crate) fn update_card(&self, out: &Reply, env: &Env) {
        let card = &self.card;
        card.active_ms.set(env.now_ms);
        card.last_command.set(self.last_command as u64);
        card.db.set(u64::from(self.db));
        card.commands.set(self.commands);
        card.watched.set(self.data.watched.len() as u64);
        card.watched_bytes.set(self.data.watched.bytes() as u64);
        card.subscribed_bytes.set(self.subscriptions.bytes() as u64);
        card.queued.set(self.queue.as_ref().map_or(0, |q| q.len() as u64 + 1));
        card.queued_bytes.set(self.queue.as_ref().map_or(0, |q| q.bytes() as u64));
        let kinds = [Kind::Channel, Kind::Pattern, Kind::Shard];
        for (figure, kind) in card.subscribed.iter().zip(kinds) {
            figure.set(self.subscriptions.of(kind).len() as u64);
        }
        card.output_bytes.set(out.len() as u64);
        card.resp3.set(u64::from(out.protocol() == Protocol::Resp3));
    }
}
