//! [`Registry`]: which connections listen to which channel or pattern.
//!
//! ```text
//! channels  16 × lock { name ─▶ {client id ─▶ Card} }     by the name's hash
//! shards    the same, for SSUBSCRIBE
//! patterns   1 × lock { pattern ─▶ {client id ─▶ Card} }
//! topics     one figure each: while it is 0, publishing takes no lock
//! ```
//!
//! Invariants:
//! 1. All subscribers of a channel see its messages in one order, and those of one publisher in its order: a message is put into the inboxes under
//!    the channel's lock.
//! 2. A connection whose SUBSCRIBE has been answered gets every message that is published afterwards.
//! 3. No lock is held while another one of these is taken; inboxes' locks come after them.

use super::inbox::Parcel;
use super::message::{Name, encode};
use crate::clients::Card;
use crate::counter::Gauge;
use crate::env::Env;
use crate::value::glob_matches;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

type Listeners = BTreeMap<u64, Arc<Card>>;
type Topics = HashMap<Box<[u8]>, Listeners>;

const PARTS: usize = 16;

/// Topics of one kind.
struct Table {
    parts: Vec<Mutex<Topics>>,
    hasher: RandomState,
    topics: Gauge,
}

impl Table {
    fn new(parts: usize) -> Self {
        Table {
            parts: (0..parts).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            topics: Gauge::default(),
        }
    }
    fn part(&self, name: &[u8]) -> MutexGuard<'_, Topics> {
        let i = match self.parts.len() {
            1 => 0,
            n => self.hasher.hash_one(name) as usize % n,
        };
        self.parts[i].lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Topics>> {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All subscriptions of the server.
pub(crate) struct Registry {
    channels: Table,
    shards: Table,
    patterns: Table,
}

impl Default for Registry {
    fn default() -> Self {
        Registry { channels: Table::new(PARTS), shards: Table::new(PARTS), patterns: Table::new(1) }
    }
}

impl Registry {
    fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    /// Has the connection hear of `name` from now on.
    pub(crate) fn subscribe(&self, kind: Kind, name: &[u8], card: &Arc<Card>) {
        let table = self.table(kind);
        let mut topics = table.part(name);
        match topics.get_mut(name) {
            Some(listeners) => drop(listeners.insert(card.id, card.clone())),
            None => {
                topics.insert(name.into(), BTreeMap::from([(card.id, card.clone())]));
                table.topics.add(1);
            }
        }
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, kind: Kind, name: &[u8], id: u64) {
        let table = self.table(kind);
        let mut topics = table.part(name);
        let Some(listeners) = topics.get_mut(name) else { return };
        listeners.remove(&id);
        if listeners.is_empty() {
            topics.remove(name);
            table.topics.subtract(1);
        }
    }

    /// Sends a message to those who listen to the channel, or to a pattern that matches it. How many.
    ///
    /// # Cost
    /// Two loads while nobody listens to anything.
    pub(crate) fn publish(&self, env: &Env, channel: &[u8], payload: &[u8]) -> usize {
        let mut count = 0;
        if self.channels.topics.get() > 0
            && let Some(listeners) = self.channels.part(channel).get(channel)
        {
            count +=
                send(env, listeners, Parcel::Message(encode(Name::Message, &[channel, payload])));
        }
        if self.patterns.topics.get() > 0 {
            for (pattern, listeners) in self.patterns.part(b"").iter() {
                if glob_matches(pattern, channel) {
                    let bytes = encode(Name::PatternMessage, &[pattern, channel, payload]);
                    count += send(env, listeners, Parcel::Message(bytes));
                }
            }
        }
        count
    }

    /// Sends a message to those who listen to the shard channel. How many.
    pub(crate) fn publish_to_shard(&self, env: &Env, channel: &[u8], payload: &[u8]) -> usize {
        if self.shards.topics.get() == 0 {
            return 0;
        }
        match self.shards.part(channel).get(channel) {
            Some(listeners) => {
                let bytes = encode(Name::ShardMessage, &[channel, payload]);
                send(env, listeners, Parcel::Message(bytes))
            }
            None => 0,
        }
    }

    /// How many would get a message.
    pub(crate) fn receivers(&self, kind: Kind, channel: &[u8]) -> usize {
        let mut count = self.listeners(kind, channel);
        if kind == Kind::Channel && self.patterns.topics.get() > 0 {
            let patterns = self.patterns.part(b"");
            let matching = patterns.iter().filter(|(pattern, _)| glob_matches(pattern, channel));
            count += matching.map(|(_, listeners)| listeners.len()).sum::<usize>();
        }
        count
    }

    /// How many listen to exactly this name.
    pub(crate) fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        self.table(kind).part(name).get(name).map_or(0, Listeners::len)
    }

    /// Names of this kind that somebody listens to.
    pub(crate) fn names(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let mut names = Vec::new();
        for topics in self.table(kind).all() {
            let wanted = |name: &[u8]| pattern.is_none_or(|p| glob_matches(p, name));
            names.extend(topics.keys().filter(|name| wanted(name)).cloned());
        }
        names
    }

    /// How many names of this kind somebody listens to.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.table(kind).topics.get()
    }

    /// Looks at every subscription.
    pub(crate) fn for_each_listener(&self, mut f: impl FnMut(Kind, &[u8], &Arc<Card>)) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for topics in self.table(kind).all() {
                for (name, listeners) in topics.iter() {
                    listeners.values().for_each(|card| f(kind, name, card));
                }
            }
        }
    }

    /// Whether anybody listens to anything.
    pub(crate) fn is_empty(&self) -> bool {
        [&self.channels, &self.shards, &self.patterns].iter().all(|table| table.topics.get() == 0)
    }
}

fn send(env: &Env, listeners: &Listeners, parcel: Parcel) -> usize {
    for card in listeners.values() {
        env.deliver(card, parcel.clone());
    }
    listeners.len()
}
