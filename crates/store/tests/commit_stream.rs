//! The commit stream misses nothing, repeats nothing, and agrees with every snapshot.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{
    At, Change, CommitStream, Config, Entry, Group, Retention, Snapshot, Step, Store, StreamConfig,
    WriteError,
};

const AT: At = At { space: 0, now_ms: 1 };

fn store(budget_bytes: usize) -> Store {
    let stream = Some(StreamConfig { budget_bytes });
    Store::new(Config { spaces: 2, stream, ..Config::default() })
}

type State = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn apply(state: &mut State, change: Change<'_>) {
    let key = (change.space(), change.key().to_vec());
    match change.value_bytes() {
        Some(value) => state.insert(key, value.to_vec()),
        None => state.remove(&key),
    };
}

fn state_of(snapshot: &Snapshot) -> State {
    let mut state = State::new();
    for space in 0..2 {
        let mut cursor = 0;
        loop {
            let see = |entry: Entry<'_, ()>| {
                state.insert((space, entry.key().to_vec()), entry.bytes().unwrap().to_vec());
            };
            cursor = snapshot.scan(space, cursor, 100, see).unwrap();
            if cursor == 0 {
                break;
            }
        }
    }
    state
}

/// Reads until everything up to `timestamp` is there.
fn read_to(stream: &mut CommitStream, timestamp: u64, groups: &mut Vec<Arc<Group>>) {
    loop {
        let next = stream.next_groups(Duration::from_millis(50));
        groups.extend(next.groups);
        if next.through >= timestamp {
            return;
        }
    }
}

fn number(entry: Option<Entry<'_, ()>>) -> u64 {
    entry.map_or(0, |entry| u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
}

/// One step of a thread: a set, a removal, an addition, or a transaction over several keys.
fn step(store: &Store, thread: u64, round: u64, random: &mut fastrand::Rng) {
    let key = [b'a' + random.u8(..8)];
    let value = (thread << 32 | round).to_le_bytes();
    let at = At { space: random.u8(..2), ..AT };
    match random.u8(..6) {
        0 => store.set(at, &key, 0, &value, None).unwrap(),
        1 => drop(store.remove(at, &key).unwrap()),
        2 => drop(store.update(at, b"sum", |entry, draft| {
            let sum = number(entry) + 1;
            draft.put(0, &[&sum.to_le_bytes()], None);
        })),
        3 => store.set(at, &key, 0, &value, Some(2)).unwrap(),
        _ => {
            let mut transaction = store.begin(1);
            let _ = transaction.get_with(1, &key, |_| ());
            for key in [b"x", b"y", b"z"] {
                transaction.set(0, key, 0, &value, None);
            }
            transaction.remove(1, &key);
            let _ = transaction.commit();
        }
    }
}

#[test]
fn replayed_groups_equal_every_snapshot() {
    const ROUNDS: u64 = 3_000;
    let store = store(1 << 20);
    let mut stream = store.commit_stream().unwrap();
    let running = Arc::new(AtomicBool::new(true));
    let writers: Vec<_> = (0..3)
        .map(|thread| {
            let store = store.clone();
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                (0..ROUNDS).for_each(|round| step(&store, thread, round, &mut random));
            })
        })
        .collect();
    let watcher = {
        let (store, running) = (store.clone(), Arc::clone(&running));
        thread::spawn(move || {
            let mut seen = Vec::new();
            while running.load(Ordering::SeqCst) && seen.len() < 200 {
                let snapshot = store.snapshot(0);
                seen.push((snapshot.timestamp(), state_of(&snapshot)));
                store.expire_due(2, 10);
                thread::sleep(Duration::from_millis(1));
            }
            seen
        })
    };
    let reader = thread::spawn(move || {
        let mut groups = Vec::new();
        loop {
            let next = stream.next_groups(Duration::from_secs(1));
            groups.extend(next.groups);
            if next.ended {
                return groups;
            }
        }
    });
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    running.store(false, Ordering::SeqCst);
    let mut seen = watcher.join().unwrap();
    let last = store.snapshot(0);
    seen.push((last.timestamp(), state_of(&last)));
    drop((last, store));
    let groups = reader.join().unwrap();
    check_order(&groups);
    let (mut state, mut groups) = (State::new(), groups.iter().peekable());
    for (timestamp, expected) in seen {
        while let Some(group) = groups.next_if(|group| group.timestamp() <= timestamp) {
            group.changes().for_each(|change| apply(&mut state, change));
        }
        assert_eq!(state, expected, "at {timestamp}");
    }
}

