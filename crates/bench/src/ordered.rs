//! What keys in order cost a store: each bench in a space with order and in one without, 70,000 keys of 8 bytes.

use crate::meter::Bench;
use std::hint::black_box;
use stillpoint_store::{At, Config, SpaceSet, Store};
use stillpoint_testkit::Random;

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "ordered_set", workload: "overwrites, in order", make: || set(true) },
    Bench { name: "plain_set", workload: "the same without order", make: || set(false) },
    Bench { name: "ordered_new", workload: "new keys, in order", make: || new(true) },
    Bench { name: "plain_new", workload: "the same without order", make: || new(false) },
    Bench { name: "ordered_churn", workload: "removes and sets a key", make: || churn(true) },
    Bench { name: "plain_churn", workload: "the same without order", make: || churn(false) },
    Bench { name: "ordered_range", workload: "a key of a snapshot's range", make: range },
    Bench { name: "plain_scan", workload: "a key of a scan", make: scan },
];

const KEYS: u64 = 70_000;
const AT: At = At { space: 0, now_ms: 1 };

/// Keys in no order of their numbers.
fn key(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn write(store: &Store, number: u64) {
    store.set(AT, &key(number), 0, &[7; 8], None).expect("there is memory for a version");
}

fn filled(is_ordered: bool) -> Store {
    let ordered = if is_ordered { SpaceSet::of(&[0]) } else { SpaceSet::of(&[]) };
    let store = Store::new(Config { ordered, ..Config::default() });
    (0..KEYS).for_each(|number| write(&store, number));
    store
}

fn set(is_ordered: bool) -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(is_ordered), Random::new(1));
    Box::new(move |ops| (0..ops).for_each(|_| write(&store, random.below(KEYS))))
}

fn new(is_ordered: bool) -> Box<dyn FnMut(u64)> {
    let (store, mut next) = (filled(is_ordered), KEYS);
    Box::new(move |ops| {
        (next..next + ops).for_each(|number| write(&store, number));
        next += ops;
    })
}

fn churn(is_ordered: bool) -> Box<dyn FnMut(u64)> {
    let (store, mut random) = (filled(is_ordered), Random::new(1));
    Box::new(move |ops| {
        for _ in 0..ops {
            let number = random.below(KEYS);
            let was_there = store.remove(AT, &key(number));
            assert!(was_there.expect("there is memory for a version"));
            write(&store, number);
        }
    })
}

fn range() -> Box<dyn FnMut(u64)> {
    let store = filled(true);
    Box::new(move |ops| {
        let cut = store.snapshot(AT.now_ms);
        let mut left = ops;
        while left > 0 {
            let mut range = cut.range(AT.space, ..);
            let mut next = || {
                let met = range.next_with(|entry| black_box(entry.key().len()));
                met.expect("the snapshot has no deadline").is_some()
            };
            while left > 0 && next() {
                left -= 1;
            }
        }
    })
}

fn scan() -> Box<dyn FnMut(u64)> {
    let store = filled(false);
    Box::new(move |ops| {
        let (mut cursor, mut seen) = (0, 0);
        while seen < ops {
            cursor = store.scan(AT, cursor, 64, |entry| {
                black_box(entry.key().len());
                seen += 1;
            });
        }
    })
}
