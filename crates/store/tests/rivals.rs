//! Bugs that other stores had, each as a test that this one must pass.
//!
//! | test | whose | what would break it here |
//! |---|---|---|
//! | kovan_none… | kovan-mvcc 0.1: a read that met a lock gave up and answered "absent" | a reader that takes a pending head for no value |
//! | kovan_gc… | kovan-mvcc 0.1: two collections dropped versions that were live | cutting by a watermark instead of intervals, or from the top |
//! | kovan_watermark… | kovan-mvcc 0.1: the watermark overtook a transaction between its timestamp and its registration | a timestamp before the lease is announced |
//! | surrealmx… | surrealmx 0.18: a removal unlinked the key's entry after a newer write had been committed to it | unlinking a key whose head is not the tombstone any more |
//! | turso_half… | turso: rows of one commit were stamped one by one | final stamps that are not one status |
//! | turso_timestamp… | turso: the timestamp was taken before the commit was announced | a timestamp before PREPARED |
//! | rust_stm… | kovan-stm 0.1: a second read of a variable saw another value | reads at more than one timestamp |
#![cfg(not(stillpoint_loom))]

use std::cell::Cell;
use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::thread;
use stillpoint_store::{At, CommitError, Config, Entry, Step, Store};

const AT: At = At { space: 0, now_ms: 1 };

thread_local! {
    static IS_STOPPED: Cell<bool> = const { Cell::new(false) };
}

fn text(entry: Option<Entry<'_, ()>>) -> String {
    entry.map_or("absent".into(), |e| String::from_utf8_lossy(e.bytes().unwrap()).into())
}

fn get(store: &Store, key: &str) -> String {
    store.get_with(AT, key.as_bytes(), text)
}

fn set(store: &Store, key: &str, value: &str) {
    store.set(AT, key.as_bytes(), 0, value.as_bytes(), None).unwrap();
}

/// Runs `one` in a thread that stops at `step`, `meanwhile` beside it, and then `one` to its end.
fn stopped<R: Send>(
    store: &Store,
    step: Step,
    one: impl FnOnce() -> R + Send,
    meanwhile: impl FnOnce(),
) -> R {
    let (stopped, is_stopped) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    store.on_step(move |at| {
        if IS_STOPPED.get() && at == step {
            stopped.send(()).unwrap();
            // An error: the test has failed, and its end waits for this thread.
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    thread::scope(|scope| {
        let go_on = go_on;
        let one = scope.spawn(|| {
            IS_STOPPED.set(true);
            one()
        });
        is_stopped.recv().unwrap();
        meanwhile();
        go_on.send(()).unwrap();
        one.join().unwrap()
    })
}

/// A commit of "a" and "b".
fn commit_both(store: &Store, value: &str) -> Result<(), CommitError> {
    let mut transaction = store.begin(1);
    transaction.set(0, b"a", 0, value.as_bytes(), None);
    transaction.set(0, b"b", 0, value.as_bytes(), None);
    transaction.commit()
}

#[test]
fn kovan_none_for_an_existing_key_behind_a_commit_under_way() {
    for step in [Step::Installed(1), Step::Installed(2), Step::Prepared, Step::Fixed, Step::Decided]
    {
        let store: Store = Store::new(Config::default());
        set(&store, "a", "old");
        set(&store, "b", "old");
        let result = stopped(
            &store,
            step,
            || commit_both(&store, "new"),
            || {
                for key in ["a", "b"] {
                    assert_ne!(get(&store, key), "absent", "{step:?}");
                    let snapshot = store.snapshot(1);
                    assert_ne!(snapshot.get_with(0, key.as_bytes(), text).unwrap(), "absent");
                    assert_ne!(store.begin(1).get_with(0, key.as_bytes(), text).unwrap(), "absent");
                }
            },
        );
        assert_eq!(result, Ok(()), "{step:?}");
    }
}

#[test]
fn kovan_gc_keeps_every_version_that_somebody_reads() {
    let store: Store = Store::new(Config::default());
    let mut cuts = Vec::new();
    for round in 0..50 {
        match round % 5 {
            4 => drop(store.remove(AT, b"a").unwrap()),
            3 => drop(commit_both(&store, &format!("{round}"))),
            _ => set(&store, "a", &format!("{round}")),
        }
        cuts.push((store.snapshot(1), get(&store, "a")));
        // Every third cut ends, in no order, and everything is collected after each write.
        if round % 3 == 2 {
            cuts.swap_remove(round % cuts.len());
        }
        while store.collect(100) > 0 {}
        for (cut, seen) in &cuts {
            assert_eq!(&cut.get_with(0, b"a", text).unwrap(), seen, "round {round}");
        }
    }
    let kept = store.stats().old_versions;
    assert!(kept <= 2 * cuts.len() as u64, "{kept} versions for {} cuts", cuts.len());
    drop(cuts);
    while store.collect(100) > 0 {}
    assert_eq!(store.stats().old_versions, 0);
}

#[test]
fn kovan_watermark_overtakes_nobody_who_is_about_to_begin() {
    let store: Store = Store::new(Config::default());
    set(&store, "a", "1");
    set(&store, "b", "1");
    let reader = stopped(
        &store,
        Step::LeaseAnnounced,
        || store.snapshot(1),
        || {
            for round in 2..200 {
                set(&store, "a", &round.to_string());
                set(&store, "b", &round.to_string());
                while store.collect(100) > 0 {}
            }
            let kept = store.stats().old_versions;
            assert!(kept <= 4, "a lease that is being taken keeps {kept} versions of two keys");
        },
    );
    // Some moment of the call; then it stays.
    let seen = ["a", "b"].map(|key| reader.get_with(0, key.as_bytes(), text).unwrap());
    let [a, b] = seen.clone().map(|number| number.parse::<u32>().unwrap());
    assert!(b <= a && a <= b + 1, "{seen:?} is no moment");
    set(&store, "a", "later");
    while store.collect(100) > 0 {}
    assert_eq!(reader.get_with(0, b"a", text).unwrap(), seen[0]);
}

/// A removal's unlinking races with a write of the same key; whatever the writer was told is there, is.
#[test]
fn surrealmx_a_racing_removal_loses_no_committed_write() {
    let store: Store = Store::new(Config::default());
    let barrier = Barrier::new(3);
    for round in 0..3_000 {
        let (key, value) = (format!("key{}", round % 7), round.to_string());
        set(&store, &key, "before");
        let found = thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                store.remove(AT, key.as_bytes()).unwrap()
            });
            scope.spawn(|| {
                barrier.wait();
                store.collect(10)
            });
            let writer = scope.spawn(|| {
                barrier.wait();
                // The removal comes before this update or after it; if it was before, nothing removes it any more.
                store.update(AT, key.as_bytes(), |entry, draft| {
                    draft.put(0, &[value.as_bytes()], None);
                    text(entry)
                })
            });
            writer.join().unwrap().unwrap()
        });
        let expected = if found == "absent" { value.as_str() } else { "absent" };
        assert_eq!(get(&store, &key), expected, "round {round}: the write found {found}");
    }
}

