//! Ranges against a sorted map, and against the truth while keys come and go.
#![cfg(not(stillpoint_loom))]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use stillpoint_store::{At, Config, Entry, KeyRange, Snapshot, SpaceSet, Store};

const AT: At = At { space: 1, now_ms: 1 };

fn ordered() -> Store {
    Store::new(Config { spaces: 2, ordered: SpaceSet::of(&[1]), ..Config::default() })
}

/// A small generator with a seed (xorshift64*), so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }

    /// Short keys of few bytes, so that some are prefixes of others.
    fn key(&mut self) -> Vec<u8> {
        let len = self.below(4);
        (0..len).map(|_| [0, b'a', b'b', 255][self.below(4) as usize]).collect()
    }

    fn bound(&mut self) -> Bound<Vec<u8>> {
        let key = self.key();
        [Bound::Included(key.clone()), Bound::Excluded(key), Bound::Unbounded]
            [self.below(3) as usize]
            .clone()
    }

    fn range(&mut self) -> KeyRange {
        if self.below(3) == 0 {
            KeyRange::prefix(&self.key())
        } else {
            (self.bound(), self.bound()).into()
        }
    }
}

type Row = (Vec<u8>, Vec<u8>);
/// Value and expiry.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn row(entry: Entry<'_, ()>) -> Row {
    (entry.key().to_vec(), entry.bytes().unwrap().to_vec())
}

fn rows(model: &Model, range: &KeyRange, now_ms: u64) -> Vec<Row> {
    let live = model.iter().filter(|(_, (_, expiry))| expiry.is_none_or(|at| at > now_ms));
    let held = live.filter(|(key, _)| range.contains(key));
    held.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
}

struct Play {
    store: Store,
    model: Model,
    open: Vec<(Snapshot, Model, u64)>,
    random: Random,
    now_ms: u64,
}

impl Play {
    fn at(&self) -> At {
        At { now_ms: self.now_ms, ..AT }
    }

    fn write(&mut self) {
        let (key, value) = (self.random.key(), self.random.next().to_le_bytes().to_vec());
        if self.random.below(2) == 0 {
            self.store.remove(self.at(), &key).unwrap();
            self.model.remove(&key);
        } else {
            let expiry = (self.random.below(4) == 0).then(|| self.now_ms + self.random.below(20));
            self.store.set(self.at(), &key, 0, &value, expiry).unwrap();
            self.model.insert(key, (value, expiry));
        }
    }

    fn transaction(&mut self) {
        let mut transaction = self.store.begin(self.now_ms);
        let mut model = self.model.clone();
        for _ in 0..3 {
            let key = self.random.key();
            if self.random.below(2) == 0 {
                transaction.remove(1, &key);
                model.remove(&key);
            } else {
                transaction.set(1, &key, 0, b"t", None);
                model.insert(key, (b"t".to_vec(), None));
            }
            let range = self.random.range();
            let expected = rows(&model, &range, self.now_ms);
            let found =
                transaction.range(1, range.clone()).map(|entry| row(entry.unwrap().entry()));
            let found: Vec<Row> = if self.random.below(2) == 0 {
                found.collect()
            } else {
                let mut found: Vec<Row> = found.rev().collect();
                found.reverse();
                found
            };
            assert_eq!(found, expected, "{range:?}");
        }
        if self.random.below(4) > 0 {
            transaction.commit().unwrap();
            self.model = model;
        }
    }

