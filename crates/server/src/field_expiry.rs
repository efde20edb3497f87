//! [`FieldExpiry`]: which hashes have fields that will expire, and when; and taking those out that have.
//!
//! ```text
//! HEXPIRE, RESTORE, RENAME, … a file is loaded ─▶ noted: key, the time of its next field
//! loop 0, ten times a second ─▶ keys whose time has come: fields out, events told, the key noted with its next time
//! ```
//! A note may be wrong (the key is gone, or a transaction was rolled back): then there is nothing to take out. Readers do not depend on it.

use crate::counter::Gauge;
use crate::data::Item;
use crate::env::{Env, Server};
use crate::event::{class, publish_event};
use crate::value::{Hash, HashEdit, Object, kind};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stillpoint_store::{At, Store};

/// Keys that are looked at in one tick.
const KEYS_PER_TICK: usize = 10_000;

/// Notes that are looked into to tell how many of them are true.
const MAX_LOOKED_AT: usize = 4096;

type Key = (u8, Box<[u8]>);

#[derive(Default)]
struct Table {
    times: HashMap<Key, u64>,
    due: BTreeSet<(u64, Key)>,
    /// Keys in `times` by database.
    counts: HashMap<u8, usize>,
}

/// The server's notes.
#[derive(Default)]
pub(crate) struct FieldExpiry {
    table: Mutex<Table>,
    /// Fields that went at their time.
    pub(crate) expired: Gauge,
}

impl FieldExpiry {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a field of the key will expire.
    pub(crate) fn note(&self, db: u8, key: &[u8], time_ms: u64) {
        let key: Key = (db, key.into());
        let mut table = self.lock();
        match table.times.get(&key).copied() {
            Some(known) if known <= time_ms => return,
            Some(known) => {
                table.due.remove(&(known, key.clone()));
            }
            None => *table.counts.entry(db).or_default() += 1,
        }
        table.times.insert(key.clone(), time_ms);
        table.due.insert((time_ms, key));
    }

    /// Takes one note whose time has come.
    fn take(&self, now_ms: u64) -> Option<Key> {
        let mut table = self.lock();
        if table.due.first()?.0 > now_ms {
            return None;
        }
        let (_, key) = table.due.pop_first()?;
        table.times.remove(&key);
        if let Some(count) = table.counts.get_mut(&key.0) {
            *count -= 1;
        }
        Some(key)
    }

    /// Keys of a database whose fields expire; if there are many, as many as are noted.
    pub(crate) fn keys(&self, db: u8, store: &Store<Object>) -> usize {
        let table = self.lock();
        let noted = table.counts.get(&db).copied().unwrap_or(0);
        if table.times.len() > MAX_LOOKED_AT {
            return noted;
        }
        let mut keys: Vec<Key> = table.times.keys().cloned().collect();
        drop(table);
        // At the beginning of time nothing has expired yet.
        let at = At { space: db, now_ms: 0 };
        let is_timed =
            |entry: Option<Item<'_>>| entry.is_some_and(|e| e.kind() == kind::TIMED_HASH);
        keys.retain(|(of, key)| *of == db && store.peek_with(at, key, is_timed));
        keys.len()
    }
}

/// Takes out the fields whose time has come.
pub(crate) fn tick(env: &Env) {
    if env.server.active_expire.get() == 0 {
        return;
    }
    for _ in 0..KEYS_PER_TICK {
        let Some((db, key)) = env.server.field_expiry.take(env.now_ms) else { return };
        purge(&env.server, env, db, &key);
    }
}

fn purge(server: &Server, env: &Env, db: u8, key: &[u8]) {
    let now_ms = env.now_ms;
    let outcome = server.store.update(At { space: db, now_ms }, key, |entry, draft| {
        let entry = entry?;
        let Ok(Hash::Timed(timed, _)) = Hash::of(entry, now_ms) else { return None };
        let due = timed.due_count(now_ms);
        if due == 0 {
            return Some((0, false, timed.next_due_ms()));
        }
        let edit = HashEdit::of(Some(entry), now_ms).ok()?;
        let (is_empty, next) = (edit.view().len() == 0, edit.next_due_ms());
        edit.put(draft, entry.expire_at_ms());
        Some((due, is_empty, next))
    });
    let Ok(Some((due, is_gone, next))) = outcome else { return };
    server.field_expiry.expired.add(due as u64);
    if let Some(next) = next {
        server.field_expiry.note(db, key, next);
    }
    if due == 0 {
        return;
    }
    if env.settings.events & class::HASH != 0 {
        publish_event(env, db, "hexpired", key);
    }
    if is_gone && env.settings.events & class::GENERIC != 0 {
        publish_event(env, db, "del", key);
    }
    if server.tracking.is_needed() {
        server.tracking.tell_of_removed(env, key);
    }
}
