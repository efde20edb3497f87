//! The version index without the store's meaning of stamps.

use crate::meter::Bench;
use std::hint::black_box;
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{NewValue, VersionIndex};
use stillpoint_testkit::{Random, key};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "index_get", workload: "find one of 100 K keys, even, 16 B + 64 B", make: get },
    Bench {
        name: "index_insert",
        workload: "new keys into a growing index, 16 B + 64 B",
        make: insert,
    },
];

const KEYS: u64 = 100_000;

type Index = VersionIndex<(), ()>;

fn index() -> Index {
    Index::new(Collector::new(), Pool::new())
}

fn add(index: &Index, number: u64) {
    let key = key(number);
    let guard = index.collector().pin();
    let version = index.new_version(&key, NewValue::Bytes(&[7; 64]), 0, None);
    let version = version.expect("there is memory for a version");
    let hash = index.hash(&key);
    let installed = index.install(&guard, hash, None, version).expect("every key is new");
    installed.try_stamp(8).expect("nobody else stamps it");
}

fn get() -> Box<dyn FnMut(u64)> {
    let index = index();
    (0..KEYS).for_each(|number| add(&index, number));
    let mut random = Random::new(1);
    Box::new(move |ops| {
        for _ in 0..ops {
            let key = key(random.below(KEYS));
            let guard = index.collector().pin();
            let found = index.find(&guard, index.hash(&key), &key);
            black_box(
                found.expect("the lease renews").expect("the key is there").version().value(),
            );
        }
    })
}

fn insert() -> Box<dyn FnMut(u64)> {
    Box::new(move |ops| {
        let index = index();
        (0..ops).for_each(|number| add(&index, number));
    })
}