    fn check(&mut self) {
        let range = self.random.range();
        let expected = rows(&self.model, &range, self.now_ms);
        let found: Vec<Row> =
            self.store.range(self.at(), range.clone()).map(|entry| row(entry.entry())).collect();
        assert_eq!(found, expected, "{range:?}");
        if let Some(last) = self.open.len().checked_sub(1) {
            let (snapshot, model, then) = &self.open[self.random.below(last as u64 + 1) as usize];
            let mut expected = rows(model, &range, *then);
            let mut found = snapshot.range(1, range.clone());
            while !expected.is_empty() {
                // From either end, as it comes.
                let (next, wanted) = if self.random.below(2) == 0 {
                    (found.next_with(row), expected.remove(0))
                } else {
                    (found.next_back_with(row), expected.pop().unwrap())
                };
                assert_eq!(next.unwrap(), Some(wanted), "{range:?}");
            }
            assert_eq!((found.next_with(row), found.next_back_with(row)), (Ok(None), Ok(None)));
            let all = rows(model, &KeyRange::from(..), *then);
            assert_eq!(snapshot.first_with(1, row).unwrap(), all.first().cloned());
            assert_eq!(snapshot.last_with(1, row).unwrap(), all.last().cloned());
        }
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0 => self.now_ms += self.random.below(10),
            1 if self.open.len() < 5 => {
                self.open.push((self.store.snapshot(self.now_ms), self.model.clone(), self.now_ms));
            }
            2 if !self.open.is_empty() => {
                let which = self.random.below(self.open.len() as u64) as usize;
                drop(self.open.swap_remove(which));
            }
            3 => {
                self.store.expire_due(self.now_ms, 100);
                self.store.collect(100);
            }
            4 | 5 => self.transaction(),
            6..=9 => self.check(),
            _ => self.write(),
        }
    }
}