/// Timestamps ascend, a key's stamps too, sums count one by one, and transactions are whole.
fn check_order(groups: &[Arc<Group>]) {
    assert!(groups.windows(2).all(|two| two[0].timestamp() < two[1].timestamp()));
    let mut stamps = HashMap::new();
    let mut sums = [0u64; 2];
    for group in groups {
        let mut whole: HashMap<Vec<u8>, u32> = HashMap::new();
        for change in group.changes() {
            assert_eq!(change.timestamp(), group.timestamp());
            let before = stamps.insert((change.space(), change.key().to_vec()), change.stamp());
            assert!(before < Some(change.stamp()), "{:?} after {before:?}", change.stamp());
            match change.key() {
                b"sum" => {
                    let sum = &mut sums[usize::from(change.space())];
                    *sum += 1;
                    assert_eq!(change.value_bytes().unwrap(), sum.to_le_bytes());
                }
                b"x" | b"y" | b"z" => {
                    *whole.entry(change.value_bytes().unwrap().to_vec()).or_default() += 1;
                }
                _ => {}
            }
        }
        assert!(whole.values().all(|keys| *keys == 3), "a torn commit: {whole:?}");
    }
}

#[test]
fn an_aborted_transaction_publishes_nothing() {
    let store = store(1 << 20);
    let mut stream = store.commit_stream().unwrap();
    let mut loser = store.begin(1);
    loser.get_with(0, b"a", |_| ()).unwrap();
    loser.set(0, b"a", 0, b"1", None);
    loser.set(0, b"b", 0, b"1", None);
    store.set(AT, b"a", 0, b"2", None).unwrap();
    loser.commit().unwrap_err();
    let mut groups = Vec::new();
    read_to(&mut stream, store.last_commit().unwrap(), &mut groups);
    assert_eq!(groups.iter().map(|group| group.len()).sum::<usize>(), 1);
}

#[test]
fn an_expired_key_is_published_as_removed() {
    let store = store(1 << 20);
    let mut stream = store.commit_stream().unwrap();
    store.set(AT, b"a", 3, b"1", Some(10)).unwrap();
    assert_eq!(store.expire_due(11, 10), 1);
    let mut groups = Vec::new();
    read_to(&mut stream, store.last_commit().unwrap(), &mut groups);
    let changes: Vec<_> = groups.iter().flat_map(|group| group.changes()).collect();
    assert_eq!((changes[0].kind(), changes[0].expire_at_ms()), (3, Some(10)));
    assert!(changes[0].value().is_some() && changes[1].value().is_none() && changes.len() == 2);
}

#[test]
fn writers_wait_for_a_lossless_consumer_and_go_on_when_it_reads_or_leaves() {
    const BUDGET: usize = 64 << 10;
    let store = store(BUDGET);
    let mut stream = store.commit_stream().unwrap();
    let writer = {
        let store = store.clone();
        thread::spawn(move || {
            for round in 0..1000u32 {
                store.set(AT, &round.to_le_bytes(), 0, &[7; 1000], None).unwrap();
            }
        })
    };
    thread::sleep(Duration::from_millis(100));
    let waiting = store.len(0);
    assert!(waiting < 100, "{waiting} writes of 1 kB within {BUDGET} bytes");
    let mut read = 0;
    while read < 500 {
        let groups = stream.next_groups(Duration::from_secs(10)).groups;
        assert!(!groups.is_empty());
        read += groups.iter().map(|group| group.len()).sum::<usize>();
    }
    drop(stream);
    writer.join().unwrap();
    assert_eq!(store.len(0), 1000);
}

