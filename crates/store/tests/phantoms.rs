//! What a serialisable transaction that walks intervals must not allow: keys that come, go or change within them unnoticed.
//!
//! The cases of Hermitage that are about predicates (PMP, PMP for writes, G2), the classic skew over a sum, and what a walked interval is.
#![cfg(not(stillpoint_loom))]

use std::sync::Barrier;
use std::thread;
use stillpoint_store::{
    At, CommitError, Config, Entry, Isolation, KeyRange, SpaceSet, Store, Transaction,
    TransactionOptions,
};

const AT: At = At { space: 0, now_ms: 1 };

fn store() -> Store {
    let store = Store::new(Config { ordered: SpaceSet::of(&[0]), ..Config::default() });
    set(&store, b"row:1", 10);
    set(&store, b"row:2", 20);
    store
}

fn set(store: &Store, key: &[u8], value: u64) {
    store.set(AT, key, 0, &value.to_le_bytes(), None).unwrap();
}

fn write(transaction: &mut Transaction, key: &[u8], value: u64) {
    transaction.set(0, key, 0, &value.to_le_bytes(), None);
}

fn value(entry: Entry<'_, ()>) -> u64 {
    u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap())
}

/// The keys with rows whose value is a multiple of `factor`: a predicate over all rows.
fn multiples(transaction: &mut Transaction, factor: u64) -> Vec<Vec<u8>> {
    let rows = transaction.prefix(0, b"row:").map(|row| row.unwrap());
    let rows = rows.filter(|row| value(row.entry()).is_multiple_of(factor));
    rows.map(|row| row.key().to_vec()).collect()
}

fn conflict(key: &[u8]) -> Result<(), CommitError> {
    Err(CommitError::Conflict { key: key.to_vec() })
}

#[test]
fn pmp_a_predicate_read_twice_gives_the_same_rows() {
    let store = store();
    let mut first = store.begin(1);
    assert!(multiples(&mut first, 30).is_empty());
    set(&store, b"row:3", 30);
    assert!(multiples(&mut first, 3).is_empty());
    // It wrote nothing, so it comes before.
    first.commit().unwrap();
}

#[test]
fn pmp_for_writes_a_row_that_comes_under_the_predicate_is_a_conflict() {
    let store = store();
    let mut first = store.begin(1);
    let mut second = store.begin(1);
    // update all: value + 10
    for key in multiples(&mut first, 10) {
        let row = first.get_with(0, &key, |entry| value(entry.unwrap())).unwrap();
        write(&mut first, &key, row + 10);
    }
    // delete where value = 20
    for key in multiples(&mut second, 20) {
        second.remove(0, &key);
    }
    first.commit().unwrap();
    assert_eq!(second.commit(), conflict(b"row:1"));
}

#[test]
fn g2_two_transactions_that_insert_what_the_other_looked_for_do_not_both_commit() {
    let store = store();
    let (mut first, mut second) = (store.begin(1), store.begin(1));
    assert!(multiples(&mut first, 3).is_empty() && multiples(&mut second, 3).is_empty());
    write(&mut first, b"row:3", 30);
    write(&mut second, b"row:4", 42);
    first.commit().unwrap();
    assert_eq!(second.commit(), conflict(b"row:3"));
}

#[test]
fn g2_under_snapshot_isolation_both_commit() {
    let store = store();
    let options = TransactionOptions::at(1).isolation(Isolation::Snapshot);
    let (mut first, mut second) = (store.begin_with(options), store.begin_with(options));
    assert!(multiples(&mut first, 3).is_empty() && multiples(&mut second, 3).is_empty());
    write(&mut first, b"row:3", 30);
    write(&mut second, b"row:4", 42);
    first.commit().unwrap();
    second.commit().unwrap();
}

#[test]
fn g2_with_two_edges_a_reader_between_two_writers_is_in_one_order_with_them() {
    let store = store();
    let mut first = store.begin(1);
    assert_eq!(multiples(&mut first, 5).len(), 2);
    // The second changes a row and commits.
    let mut second = store.begin(1);
    let row = second.get_with(0, b"row:2", |entry| value(entry.unwrap())).unwrap();
    write(&mut second, b"row:2", row + 5);
    second.commit().unwrap();
    // The third sees the second's work.
    let mut third = store.begin(1);
    let all: Vec<u64> = third.prefix(0, b"row:").map(|row| value(row.unwrap().entry())).collect();
    assert_eq!(all, [10, 25]);
    third.commit().unwrap();
    // The first would have to come before the second and, by its write, after the third.
    write(&mut first, b"row:1", 0);
    assert_eq!(first.commit(), conflict(b"row:2"));
}

