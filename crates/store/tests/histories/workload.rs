//! What one thread does to a store, and what it writes down of it.
//!
//! ```text
//!  keys    space 0: lists, a window of them that moves on so that no list grows for ever; registers that are never removed
//!          space 1: volatile registers: set with a few milliseconds to live, removed
//!  value   thread (16 bits) | number (48 bits): of no other write; a list is its elements one after the other
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, Entry, Isolation, Snapshot, Store, Transaction, TransactionOptions};
use stillpoint_testkit::Random;
use stillpoint_testkit::serializability::{Log, Outcome, Running, Seen};

const LASTING: u8 = 0;
const VOLATILE: u8 = 1;
/// Transactions after which the window of lists moves on by one.
const MOVES_AFTER: u64 = 30;
/// Most keys of a transaction.
const MAX_KEYS: u64 = 8;

/// What all threads of a round share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Lists at a time, and registers of each kind.
    pub(crate) keys: u64,
    /// Of all transactions.
    isolation: Isolation,
    /// Whether what lasts is kept in order, so that it can be walked.
    is_ordered: bool,
    /// Whether keys that expire may be evicted, so that what lasts must not.
    evicts: bool,
    started: AtomicU64,
    start: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    List(u64),
    Register(u64),
    Volatile(u64),
}

impl Key {
    /// Its place in the store.
    fn place(self) -> (u8, Vec<u8>) {
        match self {
            Key::List(number) => (LASTING, format!("list:{number:08}").into_bytes()),
            Key::Register(number) => (LASTING, format!("register:{number}").into_bytes()),
            Key::Volatile(number) => (VOLATILE, format!("volatile:{number}").into_bytes()),
        }
    }

    /// Its number in the history.
    fn number(self) -> u64 {
        match self {
            Key::List(number) => number,
            Key::Register(number) => 1 << 32 | number,
            Key::Volatile(number) => 2 << 32 | number,
        }
    }
}

/// The number in the history of the key at a place.
pub(crate) fn number_of(space: u8, name: &[u8]) -> u64 {
    let name = std::str::from_utf8(name).unwrap();
    let (kind, number) = name.split_once(':').unwrap();
    let number = number.parse().unwrap();
    match (space, kind) {
        (LASTING, "list") => Key::List(number).number(),
        (LASTING, "register") => Key::Register(number).number(),
        (VOLATILE, "volatile") => Key::Volatile(number).number(),
        _ => panic!("no such key: {name}"),
    }
}

impl Shared {
    pub(crate) fn new(keys: u64, isolation: Isolation, is_ordered: bool, evicts: bool) -> Self {
        let (started, start) = (AtomicU64::new(0), Instant::now());
        Shared { keys, isolation, is_ordered, evicts, started, start }
    }

    /// The clock by which values expire.
    pub(crate) fn now_ms(&self) -> u64 {
        1_000 + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    fn key(&self, random: &mut Random) -> Key {
        let window = self.started.load(Ordering::Relaxed) / MOVES_AFTER;
        let number = random.below(self.keys);
        match random.below(10) {
            0..=5 => Key::List(window + number),
            6..=7 => Key::Register(number),
            _ => Key::Volatile(number),
        }
    }

    /// Reads everything once, in one cut: what was committed must be there.
    pub(crate) fn read_all(&self, store: &Store, log: &mut Log) {
        let mut running = log.begin();
        let snapshot = store.snapshot(self.now_ms());
        let lists = self.started.load(Ordering::Relaxed) / MOVES_AFTER + self.keys;
        let lists = (0..lists).map(Key::List);
        for key in lists.chain((0..self.keys).map(Key::Register)) {
            read_in_snapshot(&snapshot, key, &mut running);
        }
        running.end(Outcome::Committed);
    }
}

/// What a read found.
enum Found {
    List(Vec<u64>),
    Register(Seen),
}

fn words(entry: Entry<'_, ()>) -> Vec<u64> {
    let words = entry.bytes().unwrap().chunks(8);
    words.map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

fn found(key: Key, entry: Option<Entry<'_, ()>>) -> Found {
    match key {
        Key::List(_) => Found::List(entry.map(words).unwrap_or_default()),
        Key::Register(_) | Key::Volatile(_) => Found::Register(match entry {
            Some(entry) => Seen::Value { value: words(entry)[0], rank: entry.stamp().get() },
            None if matches!(key, Key::Volatile(_)) => Seen::Absent,
            None => Seen::Initial,
        }),
    }
}

fn write_down(running: &mut Running<'_>, key: Key, found: &Found) {
    match found {
        Found::List(elements) => running.read_list(key.number(), elements),
        Found::Register(seen) => running.read(key.number(), *seen),
    }
}

/// Whether the snapshot had not been ended.
fn read_in_snapshot(snapshot: &Snapshot, key: Key, running: &mut Running<'_>) -> bool {
    let (space, name) = key.place();
    let result = snapshot.get_with(space, &name, |entry| found(key, entry));
    result.inspect(|found| write_down(running, key, found)).is_ok()
}

/// One thread.
pub(crate) struct Worker<'s> {
    pub(crate) store: &'s Store,
    pub(crate) shared: &'s Shared,
    pub(crate) log: Log,
    pub(crate) random: Random,
    pub(crate) number: u64,
    pub(crate) written: u64,
}

impl Worker<'_> {
    pub(crate) fn run(&mut self, transactions: u64) {
        for _ in 0..transactions {
            self.shared.started.fetch_add(1, Ordering::Relaxed);
            match self.random.below(100) {
                0..=9 => self.update_one(),
                10..=14 => self.set_one(),
                15..=19 => self.read_one(),
                20..=29 => self.snapshot(),
                _ => self.transaction(),
            }
        }
    }

