//! History answers what snapshots answered, for as long as it is retained, in bounded memory, and lengthens no chain.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::BTreeMap;
use std::thread;
use stillpoint_store::{At, Config, HistoryError, Retention, Store};

const AT: At = At { space: 0, now_ms: 1 };

fn store(retention: Retention) -> Store {
    Store::new(Config { spaces: 2, retention: vec![retention], ..Config::default() })
}

fn set(store: &Store, key: &[u8], value: &[u8]) {
    store.set(AT, key, 0, value, None).unwrap();
}

fn values(store: &Store, key: &[u8]) -> Vec<Option<Vec<u8>>> {
    let versions = store.history(0, key).unwrap();
    versions.iter().map(|version| version.bytes().map(<[u8]>::to_vec)).collect()
}

#[test]
fn so_many_versions_of_a_key_are_kept_and_removals_are_among_them() {
    let store = store(Retention { max_versions: Some(3), ..Retention::of(0, b"k") });
    for value in [b"1", b"2", b"3"] {
        set(&store, b"k", value);
    }
    store.remove(AT, b"k").unwrap();
    set(&store, b"other", b"1");
    assert_eq!(values(&store, b"k"), [None, Some(b"3".to_vec()), Some(b"2".to_vec())]);
    assert_eq!(store.history(0, b"other").err(), Some(HistoryError::NotRetained));
    assert_eq!(store.history(1, b"k").err(), Some(HistoryError::NotRetained));
    assert_eq!(store.get_at(0, b"k", 0).err(), Some(HistoryError::Gone));
    assert!(store.get_at(0, b"kk", 0).unwrap().is_none());
    assert_eq!(store.get_at(0, b"k", 1 << 40).err(), Some(HistoryError::NotYet));
}

#[test]
fn reads_at_a_timestamp_equal_the_snapshot_that_had_it() {
    let store = store(Retention::of(0, b""));
    let writers: Vec<_> = (0..3)
        .map(|seed| {
            let store = store.clone();
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..2000 {
                    let (one, two) = ([random.u8(..10)], [random.u8(..10)]);
                    match random.u8(..4) {
                        0 => drop(store.remove(AT, &one).unwrap()),
                        1 => {
                            let mut transaction = store.begin(1);
                            transaction.set(0, &one, 0, &two, None);
                            transaction.set(0, &two, 0, &one, None);
                            // A conflict is no matter here.
                            let _ = transaction.commit();
                        }
                        _ => set(&store, &one, &[random.u8(..)]),
                    }
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    while !writers.iter().all(|writer| writer.is_finished()) || seen.is_empty() {
        let snapshot = store.snapshot(1);
        let read = |key: u8| {
            let value =
                snapshot.get_with(0, &[key], |it| it.map(|it| it.bytes().unwrap().to_vec()));
            (key, value.unwrap())
        };
        seen.push((snapshot.timestamp(), (0..10).map(read).collect::<BTreeMap<_, _>>()));
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    for (timestamp, state) in seen {
        for (key, value) in state {
            let past = store.get_at(0, &[key], timestamp).unwrap();
            let past = past.map(|version| version.bytes().unwrap().to_vec());
            assert_eq!(past, value, "key {key} at {timestamp}");
        }
    }
}

#[test]
fn memory_is_bounded_whatever_the_updates_and_chains_stay_short() {
    const BYTES: usize = 100_000;
    let store = store(Retention { max_bytes: BYTES, ..Retention::of(0, b"k") });
    for round in 0..40_000u32 {
        let key = [b'k', (round % 50) as u8];
        if round % 7 == 0 {
            store.remove(AT, &key).unwrap();
        } else {
            set(&store, &key, &[3; 100]);
        }
        if round % 1000 == 0 {
            assert!(store.history_bytes() <= BYTES, "{} bytes", store.history_bytes());
        }
    }
    let versions: usize = (0..50).map(|key| store.history(0, &[b'k', key]).unwrap().len()).sum();
    assert!((200..=BYTES / 50).contains(&versions), "{versions} versions");
    assert_eq!(store.get_at(0, b"k\x01", 1).err(), Some(HistoryError::Gone));
    assert!(store.stats().old_versions <= 100, "{} in chains", store.stats().old_versions);
}

#[test]
fn versions_go_when_they_ended_long_ago_and_tell_when_they_were_committed() {
    let store = store(Retention { max_age_ms: Some(1000), ..Retention::of(0, b"k") });
    for now_ms in (5_000..8_000).step_by(500) {
        store.expire_due(now_ms, 10);
        set(&store, b"k", now_ms.to_string().as_bytes());
    }
    store.expire_due(7_900, 10);
    let versions = store.history(0, b"k").unwrap();
    for version in &versions {
        let said = str::from_utf8(version.bytes().unwrap()).unwrap();
        assert_eq!(version.committed_ms(), said.parse().ok());
    }
    // That of 6,000 ended at 6,500 or later, and before 7,000, which is less than a second before 7,900; that of 5,500 ended before 6,500.
    assert_eq!(versions.last().unwrap().bytes().unwrap(), b"6000");
    store.remove(AT, b"k").unwrap();
    store.expire_due(8_000, 10);
    assert!(!store.history(0, b"k").unwrap().is_empty());
    store.expire_due(9_500, 10);
    assert!(store.history(0, b"k").unwrap().is_empty());
    assert_eq!(store.history_bytes(), 0);
    assert_eq!(store.get_at(0, b"k", 1).err(), Some(HistoryError::Gone));
}

/// The keys were not counted, and are kept as long as their removals.
#[test]
fn removed_keys_count_against_the_bytes() {
    let store = store(Retention { max_bytes: 100_000, ..Retention::of(0, b"") });
    let key = |n: u32| [&n.to_be_bytes()[..], &[0; 10_000]].concat();
    for n in 0..200 {
        set(&store, &key(n), b"");
        store.remove(AT, &key(n)).unwrap();
    }
    let kept = (0..200).filter(|n| !store.history(0, &key(*n)).unwrap().is_empty()).count();
    assert!((5..=10).contains(&kept), "{kept} keys of 10,000 bytes");
    assert!(store.history_bytes() <= 100_000);
    (0..200).for_each(|n| assert!(store.get_at(0, &key(n), 1).map_or(true, |it| it.is_none())));
}

/// To sort out what is stale looked through all versions of the key for each entry.
#[test]
fn many_versions_of_one_key_are_kept_in_little_time() {
    let store = store(Retention { max_versions: Some(30_000), ..Retention::of(0, b"") });
    let begun = std::time::Instant::now();
    (0..100_000u32).for_each(|n| set(&store, b"key", &n.to_le_bytes()));
    assert_eq!(values(&store, b"key").len(), 30_000);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
