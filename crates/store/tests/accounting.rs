//! Bytes by class: keys, newest values, objects, old versions; each back at nothing when what it counts is gone.
#![cfg(not(stillpoint_loom))]

use std::sync::Arc;
use std::thread;
use stillpoint_store::{At, Config, Store};

const AT: At = At { space: 3, now_ms: 1 };

fn store() -> Store<Vec<u8>> {
    Store::with_object_bytes(Config::default(), Vec::len)
}

fn put(store: &Store<Vec<u8>>, key: &[u8], bytes: usize) {
    let object = Arc::new(vec![0; bytes]);
    store.update(AT, key, |_, draft| draft.put_object(0, Arc::clone(&object), None)).unwrap();
}

#[test]
fn each_class_counts_what_is_there_and_nothing_is_left_behind() {
    let store = store();
    store.set(AT, b"bytes", 0, &[1; 1000], Some(5_000)).unwrap();
    put(&store, b"object", 4096);
    let stats = store.stats();
    assert_eq!((stats.key_bytes, stats.object_bytes), (11, 4096));
    assert!((1000 + 11..1200).contains(&stats.live_bytes), "{stats:?}");
    assert_eq!((stats.old_version_bytes, stats.old_object_bytes), (0, 0));

    let snapshot = store.snapshot(1);
    put(&store, b"object", 8192);
    store.set(AT, b"bytes", 0, &[1; 10], None).unwrap();
    let stats = store.stats();
    assert_eq!((stats.key_bytes, stats.object_bytes, stats.old_object_bytes), (11, 8192, 4096));
    assert!(stats.old_version_bytes > 1000, "{stats:?}");

    drop(snapshot);
    // Only the expiry changes; the object is the same.
    store.update(AT, b"object", |_, draft| draft.set_expiry(Some(9_000))).unwrap();
    assert_eq!(store.stats().object_bytes, 8192);
    let mut transaction = store.begin(1);
    transaction.remove(3, b"object");
    transaction.remove(3, b"bytes");
    transaction.commit().unwrap();
    while store.collect(100) > 0 {}
    let stats = store.stats();
    let left = [stats.live_bytes, stats.key_bytes, stats.object_bytes, stats.old_object_bytes];
    assert_eq!((left, stats.old_version_bytes), ([0; 4], 0), "{stats:?}");
}

#[test]
fn sums_are_exact_after_many_threads_wrote_the_same_keys() {
    let store = store();
    thread::scope(|scope| {
        for thread in 0..4usize {
            let store = &store;
            scope.spawn(move || {
                for step in 0..3_000usize {
                    let key = [(step * 7 + thread) as u8 % 16];
                    match (step + thread) % 5 {
                        0 => drop(store.remove(AT, &key).unwrap()),
                        1 => store.set(AT, &key, 0, &[0; 100], None).unwrap(),
                        2 => {
                            let mut transaction = store.begin(1);
                            transaction.set(3, &key, 0, &[0; 50], None);
                            transaction.set(3, b"other key", 0, &[0; 50], None);
                            drop(transaction.commit());
                        }
                        _ => put(store, &key, step),
                    }
                }
            });
        }
    });
    let (mut keys, mut objects) = (0, 0);
    let mut cursor = 0;
    loop {
        cursor = store.scan(AT, cursor, 100, |entry| {
            keys += entry.key().len() as u64;
            if let stillpoint_store::Value::Object(object) = entry.value() {
                objects += object.len().next_multiple_of(8) as u64;
            }
        });
        if cursor == 0 {
            break;
        }
    }
    while store.collect(1000) > 0 {}
    let stats = store.stats();
    assert_eq!((stats.key_bytes, stats.object_bytes), (keys, objects));
    assert_eq!((stats.old_versions, stats.old_object_bytes), (0, 0), "{stats:?}");
}
