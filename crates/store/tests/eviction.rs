//! A store with a limit: it keeps to it, evicts what its policy says, and tells of it.
#![cfg(not(stillpoint_loom))]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{
    At, Config, Eviction, EvictionPolicy, RemovalReason, Room, Stats, Store, Usage, WriteError,
};

const AT: At = At { space: 0, now_ms: 1_000_000 };
const POLICIES: [EvictionPolicy; 5] = [
    EvictionPolicy::Lru,
    EvictionPolicy::Lfu,
    EvictionPolicy::S3Fifo,
    EvictionPolicy::Ttl,
    EvictionPolicy::Random,
];

fn by(policy: EvictionPolicy) -> Eviction {
    Eviction { policy, ..Eviction::default() }
}

fn limited(max_bytes: u64, eviction: Eviction) -> Store {
    Store::new(Config { max_bytes: Some(max_bytes), eviction, ..Config::default() })
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn held(stats: &Stats) -> u64 {
    stats.live_bytes + stats.object_bytes + stats.index_bytes
}

#[test]
fn a_store_keeps_to_its_limit_under_every_policy_and_stays_full() {
    const MAX: u64 = 1 << 20;
    for policy in POLICIES {
        let store = limited(MAX, by(policy));
        let most = Mutex::new(0);
        thread::scope(|scope| {
            for thread in 0..3u64 {
                let (store, most) = (&store, &most);
                scope.spawn(move || {
                    for step in 0..10_000 {
                        let number = thread * 10_000 + step;
                        let value = [1; 200];
                        store.set(AT, &key(number), 0, &value, Some(2_000_000 + number)).unwrap();
                        store.get_with(AT, &key(number / 2), |_| ());
                        if step % 64 == 0 {
                            let mut most = most.lock().unwrap();
                            *most = held(&store.stats()).max(*most);
                        }
                    }
                });
            }
        });
        let stats = store.stats();
        let most = most.into_inner().unwrap();
        println!("{policy:?}: {most} bytes at the most, {} evicted", stats.evicted_keys);
        // A batch a thread, and the index' growth from 2,048 bins to 4,096.
        assert!(most < MAX + 3 * 1024 + (256 << 10), "{policy:?}: {most} bytes");
        assert!(held(&stats) < MAX + 4096 && held(&stats) > MAX * 8 / 10, "{policy:?}: {stats:?}");
        assert_eq!(store.len(0) + stats.evicted_keys, 30_000, "{policy:?}");
        assert_eq!(stats.old_versions, 0);
    }
}

#[test]
fn only_keys_that_expire_go_if_so_wished_and_a_write_is_refused_when_none_is_left() {
    for policy in POLICIES {
        let store = limited(200_000, Eviction { volatile_only: true, ..by(policy) });
        for number in 0..400 {
            store.set(AT, &key(number), 0, &[1; 100], None).unwrap();
        }
        for number in 1_000..9_000 {
            store.set(AT, &key(number), 0, &[1; 100], Some(AT.now_ms + number)).unwrap();
        }
        for number in 0..400 {
            assert!(
                store.get_with(AT, &key(number), |entry| entry.is_some()),
                "{policy:?} {number}"
            );
        }
        let mut number = 10_000;
        let refused = loop {
            match store.set(AT, &key(number), 0, &[1; 100], None) {
                Ok(()) => number += 1,
                Err(error) => break error,
            }
            assert!(number < 20_000, "{policy:?}: never full");
        };
        assert_eq!(refused, WriteError::Full { max_bytes: 200_000 });
        let volatile = store.len(0) - 400 - (number - 10_000);
        assert!(volatile < 20, "{policy:?}: {volatile} keys could have gone");
        // What makes room is not refused.
        assert!(store.remove(AT, &key(1)).unwrap());
        store.update(AT, &key(2), |_, draft| draft.put(0, &[b"shorter"], None)).unwrap();
    }
}

#[test]
fn without_a_policy_writes_are_refused_or_the_store_says_that_it_is_full() {
    let fill = |store: &Store| {
        (0..5_000).map(|number| store.set(AT, &key(number), 0, &[1; 100], None)).all(|r| r.is_ok())
    };
    let store = limited(100_000, Eviction::default());
    assert!(!fill(&store) && held(&store.stats()) < 101_000);
    let lenient = limited(100_000, Eviction { refuse: false, ..Eviction::default() });
    assert!(fill(&lenient) && lenient.is_full());
    lenient.set_limit(None, &Eviction::default());
    assert!(!lenient.is_full());
    lenient.set_limit(Some(50_000), &by(EvictionPolicy::Random));
    assert_eq!(lenient.make_room(AT.now_ms, 100), Room::Some);
    assert_eq!(lenient.make_room(AT.now_ms, 100_000), Room::None, "the index alone is as large");
    assert_eq!(lenient.len(0), 0);
}

#[test]
fn what_a_snapshot_needs_survives_eviction_and_does_not_drain_the_store() {
    const MAX: u64 = 500_000;
    let store = limited(MAX, by(EvictionPolicy::Lru));
    (0..2_000).for_each(|number| store.set(AT, &key(number), 0, &[1; 100], None).unwrap());
    let before = store.len(0);
    let snapshot = store.snapshot(AT.now_ms);
    (5_000..20_000).for_each(|number| store.set(AT, &key(number), 0, &[1; 100], None).unwrap());
    let stats = store.stats();
    assert!(
        held(&stats) > MAX * 8 / 10,
        "a store with a snapshot is as full as one without: {stats:?}"
    );
    assert!(
        stats.old_version_bytes >= before * 100,
        "what the snapshot pins stays counted: {stats:?}"
    );
    let seen = (0..2_000)
        .filter(|number| snapshot.get_with(0, &key(*number), |entry| entry.is_some()).unwrap());
    assert_eq!(seen.count() as u64, before);
    drop(snapshot);
    while store.collect(1000) > 0 {}
    assert_eq!(store.stats().old_version_bytes, 0);
}

#[test]
fn maintenance_brings_a_store_within_a_limit_that_was_lowered() {
    let store: Store = Store::new(Config::default());
    (0..10_000).for_each(|number| store.set(AT, &key(number), 0, &[1; 100], None).unwrap());
    let index = store.stats().index_bytes;
    store.start_maintenance(|| AT.now_ms);
    store.set_limit(Some(index + 100_000), &by(EvictionPolicy::Lru));
    let begun = Instant::now();
    while store.is_full() && begun.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(2));
    }
    println!("{} keys left after {:?}", store.len(0), begun.elapsed());
    assert!((500..1000).contains(&store.len(0)), "{:?}", store.stats());
}

