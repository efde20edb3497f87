//! Numbers that nobody means: clocks at the end of time, limits of nothing, waits without end.

#![cfg(not(stillpoint_loom))]

use std::convert::Infallible;
use std::time::Duration;
use stillpoint_store::{
    At, Config, Eviction, EvictionPolicy, LoadOptions, Loaded, Retention, SpaceSet, Stop, Store,
    StreamConfig, TransactionOptions, Value,
};

const AT: At = At { space: 0, now_ms: 0 };
const LAST: At = At { space: 0, now_ms: u64::MAX };

fn bytes(store: &Store, at: At, key: &[u8]) -> Option<Vec<u8>> {
    store.get_with(at, key, |entry| entry.map(|entry| entry.bytes().unwrap().to_vec()))
}

#[test]
fn a_transaction_that_runs_again_at_the_end_of_time_stays_there() {
    let store: Store = Store::new(Config::default());
    let mut attempts = 0;
    let options = TransactionOptions::at(u64::MAX).deadline(Duration::MAX);
    let seen = store.transaction(options, |tx| {
        attempts += 1;
        tx.get(0, b"key")?;
        if attempts < 4 {
            std::thread::sleep(Duration::from_millis(2));
            store.set(AT, b"key", 0, &[attempts], None).unwrap();
        }
        tx.set(0, b"other", 0, b"", None);
        Ok::<_, Stop>(tx.now_ms())
    });
    assert_eq!((seen, attempts), (Ok(u64::MAX), 4));
}

#[test]
fn a_snapshot_without_a_deadline_outlives_every_clock() {
    let store: Store = Store::new(Config::default());
    store.set(AT, b"key", 0, b"value", Some(5)).unwrap();
    let mut open = store.begin(0);
    let (endless, ended) = (store.snapshot(0), store.snapshot(0));
    ended.set_deadline(u64::MAX - 1);
    assert_eq!(store.expire_due(u64::MAX, usize::MAX), 1);
    assert!(!endless.is_expired() && ended.is_expired());
    assert_eq!(open.get(0, b"key").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn history_survives_the_end_of_time_and_a_clock_that_goes_back() {
    let retention = vec![Retention { max_age_ms: Some(u64::MAX), ..Retention::of(0, b"") }];
    let store: Store = Store::new(Config { retention, ..Config::default() });
    for now_ms in [5_000, u64::MAX, u64::MAX, 6_000, 7_000] {
        store.set(At { now_ms, ..AT }, b"key", 0, b"value", None).unwrap();
        store.expire_due(now_ms, 10);
    }
    assert_eq!(store.history(0, b"key").unwrap().len(), 5);
    let before = store.timestamp_at(6_000).unwrap();
    assert!(before.is_some() && before < store.timestamp_at(u64::MAX).unwrap());
}

#[test]
#[should_panic(expected = "first_timestamp")]
fn a_clock_that_has_no_room_to_go_on_is_refused() {
    let _: Store = Store::new(Config { first_timestamp: u64::MAX, ..Config::default() });
}

#[test]
fn a_feed_may_begin_at_the_end() {
    let config = Config { stream: Some(StreamConfig { budget_bytes: 0 }), ..Config::default() };
    let store: Store = Store::new(config);
    let mut feed = store.watch_all().unwrap().from(u64::MAX);
    store.set(AT, b"key", 0, b"value", None).unwrap();
    assert!(feed.try_next().unwrap().is_none());
    feed.restart(u64::MAX);
    assert!(feed.try_next().unwrap().is_none());
    assert!(feed.next_timeout(Duration::ZERO).unwrap().is_none());
}

#[test]
fn what_lives_for_ever_is_there_to_the_last_millisecond() {
    let store: Store = Store::new(Config::default());
    let options =
        LoadOptions::default().time_to_live(Duration::MAX).refresh_ahead(Duration::from_secs(1));
    for _ in 0..2 {
        let load = || Ok::<_, Infallible>(Some(Loaded::bytes(b"value")));
        let found = store.get_or_load(AT, b"loaded", options, load).unwrap().unwrap();
        assert_eq!(found.bytes(), Some(&b"value"[..]));
    }
    assert_eq!(store.stats().loads, 1);
    store.set(AT, b"set", 0, b"value", Some(u64::MAX)).unwrap();
    let almost = At { now_ms: u64::MAX - 1, ..AT };
    assert_eq!(store.expire_due(u64::MAX - 1, usize::MAX), 0);
    assert_eq!(bytes(&store, almost, b"set").as_deref(), Some(&b"value"[..]));
    assert_eq!(bytes(&store, LAST, b"set"), None);
    assert_eq!(store.scan_and_expire(LAST, 0, usize::MAX, |_| ()), 0);
    assert!(store.is_empty(0));
}

#[test]
fn a_limit_of_nothing_refuses_or_evicts_and_none_at_all_does_neither() {
    let limited = |refuse| {
        let eviction = Eviction { policy: EvictionPolicy::Lru, refuse, ..Eviction::default() };
        Config { max_bytes: Some(0), eviction, ..Config::default() }
    };
    let store: Store = Store::new(limited(true));
    assert!(store.set(AT, b"key", 0, b"value", None).is_err());
    let store: Store = Store::new(limited(false));
    (0..100u8).for_each(|n| store.set(AT, &[n], 0, b"value", None).unwrap());
    assert!(store.len(0) <= 1, "{}", store.len(0));
    store.set_limit(Some(u64::MAX), &Eviction::default());
    (0..100u8).for_each(|n| store.set(AT, &[n], 0, b"value", None).unwrap());
    assert_eq!(store.len(0), 100);
}

#[test]
fn a_bulk_load_that_was_refused_goes_on_when_there_is_room() {
    let eviction = Eviction { refuse: true, ..Eviction::default() };
    let config = Config { max_bytes: Some(0), eviction: eviction.clone(), ..Config::default() };
    let store: Store = Store::new(config);
    let mut load = store.bulk_load(0);
    let mut refused = 0;
    for n in 0..40u8 {
        refused += usize::from(load.set(0, &[n], 0, Value::Bytes(b"value"), None).is_err());
    }
    assert_eq!(refused, 9, "each that finds 32 waiting");
    store.set_limit(None, &eviction);
    load.set(0, &[40], 0, Value::Bytes(b"value"), None).unwrap();
    assert_eq!(store.len(0), 41, "what waited is put in as soon as there is room");
    load.finish().unwrap();
    assert_eq!(store.len(0), 41);
}

#[test]
fn an_interval_that_ends_before_it_begins_is_empty() {
    use std::ops::Bound::{Excluded, Included};
    let store: Store = Store::new(Config { ordered: SpaceSet::ALL, ..Config::default() });
    for key in [b"a", b"b", b"c"] {
        store.set(AT, key, 0, b"value", None).unwrap();
    }
    let snapshot = store.snapshot(0);
    for (start, end) in [
        (Included(b"c"), Excluded(b"a")),
        (Excluded(b"b"), Excluded(b"b")),
        (Included(b"b"), Excluded(b"b")),
        (Excluded(b"c"), Included(b"a")),
    ] {
        assert_eq!(store.range(AT, (start, end)).count(), 0);
        assert_eq!(store.range(AT, (start, end)).rev().count(), 0);
        assert_eq!(snapshot.range(0, (start, end)).count(), 0);
        let mut transaction = store.begin(0);
        transaction.set(0, b"bb", 0, b"own", None);
        assert_eq!(transaction.range(0, (start, end)).rev().count(), 0);
        assert!(transaction.commit().is_ok());
        store.remove(AT, b"bb").unwrap();
    }
}
