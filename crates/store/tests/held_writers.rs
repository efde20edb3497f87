//! Writers that wait for the log: each returns when what it wrote, or what it saw when it wrote nothing, is acknowledged; and not before.
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_store::{At, CommitError, CommitStream, Config, Store, StreamConfig, WriteError};

const AT: At = At { space: 0, now_ms: 0 };

fn held() -> (Store, CommitStream) {
    let stream = Some(StreamConfig::default());
    let store: Store = Store::new(Config { stream, first_timestamp: 1 << 40, ..Config::default() });
    let stream = store.commit_stream().unwrap();
    stream.hold_writers(true);
    (store, stream)
}

/// Whether `write` returns only when what the stream has then is acknowledged.
fn waits<R: Send>(stream: &mut CommitStream, write: impl FnOnce() -> R + Send) -> (bool, R) {
    let returned = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let result = write();
            returned.store(true, Ordering::SeqCst);
            result
        });
        let groups = stream.next_groups(Duration::from_millis(100));
        thread::sleep(Duration::from_millis(20));
        let early = returned.load(Ordering::SeqCst);
        stream.acknowledge(groups.through);
        while !writer.is_finished() {
            let through = stream.next_groups(Duration::from_millis(1)).through;
            stream.acknowledge(through);
        }
        (!early, writer.join().unwrap())
    })
}

#[test]
fn every_kind_of_write_waits_and_reads_do_not() {
    let (store, mut stream) = held();
    let set = || store.set(AT, b"a", 0, b"1", None);
    assert_eq!(waits(&mut stream, set), (true, Ok(())));
    let update = || store.update(AT, b"b", |_, draft| draft.put(0, &[b"1"], None));
    assert_eq!(waits(&mut stream, update), (true, Ok(())));
    let commit = |keys: &[&[u8]]| {
        let mut transaction = store.begin(0);
        keys.iter().for_each(|key| transaction.set(0, key, 0, b"2", None));
        transaction.commit()
    };
    assert_eq!(waits(&mut stream, || commit(&[b"a"])), (true, Ok(())));
    assert_eq!(waits(&mut stream, || commit(&[b"a", b"b"])), (true, Ok(())));
    assert_eq!(waits(&mut stream, || store.clear(AT)), (true, Ok(())));
    // Nobody acknowledges anything now.
    assert_eq!(commit(&[]), Ok(()));
    assert!(store.get_with(AT, b"a", |entry| entry.is_none()));
    assert!(store.stats().clock >= 1 << 40);
}

#[test]
fn a_write_that_finds_nothing_to_do_waits_for_what_it_saw() {
    let (store, mut stream) = held();
    thread::scope(|scope| {
        let first = scope.spawn(|| store.set(AT, b"key", 0, b"1", None));
        while store.get_with(AT, b"key", |entry| entry.is_none()) {
            thread::yield_now();
        }
        let lose = || store.compare_and_set(AT, b"key", None, 0, b"2", None);
        assert_eq!(waits(&mut stream, lose), (true, Ok(false)));
        assert_eq!(first.join().unwrap(), Ok(()));
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| store.remove(AT, b"key"));
        while store.get_with(AT, b"key", |entry| entry.is_some()) {
            thread::yield_now();
        }
        assert_eq!(waits(&mut stream, || store.remove(AT, b"key")), (true, Ok(false)));
        assert_eq!(first.join().unwrap(), Ok(true));
    });
    // Nothing is on its way any more.
    assert_eq!(store.remove(AT, b"key"), Ok(false));
}

#[test]
fn writers_that_wait_are_told_when_the_log_fails() {
    let (store, stream) = held();
    thread::scope(|scope| {
        let set = scope.spawn(|| store.set(AT, b"key", 0, b"1", None));
        let commit = scope.spawn(|| {
            let mut transaction = store.begin(0);
            transaction.set(0, b"x", 0, b"", None);
            transaction.set(0, b"y", 0, b"", None);
            transaction.commit()
        });
        while store.len(0) < 3 {
            thread::yield_now();
        }
        stream.fail();
        assert_eq!(set.join().unwrap(), Err(WriteError::LogFailed));
        assert_eq!(commit.join().unwrap(), Err(CommitError::Write(WriteError::LogFailed)));
    });
    assert_eq!(store.set(AT, b"late", 0, b"", None), Err(WriteError::LogFailed));
    assert!(store.get_with(AT, b"late", |entry| entry.is_none()));
}