#[test]
fn ranges_are_those_of_a_sorted_map_whose_copies_are_snapshots() {
    for seed in 1..=6u64 {
        let mut play = Play {
            store: ordered(),
            model: Model::new(),
            open: Vec::new(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            now_ms: 1_000,
        };
        (0..5_000).for_each(|_| play.step());
        play.open.clear();
        while play.store.expire_due(play.now_ms, 1000) + play.store.collect(1000) > 0 {}
        let stats = play.store.stats();
        assert_eq!(stats.ordered_keys, play.store.len(1), "seed {seed}: {stats:?}");
        play.store.clear(play.at()).unwrap();
        while play.store.collect(1000) > 0 {}
        assert_eq!(play.store.stats().ordered_keys, 0, "seed {seed}");
    }
}

/// Keys come and go under many hands; in each snapshot a range finds what single reads find, and in the end the ordered index has what the store has.
#[test]
fn a_range_and_single_reads_of_a_snapshot_agree_while_keys_come_and_go() {
    const KEYS: u64 = 12;
    const ROUNDS: u64 = 20_000;
    let store = ordered();
    let key = |number: u64| format!("{number:02}").into_bytes();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in [3, 5, 7] {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut random = Random(seed);
                for round in 0..ROUNDS {
                    let (one, other) = (key(random.below(KEYS)), key(random.below(KEYS)));
                    match random.below(4) {
                        0 => drop(store.remove(AT, &one).unwrap()),
                        1 => store.set(AT, &one, 0, &round.to_le_bytes(), None).unwrap(),
                        2 => store.set(AT, &one, 0, b"brief", Some(1)).unwrap(),
                        _ => {
                            let mut transaction = store.begin(1);
                            transaction.set(1, &one, 0, b"t", None);
                            transaction.remove(1, &other);
                            // It may have to give way.
                            let _ = transaction.commit();
                        }
                    }
                    if round % 32 == 0 {
                        store.expire_due(1, 100);
                        store.collect(100);
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        let mut cuts = 0;
        while !stop.load(Ordering::Relaxed) {
            let snapshot = store.snapshot(1);
            let ranged: Vec<Row> =
                snapshot.iter_ordered(1).map(|entry| row(entry.unwrap().entry())).collect();
            let single: Vec<Row> = (0..KEYS)
                .filter_map(|number| {
                    snapshot.get_with(1, &key(number), |entry| entry.map(row)).unwrap()
                })
                .collect();
            assert_eq!(ranged, single, "cut {cuts}");
            cuts += 1;
        }
        assert!(cuts > 10, "{cuts}");
    });
    store.expire_due(1, 1 << 20);
    while store.collect(1000) > 0 {}
    assert_eq!(store.stats().ordered_keys, store.len(1));
    store.clear(AT).unwrap();
    while store.collect(1000) > 0 {}
    assert_eq!(store.stats().ordered_keys, 0);
}

/// Money moves between accounts that are opened and closed: every range over a snapshot finds all of it.
#[test]
fn the_sum_over_a_range_is_that_of_every_moment() {
    const MONEY: u64 = 40;
    const PLACES: u64 = 200;
    let store = ordered();
    let key = |number: u64| format!("account:{number:03}").into_bytes();
    let amount = |entry: Option<Entry<'_, ()>>| {
        entry.map_or(0, |entry| u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
    };
    for number in 0..MONEY {
        store.set(AT, &key(number * 5), 0, &1u64.to_le_bytes(), None).unwrap();
    }
    let (stop, moves) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in [11, 13] {
            let (store, stop, moves) = (&store, &stop, &moves);
            scope.spawn(move || {
                let mut random = Random(seed);
                while !stop.load(Ordering::Relaxed) {
                    let (from, to) = (key(random.below(PLACES)), key(random.below(PLACES)));
                    let mut transaction = store.begin(1);
                    let money = transaction.get_with(1, &from, amount).unwrap();
                    if money == 0 || from == to {
                        continue;
                    }
                    let there = transaction.get_with(1, &to, amount).unwrap();
                    // All of it, so that the account is closed.
                    transaction.remove(1, &from);
                    transaction.set(1, &to, 0, &(there + money).to_le_bytes(), None);
                    if there + money > 3 {
                        transaction.set(1, &from, 0, &1u64.to_le_bytes(), None);
                        transaction.set(1, &to, 0, &(there + money - 1).to_le_bytes(), None);
                    }
                    moves.fetch_add(u64::from(transaction.commit().is_ok()), Ordering::Relaxed);
                }
            });
        }
        let cuts = std::env::var("STILLPOINT_CUTS").map_or(1_500, |cuts| cuts.parse().unwrap());
        for cut in 0..cuts {
            let snapshot = store.snapshot(1);
            let mut range = snapshot.prefix(1, b"account:");
            let mut sum = 0;
            let mut add = |entry: Entry<'_, ()>| sum += amount(Some(entry));
            if cut % 2 == 0 {
                while range.next_with(&mut add).unwrap().is_some() {}
            } else {
                while range.next_back_with(&mut add).unwrap().is_some() {}
            }
            assert_eq!(sum, MONEY, "cut {cut}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(moves.load(Ordering::Relaxed) > 100, "{moves:?}");
}

#[test]
fn a_range_of_a_snapshot_that_was_ended_says_so_once() {
    let store = ordered();
    (0..100u8).for_each(|key| store.set(AT, &[key], 0, b"", None).unwrap());
    let snapshot = store.snapshot(1);
    let mut range = snapshot.range(1, ..);
    assert!(range.next().unwrap().is_ok());
    snapshot.set_deadline(5);
    store.expire_due(5, 1);
    assert!(range.next_with(|_| ()).is_err() && range.next().unwrap().is_err());
    assert!(range.next().is_none() && range.next_back().is_none());
}

#[test]
#[should_panic(expected = "space 0 is not ordered")]
fn a_range_of_a_space_without_order_is_refused() {
    ordered().range(At { space: 0, ..AT }, ..);
}

#[test]
fn bytes_of_keys_in_order_are_counted_and_go_with_the_keys() {
    let store = ordered();
    let used = store.used_bytes();
    for number in 0..1_000u64 {
        store.set(AT, &number.to_be_bytes(), 0, b"v", None).unwrap();
        store.set(AT, &number.to_be_bytes(), 0, b"w", None).unwrap();
    }
    // Four words each; a long key lies elsewhere, beside two counts.
    assert_eq!((store.stats().ordered_keys, store.stats().ordered_bytes), (1_000, 32_000));
    assert!(store.used_bytes() >= used + 32_000);
    store.set(AT, &[b'k'; 100], 0, b"v", None).unwrap();
    assert_eq!((store.stats().ordered_keys, store.stats().ordered_bytes), (1_001, 32_148));
    assert!(store.remove(AT, &[b'k'; 100]).unwrap());
    (0..1_000u64).for_each(|number| assert!(store.remove(AT, &number.to_be_bytes()).unwrap()));
    while store.collect(1_000) > 0 {}
    assert_eq!((store.stats().ordered_keys, store.stats().ordered_bytes), (0, 0));
}