    fn value(&mut self) -> u64 {
        self.written += 1;
        self.number << 48 | self.written
    }

    fn expiry(&mut self, key: Key) -> Option<u64> {
        // Some of what lasts expires too, but not before the test ends.
        match key {
            Key::Volatile(_) => Some(self.shared.now_ms() + self.random.below(4)),
            _ => (!self.shared.evicts && self.random.percent(20)).then_some(1 << 40),
        }
    }

    fn keys(&mut self) -> Vec<Key> {
        let count = 1 + self.random.below(MAX_KEYS);
        (0..count).map(|_| self.shared.key(&mut self.random)).collect()
    }

    /// Reads and writes one key in one step.
    fn update_one(&mut self) {
        let (key, value) = (self.shared.key(&mut self.random), self.value());
        let (expiry, removes) = (self.expiry(key), self.random.percent(30));
        let (space, name) = key.place();
        let at = At { space, now_ms: self.shared.now_ms() };
        let mut running = self.log.begin();
        let before = self.store.update(at, &name, |entry, draft| {
            let before = found(key, entry);
            match &before {
                Found::Register(Seen::Value { .. }) if removes && space == VOLATILE => {
                    draft.remove()
                }
                _ => draft.put(0, &[&with(&before, value)], expiry),
            }
            before
        });
        let before = before.unwrap();
        write_down(&mut running, key, &before);
        let removed =
            removes && space == VOLATILE && matches!(before, Found::Register(Seen::Value { .. }));
        if !removed {
            write_down_write(&mut running, key, value);
        }
        running.end(Outcome::Committed);
    }

    /// Writes one register without reading it.
    fn set_one(&mut self) {
        let key = match self.shared.key(&mut self.random) {
            Key::List(number) => Key::Register(number % self.shared.keys),
            other => other,
        };
        let (value, expiry) = (self.value(), self.expiry(key));
        let (space, name) = key.place();
        let at = At { space, now_ms: self.shared.now_ms() };
        let mut running = self.log.begin();
        if space == VOLATILE && self.random.percent(30) {
            self.store.remove(at, &name).unwrap();
        } else {
            self.store.set(at, &name, 0, &value.to_le_bytes(), expiry).unwrap();
            running.write(key.number(), value);
        }
        running.end(Outcome::Committed);
    }

    fn read_one(&mut self) {
        let key = self.shared.key(&mut self.random);
        let (space, name) = key.place();
        let at = At { space, now_ms: self.shared.now_ms() };
        let mut running = self.log.begin();
        let expires = self.random.percent(50);
        let found = if expires {
            self.store.get_or_expire_with(at, &name, |entry| found(key, entry))
        } else {
            self.store.get_with(at, &name, |entry| found(key, entry))
        };
        write_down(&mut running, key, &found);
        running.end(Outcome::Committed);
    }

