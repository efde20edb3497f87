//! Random operations against a plain map: values, expiry, snapshots that stay open, transactions.
#![cfg(not(stillpoint_loom))]

use std::collections::BTreeMap;
use stillpoint_store::{At, Config, Entry, Snapshot, Store};

type Model = BTreeMap<(u8, Vec<u8>), (Vec<u8>, u8, Option<u64>)>;

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

    fn key(&mut self) -> Vec<u8> {
        format!("key:{}", self.below(60)).into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = if self.below(50) == 0 { 70_000 } else { self.below(200) as usize };
        vec![self.next() as u8; len]
    }

    fn expiry(&mut self, now_ms: u64) -> Option<u64> {
        (self.below(3) == 0).then(|| now_ms + self.below(40))
    }
}

type Row = (Vec<u8>, u8, Option<u64>);

fn row(entry: Entry<'_, ()>) -> Row {
    (entry.bytes().expect("only bytes here").to_vec(), entry.kind(), entry.expire_at_ms())
}

fn seen(model: &Model, space: u8, key: &[u8], now_ms: u64) -> Option<Row> {
    model.get(&(space, key.to_vec())).filter(|value| value.2.is_none_or(|at| at > now_ms)).cloned()
}

fn all(model: &Model, space: u8, now_ms: u64) -> BTreeMap<Vec<u8>, Row> {
    let keys = model.keys().filter(|(at, _)| *at == space);
    keys.filter_map(|(_, key)| Some((key.clone(), seen(model, space, key, now_ms)?))).collect()
}

struct Play {
    store: Store,
    model: Model,
    open: Vec<(Snapshot, Model, u64)>,
    random: Random,
    now_ms: u64,
}