#[test]
fn turso_half_a_commit_is_never_visible() {
    for step in [Step::Prepared, Step::Fixed, Step::Validated, Step::Decided, Step::Finished] {
        let store: Store = Store::new(Config::default());
        set(&store, "a", "old");
        set(&store, "b", "old");
        let result = stopped(
            &store,
            step,
            || commit_both(&store, "new"),
            || {
                let snapshot = store.snapshot(1);
                let cut = ["a", "b"].map(|key| snapshot.get_with(0, key.as_bytes(), text).unwrap());
                assert_eq!(cut[0], cut[1], "{step:?}");
                assert_eq!(get(&store, "a"), get(&store, "b"), "{step:?}");
                assert_eq!(
                    ["a", "b"].map(|key| snapshot.get_with(0, key.as_bytes(), text).unwrap()),
                    cut
                );
            },
        );
        assert_eq!(result, Ok(()));
    }
}

/// A commit that is stopped before it is prepared has no timestamp: a snapshot that was taken meanwhile does not see it, then or later.
#[test]
fn turso_timestamp_is_not_taken_before_the_commit_is_announced() {
    for step in [Step::Installed(1), Step::Installed(2)] {
        let store: Store = Store::new(Config::default());
        set(&store, "a", "old");
        set(&store, "b", "old");
        let mut cut = None;
        let result = stopped(
            &store,
            step,
            || commit_both(&store, "new"),
            || {
                let snapshot = store.snapshot(1);
                assert_eq!(snapshot.get_with(0, b"a", text).unwrap(), "old");
                cut = Some(snapshot);
            },
        );
        assert_eq!(result, Ok(()));
        for key in ["a", "b"] {
            let seen = cut.as_ref().unwrap().get_with(0, key.as_bytes(), text).unwrap();
            assert_eq!((seen.as_str(), get(&store, key).as_str()), ("old", "new"), "{step:?}");
        }
    }
}

#[test]
fn rust_stm_a_second_read_sees_the_same_value() {
    let store: Store = Store::new(Config::default());
    set(&store, "a", "1");
    set(&store, "b", "1");
    let mut transaction = store.begin(1);
    assert_eq!(transaction.get_with(0, b"a", text).unwrap(), "1");
    commit_both(&store, "2").unwrap();
    store.remove(AT, b"a").unwrap();
    while store.collect(100) > 0 {}
    assert_eq!(transaction.get_with(0, b"a", text).unwrap(), "1");
    assert_eq!(transaction.get_with(0, b"b", text).unwrap(), "1");
    assert_eq!(transaction.commit(), Ok(()));
}
