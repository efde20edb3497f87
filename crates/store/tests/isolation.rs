//! What transactions must not allow: lost updates, write skew, reads that vanish; and that a conflict tells its key.
#![cfg(not(stillpoint_loom))]

use std::thread;
use stillpoint_store::{At, CommitError, Config, Entry, Store};

const AT: At = At { space: 0, now_ms: 1 };

fn number(entry: Option<Entry<'_, ()>>) -> u64 {
    entry.map_or(0, |entry| u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
}

#[test]
fn increments_are_not_lost_whichever_way_they_are_made() {
    const EACH: u64 = 3_000;
    let store: Store = Store::new(Config::default());
    thread::scope(|scope| {
        for way in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..EACH {
                    match way {
                        0 => store
                            .update(AT, b"n", |entry, draft| {
                                draft.put(0, &[&(number(entry) + 1).to_le_bytes()], None)
                            })
                            .unwrap(),
                        1 => loop {
                            let (value, stamp) = store.get_with(AT, b"n", |entry| {
                                (number(entry), entry.map(|entry| entry.stamp()))
                            });
                            if store
                                .compare_and_set(
                                    AT,
                                    b"n",
                                    stamp,
                                    0,
                                    &(value + 1).to_le_bytes(),
                                    None,
                                )
                                .unwrap()
                            {
                                break;
                            }
                        },
                        _ => loop {
                            let mut transaction = store.begin(1);
                            let value = transaction.get_with(0, b"n", number).unwrap() + 1;
                            transaction.set(0, b"n", 0, &value.to_le_bytes(), None);
                            // A second key, so that this is a commit of several.
                            transaction.set(0, b"log", 0, &value.to_le_bytes(), None);
                            if transaction.commit().is_ok() {
                                break;
                            }
                        },
                    }
                }
            });
        }
    });
    assert_eq!(store.get_with(AT, b"n", number), 3 * EACH);
}

/// Each of two threads may set its own flag only if the other's is not set: one of them always is left.
#[test]
fn write_skew_is_refused() {
    let store: Store = Store::new(Config::default());
    let mut both = 0;
    for round in 0..3_000u64 {
        let keys = [format!("a{round}").into_bytes(), format!("b{round}").into_bytes()];
        let barrier = std::sync::Barrier::new(2);
        let committed: Vec<bool> = thread::scope(|scope| {
            let one = |own: usize| {
                let (store, keys, barrier) = (&store, &keys, &barrier);
                move || {
                    let mut transaction = store.begin(1);
                    barrier.wait();
                    let other = transaction.get_with(0, &keys[1 - own], number).unwrap();
                    if other == 0 {
                        transaction.set(0, &keys[own], 0, &1u64.to_le_bytes(), None);
                    }
                    transaction.commit().is_ok() && other == 0
                }
            };
            let (left, right) = (scope.spawn(one(0)), scope.spawn(one(1)));
            vec![left.join().unwrap(), right.join().unwrap()]
        });
        both += u64::from(committed == [true, true]);
        let set: u64 = keys.iter().map(|key| store.get_with(AT, key, number)).sum();
        assert_eq!(set, committed.iter().filter(|done| **done).count() as u64);
    }
    assert_eq!(both, 0, "both of two transactions that exclude each other were committed");
}

#[test]
fn a_conflict_names_the_key_that_changed() {
    let store: Store = Store::new(Config::default());
    store.set(AT, b"read", 0, b"1", None).unwrap();
    let mut transaction = store.begin(1);
    transaction.get_with(0, b"read", |entry| assert!(entry.is_some())).unwrap();
    transaction.set(0, b"x", 0, b"", None);
    transaction.set(0, b"y", 0, b"", None);
    store.set(AT, b"read", 0, b"2", None).unwrap();
    assert_eq!(transaction.commit(), Err(CommitError::Conflict { key: b"read".to_vec() }));
    assert_eq!(store.len(0), 1);
    while store.collect(100) > 0 {}
    assert_eq!(store.stats().old_versions, 0, "{:?}", store.stats());
}

#[test]
fn an_absent_key_that_comes_and_goes_has_changed() {
    let store: Store = Store::new(Config::default());
    let mut transaction = store.begin(1);
    assert!(transaction.expect(0, b"ghost", None).unwrap());
    transaction.set(0, b"x", 0, b"", None);
    transaction.set(0, b"y", 0, b"", None);
    store.set(AT, b"ghost", 0, b"boo", None).unwrap();
    store.remove(AT, b"ghost").unwrap();
    while store.collect(100) > 0 {}
    assert!(transaction.commit().is_err());
    assert!(store.is_empty(0));
}

#[test]
fn blind_writes_never_conflict() {
    let store: Store = Store::new(Config::default());
    let mut transaction = store.begin(1);
    transaction.set(0, b"x", 0, b"transaction", None);
    transaction.remove(0, b"y");
    store.set(AT, b"x", 0, b"other", None).unwrap();
    store.set(AT, b"y", 0, b"other", None).unwrap();
    transaction.commit().unwrap();
    assert!(store.get_with(AT, b"x", |entry| entry.unwrap().bytes() == Some(b"transaction")));
    assert!(store.get_with(AT, b"y", |entry| entry.is_none()));
}

/// Sets, removals and expiry of a few keys race; whoever was told that its write succeeded last must find it.
#[test]
fn no_key_is_lost_in_churn() {
    const KEYS: u64 = 4;
    let store: Store = Store::new(Config::default());
    thread::scope(|scope| {
        for owner in 0..3u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20_000u64 {
                    // Shared keys churn; the own key witnesses.
                    let shared = format!("shared{}", round % KEYS).into_bytes();
                    match (round + owner) % 4 {
                        0 => drop(store.remove(AT, &shared).unwrap()),
                        1 => store.set(AT, &shared, 0, b"v", Some(0)).unwrap(),
                        _ => store.set(AT, &shared, 0, b"v", None).unwrap(),
                    }
                    let own = format!("own{owner}").into_bytes();
                    if round % 2 == 0 {
                        store.set(AT, &own, 0, &round.to_le_bytes(), None).unwrap();
                        assert_eq!(store.get_with(AT, &own, number), round);
                    } else {
                        assert!(store.remove(AT, &own).unwrap());
                        assert!(store.get_with(AT, &own, |entry| entry.is_none()));
                    }
                    if round % 64 == 0 {
                        store.expire_due(AT.now_ms, 100);
                        store.collect(100);
                        drop(store.snapshot(1));
                    }
                }
            });
        }
    });
    for key in 0..KEYS {
        store.remove(AT, format!("shared{key}").as_bytes()).unwrap();
    }
    while store.collect(1000) > 0 {}
    store.expire_due(AT.now_ms, 1 << 20);
    assert_eq!(store.len(0), 0);
    let stats = store.stats();
    assert_eq!((stats.live_bytes, stats.old_versions), (0, 0), "{stats:?}");
}
