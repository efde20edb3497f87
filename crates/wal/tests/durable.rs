//! A store that is closed, killed, cut off and filled up, by its public interface.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

mod simulated;

use simulated::{Simulated, random};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, CommitError, Config, Db, Store, Value, WriteError};
use stillpoint_wal::{
    BytesOnly, CheckpointError, Codec, Disk, Durability, DurableStore, OpenError, Options,
};

const AT: At = At { space: 2, now_ms: 1_000 };
const MODES: [Durability; 4] = [
    Durability::None,
    Durability::Buffered,
    Durability::Group { every: Duration::from_millis(2) },
    Durability::Always,
];

fn small(durability: Durability) -> Options {
    Options {
        durability,
        segment_bytes: 4 << 10,
        checkpoint_bytes: None,
        recovery_threads: 2,
        ..Options::default()
    }
}

fn open(disk: &Simulated, durability: Durability) -> DurableStore {
    DurableStore::open_in(Arc::new(disk.clone()), small(durability), BytesOnly).unwrap()
}

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get_with(AT, key, |entry| entry.map(|entry| entry.bytes().unwrap().to_vec()))
}

fn number(store: &Store, key: &[u8]) -> u64 {
    value(store, key).map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()))
}

#[test]
fn what_is_closed_in_order_comes_back_in_every_mode() {
    for durability in MODES {
        let disk = Simulated::default();
        let store = open(&disk, durability);
        for n in 0..200u64 {
            store
                .set(AT, format!("key{}", n % 50).as_bytes(), n as u8, &n.to_le_bytes(), None)
                .unwrap();
        }
        store.set(AT, b"mortal", 0, b"soon gone", Some(2_000)).unwrap();
        for n in 0..10 {
            assert!(store.remove(AT, format!("key{n}").as_bytes()).unwrap());
        }
        let mut transaction = store.begin(AT.now_ms);
        transaction.set(0, b"first", 0, b"1", None);
        transaction.set(3, b"second", 0, b"2", None);
        transaction.commit().unwrap();
        store.close().unwrap();
        assert_eq!(store.set(AT, b"late", 0, b"", None), Err(WriteError::LogFailed));
        drop(store);

        let store = open(&disk, durability);
        assert!(store.recovery().was_closed, "{:?}", store.recovery());
        assert_eq!(store.len(AT.space), 41);
        for n in 150..200u64 {
            let expected = (n % 50 >= 10).then_some(n);
            let found = store.get_with(AT, format!("key{}", n % 50).as_bytes(), |entry| {
                entry.map(|entry| (entry.kind(), entry.bytes().unwrap().to_vec()))
            });
            assert_eq!(found, expected.map(|n| (n as u8, n.to_le_bytes().to_vec())));
        }
        assert_eq!(value(&store, b"mortal"), Some(b"soon gone".to_vec()));
        assert!(store.get_with(At { now_ms: 2_000, ..AT }, b"mortal", |entry| entry.is_none()));
        assert!(store.get_with(At { space: 3, ..AT }, b"second", |entry| entry.is_some()));
    }
}

#[test]
fn stamps_go_on_above_those_of_before() {
    let disk = Simulated::default();
    let mut last = 0;
    for _ in 0..4 {
        let store = open(&disk, Durability::Buffered);
        let stamp =
            store.get_with(AT, b"key", |entry| entry.map_or(0, |entry| entry.stamp().get()));
        assert!(last == 0 || stamp > last);
        store.set(AT, b"key", 0, b"value", None).unwrap();
        last = store.get_with(AT, b"key", |entry| entry.unwrap().stamp().get());
        assert!(last > stamp);
    }
}

#[test]
fn a_finished_write_is_on_the_device_where_the_mode_says_so() {
    for durability in [MODES[2], MODES[3]] {
        let disk = Simulated::default();
        let store = open(&disk, durability);
        for n in 1..=20u64 {
            store.set(AT, b"key", 0, &n.to_le_bytes(), None).unwrap();
            let mut random = random(n);
            let after = open(&disk.after_power_cut(&mut random), durability);
            assert_eq!(number(&after, b"key"), n);
        }
    }
}

