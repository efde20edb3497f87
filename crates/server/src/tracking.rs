//! [`Tracking`]: which connections have read which keys, so that they can be told when those change (CLIENT TRACKING).
//!
//! ```text
//! GET k by a tracking client ─▶ remembered: k ─▶ {client ids} ─ then the read itself
//! SET k by anybody ─ commit ─▶ "is anybody tracking?" ─▶ remembered: take k out ─▶ each client's inbox: invalidate [k]
//!                                                        prefixes: of k         ─▶ each client's inbox: invalidate [k …]
//! ```
//!
//! Invariants:
//! 1. No change is missed: a key is remembered before it is read, and looked up after it is written, under one lock. If the look-up comes first, the
//!    read sees what was written. Whether anybody tracks at all is asked after the write, behind a light fence; who starts tracking issues a heavy one.
//! 2. A client may be told too much: of a write that changed nothing, or of the same key in another database.
//! 3. It remembers `tracking-table-max-keys` keys at most; beyond, keys are forgotten and their readers told so.
//!
//! | tag | sites |
//! |---|---|
//! | `[tracking]` | the number of tracking clients: Relaxed, between the fences |

use crate::clients::Card;
use crate::counter::Gauge;
use crate::data::Touched;
use crate::env::Env;
use crate::pubsub::Parcel;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// How a connection tracks; shared with those who tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) broadcasts: bool,
    pub(crate) opts_in: bool,
    pub(crate) opts_out: bool,
    pub(crate) no_loop: bool,
    /// The client that is told instead; 0: none.
    pub(crate) redirect: u64,
    pub(crate) prefixes: BTreeSet<Box<[u8]>>,
}

/// What a prefix counts for a client's memory, and how long one may be before its bytes count too: Valkey's suite bounds what short ones may count.
const PREFIX_BYTES: usize = 24;
const SHORT_PREFIX: usize = 64;

struct Client {
    card: Arc<Card>,
    mode: Mode,
}

#[derive(Default)]
struct Table {
    remembered: HashMap<Box<[u8]>, BTreeSet<u64>>,
    /// Entries of `remembered`, all sets together.
    items: usize,
    clients: BTreeMap<u64, Client>,
}

/// The server's tracking clients.
pub(crate) struct Tracking {
    count: AtomicU64,
    fences: Fences,
    table: Mutex<Table>,
    /// Keys and entries remembered, for INFO.
    pub(crate) keys: Gauge,
    pub(crate) items: Gauge,
}

impl Default for Tracking {
    fn default() -> Self {
        Tracking {
            count: AtomicU64::new(0),
            fences: Fences::detect(),
            table: Mutex::default(),
            keys: Gauge::default(),
            items: Gauge::default(),
        }
    }
}

impl Tracking {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients that track.
    pub(crate) fn count(&self) -> u64 {
        // Relaxed [tracking]: after the light fence, where it matters.
        self.count.load(Ordering::Relaxed)
    }

    /// Whether anybody tracks; to be asked after a write.
    #[inline]
    pub(crate) fn is_needed(&self) -> bool {
        self.fences.light();
        self.count() > 0
    }

