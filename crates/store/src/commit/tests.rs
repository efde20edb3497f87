//! A transaction that is stopped inside its commit holds nobody up.

use crate::step::Step;
use crate::{At, CommitError, Config, Store};
use std::sync::mpsc;
use std::thread;

const AT: At = At { space: 0, now_ms: 1 };

fn text(store: &Store, key: &[u8]) -> String {
    store.get_with(AT, key, |entry| {
        entry.map_or(String::new(), |e| String::from_utf8_lossy(e.bytes().unwrap()).into())
    })
}

/// Stops a transaction that writes "a", "b" and reads "r" at `step`, lets `meanwhile` run, and goes on with it.
fn stopped_at(step: Step, meanwhile: impl FnOnce(&Store)) -> (Store, Result<(), CommitError>) {
    let store: Store = Store::new(Config::default());
    for key in [b"a", b"b", b"r"] {
        store.set(AT, key, 0, b"old", None).unwrap();
    }
    let result = commit_stopped_at(step, &store, meanwhile);
    while store.collect(100) > 0 {}
    // An aborted version on top stays until the key's next write.
    assert!(
        store.stats().old_versions <= if result.is_ok() { 0 } else { 2 },
        "{:?}",
        store.stats()
    );
    assert_eq!(store.len(0), 3);
    (store, result)
}

fn commit_stopped_at(
    step: Step,
    store: &Store,
    meanwhile: impl FnOnce(&Store),
) -> Result<(), CommitError> {
    let (stopped, is_stopped) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    store.on_step(move |at| {
        if at == step {
            stopped.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
    });
    thread::scope(|scope| {
        let commit = scope.spawn(|| {
            let mut transaction = store.begin(1);
            transaction.get_with(0, b"r", |_| ()).unwrap();
            transaction.set(0, b"a", 0, b"new", None);
            transaction.set(0, b"b", 0, b"new", None);
            transaction.commit()
        });
        is_stopped.recv().unwrap();
        meanwhile(store);
        go_on.send(()).unwrap();
        commit.join().unwrap()
    })
}

/// Writes every key once more: then nothing old is left.
fn leaves_nothing(store: &Store) {
    for key in [b"a", b"b", b"r"] {
        store.set(AT, key, 0, b"last", None).unwrap();
    }
    while store.collect(100) > 0 {}
    assert_eq!(store.stats().old_versions, 0, "{:?}", store.stats());
}

#[test]
fn readers_pass_a_commit_that_installs_and_see_nothing_of_it() {
    let (store, result) = stopped_at(Step::Installed(1), |store| {
        assert_eq!(text(store, b"a"), "old");
        let snapshot = store.snapshot(1);
        assert!(snapshot.get_with(0, b"a", |e| e.unwrap().bytes() == Some(b"old")).unwrap());
    });
    assert_eq!(result, Ok(()));
    assert_eq!(text(&store, b"a") + &text(&store, b"b"), "newnew");
}

#[test]
fn what_a_killed_commit_leaves_below_a_new_key_s_first_value_goes_beside_a_snapshot_too() {
    let store: Store = Store::new(Config::default());
    let snapshot = store.snapshot(1);
    let result = commit_stopped_at(Step::Installed(2), &store, |store| {
        for value in [b"1", b"2"] {
            store.set(AT, b"a", 0, value, None).unwrap();
        }
    });
    assert!(matches!(result, Err(CommitError::Conflict { .. })), "{result:?}");
    store.set(AT, b"b", 0, b"other", None).unwrap();
    while store.collect(100) > 0 {}
    assert_eq!(store.stats().old_versions, 0, "{:?}", store.stats());
    drop(snapshot);
}

#[test]
fn a_writer_kills_a_commit_that_installs_for_too_long() {
    let (store, result) = stopped_at(Step::Installed(2), |store| {
        store.set(AT, b"a", 0, b"other", None).unwrap();
        assert_eq!(text(store, b"a"), "other");
    });
    assert!(matches!(result, Err(CommitError::Conflict { .. })));
    assert_eq!((text(&store, b"a"), text(&store, b"b")), ("other".into(), "old".into()));
    leaves_nothing(&store);
}

#[test]
fn whoever_meets_a_prepared_commit_brings_it_to_its_end() {
    let (store, result) = stopped_at(Step::Prepared, |store| {
        assert_eq!(text(store, b"a"), "new");
        let snapshot = store.snapshot(1);
        assert!(snapshot.get_with(0, b"b", |e| e.unwrap().bytes() == Some(b"new")).unwrap());
        store.set(AT, b"b", 0, b"later", None).unwrap();
    });
    assert_eq!(result, Ok(()));
    assert_eq!((text(&store, b"a"), text(&store, b"b")), ("new".into(), "later".into()));
    assert!(store.stats().helps > 0);
}

#[test]
fn a_prepared_commit_whose_read_has_changed_is_refused_by_whoever_meets_it() {
    let (store, result) = stopped_at(Step::Prepared, |store| {
        store.set(AT, b"r", 0, b"changed", None).unwrap();
        assert_eq!(text(store, b"a"), "old");
    });
    assert_eq!(result, Err(CommitError::Conflict { key: b"r".to_vec() }));
    assert_eq!(text(&store, b"b"), "old");
    leaves_nothing(&store);
}

#[test]
fn a_decided_commit_is_seen_before_its_owner_has_stamped_it() {
    let (store, result) = stopped_at(Step::Decided, |store| {
        assert_eq!(text(store, b"a"), "new");
        store.set(AT, b"a", 0, b"later", None).unwrap();
        store.remove(AT, b"b").unwrap();
        store.set(AT, b"b", 0, b"again", None).unwrap();
        while store.collect(10) > 0 {}
    });
    assert_eq!(result, Ok(()));
    assert_eq!((text(&store, b"a"), text(&store, b"b")), ("later".into(), "again".into()));
}