#[test]
fn a_write_that_found_nothing_to_do_waits_for_what_it_saw() {
    let disk = Simulated::default();
    let store = open(&disk, Durability::Group { every: Duration::from_millis(30) });
    store.set(AT, b"key", 0, b"value", None).unwrap();
    for n in 0..10 {
        thread::scope(|scope| {
            let remove = scope.spawn(|| store.remove(AT, b"key").unwrap());
            // Visible long before it is safe.
            while value(&store, b"key").is_some() {
                thread::yield_now();
            }
            assert!(!store.remove(AT, b"key").unwrap());
            let after = open(&disk.after_power_cut(&mut random(n)), Durability::Always);
            assert_eq!(value(&after, b"key"), None, "it said that the key is gone");
            assert!(remove.join().unwrap());
        });
        store.set(AT, b"key", 0, b"value", None).unwrap();
    }
}

/// Threads that move amounts between keys and count what they did; the power goes at any operation.
#[test]
fn after_a_power_cut_there_is_a_cut_with_everything_acknowledged() {
    const THREADS: usize = 3;
    let rounds =
        std::env::var("STILLPOINT_POWER_CUTS").map_or(32, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let mut random = random(round);
        let durability = MODES[round as usize % MODES.len()];
        let promises = matches!(durability, Durability::Group { .. } | Durability::Always);
        let mut disk = Simulated::default();
        let mut safe = [0; THREADS];
        for _ in 0..3 {
            disk.die_at(disk.operations() + 20 + random(150) as u64);
            if let Ok(store) =
                DurableStore::open_in(Arc::new(disk.clone()), small(durability), BytesOnly)
            {
                let (stop, store) = (&AtomicBool::new(false), &store);
                let acknowledged: Vec<u64> = thread::scope(|scope| {
                    let workers: Vec<_> =
                        (0..THREADS).map(|me| scope.spawn(move || play(store, me, stop))).collect();
                    if random(2) == 0 {
                        thread::sleep(Duration::from_millis(random(20) as u64));
                        let _result = store.checkpoint();
                    }
                    thread::sleep(Duration::from_millis(random(40) as u64));
                    stop.store(true, Ordering::Relaxed);
                    workers.into_iter().map(|worker| worker.join().unwrap()).collect()
                });
                if promises {
                    safe = std::array::from_fn(|me| acknowledged[me].max(safe[me]));
                }
            }
            disk = disk.after_power_cut(&mut random);
            let store = open(&disk, durability);
            check(&store, &safe, round);
            safe = if promises {
                std::array::from_fn(|me| number(&store, &[b'n', me as u8]))
            } else {
                [0; THREADS]
            };
            store.close().unwrap();
        }
    }
}

/// The number of the thread's last step that was acknowledged.
fn play(store: &DurableStore, me: usize, stop: &AtomicBool) -> u64 {
    let mut done = 0;
    for step in number(store, &[b'n', me as u8]) + 1.. {
        if stop.load(Ordering::Relaxed)
            || store.set(AT, &[b's', me as u8], 0, &step.to_le_bytes(), None).is_err()
        {
            return done;
        }
        loop {
            let mut transaction = store.begin(AT.now_ms);
            for (key, change) in [(b"a", step), (b"b", step.wrapping_neg())] {
                transaction
                    .update(AT.space, key, |entry, draft| {
                        let before = entry.map_or(0, |entry| {
                            u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap())
                        });
                        draft.put(0, &[&before.wrapping_add(change).to_le_bytes()], None);
                    })
                    .unwrap();
            }
            transaction.set(AT.space, &[b'n', me as u8], 0, &step.to_le_bytes(), None);
            match transaction.commit() {
                Ok(()) => break,
                Err(CommitError::Conflict { .. }) => {}
                Err(_) => return done,
            }
        }
        done = step;
    }
    done
}

fn check(store: &DurableStore, safe: &[u64], round: u64) {
    assert_eq!(
        number(store, b"a").wrapping_add(number(store, b"b")),
        0,
        "round {round}: half a transfer"
    );
    for (me, &safe) in safe.iter().enumerate() {
        let (set, committed) = (number(store, &[b's', me as u8]), number(store, &[b'n', me as u8]));
        assert!(committed >= safe, "round {round}: {safe} was acknowledged, {committed} is there");
        assert!((committed..=committed + 1).contains(&set), "round {round}: not a cut");
    }
}

