//! The store's operations.

use crate::meter::Bench;
use std::hint::black_box;
use stillpoint_store::{At, Config, Snapshot, Store};
use stillpoint_testkit::{Random, key};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "store_get", workload: "100 K keys, even, 16 B + 64 B", make: get },
    Bench { name: "store_set", workload: "overwrites, 100 K keys, even, 16 B + 64 B", make: set },
    Bench { name: "store_update", workload: "counters in 100 K keys, even", make: update },
    Bench { name: "store_snapshot", workload: "begin and end one", make: snapshot },
    Bench { name: "store_snapshot_get", workload: "reads of one cut, 100 K keys", make: cut_get },
    Bench { name: "store_set_held", workload: "overwrites under a live snapshot", make: set_held },
    Bench { name: "store_transfer", workload: "transaction of two keys of 100 K", make: transfer },
    Bench { name: "store_rmw10", workload: "transaction of ten keys of 100 K", make: rmw10 },
    Bench { name: "store_merge2", workload: "transaction of two additions", make: merge2 },
];

const KEYS: u64 = 100_000;
const AT: At = At { space: 0, now_ms: 1 };

fn write(store: &Store, number: u64, value: &[u8]) {
    store.set(AT, &key(number), 0, value, None).expect("there is memory for a version");
}

fn filled() -> Store {
    let store = Store::new(Config::default());
    (0..KEYS).for_each(|number| write(&store, number, &[7; 64]));
    store
}

fn get() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    Box::new(move |ops| {
        for _ in 0..ops {
            let key = key(random.below(KEYS));
            store.get_with(AT, &key, |entry| black_box(entry.and_then(|e| e.bytes()).is_some()));
        }
    })
}

fn set() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    Box::new(move |ops| (0..ops).for_each(|_| write(&store, random.below(KEYS), &[8; 64])))
}

fn set_held() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    let held = store.snapshot(AT.now_ms);
    Box::new(move |ops| {
        let _held: &Snapshot = &held;
        (0..ops).for_each(|_| write(&store, random.below(KEYS), &[8; 64]));
    })
}

fn update() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    Box::new(move |ops| {
        for _ in 0..ops {
            let done = store.update(AT, &key(random.below(KEYS)), |entry, draft| {
                let old = entry.and_then(|entry| entry.bytes()?.first_chunk().copied());
                let count = old.map_or(0, u64::from_le_bytes).wrapping_add(1);
                draft.put(0, &[&count.to_le_bytes()], None);
            });
            done.expect("there is memory for a version");
        }
    })
}

fn snapshot() -> Box<dyn FnMut(u64)> {
    let store = filled();
    Box::new(move |ops| (0..ops).for_each(|_| drop(black_box(store.snapshot(AT.now_ms)))))
}

fn cut_get() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    let cut = store.snapshot(AT.now_ms);
    Box::new(move |ops| {
        for _ in 0..ops {
            let found = cut.get_with(0, &key(random.below(KEYS)), |e| black_box(e.is_some()));
            found.expect("the snapshot has no deadline");
        }
        // The store outlives its snapshot here as it would in an application.
        black_box(&store);
    })
}

/// Reads and writes so many keys in a transaction.
fn read_modify_write(keys: usize) -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    Box::new(move |ops| {
        for _ in 0..ops {
            let mut transaction = store.begin(AT.now_ms);
            for _ in 0..keys {
                let key = key(random.below(KEYS));
                let done = transaction.update(0, &key, |entry, draft| {
                    let value = entry.and_then(|entry| entry.bytes()).unwrap_or(&[]);
                    draft.put(0, &[value], None);
                });
                done.expect("the snapshot is the transaction's own");
            }
            transaction.commit().expect("nobody else writes");
        }
    })
}

fn transfer() -> Box<dyn FnMut(u64)> {
    read_modify_write(2)
}

fn rmw10() -> Box<dyn FnMut(u64)> {
    read_modify_write(10)
}

fn merge2() -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(), Random::new(1));
    (0..KEYS).for_each(|number| write(&store, number, b"100"));
    Box::new(move |ops| {
        for _ in 0..ops {
            let mut transaction = store.begin(AT.now_ms);
            transaction.add(0, &key(random.below(KEYS)), 0, -1);
            transaction.add(0, &key(random.below(KEYS)), 0, 1);
            transaction.commit().expect("numbers, far from overflow");
        }
    })
}