impl Play {
    fn check_snapshot(&mut self) {
        let Some(at) = self.open.len().checked_sub(1) else { return };
        let (snapshot, model, then) = &self.open[self.random.below(at as u64 + 1) as usize];
        for space in 0..2 {
            let mut found = BTreeMap::new();
            let mut cursor = 0;
            loop {
                let add =
                    |entry: Entry<'_, ()>| drop(found.insert(entry.key().to_vec(), row(entry)));
                cursor = snapshot.scan(space, cursor, 7, add).unwrap();
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(found, all(model, space, *then), "at {}", self.now_ms);
            assert_eq!(snapshot.len(space).unwrap(), found.len() as u64);
        }
    }

    fn transaction(&mut self) {
        let mut transaction = self.store.begin(self.now_ms);
        let mut model = self.model.clone();
        let mut savepoints = Vec::new();
        for _ in 0..=self.random.below(9) {
            let (space, key) = (self.random.below(2) as u8, self.random.key());
            match self.random.below(7) {
                0 => {
                    let (value, expiry) = (self.random.value(), self.random.expiry(self.now_ms));
                    transaction.set(space, &key, 3, &value, expiry);
                    model.insert((space, key), (value, 3, expiry));
                }
                1 => {
                    transaction.remove(space, &key);
                    model.remove(&(space, key));
                }
                2 => {
                    let found = transaction.get_with(space, &key, |entry| entry.map(row)).unwrap();
                    assert_eq!(found, seen(&model, space, &key, self.now_ms));
                }
                3 => {
                    let before = seen(&model, space, &key, self.now_ms);
                    let (mut value, kind, expiry) = before.unwrap_or((Vec::new(), 4, None));
                    transaction.append(space, &key, kind, b"+");
                    value.push(b'+');
                    model.insert((space, key), (value, kind, expiry));
                }
                4 if self.random.below(2) == 0 => {
                    savepoints.push((transaction.savepoint(), model.clone()));
                }
                4 => {
                    if let Some((savepoint, then)) = savepoints.pop() {
                        transaction.rollback_to(&savepoint);
                        model = then;
                    }
                }
                _ => {
                    let expiry = self.random.expiry(self.now_ms);
                    transaction.update(space, &key, |_, draft| draft.set_expiry(expiry)).unwrap();
                    if seen(&model, space, &key, self.now_ms).is_some() {
                        model.get_mut(&(space, key)).unwrap().2 = expiry;
                    }
                }
            }
        }
        if self.random.below(4) > 0 {
            transaction.commit().expect("alone in the store");
            self.model = model;
        }
    }

    fn single(&mut self) {
        let (space, key) = (self.random.below(2) as u8, self.random.key());
        let at = At { space, now_ms: self.now_ms };
        let before = seen(&self.model, space, &key, self.now_ms);
        assert_eq!(self.store.get_with(at, &key, |entry| entry.map(row)), before);
        match self.random.below(6) {
            0 => {
                let removed = self.store.remove(at, &key).unwrap();
                assert_eq!(removed, before.is_some());
                self.model.remove(&(space, key));
            }
            1 => {
                let value = self.random.value();
                let (first, rest) = value.split_at(value.len() / 2);
                self.store.update(at, &key, |_, draft| draft.put(1, &[first, rest], None)).unwrap();
                self.model.insert((space, key), (value, 1, None));
            }
            2 => {
                let stamp = self.store.get_with(at, &key, |entry| entry.map(|entry| entry.stamp()));
                let other = (self.random.below(2) == 0).then(|| stamp.is_none());
                let expected = if other.is_some() { None } else { stamp };
                let done = self.store.compare_and_set(at, &key, expected, 2, b"cas", None).unwrap();
                assert_eq!(done, expected == stamp);
                if done {
                    self.model.insert((space, key), (b"cas".to_vec(), 2, None));
                }
            }
            _ => {
                let (value, expiry) = (self.random.value(), self.random.expiry(self.now_ms));
                self.store.set(at, &key, 0, &value, expiry).unwrap();
                self.model.insert((space, key), (value, 0, expiry));
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0 => self.now_ms += self.random.below(30),
            1 if self.open.len() < 6 => {
                self.open.push((self.store.snapshot(self.now_ms), self.model.clone(), self.now_ms));
            }
            2 if !self.open.is_empty() => {
                let which = self.random.below(self.open.len() as u64) as usize;
                drop(self.open.swap_remove(which));
            }
            3 => self.check_snapshot(),
            4 => {
                self.store.expire_due(self.now_ms, 100);
                self.store.collect(100);
            }
            5..=8 => self.transaction(),
            _ => self.single(),
        }
    }
}

#[test]
fn the_store_behaves_like_a_map_whose_copies_are_snapshots() {
    for seed in 1..=6u64 {
        let mut play = Play {
            store: Store::new(Config { spaces: 2, ..Config::default() }),
            model: Model::new(),
            open: Vec::new(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            now_ms: 1_000,
        };
        (0..4_000).for_each(|_| play.step());
        finish(play, seed);
    }
}

/// With everything ended, what is left is exactly the newest values.
fn finish(play: Play, seed: u64) {
    let Play { store, model, open, now_ms, .. } = play;
    drop(open);
    while store.expire_due(now_ms, 1000) + store.collect(1000) > 0 {}
    for space in 0..2 {
        let live = all(&model, space, now_ms);
        assert_eq!(store.len(space), live.len() as u64, "seed {seed}");
        let mut found = BTreeMap::new();
        let mut cursor = 0;
        loop {
            let at = At { space, now_ms };
            cursor = store
                .scan(at, cursor, 5, |entry| drop(found.insert(entry.key().to_vec(), row(entry))));
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found, live, "seed {seed}");
        let random = store.random_with(At { space, now_ms }, seed, |entry| {
            entry.map(|entry| entry.key().to_vec())
        });
        assert!(random.is_none_or(|key| live.contains_key(&key)));
    }
    let stats = store.stats();
    assert_eq!(
        (stats.old_versions, stats.old_version_bytes, stats.snapshots),
        (0, 0, 0),
        "seed {seed}: {stats:?}"
    );
    store.clear(At { space: 0, now_ms }).unwrap();
    store.clear(At { space: 1, now_ms }).unwrap();
    store.trim();
    while store.collect(1000) > 0 {}
    store.trim();
    let stats = store.stats();
    assert_eq!(
        (stats.live_bytes, stats.old_versions, stats.unreclaimed),
        (0, 0, 0),
        "seed {seed}: {stats:?}"
    );
    assert_eq!(store.used_bytes(), stats.index_bytes, "no version is left");
}