#[test]
fn usage_is_told_noted_and_kept_over_writes() {
    let tracking = |policy| Eviction { always_track: true, ..by(policy) };
    let store: Store =
        Store::new(Config { eviction: tracking(EvictionPolicy::Lru), ..Config::default() });
    let later = |seconds: u64| At { now_ms: AT.now_ms + seconds * 1000, ..AT };
    let idle = |store: &Store, at| store.usage(at, b"k").and_then(|usage| usage.idle_seconds);
    assert_eq!(store.usage(AT, b"k"), None);
    store.set(AT, b"k", 0, b"v", None).unwrap();
    assert_eq!(idle(&store, later(100)), Some(100));
    store.peek_with(later(100), b"k", |entry| assert!(entry.is_some()));
    let at = later(100);
    let cut = store.snapshot(at.now_ms);
    cut.peek_with(0, b"k", |entry| assert!(entry.is_some())).unwrap();
    store.begin(at.now_ms).peek_with(0, b"k", |entry| assert!(entry.is_some())).unwrap();
    assert_eq!(idle(&store, later(100)), Some(100), "a peek in a cut or a transaction is no use");
    store.get_with(later(100), b"k", |entry| assert!(entry.is_some()));
    assert_eq!(idle(&store, later(101)), Some(1));
    store.set_usage(later(101), b"k", Usage { idle_seconds: Some(5_000), frequency: None });
    assert_eq!(idle(&store, later(101)), Some(5_000));

    store.set_limit(None, &tracking(EvictionPolicy::Lfu));
    store.set(later(200), b"new", 0, b"v", None).unwrap();
    let count = |at: At, key: &[u8]| store.usage(at, key).unwrap().frequency.unwrap();
    assert_eq!(count(later(200), b"new"), 5);
    store.set_usage(later(200), b"new", Usage { idle_seconds: None, frequency: Some(100) });
    store.set(later(200), b"new", 0, b"other", None).unwrap();
    assert!((100..=101).contains(&count(later(200), b"new")), "an overwrite is a use");
    assert!((90..=91).contains(&count(later(800), b"new")), "ten minutes later");
}

