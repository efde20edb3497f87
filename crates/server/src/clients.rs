//! [`Card`]: what everybody may know of a connection; [`Clients`]: the cards of all of them.
//!
//! A card is written by its own loop (a few plain stores after a batch of commands) and read by CLIENT LIST on any
//! loop. CLIENT KILL raises the card's `killed` and sends word to its loop.

use crate::acl::Account;
use crate::command;
use crate::counter::{Counter, Gauge};
use crate::env::Env;
use crate::pubsub::Inbox;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Names that a client has given itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) client: String,
    pub(crate) library: String,
    pub(crate) library_version: String,
}

/// One connection, as others see it.
#[derive(Debug, Default)]
pub(crate) struct Card {
    pub(crate) id: u64,
    pub(crate) address: String,
    pub(crate) local_address: String,
    pub(crate) descriptor: i32,
    pub(crate) created_ms: u64,
    pub(crate) names: Mutex<Names>,
    /// The user; the default one until it says otherwise.
    pub(crate) account: Mutex<Option<Arc<Account>>>,
    pub(crate) active_ms: Counter,
    /// Row number of the last command, plus one.
    pub(crate) last_command: Counter,
    pub(crate) db: Counter,
    /// Requests, and bytes in and out, so far.
    pub(crate) commands: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    /// Keys that it watches.
    pub(crate) watched: Counter,
    /// Commands queued since MULTI, plus one; 0 outside MULTI.
    pub(crate) queued: Counter,
    pub(crate) queued_bytes: Counter,
    /// Received and not executed, and the memory beside that where it lies.
    pub(crate) input_bytes: Counter,
    pub(crate) input_spare_bytes: Counter,
    pub(crate) output_bytes: Counter,
    /// What its watched keys, its subscriptions and the prefixes that it tracks take.
    pub(crate) watched_bytes: Counter,
    pub(crate) subscribed_bytes: Counter,
    pub(crate) tracking_bytes: Gauge,
    pub(crate) resp3: Counter,
    pub(crate) no_evict: Counter,
    pub(crate) no_touch: Counter,
    /// 1: CLIENT CAPA REDIRECT.
    pub(crate) redirects: Counter,
    /// Subscriptions to channels, patterns, shard channels.
    pub(crate) subscribed: [Counter; 3],
    /// CLIENT TRACKING: on; the client that is told instead (0: none), and whether that has gone.
    pub(crate) tracks: Gauge,
    pub(crate) redirect: Gauge,
    pub(crate) redirect_is_broken: Gauge,
    /// 1: in MONITOR mode.
    pub(crate) monitors: Counter,
    pub(crate) killed: Gauge,
    /// What others have for it.
    pub(crate) inbox: Inbox,
    /// 1: it waits for a key.
    pub(crate) blocked: Gauge,
}

