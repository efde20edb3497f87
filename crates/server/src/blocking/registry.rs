//! [`Registry`]: who waits for which key.
//!
//! | tag | sites |
//! |---|---|
//! | `[waiting]` | the number of waiters; see the module's header |

use super::waiter::{Arriving, Waiter};
use super::wish::Awaited;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// Waiting clients.
pub(crate) struct Registry {
    /// How many there are.
    waiting: AtomicU64,
    fences: Fences,
    table: Mutex<Table>,
}

/// Waiters of one key by arrival.
type Line = BTreeMap<u64, Arc<Waiter>>;

/// The registry's content; who has it has the lock.
#[derive(Default)]
pub(super) struct Table {
    /// By database, then by key. No line is empty.
    lines: HashMap<u8, HashMap<Box<[u8]>, Line>>,
    by_client: HashMap<u64, Arc<Waiter>>,
    arrivals: u64,
    /// Waiters that await anything.
    of_anything: usize,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry { waiting: AtomicU64::new(0), fences: Fences::detect(), table: Mutex::default() }
    }

    /// Whether anybody waits; to be asked after a write.
    #[inline]
    pub(crate) fn is_needed(&self) -> bool {
        self.fences.light();
        self.count() > 0
    }

    /// Clients that wait.
    pub(crate) fn count(&self) -> u64 {
        // Relaxed [waiting]: after the light fence, where it matters.
        self.waiting.load(Ordering::Relaxed)
    }

    /// Keys that are waited for, and those of them by somebody who wants to know even of their end.
    pub(crate) fn count_keys(&self) -> (usize, usize) {
        let table = self.lock();
        let lines = || table.lines.values().flat_map(HashMap::values);
        let wants_all = |waiter: &Arc<Waiter>| waiter.awaited == Awaited::Anything;
        (lines().count(), lines().filter(|line| line.values().any(wants_all)).count())
    }

    /// Whether anybody waits for one of the keys.
    pub(super) fn has_line<'k>(&self, db: u8, mut keys: impl Iterator<Item = &'k [u8]>) -> bool {
        if self.count() == 0 {
            return false;
        }
        let table = self.lock();
        keys.any(|key| table.line(db, key).is_some())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a client; when it returns, every later write of its keys will find it.
    pub(super) fn enter(&self, table: &mut Table, arriving: Arriving) -> Arc<Waiter> {
        table.arrivals += 1;
        let waiter = Arc::new(Waiter::new(table.arrivals, arriving));
        let lines = table.lines.entry(waiter.db).or_default();
        for key in &waiter.keys {
            lines.entry(key.clone()).or_default().insert(waiter.arrival, waiter.clone());
        }
        table.of_anything += usize::from(waiter.awaited == Awaited::Anything);
        table.by_client.insert(waiter.card.id, waiter.clone());
        waiter.card.blocked.set(1);
        // Relaxed [waiting]: the heavy fence comes next.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.fences.heavy();
        waiter
    }

    /// Takes a waiter out. Whether it was in.
    pub(super) fn remove(&self, table: &mut Table, waiter: &Waiter) -> bool {
        if table.by_client.remove(&waiter.card.id).is_none() {
            return false;
        }
        if let Some(lines) = table.lines.get_mut(&waiter.db) {
            for key in &waiter.keys {
                if let Some(line) = lines.get_mut(key) {
                    line.remove(&waiter.arrival);
                    if line.is_empty() {
                        lines.remove(key);
                    }
                }
            }
        }
        table.of_anything -= usize::from(waiter.awaited == Awaited::Anything);
        waiter.card.blocked.set(0);
        // Relaxed [waiting]: who reads too much looks into the table in vain.
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// Ends a waiter's waiting without a reply. Whether it still waited; else its reply is there.
    pub(crate) fn leave(&self, waiter: &Waiter) -> bool {
        self.remove(&mut self.lock(), waiter)
    }

    /// Ends a client's waiting, as if its time were over, or with an error. What waited, if it did.
    pub(crate) fn unblock(&self, client: u64, with_error: bool) -> Option<Arc<Waiter>> {
        let mut table = self.lock();
        let waiter = table.by_client.get(&client).cloned()?;
        self.remove(&mut table, &waiter);
        waiter.deliver(match with_error {
            true => b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n".to_vec(),
            false => waiter.nothing(),
        });
        Some(waiter)
    }
}

impl Table {
    fn line(&self, db: u8, key: &[u8]) -> Option<&Line> {
        self.lines.get(&db)?.get(key)
    }

    /// Who waits for a key and came after the arrival of this number.
    pub(super) fn next_after(&self, db: u8, key: &[u8], arrival: u64) -> Option<Arc<Waiter>> {
        let (_, waiter) = self.line(db, key)?.range(arrival + 1..).next()?;
        Some(waiter.clone())
    }

    /// Whether there are any who want to know even of a key's end.
    pub(super) fn anybody_awaits_anything(&self) -> bool {
        self.of_anything > 0
    }

    /// The keys of a database that are waited for.
    pub(super) fn keys(&self, db: u8) -> impl Iterator<Item = &[u8]> {
        self.lines.get(&db).into_iter().flatten().map(|(key, _)| &**key)
    }
}