#[test]
fn a_failed_log_makes_writes_fail_and_ends_all_waits() {
    let store = store(1 << 20);
    let stream = store.commit_stream().unwrap();
    store.set(AT, b"a", 0, b"1", None).unwrap();
    let mine = store.last_commit().unwrap();
    assert_eq!(store.wait_acknowledged(mine, Some(Duration::from_millis(5))), Ok(false));
    stream.acknowledge(mine);
    assert_eq!(store.wait_acknowledged(mine, None), Ok(true));
    let waiter = {
        let store = store.clone();
        thread::spawn(move || store.wait_acknowledged(mine + 1, None))
    };
    stream.fail();
    assert_eq!(waiter.join().unwrap(), Err(WriteError::LogFailed));
    assert_eq!(store.set(AT, b"a", 0, b"2", None), Err(WriteError::LogFailed));
    let mut transaction = store.begin(1);
    transaction.set(0, b"a", 0, b"3", None);
    transaction.set(0, b"b", 0, b"3", None);
    transaction.commit().unwrap_err();
    assert!(store.get_with(AT, b"b", |entry| entry.is_none()));
}

#[test]
fn a_sleeping_consumer_is_woken_by_a_write() {
    let store = store(1 << 20);
    let mut stream = store.commit_stream().unwrap();
    let reader = thread::spawn(move || {
        let begun = Instant::now();
        (stream.next_groups(Duration::from_secs(30)).groups.len(), begun.elapsed())
    });
    thread::sleep(Duration::from_millis(50));
    store.set(AT, b"a", 0, b"1", None).unwrap();
    let (groups, waited) = reader.join().unwrap();
    assert_eq!(groups, 1);
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

/// What piled up behind a stopped writer was given up, and with it whatever else was to come at the same timestamp: a log that began just then missed it.
#[test]
fn a_stream_that_begins_behind_a_stopped_writer_has_every_later_change() {
    let store = store(4 << 10);
    let (reached, goes_on) = (AtomicBool::new(false), Arc::new(AtomicBool::new(false)));
    let reached = Arc::new(reached);
    let (at_step, go) = (Arc::clone(&reached), Arc::clone(&goes_on));
    store.on_step(move |step| {
        if step == Step::Announced && thread::current().name() == Some("stopped") {
            at_step.store(true, Ordering::SeqCst);
            while !go.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
    });
    let other = store.clone();
    let stopped = thread::Builder::new().name("stopped".into());
    let stopped = stopped.spawn(move || other.set(AT, b"stopped", 0, b"", None)).unwrap();
    while !reached.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    for n in 0..100u8 {
        store.set(AT, &[n], 0, &[n; 1000], None).unwrap();
    }
    let mut stream = store.commit_stream().unwrap();
    let mut feed = store.watch_all().unwrap().from_now();
    store.set(AT, b"later", 0, b"", None).unwrap();
    goes_on.store(true, Ordering::SeqCst);
    stopped.join().unwrap().unwrap();
    store.set(AT, b"last", 0, b"", None).unwrap();

    let mut groups = Vec::new();
    read_to(&mut stream, store.last_commit().unwrap(), &mut groups);
    let wanted = |key: &[u8]| [&b"later"[..], b"stopped", b"last"].contains(&key);
    let changes = groups.iter().flat_map(|group| group.changes());
    let seen = changes.filter(|change| wanted(change.key())).count();
    assert_eq!(seen, 3, "of {} groups", groups.len());
    let mut fed = 0;
    while let Some(batch) = feed.next_timeout(Duration::from_millis(100)).unwrap() {
        fed += batch.changes().filter(|change| wanted(change.key())).count();
    }
    assert_eq!(fed, 3);
}

/// Asks the store for its history when it goes.
struct Curious(Arc<std::sync::OnceLock<Store<Curious>>>);

impl Drop for Curious {
    fn drop(&mut self) {
        if let Some(store) = self.0.get() {
            store.history(0, b"key").unwrap();
        }
    }
}

/// Values that nobody else had any more were let go under the lock of the ring, for which who asks for history waits.
#[test]
fn a_value_that_uses_the_stream_when_it_goes_does_not_stop_it() {
    let stream = Some(StreamConfig { budget_bytes: 4 << 10 });
    let retention = vec![Retention { max_versions: Some(1), ..Retention::of(0, b"key") }];
    let store: Store<Curious> = Store::new(Config { stream, retention, ..Config::default() });
    let place = Arc::new(std::sync::OnceLock::new());
    assert!(place.set(store.clone()).is_ok());
    let (done, ended) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for _ in 0..2_000 {
            let value = Arc::new(Curious(Arc::clone(&place)));
            store.update(AT, b"key", |_, draft| draft.put_object(0, value.clone(), None)).unwrap();
        }
        done.send(()).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(()));
}