impl Card {
    /// The names, to read or to change.
    pub(crate) fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The account that it has authenticated as, if it has.
    pub(crate) fn account(&self) -> Option<Arc<Account>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(crate) fn set_account(&self, account: Option<Arc<Account>>) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }
    /// Its user's name.
    pub(crate) fn user_name(&self) -> Vec<u8> {
        self.account().map_or_else(|| b"default".to_vec(), |account| account.name().to_vec())
    }
    /// Whether it listens to something: another class of clients.
    pub(crate) fn is_subscriber(&self) -> bool {
        self.subscribed.iter().any(|figure| figure.get() > 0)
    }
    /// Letters for what is special about it.
    pub(crate) fn flags(&self) -> String {
        let mut flags = String::new();
        for (raised, letter) in [
            (self.monitors.get() > 0, 'O'),
            (self.is_subscriber(), 'P'),
            (self.blocked.get() > 0, 'b'),
            (self.tracks.get() > 0, 't'),
            (self.redirect_is_broken.get() > 0, 'R'),
            (self.queued.get() > 0, 'x'),
            (self.no_evict.get() > 0, 'e'),
            (self.no_touch.get() > 0, 'T'),
        ] {
            if raised {
                flags.push(letter);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }
    /// Bytes that wait to be sent.
    fn output_held(&self) -> u64 {
        self.output_bytes.get() + self.inbox.waiting() as u64
    }
    /// Bytes that the client takes beside the data: what it has sent and where that lies, what MULTI has queued, what waits to be sent; what it
    /// watches, listens to and tracks.
    pub(crate) fn held_bytes(&self) -> u64 {
        let input = self.input_bytes.get() + self.input_spare_bytes.get();
        let told = self.subscribed_bytes.get() + self.tracking_bytes.get();
        input + self.queued_bytes.get() + self.output_held() + self.watched_bytes.get() + told
    }
    /// The line of CLIENT LIST and CLIENT INFO, without its end.
    pub(crate) fn line(&self, now_ms: u64) -> String {
        let (name, user) = (self.names().client.clone(), self.user_name());
        self.line_as(now_ms, &name, &String::from_utf8_lossy(&user))
    }
    /// The same for the log, where names are hidden if `hide-user-data-from-log` says so.
    pub(crate) fn line_for_log(&self, env: &Env) -> String {
        if env.settings.hides_user_data {
            return self.line_as(env.now_ms, "*redacted*", "*redacted*");
        }
        self.line(env.now_ms)
    }
    fn line_as(&self, now_ms: u64, name: &str, user: &str) -> String {
        let names = self.names().clone();
        let command = match self.last_command.get() {
            0 => "NULL",
            n => command::rows().nth(n as usize - 1).map_or("NULL", |(_, row)| row.name),
        };
        let queued = self.queued.get();
        let flags = self.flags();
        let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
        let mut line = format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} capa={} db={} sub={} psub={} ssub={} multi={}",
            self.id,
            self.address,
            self.local_address,
            self.descriptor,
            name,
            seconds(self.created_ms),
            seconds(self.active_ms.get()),
            if self.redirects.get() > 0 { "r" } else { "" },
            self.db.get(),
            self.subscribed[0].get(),
            self.subscribed[1].get(),
            self.subscribed[2].get(),
            queued as i64 - 1,
        );
        let (input, spare) = (self.input_bytes.get(), self.input_spare_bytes.get());
        let output = self.output_held();
        let written = write!(
            line,
            " watch={} qbuf={input} qbuf-free={spare} argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={output} oll=0 omem={output} tot-mem={} \
             events=r cmd={command} user={} redir={} resp={} lib-name={} lib-ver={} \
             tot-net-in={} tot-net-out={} tot-cmds={}",
            self.watched.get(),
            self.queued_bytes.get(),
            self.held_bytes(),
            user,
            if self.tracks.get() > 0 { self.redirect.get() as i64 } else { -1 },
            2 + self.resp3.get(),
            names.library,
            names.library_version,
            self.received_bytes.get(),
            self.sent_bytes.get(),
            self.commands.get(),
        );
        debug_assert!(written.is_ok());
        line
    }
}

/// All connections of the server.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    cards: Mutex<BTreeMap<u64, Arc<Card>>>,
    last_id: Gauge,
    pub(crate) accepted: Gauge,
    pub(crate) refused: Gauge,
}

impl Clients {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Card>>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Numbers a new connection and enters its card.
    pub(crate) fn enter(&self, mut card: Card) -> Arc<Card> {
        card.id = self.last_id.add(1);
        let card = Arc::new(card);
        self.lock().insert(card.id, card.clone());
        card
    }
    /// Starts counting accepted and refused connections anew.
    pub(crate) fn reset_counts(&self) {
        self.accepted.set(0);
        self.refused.set(0);
    }
    pub(crate) fn leave(&self, id: u64) {
        self.lock().remove(&id);
    }
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }
    /// The card of a client that is there.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Card>> {
        self.lock().get(&id).cloned()
    }
    /// All cards, oldest connection first.
    pub(crate) fn all(&self) -> Vec<Arc<Card>> {
        self.lock().values().cloned().collect()
    }
}