#[test]
fn a_row_that_comes_and_goes_in_a_walked_interval_is_a_conflict() {
    let store = store();
    let mut transaction = store.begin(1);
    assert_eq!(multiples(&mut transaction, 7).len(), 0);
    write(&mut transaction, b"other", 1);
    set(&store, b"row:3", 7);
    store.remove(AT, b"row:3").unwrap();
    while store.collect(100) > 0 {}
    assert_eq!(transaction.commit(), conflict(b"row:3"));
}

#[test]
fn only_what_was_walked_is_validated() {
    let store = store();
    // From the front, as far as the first row; from the back, as far as the last.
    for (touched, is_conflict) in [
        (&b"row:0"[..], true),
        (b"row:1", true),
        (b"row:1x", false),
        (b"row:2", true),
        (b"row:9", true),
    ] {
        let mut transaction = store.begin(1);
        let mut range = transaction.prefix(0, b"row:");
        assert_eq!(range.next_with(value).unwrap(), Some(10));
        assert_eq!(range.next_back_with(value).unwrap(), Some(20));
        drop(range);
        write(&mut transaction, b"other", 1);
        set(&store, touched, 10);
        let done = transaction.commit();
        assert_eq!(done.is_err(), is_conflict, "{touched:?}: {done:?}");
        for key in [&b"row:0"[..], b"row:1x", b"row:9"] {
            store.remove(AT, key).unwrap();
        }
        set(&store, b"row:1", 10);
        set(&store, b"row:2", 20);
    }
}

#[test]
fn a_range_that_was_forgotten_is_validated_whole() {
    let store = store();
    let mut transaction = store.begin(1);
    std::mem::forget(transaction.prefix(0, b"row:"));
    write(&mut transaction, b"other", 1);
    set(&store, b"row:7", 1);
    assert_eq!(transaction.commit(), conflict(b"row:7"));
}

#[test]
fn own_writes_are_seen_in_their_order_and_are_no_conflict() {
    let store = store();
    let mut transaction = store.begin(1);
    write(&mut transaction, b"row:0", 1);
    write(&mut transaction, b"row:2", 2);
    transaction.remove(0, b"row:1");
    transaction.add(0, b"row:3", 0, 7);
    transaction.set(0, b"row:4", 0, b"gone", Some(1));
    write(&mut transaction, b"s", 9);
    let keys = |range: &mut dyn Iterator<Item = Vec<u8>>| range.collect::<Vec<_>>();
    let expected = [&b"row:0"[..], b"row:2", b"row:3"].map(<[u8]>::to_vec);
    let mut found = transaction.prefix(0, b"row:").map(|row| row.unwrap().key().to_vec());
    assert_eq!(keys(&mut found), expected);
    drop(found);
    let mut found = transaction.prefix(0, b"row:").rev().map(|row| row.unwrap().key().to_vec());
    let mut backward = keys(&mut found);
    drop(found);
    backward.reverse();
    assert_eq!(backward, expected);
    assert_eq!(transaction.range(0, "row:2"..).next_with(value).unwrap(), Some(2));
    transaction.commit().unwrap();
    assert_eq!(store.range(AT, KeyRange::prefix(b"row:")).count(), 3);
}

#[test]
fn visiting_all_of_an_ordered_space_is_validated_too() {
    let store = store();
    let mut transaction = store.begin(1);
    let mut rows = 0;
    transaction.for_each(0, |_| rows += 1).unwrap();
    assert_eq!(rows, 2);
    write(&mut transaction, b"count", rows);
    set(&store, b"row:3", 1);
    assert_eq!(transaction.commit(), conflict(b"row:3"));
}

/// Each takes the number behind the last that it finds; only the walked interval can tell that another has taken it too.
#[test]
fn numbers_that_many_take_by_looking_for_the_last_are_taken_once() {
    const EACH: u64 = 300;
    let store: Store = Store::new(Config { ordered: SpaceSet::of(&[0]), ..Config::default() });
    let barrier = Barrier::new(3);
    let take = |who: u64| {
        barrier.wait();
        let mut taken = Vec::new();
        while taken.len() < EACH as usize {
            let mut transaction = store.begin(1);
            let last = transaction
                .prefix(0, b"n")
                .next_back_with(|entry| u64::from_be_bytes(entry.key()[1..].try_into().unwrap()))
                .unwrap();
            let mine = last.map_or(0, |last| last + 1);
            transaction.set(0, &[&b"n"[..], &mine.to_be_bytes()].concat(), 0, b"", None);
            transaction.set(
                0,
                &[&b"by"[..], &who.to_be_bytes(), &mine.to_be_bytes()].concat(),
                0,
                b"",
                None,
            );
            if transaction.commit().is_ok() {
                taken.push(mine);
            }
        }
        taken
    };
    let mut all: Vec<u64> = thread::scope(|scope| {
        let takers = [0, 1, 2].map(|who| {
            let take = &take;
            scope.spawn(move || take(who))
        });
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert_eq!(all, (0..3 * EACH).collect::<Vec<_>>());
    assert_eq!(store.len(0), 6 * EACH);
}