#[test]
fn listeners_hear_of_each_key_once_and_of_pressure() {
    let store: Store = Store::new(Config { max_version_bytes: Some(10_000), ..Config::default() });
    let (gone, pressed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
    let (list, high) = (gone.clone(), pressed.clone());
    assert!(store.on_removal(move |removal| {
        list.lock().unwrap().push((removal.space, removal.key.to_vec(), removal.reason));
    }));
    assert!(store.on_pressure(move |bytes| *high.lock().unwrap() = bytes));
    assert!(!store.on_removal(|_| ()));
    store.set(AT, b"due", 0, b"", Some(AT.now_ms + 10)).unwrap();
    store.set(AT, b"met", 0, b"", Some(AT.now_ms + 10)).unwrap();
    let then = At { now_ms: AT.now_ms + 10, ..AT };
    assert!(store.get_or_expire_with(then, b"met", |entry| entry.is_none()));
    store.expire_due(then.now_ms, 10);
    store.set(AT, b"old", 0, b"", None).unwrap();
    store.set_limit(Some(0), &by(EvictionPolicy::Lru));
    assert_eq!(store.make_room(AT.now_ms, 10), Room::None);
    let expired = |key: &[u8]| (0, key.to_vec(), RemovalReason::Expired);
    let evicted = (0, b"old".to_vec(), RemovalReason::Evicted);
    assert_eq!(*gone.lock().unwrap(), [expired(b"met"), expired(b"due"), evicted]);

    store.set_limit(None, &Eviction::default());
    let snapshot = store.snapshot(AT.now_ms);
    (0..50).for_each(|number| store.set(AT, &key(number), 0, &[0; 1000], None).unwrap());
    let second = store.snapshot(AT.now_ms);
    (0..50).for_each(|number| store.set(AT, &key(number), 0, &[0; 1000], None).unwrap());
    store.collect(10);
    assert!(*pressed.lock().unwrap() > 50_000);
    assert!(!snapshot.is_expired() && !second.is_expired(), "the policy protects them");
}

#[test]
fn a_snapshot_ends_at_the_age_that_was_set() {
    let store: Store = Store::new(Config { max_snapshot_age_ms: Some(500), ..Config::default() });
    let snapshot = store.snapshot(1_000);
    store.expire_due(1_499, 10);
    assert!(!snapshot.is_expired());
    store.expire_due(1_500, 10);
    assert!(snapshot.is_expired() && snapshot.get_with(0, b"k", |_| ()).is_err());
}

/// What one thread writes between two passes is more than there is room for: the survey that this calls for must find every key, however many.
#[test]
fn keys_whose_records_found_no_room_expire_nevertheless() {
    let store: Store = Store::new(Config::default());
    for number in 0..700_000u64 {
        let at = AT.now_ms + if number % 100 == 99 { 10 } else { 1_000_000 };
        store.set(AT, &key(number), 0, b"v", Some(at)).unwrap();
    }
    let pass = || store.expire_due(AT.now_ms + 10, 4096);
    // Most have a record, and wait for no survey.
    let at_once = pass();
    assert!((4_000..7_000).contains(&at_once), "{at_once}");
    assert_eq!((0..60).map(|_| pass()).sum::<usize>(), 7_000 - at_once);
    assert_eq!(store.len(0), 693_000);
    store.set(AT, b"another", 0, b"v", Some(AT.now_ms + 10)).unwrap();
    assert_eq!(pass(), 1);
}

#[test]
fn of_500_000_keys_that_expire_2_000_due_at_once_are_gone_within_100_ms() {
    let store: Store = Store::new(Config::default());
    let begun = Instant::now();
    let clock = move || 1_000 + begun.elapsed().as_millis() as u64;
    store.start_maintenance(clock);
    (0..500_000u64).for_each(|number| {
        store.set(AT, &key(number), 0, b"v", Some(3_600_000 + number % 100_000)).unwrap();
    });
    let due = clock() + 300;
    for number in 0..2_000 {
        let at = At { space: 0, now_ms: clock() };
        store.set(at, &key(1 << 40 | number), 0, b"v", Some(due)).unwrap();
    }
    assert_eq!(store.len(0), 502_000);
    while clock() < due || store.len(0) > 500_000 {
        thread::sleep(Duration::from_millis(1));
        assert!(clock() < due + 5_000, "{} left", store.len(0) - 500_000);
    }
    let took = clock() - due;
    println!("2,000 of 502,000 gone {took} ms after they were due");
    // Alone it is within 100 ms; a machine that runs other tests beside gets more.
    assert!(took <= if cfg!(debug_assertions) { 1_000 } else { 100 }, "{took} ms");
}