#[test]
fn a_checkpoint_makes_the_log_before_it_needless() {
    let disk = Simulated::default();
    let store = open(&disk, Durability::Buffered);
    for n in 0..2_000u64 {
        store.set(AT, &(n % 300).to_le_bytes(), 0, &n.to_le_bytes(), None).unwrap();
    }
    let before = disk.files().len();
    let made = store.checkpoint().unwrap();
    assert_eq!(made.records, 300);
    assert!(before > 5 && disk.files().len() == 2, "{:?}", disk.files().keys());
    store.set(AT, b"later", 0, b"x", None).unwrap();
    let second = store.checkpoint().unwrap();
    assert!(second.records == 301 && second.timestamp > made.timestamp);
    store.set(AT, b"latest", 0, b"x", None).unwrap();
    drop(store);
    assert_eq!(disk.files().len(), 2);
    let store = open(&disk, Durability::Buffered);
    assert_eq!((store.len(AT.space), store.recovery().checkpoint_records), (302, 301));
    assert_eq!(store.recovery().log_records, 1);
    assert_eq!(number(&store, &299u64.to_le_bytes()), 1_799);
}

#[test]
fn a_log_that_grows_is_cut_by_checkpoints_on_its_own() {
    let disk = Simulated::default();
    let options = Options { checkpoint_bytes: Some(20_000), ..small(Durability::Buffered) };
    let store = DurableStore::open_in(Arc::new(disk.clone()), options, BytesOnly).unwrap();
    let started = Instant::now();
    let is_made = || disk.files().keys().any(|name| name.starts_with("checkpoint-"));
    while !is_made() {
        store.set(AT, b"key", 0, &[1; 1000], None).unwrap();
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    drop(store);
    assert!(open(&disk, Durability::None).recovery().checkpoint.is_some());
}

#[test]
fn an_error_of_the_device_refuses_writes_and_leaves_reads() {
    for durability in [MODES[1], MODES[2], MODES[3]] {
        let disk = Simulated::default();
        let store = open(&disk, durability);
        store.set(AT, b"key", 0, b"safe", None).unwrap();
        disk.fail_at(disk.operations() + 1);
        assert_eq!(store.set(AT, b"key", 0, b"lost", None), Err(WriteError::LogFailed));
        // Once: the device would take it again.
        assert_eq!(store.set(AT, b"key", 0, b"refused", None), Err(WriteError::LogFailed));
        let mut transaction = store.begin(AT.now_ms);
        transaction.set(0, b"a", 0, b"", None);
        transaction.set(0, b"b", 0, b"", None);
        assert_eq!(transaction.commit(), Err(CommitError::Write(WriteError::LogFailed)));
        assert_eq!(value(&store, b"key"), Some(b"lost".to_vec()));
        assert!(store.failure().is_some_and(|reason| reason.contains("simulated")));
        assert!(store.sync().is_err() && store.close().is_err());
        assert!(matches!(store.checkpoint(), Err(CheckpointError::LogEnded(_))));
        drop(store);
        // What a process left is there to the next one; what a power cut leaves is for those that waited for the device.
        let next = match durability {
            Durability::Buffered => disk,
            _ => disk.after_power_cut(&mut random(1)),
        };
        let after = open(&next, durability);
        assert!(after.len(0) == 0 && value(&after, b"key").is_some());
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_and_it_is_opened_again() {
    let disk = Simulated::default();
    disk.set_capacity(Some(50_000));
    let store = open(&disk, Durability::Buffered);
    let mut written = 0u64;
    while store.set(AT, &written.to_le_bytes(), 0, &[7; 500], None).is_ok() {
        written += 1;
    }
    assert!(written > 50 && store.failure().is_some());
    drop(store);
    // Not even the log's next segment fits.
    let again =
        DurableStore::open_in(Arc::new(disk.clone()), small(Durability::Buffered), BytesOnly);
    if let Ok(store) = again {
        while store.set(AT, b"more", 0, &[7; 500], None).is_ok() {}
    }
    disk.set_capacity(None);
    let store = open(&disk, Durability::Buffered);
    for key in 0..written {
        assert_eq!(value(&store, &key.to_le_bytes()), Some(vec![7; 500]));
    }
    store.set(AT, b"more", 0, b"", None).unwrap();
}

#[test]
fn a_directory_is_open_once_at_a_time() {
    let path = std::env::temp_dir().join(format!("stillpoint-once-{}", std::process::id()));
    let first = DurableStore::open(&path, small(Durability::Always)).unwrap();
    let second = DurableStore::open(&path, small(Durability::Always));
    assert!(matches!(second, Err(OpenError::Locked)));
    let clone = first.clone();
    drop(first);
    assert!(matches!(DurableStore::open(&path, small(Durability::Always)), Err(OpenError::Locked)));
    clone.set(AT, b"key", 0, b"value", None).unwrap();
    clone.close().unwrap();
    let second = DurableStore::open(&path, small(Durability::Always)).unwrap();
    assert_eq!(value(&second, b"key"), Some(b"value".to_vec()));
    assert!(Disk::open(&path).is_err());
    drop(second);
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_store_with_fewer_spaces_than_its_files_is_refused() {
    let disk = Simulated::default();
    open(&disk, Durability::Buffered).set(At { space: 9, ..AT }, b"key", 0, b"", None).unwrap();
    let options =
        Options { store: Config { spaces: 9, ..Config::default() }, ..small(Durability::Buffered) };
    let refused = DurableStore::open_in(Arc::new(disk.clone()), options, BytesOnly);
    assert!(matches!(refused, Err(OpenError::NoSuchSpace { space: 9 })));
}

/// Panics at an object of kind 9.
struct Words;

impl Codec<Vec<String>> for Words {
    fn encode(&self, kind: u8, words: &Vec<String>, out: &mut Vec<u8>) {
        assert!(kind != 9, "this panic is part of the test");
        out.extend_from_slice(words.join(" ").as_bytes());
    }

    fn decode(&self, _kind: u8, bytes: &[u8]) -> Result<Vec<String>, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        Ok(text.split(' ').map(str::to_owned).collect())
    }
}

#[test]
fn a_codec_that_panics_leaves_nobody_waiting() {
    let disk = Simulated::default();
    let store = DurableStore::open_in(Arc::new(disk), small(Durability::Always), Words).unwrap();
    let put = |kind| {
        let object = Arc::new(vec!["word".to_owned()]);
        store.update(AT, b"key", |_, draft| draft.put_object(kind, Arc::clone(&object), None))
    };
    put(1).unwrap();
    assert_eq!(put(9), Err(WriteError::LogFailed));
    assert_eq!(put(1), Err(WriteError::LogFailed));
    assert!(store.failure().is_some_and(|reason| reason.contains("panicked")));
}

#[test]
fn a_typed_map_over_a_durable_store_comes_back() {
    let disk = Simulated::default();
    let open = || DurableStore::open_in(Arc::new(disk.clone()), small(Durability::Always), Words);
    let store = open().unwrap();
    let words: Db<String, Vec<String>> = Db::over((*store).clone(), || 0);
    words.insert("greeting", vec!["hello".to_owned(), "world".to_owned()]).unwrap();
    words.insert("gone", Vec::new()).unwrap();
    assert!(words.remove("gone").unwrap().is_some());
    drop(store);
    assert!(words.insert("late", Vec::new()).is_err() && words.contains("greeting"));
    let store = open().unwrap();
    let words: Db<String, Vec<String>> = Db::over((*store).clone(), || 0);
    assert_eq!(words.len(), 1);
    assert_eq!(words.get("greeting").unwrap()[1], "world");
}

#[test]
fn objects_go_through_their_codec_into_log_and_checkpoint() {
    let disk = Simulated::default();
    let open = || DurableStore::open_in(Arc::new(disk.clone()), small(Durability::Buffered), Words);
    let put = |store: &DurableStore<Vec<String>>, key: &[u8], words: &[&str]| {
        let words: Arc<Vec<String>> = Arc::new(words.iter().map(|&word| word.to_owned()).collect());
        store.update(AT, key, |_, draft| draft.put_object(4, Arc::clone(&words), None)).unwrap();
    };
    let store = open().unwrap();
    put(&store, b"one", &["in", "the", "checkpoint"]);
    store.checkpoint().unwrap();
    put(&store, b"two", &["in", "the", "log"]);
    drop(store);
    let store = open().unwrap();
    for (key, last) in [(b"one", "checkpoint"), (b"two", "log")] {
        store.get_with(AT, key, |entry| {
            let entry = entry.unwrap();
            let Value::Object(words) = entry.value() else { panic!("bytes") };
            assert_eq!((entry.kind(), words[2].as_str()), (4, last));
        });
    }
    store.set(AT, b"three", 0, &[0xff], None).unwrap();
    put(&store, b"four", &["\u{1F980}"]);
    drop(store);
    assert_eq!(open().unwrap().len(AT.space), 4);
}
