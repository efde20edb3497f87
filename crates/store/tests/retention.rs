//! What a snapshot keeps, and what is left when it ends.
//!
//! `STILLPOINT_HOLD_S` sets how long the snapshot is held under load (default 1 s).
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, Config, PressurePolicy, SnapshotExpired, Store};

const AT: At = At { space: 0, now_ms: 1 };
const KEYS: u64 = 2_000;
/// What two writers who meet may leave to one another: no more than each writes between two looks at what waits (16), and one it is at.
const MET: u64 = 2 * (16 + 1);

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn filled() -> Store {
    let store = Store::new(Config::default());
    (0..KEYS).for_each(|number| store.set(AT, &key(number), 0, &[1; 64], None).unwrap());
    store
}

#[test]
fn a_held_snapshot_keeps_one_version_of_each_key_and_its_end_frees_them_within_a_second() {
    let hold: u64 =
        std::env::var("STILLPOINT_HOLD_S").map_or(1, |s| s.parse().expect("a number of seconds"));
    let store = filled();
    store.start_maintenance(|| 1);
    let baseline = store.stats();
    assert_eq!(baseline.old_versions, 0);
    let snapshot = store.snapshot(1);
    let stop = AtomicBool::new(false);
    let mut most = 0;
    thread::scope(|scope| {
        for writer in 0..2u64 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut number = writer * KEYS / 2;
                while !stop.load(Ordering::Relaxed) {
                    number = (number + 1) % KEYS;
                    store.set(AT, &key(number), 0, &[2; 64], None).unwrap();
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(hold) {
            thread::sleep(Duration::from_millis(20));
            // A count of a moment.
            most = most.max(store.stats().old_versions);
        }
        for number in (0..KEYS).step_by(97) {
            assert!(
                snapshot
                    .get_with(0, &key(number), |entry| entry.unwrap().bytes() == Some(&[1; 64][..]))
                    .unwrap()
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Where two writers met at a key, a version may wait for the next look of either, or of the maintenance.
    let settled = settle(&store, KEYS);
    assert!(settled.old_versions <= KEYS, "more than one old version a key: {settled:?}");
    assert!(most <= KEYS + MET, "{most} old versions of {KEYS} keys at the most");
    drop(snapshot);
    let begun = Instant::now();
    let after = settle(&store, 0);
    assert_eq!(
        (after.old_versions, after.old_version_bytes, after.snapshots),
        (0, 0, 0),
        "{after:?}"
    );
    println!("back to the baseline after {:?}; at most {most} old versions", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// Waits up to a second until no more than so many old versions are left.
fn settle(store: &Store, wanted: u64) -> stillpoint_store::Stats {
    let begun = Instant::now();
    while store.stats().old_versions > wanted && begun.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
    }
    store.stats()
}

#[test]
fn without_a_snapshot_a_key_has_one_version() {
    let store = filled();
    for round in 0..5u8 {
        (0..KEYS).for_each(|number| store.set(AT, &key(number), 0, &[round; 64], None).unwrap());
        assert_eq!(store.stats().old_versions, 0);
    }
}

#[test]
fn versions_between_two_snapshots_are_cut_at_once() {
    let store = filled();
    let old = store.snapshot(1);
    (0..50u8).for_each(|round| store.set(AT, &key(0), 0, &[round], None).unwrap());
    let new = store.snapshot(1);
    (50..90u8).for_each(|round| store.set(AT, &key(0), 0, &[round], None).unwrap());
    assert_eq!(store.stats().old_versions, 2);
    assert!(
        old.get_with(0, &key(0), |entry| entry.unwrap().bytes() == Some(&[1; 64][..])).unwrap()
    );
    assert!(new.get_with(0, &key(0), |entry| entry.unwrap().bytes() == Some(&[49][..])).unwrap());
    drop(old);
    while store.collect(100) > 0 {}
    assert_eq!(store.stats().old_versions, 1);
}

#[test]
fn a_snapshot_past_its_deadline_says_so_and_keeps_nothing() {
    let store = filled();
    let snapshot = store.snapshot(1);
    snapshot.set_deadline(500);
    store.set(AT, &key(0), 0, b"new", None).unwrap();
    store.expire_due(499, 10);
    assert!(snapshot.get_with(0, &key(0), |entry| entry.is_some()).unwrap());
    store.expire_due(500, 10);
    assert_eq!(snapshot.get_with(0, &key(0), |_| ()), Err(SnapshotExpired));
    assert_eq!(snapshot.scan(0, 0, 10, |_| ()), Err(SnapshotExpired));
    while store.collect(100) > 0 {}
    let stats = store.stats();
    assert_eq!((stats.old_versions, stats.expired_snapshots), (0, 1));
}

#[test]
fn under_pressure_the_oldest_snapshot_ends_and_the_others_stay() {
    let store = filled();
    store.set_pressure(Some(50_000), PressurePolicy::ExpireOldest);
    let oldest = store.snapshot(1);
    (0..KEYS).for_each(|number| store.set(AT, &key(number), 0, &[2; 64], None).unwrap());
    let newest = store.snapshot(1);
    store.collect(100);
    assert_eq!(oldest.get_with(0, &key(5), |_| ()), Err(SnapshotExpired));
    assert!(
        newest.get_with(0, &key(5), |entry| entry.unwrap().bytes() == Some(&[2; 64][..])).unwrap()
    );
}

#[test]
fn snapshots_may_be_switched_off_and_transactions_go_on() {
    let store = filled();
    store.set_mvcc_enabled(false);
    assert!(store.try_snapshot(1).is_err());
    let mut transaction = store.begin(1);
    transaction.set(0, b"a", 0, b"", None);
    transaction.set(0, b"b", 0, b"", None);
    transaction.commit().unwrap();
    store.set_mvcc_enabled(true);
    assert!(store.try_snapshot(1).is_ok());
}

#[test]
fn notes_of_old_versions_do_not_become_more_and_more_without_a_maintenance_thread() {
    let store = Store::<()>::new(Config::default());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let snapshot = store.snapshot(1);
                for number in 0..50 {
                    snapshot.get_with(0, &key(number), |_| ()).unwrap();
                }
            }
        });
        for number in 0..60_000u64 {
            let mut transaction = store.begin(1);
            transaction.set(0, &key(number * 7 % 50), 0, b"a", None);
            transaction.set(0, &key(number * 13 % 50), 0, b"b", None);
            transaction.commit().unwrap();
            if number % 4 == 0 {
                store.set(AT, &key(number % 50), 0, b"c", None).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let waiting = store.stats().waiting_versions;
    assert!(waiting <= 2_000, "{waiting} notes for 50 keys");
}