    /// Starts a client's tracking, or changes how it does it.
    pub(crate) fn start(&self, card: &Arc<Card>, mode: Mode) {
        let mut table = self.lock();
        card.tracks.set(1);
        card.redirect.set(mode.redirect);
        let bytes = mode
            .prefixes
            .iter()
            .map(|prefix| PREFIX_BYTES + prefix.len().saturating_sub(SHORT_PREFIX));
        let bytes = bytes.sum::<usize>();
        card.tracking_bytes.set(bytes as u64);
        if table.clients.insert(card.id, Client { card: card.clone(), mode }).is_none() {
            // Relaxed [tracking]: the heavy fence comes next.
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.fences.heavy();
    }

    /// Ends it. What it has read is forgotten as it changes.
    pub(crate) fn stop(&self, card: &Card) {
        if card.tracks.get() == 0 {
            return;
        }
        let mut table = self.lock();
        card.tracks.set(0);
        card.tracking_bytes.set(0);
        if table.clients.remove(&card.id).is_some() {
            // Relaxed [tracking]: who reads too much looks into the table in vain.
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if table.clients.is_empty() {
            table.remembered.clear();
            table.items = 0;
            self.publish_figures(&table);
        }
    }

    /// Different prefixes that somebody wants to hear of.
    pub(crate) fn prefixes(&self) -> usize {
        let table = self.lock();
        let all: BTreeSet<&Box<[u8]>> =
            table.clients.values().flat_map(|client| &client.mode.prefixes).collect();
        all.len()
    }

    fn publish_figures(&self, table: &Table) {
        self.keys.set(table.remembered.len() as u64);
        self.items.set(table.items as u64);
    }

    /// Remembers that a client is about to read the keys.
    pub(crate) fn remember<'k>(&self, env: &Env, id: u64, keys: impl Iterator<Item = &'k [u8]>) {
        let mut table = self.lock();
        for key in keys {
            table.remember(key, id);
        }
        self.shrink(&mut table, env);
    }

    /// Forgets keys that are too many since the limit is lower now; to be called from time to time.
    pub(crate) fn tick(&self, env: &Env) {
        if self.keys.get() > 0 {
            self.shrink(&mut self.lock(), env);
        }
    }

    fn shrink(&self, table: &mut Table, env: &Env) {
        let most = env.settings.number("tracking-table-max-keys").max(0) as usize;
        while most > 0 && table.remembered.len() > most {
            let Some(key) = table.remembered.keys().next().cloned() else { break };
            table.invalidate(env, &key, None);
        }
        self.publish_figures(table);
    }

    /// Tells who has read what was written. `writer`: the client that wrote it.
    #[cold]
    pub(crate) fn tell(&self, env: &Env, touched: &Touched, writer: u64) {
        let mut table = self.lock();
        let mut keys: Vec<&[u8]> = Vec::new();
        for (_, key) in touched.keys() {
            if !keys.contains(&key) {
                keys.push(key);
                let knows = touched.is_reread(key) && table.forget(key, writer);
                table.invalidate(env, key, Some(writer));
                if knows {
                    table.remember(key, writer);
                }
            }
        }
        table.broadcast(env, &keys, Some(writer));
        if !touched.emptied().is_empty() {
            table.remembered.clear();
            table.items = 0;
            for client in table.clients.values() {
                table.send(env, client, None);
            }
        }
        self.publish_figures(&table);
    }

    /// Tells that a key has expired or was evicted.
    #[cold]
    pub(crate) fn tell_of_removed(&self, env: &Env, key: &[u8]) {
        let mut table = self.lock();
        table.invalidate(env, key, None);
        table.broadcast(env, &[key], None);
        self.publish_figures(&table);
    }
}

impl Table {
    fn remember(&mut self, key: &[u8], id: u64) {
        self.items += usize::from(match self.remembered.get_mut(key) {
            Some(readers) => readers.insert(id),
            None => self.remembered.insert(key.into(), BTreeSet::from([id])).is_none(),
        });
    }

    /// Whether the client was remembered.
    fn forget(&mut self, key: &[u8], id: u64) -> bool {
        let was_there = self.remembered.get_mut(key).is_some_and(|readers| readers.remove(&id));
        self.items -= usize::from(was_there);
        was_there
    }

    fn invalidate(&mut self, env: &Env, key: &[u8], writer: Option<u64>) {
        let Some(readers) = self.remembered.remove(key) else { return };
        self.items -= readers.len();
        for id in readers {
            if let Some(client) = self.clients.get(&id)
                && !client.mode.broadcasts
                && !(client.mode.no_loop && writer == Some(id))
            {
                self.send(env, client, Some(&[key]));
            }
        }
    }

    /// Tells those who want to hear of all keys with their prefixes.
    fn broadcast(&self, env: &Env, keys: &[&[u8]], writer: Option<u64>) {
        for (id, client) in self.clients.iter().filter(|(_, client)| client.mode.broadcasts) {
            if client.mode.no_loop && writer == Some(*id) {
                continue;
            }
            for prefix in &client.mode.prefixes {
                let of_prefix: Vec<&[u8]> =
                    keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
                if !of_prefix.is_empty() {
                    self.send(env, client, Some(&of_prefix));
                }
            }
        }
    }

    /// Tells one client, or the one that it has named instead; no keys: all of them.
    fn send(&self, env: &Env, client: &Client, keys: Option<&[&[u8]]>) {
        let redirect = client.mode.redirect;
        let receiver = match redirect {
            0 => Some(client.card.clone()),
            id => env.server.clients.find(id),
        };
        let Some(receiver) = receiver else {
            client.card.redirect_is_broken.set(1);
            if client.card.resp3.get() > 0 {
                let text = format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{redirect}\r\n");
                env.deliver(&client.card, Parcel::Plain(text.into_bytes().into()));
            }
            return;
        };
        let mut bytes = match (receiver.resp3.get() > 0, redirect) {
            (true, _) => b">2\r\n$10\r\ninvalidate\r\n".to_vec(),
            (false, 1..) if receiver.is_subscriber() => {
                b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n".to_vec()
            }
            _ => return,
        };
        match keys {
            None if client.card.resp3.get() > 0 => bytes.extend_from_slice(b"_\r\n"),
            None => bytes.extend_from_slice(b"$-1\r\n"),
            Some(keys) => {
                bytes.extend_from_slice(format!("*{}\r\n", keys.len()).as_bytes());
                for key in keys {
                    bytes.extend_from_slice(format!("${}\r\n", key.len()).as_bytes());
                    bytes.extend_from_slice(key);
                    bytes.extend_from_slice(b"\r\n");
                }
            }
        }
        env.deliver(&receiver, Parcel::Plain(bytes.into()));
    }
}
