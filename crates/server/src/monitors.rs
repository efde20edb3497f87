//! [`Monitors`]: connections that see every command of every other (MONITOR).
//!
//! `+1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"`

use crate::clients::Card;
use crate::clock;
use crate::command::{Command, REDACTED, is_secret};
use crate::counter::Gauge;
use crate::env::Env;
use crate::pubsub::Parcel;
use crate::resp::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who monitors.
#[derive(Default)]
pub(crate) struct Monitors {
    cards: Mutex<BTreeMap<u64, Arc<Card>>>,
    count: Gauge,
}

impl Monitors {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Card>>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn enter(&self, card: &Arc<Card>) {
        let mut cards = self.lock();
        cards.insert(card.id, card.clone());
        self.count.set(cards.len() as u64);
        card.monitors.set(1);
    }
    pub(crate) fn leave(&self, card: &Card) {
        if card.monitors.get() != 0 {
            let mut cards = self.lock();
            cards.remove(&card.id);
            self.count.set(cards.len() as u64);
            card.monitors.set(0);
        }
    }
    /// Whether nobody does.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }
    /// Shows a command that `who` (an address, or `lua`) has run.
    pub(crate) fn show(&self, env: &Env, command: &Command, args: Args<'_>, db: u8, who: &str) {
        self.deliver(env, &parcel(command, args, db, who));
    }
    /// Shows what has been written before.
    pub(crate) fn deliver(&self, env: &Env, parcel: &Parcel) {
        self.lock().values().for_each(|card| env.deliver(card, parcel.clone()));
    }
}

/// What those who monitor are to see.
pub(crate) fn parcel(command: &Command, args: Args<'_>, db: u8, who: &str) -> Parcel {
    Parcel::Plain(line(command, args, db, who).into_bytes().into())
}

fn line(command: &Command, args: Args<'_>, db: u8, who: &str) -> String {
    let now_us = clock::now_us();
    let mut line = format!("+{}.{:06} [{db} {who}]", now_us / 1_000_000, now_us % 1_000_000);
    for (i, arg) in args.iter_from(0).enumerate() {
        line.push_str(" \"");
        match is_secret(command, args, i) {
            true => line.push_str(REDACTED),
            false => quote(arg, &mut line),
        }
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

/// Appends the bytes as one would write them between quotation marks.
fn quote(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'"' => out.push_str("\\\""),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            7 => out.push_str("\\a"),
            8 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let written = write!(out, "\\x{byte:02x}");
                debug_assert!(written.is_ok());
            }
        }
    }
}