    /// Takes a cut, holds it for a while, and reads it twice.
    fn snapshot(&mut self) {
        let keys = self.keys();
        let mut running = self.log.begin();
        let snapshot = self.store.snapshot(self.shared.now_ms());
        running.is_taken();
        for round in 0..2 {
            if keys.iter().any(|&key| !read_in_snapshot(&snapshot, key, &mut running)) {
                return running.end(Outcome::Aborted);
            }
            if round == 0 && self.random.percent(30) {
                thread::sleep(Duration::from_micros(self.random.below(2_000)));
            }
        }
        running.end(Outcome::Committed);
    }

    fn transaction(&mut self) {
        let keys = self.keys();
        let plan: Vec<(Key, u64, u64, Option<u64>)> = keys
            .into_iter()
            .map(|key| (key, self.random.below(100), self.value(), self.expiry(key)))
            .collect();
        let (rolls_back, priority) = (self.random.percent(3), self.random.percent(2));
        let mut running = self.log.begin();
        let options = TransactionOptions::at(self.shared.now_ms()).isolation(self.shared.isolation);
        let mut transaction = self.store.begin_with(options);
        if priority {
            transaction.request_priority();
        }
        if self.shared.is_ordered && self.random.percent(20) {
            let from = self.shared.started.load(Ordering::Relaxed) / MOVES_AFTER;
            if walk(&mut transaction, &mut running, from, self.shared.keys.min(MAX_KEYS)).is_none()
            {
                return running.end(Outcome::Aborted);
            }
        }
        for (key, what, value, expiry) in plan {
            if step(&mut transaction, &mut running, key, what, value, expiry).is_none() {
                return running.end(Outcome::Aborted);
            }
            // So that others come between also where there are few processors.
            if value % 3 == 0 {
                thread::yield_now();
            }
        }
        let committed = !rolls_back && transaction.commit().is_ok();
        running.end(if committed { Outcome::Committed } else { Outcome::Aborted });
    }
}

/// Walks some lists from one on, those that are not there yet among them; `None` if the transaction's snapshot was ended.
fn walk(
    transaction: &mut Transaction,
    running: &mut Running<'_>,
    from: u64,
    count: u64,
) -> Option<()> {
    let name = |number| Key::List(number).place().1;
    let mut there = BTreeMap::new();
    let mut range = transaction.range(LASTING, name(from)..name(from + count));
    while let Some((key, elements)) =
        range.next_with(|entry| (entry.key().to_vec(), words(entry))).ok()?
    {
        there.insert(key, elements);
    }
    for number in from..from + count {
        let elements = there.remove(&name(number)).unwrap_or_default();
        running.read_list_by_range(Key::List(number).number(), &elements);
    }
    Some(())
}

/// One key of a transaction; `None` if its snapshot was ended.
fn step(
    transaction: &mut Transaction,
    running: &mut Running<'_>,
    key: Key,
    what: u64,
    value: u64,
    expiry: Option<u64>,
) -> Option<()> {
    let (space, name) = key.place();
    if what < 15
        && matches!(key, Key::List(_))
        && transaction.isolation() == Isolation::Serializable
    {
        // Applied to whatever is there when it commits.
        transaction.append(space, &name, 0, &value.to_le_bytes());
    } else if what >= 25 || matches!(key, Key::List(_)) {
        let found = transaction.get_with(space, &name, |entry| found(key, entry)).ok()?;
        write_down(running, key, &found);
        if what < 60 {
            return Some(());
        }
        if what >= 90 && matches!(key, Key::Volatile(_)) {
            transaction.remove(space, &name);
            return Some(());
        }
        transaction.set(space, &name, 0, &with(&found, value), expiry);
    } else {
        transaction.set(space, &name, 0, &value.to_le_bytes(), expiry);
    }
    write_down_write(running, key, value);
    Some(())
}

fn with(before: &Found, value: u64) -> Vec<u8> {
    match before {
        Found::List(elements) => {
            elements.iter().chain([&value]).flat_map(|word| word.to_le_bytes()).collect()
        }
        Found::Register(_) => value.to_le_bytes().to_vec(),
    }
}

fn write_down_write(running: &mut Running<'_>, key: Key, value: u64) {
    match key {
        Key::List(_) => running.append(key.number(), value),
        Key::Register(_) | Key::Volatile(_) => running.write(key.number(), value),
    }
}
