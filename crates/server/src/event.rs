//! What happens beside the data when a command has taken effect: keyspace events, messages, in order ([`Effect`]).
//!
//! ```text
//! handler ── data.notify / ctx.notify / PUBLISH inside MULTI ──▶ session.data.effects [ … ]
//!               command outside a transaction: at its end  ──┐
//!               EXEC, or several keys as one: at the commit ─┴─▶ Registry::publish
//!               a transaction that is run again: forgotten
//! ```
//!
//! A write command names its event once it knows that it has changed something:
//! `ctx.notify(class::LIST, "lpush", key)` (names and classes exactly as Redis; a removed last element also is `class::GENERIC`, `"del"`).
//! While the class is not asked for, that costs one load. Events `new`, `expired` and `keymiss` come from [`Data`](crate::data::Data) itself.
//!
//! Invariants:
//! 1. An event is published only after what it tells of can be read, and never for a transaction that did not commit.
//! 2. A connection's events are published in the order of its commands. Events of one key by two connections may come in either order.

use crate::env::Env;
use crate::pubsub::Parcel;

/// Classes of events, as `notify-keyspace-events` selects them.
#[allow(dead_code, reason = "each is used as soon as its type is there")]
pub(crate) mod class {
    /// `__keyspace@…`, `__keyevent@…`: where an event goes.
    pub(crate) const KEYSPACE: u32 = 1;
    pub(crate) const KEYEVENT: u32 = 1 << 1;
    pub(crate) const GENERIC: u32 = 1 << 2;
    pub(crate) const STRING: u32 = 1 << 3;
    pub(crate) const LIST: u32 = 1 << 4;
    pub(crate) const SET: u32 = 1 << 5;
    pub(crate) const HASH: u32 = 1 << 6;
    pub(crate) const ZSET: u32 = 1 << 7;
    pub(crate) const EXPIRED: u32 = 1 << 8;
    pub(crate) const EVICTED: u32 = 1 << 9;
    pub(crate) const STREAM: u32 = 1 << 10;
    pub(crate) const KEY_MISS: u32 = 1 << 11;
    pub(crate) const MODULE: u32 = 1 << 13;
    pub(crate) const NEW: u32 = 1 << 14;

    /// Not one of Redis: somebody tracks keys, and is to be told of expired ones.
    pub(crate) const TRACKED: u32 = 1 << 31;

    /// What `A` stands for.
    const ALL: u32 = 0b111_1111_1100 | MODULE;
    const LETTERS: &[u8] = b"KEg$lshzxetm\0dn";

    /// Reads the directive's value. Without `K` or `E` nothing goes anywhere.
    pub(crate) fn parse(text: &str) -> u32 {
        let bit = |letter: u8| match letter {
            b'A' => ALL,
            _ => LETTERS.iter().position(|known| *known == letter).map_or(0, |i| 1 << i),
        };
        let classes = text.bytes().map(bit).fold(0, |all, one| all | one);
        if classes & (KEYSPACE | KEYEVENT) == 0 { 0 } else { classes }
    }
}

/// Something to do once what the command did can be seen.
pub(crate) enum Effect {
    Event {
        db: u8,
        name: &'static str,
        key: Box<[u8]>,
    },
    Publish {
        channel: Box<[u8]>,
        payload: Box<[u8]>,
    },
    PublishToShard {
        channel: Box<[u8]>,
        payload: Box<[u8]>,
    },
    /// A field of the hash will expire.
    FieldExpiry {
        db: u8,
        key: Box<[u8]>,
        time_ms: u64,
    },
    /// A script, or a command of one, is shown to those who monitor.
    Show {
        parcel: Parcel,
    },
}

impl Effect {
    /// Does it.
    pub(crate) fn happen(&self, env: &Env) {
        match self {
            Effect::Event { db, name, key } => publish_event(env, *db, name, key),
            Effect::Publish { channel, payload } => {
                env.server.pubsub.publish(env, channel, payload);
            }
            Effect::PublishToShard { channel, payload } => {
                env.server.pubsub.publish_to_shard(env, channel, payload);
            }
            Effect::FieldExpiry { db, key, time_ms } => {
                env.server.field_expiry.note(*db, key, *time_ms);
            }
            Effect::Show { parcel } => env.server.monitors.deliver(env, parcel),
        }
    }
}

/// Tells those who listen that `name` has happened to the key.
pub(crate) fn publish_event(env: &Env, db: u8, name: &str, key: &[u8]) {
    let (classes, registry) = (env.settings.events, &env.server.pubsub);
    if registry.is_empty() {
        return;
    }
    if classes & class::KEYSPACE != 0 {
        let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
        registry.publish(env, &channel, name.as_bytes());
    }
    if classes & class::KEYEVENT != 0 {
        registry.publish(env, format!("__keyevent@{db}__:{name}").as_bytes(), key);
    }
}

#[cfg(test)]
mod tests {
    use super::class::*;

    #[test]
    fn letters_select_their_classes() {
        assert_eq!(parse(""), 0);
        assert_eq!(parse("A"), 0);
        assert_eq!(parse("Kx"), KEYSPACE | EXPIRED);
        assert_eq!(parse("En$hgm"), KEYEVENT | NEW | STRING | HASH | GENERIC | KEY_MISS);
        assert_eq!(parse("AK") & (KEY_MISS | NEW), 0);
        assert_eq!(parse("AK") & (GENERIC | EXPIRED | MODULE), GENERIC | EXPIRED | MODULE);
    }
}
