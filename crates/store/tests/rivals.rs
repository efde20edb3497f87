//! Bugs that other stores had, each as a test that this one must pass.
//!
//! | test | whose | what would break it here |
//! |---|---|---|
//! | kovan_none… | kovan-mvcc 0.1: a read that met a lock gave up and answered "absent" | a reader that takes a pending head for no value |
//! | kovan_gc… | kovan-mvcc 0.1: two collections dropped versions that were live | cutting by a watermark instead of intervals, or from the top |
//! | kovan_watermark… | kovan-mvcc 0.1: the watermark overtook a transaction between its timestamp and its registration | a timestamp before the lease is announced |
//! | kovan_ssi… | kovan-mvcc 0.1: the record of a rollback hid an older commit from the validation | validating against the head only |
//! | kovan_stm_locks… | kovan-stm 0.1: a commit that met a lock kept those it had; after a while nobody committed any more | pending versions that an aborted commit leaves in the way |
//! | kovan_stm_values… | kovan-stm 0.1: a commit moved a value out and dropped it as well | values that are not owned once |
//! | surrealmx… | surrealmx 0.18: a removal unlinked the key's entry after a newer write had been committed to it | unlinking a key whose head is not the tombstone any more |
//! | turso_half… | turso: rows of one commit were stamped one by one | final stamps that are not one status |
//! | turso_timestamp… | turso: the timestamp was taken before the commit was announced | a timestamp before PREPARED |
//! | turso_5420… | turso: a commit's record went while rows still named it, so reads of one transaction differed | retiring a descriptor before its versions bear their final stamps |
//! | turso_5421… | turso: increments that were reported as done were lost | a base that is not the newest committed version |
//! | turso_5198… | turso: reads passed prepared commits by, and found them done later | a reader that does not decide what is prepared |
//! | turso_5959… | turso: a commit that was given up had put final stamps on some rows | final stamps before the verdict |
//! | rust_stm_17… | rust-stm: two transactions waited for a change for ever | a wake-up lost between the look and the sleep; waiting where one should run again |
//! | rust_stm… | kovan-stm 0.1: a second read of a variable saw another value | reads at more than one timestamp |
#![cfg(not(stillpoint_loom))]

use std::cell::Cell;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use stillpoint_store::{
    At, CommitError, Config, Entry, SpaceSet, Step, Stm, Stop, Store, TransactionOptions,
};
use stillpoint_testkit::Random;

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

/// An aborted version lies on top of a committed one that is newer than the read.
#[test]
fn kovan_ssi_is_not_blinded_by_what_was_rolled_back() {
    let store: Store = Store::new(Config::default());
    set(&store, "a", "old");
    set(&store, "b", "old");
    let mut reader = store.begin(1);
    assert_eq!(reader.get_with(0, b"a", text).unwrap(), "old");
    reader.set(0, b"c", 0, b"rests on a", None);
    set(&store, "a", "new");
    let result = stopped(
        &store,
        Step::Installed(1),
        || commit_both(&store, "never"),
        // Whoever writes a key kills what stands in its way; the other one keeps its aborted version.
        || {
            set(&store, "b", "b");
            set(&store, "a", "a");
        },
    );
    assert!(matches!(result, Err(CommitError::Conflict { .. })), "{result:?}");
    let conflict = reader.commit();
    assert!(matches!(&conflict, Err(CommitError::Conflict { key }) if key == b"a"), "{conflict:?}");
    assert_eq!([get(&store, "a"), get(&store, "b"), get(&store, "c")], ["a", "b", "absent"]);
}

#[test]
fn kovan_stm_locks_are_not_left_behind_by_a_commit_that_fails() {
    const COMMITS: u64 = 2_000;
    let stm = Stm::new();
    let vars: Vec<_> = (0..4).map(|_| stm.tvar(0u64)).collect();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (stm, vars) = (&stm, &vars);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..COMMITS {
                    let [one, other] = [(); 2].map(|()| random.below(4) as usize);
                    let options = TransactionOptions::at(0).deadline(Duration::from_secs(60));
                    let both = stm.atomically_with(options, |tx| {
                        tx.modify(&vars[one], |number| number + 1)?;
                        thread::yield_now();
                        tx.modify(&vars[other], |number| number + 1)?;
                        Ok::<_, Stop>(())
                    });
                    both.unwrap();
                }
            });
        }
    });
    assert_eq!(vars.iter().map(|var| *var.load()).sum::<u64>(), 4 * 2 * COMMITS);
}

#[test]
fn kovan_stm_values_are_dropped_once_each() {
    let stm = Stm::new();
    let token = Arc::new(());
    let made = Mutex::new(1u64);
    #[expect(dead_code, reason = "held, and freed with it")]
    struct Value(Arc<()>, String);
    let value = |text: String| {
        *made.lock().unwrap() += 1;
        Value(Arc::clone(&token), text)
    };
    let var = stm.tvar(value("first".into()));
    thread::scope(|scope| {
        for number in 0..3 {
            let (stm, var, value) = (&stm, &var, &value);
            scope.spawn(move || {
                for round in 0..500 {
                    stm.atomically(|tx| {
                        let before = tx.get(var)?;
                        tx.set(var, value(format!("{number} {round}")));
                        drop(before);
                        Ok::<_, Stop>(())
                    })
                    .unwrap();
                }
            });
        }
    });
    assert!(*made.lock().unwrap() > 1_500);
    drop((var, stm));
    assert_eq!(Arc::strong_count(&token), 1, "every value was dropped, none twice");
}

#[test]
fn turso_5420_repeated_reads_agree_while_commits_are_tidied_up() {
    const BATCH: usize = 5;
    let config = Config { ordered: SpaceSet::ALL, ..Config::default() };
    let store: Store = Store::new(config);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3u8)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..150u8 {
                        let all = store.transaction(TransactionOptions::at(1), |tx| {
                            for number in 0..BATCH as u8 {
                                tx.set(0, &[writer, round, number], 0, b"", None);
                            }
                            Ok::<_, Stop>(())
                        });
                        all.unwrap();
                    }
                })
            })
            .collect();
        let count = |tx: &mut stillpoint_store::Transaction| {
            let mut range = tx.range(0, ..);
            let mut count = 0;
            while range.next_with(|_| ()).unwrap().is_some() {
                count += 1;
            }
            count
        };
        while !writers.iter().all(|writer| writer.is_finished()) {
            let mut transaction = store.begin(1);
            let counts = [(); 4].map(|()| {
                thread::yield_now();
                count(&mut transaction)
            });
            assert!(counts[0] % BATCH == 0 && counts.iter().all(|c| *c == counts[0]), "{counts:?}");
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(count(&mut store.begin(1)), 3 * 150 * BATCH);
    });
}

#[test]
fn turso_5421_no_increment_that_was_done_is_lost() {
    let store: Store = Store::new(Config::default());
    let number = |text: String| text.parse::<u64>().unwrap_or(0);
    let done: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..6u64)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    let mut done = 0;
                    for _ in 0..400 {
                        let is_done = match thread % 3 {
                            0 => {
                                let mut tx = store.begin(1);
                                let before = number(tx.get_with(0, b"counter", text).unwrap());
                                thread::yield_now();
                                let next = (before + 1).to_string();
                                tx.set(0, b"counter", 0, next.as_bytes(), None);
                                // With another key it is a commit of several.
                                if before % 2 == 0 {
                                    tx.set(0, &thread.to_le_bytes(), 0, b"", None);
                                }
                                tx.commit().is_ok()
                            }
                            1 => store
                                .update(AT, b"counter", |entry, draft| {
                                    let next = (number(text(entry)) + 1).to_string();
                                    draft.put(0, &[next.as_bytes()], None);
                                })
                                .is_ok(),
                            _ => {
                                let mut tx = store.begin(1);
                                tx.add(0, b"counter", 0, 1);
                                tx.commit().is_ok()
                            }
                        };
                        done += u64::from(is_done);
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(number(get(&store, "counter")), done);
    assert!(done >= 4 * 400, "updates of one key do not fail: {done}");
}

/// A transaction reads one key while a commit is prepared, and the other one when it is over: both from before it, or both from after it.
#[test]
fn turso_5198_a_prepared_commit_is_not_passed_by_and_found_done_later() {
    for step in [Step::Installed(2), Step::Prepared, Step::Fixed, Step::Validated, Step::Decided] {
        let store: Store = Store::new(Config::default());
        set(&store, "a", "old");
        set(&store, "b", "old");
        let mut seen = Vec::new();
        let result = stopped(
            &store,
            step,
            || commit_both(&store, "new"),
            || {
                for key in ["a", "b"] {
                    let mut reader = store.begin(1);
                    let first = reader.get_with(0, key.as_bytes(), text).unwrap();
                    seen.push((reader, key, first));
                }
            },
        );
        assert_eq!(result, Ok(()), "{step:?}");
        for (mut reader, key, first) in seen {
            let other = if key == "a" { b"b" } else { b"a" };
            let second = reader.get_with(0, other, text).unwrap();
            assert_eq!(first, second, "{step:?}: {key} first");
        }
    }
}

#[test]
fn turso_5959_nothing_of_a_commit_that_was_given_up_is_ever_seen() {
    for step in [Step::Installed(1), Step::Installed(2)] {
        let store: Store = Store::new(Config::default());
        set(&store, "b", "old");
        let result = stopped(
            &store,
            step,
            || commit_both(&store, "never"),
            || {
                // Kills it, for it is not prepared; which of the two is installed first, their hashes say.
                set(&store, "a", "mine");
                set(&store, "b", "old");
                assert_eq!([get(&store, "a"), get(&store, "b")], ["mine", "old"], "{step:?}");
            },
        );
        assert!(matches!(result, Err(CommitError::Conflict { .. })), "{step:?}: {result:?}");
        while store.collect(100) > 0 {}
        let cut = store.snapshot(1);
        let seen = [&b"a"[..], b"b"].map(|key| cut.get_with(0, key, text).unwrap());
        assert_eq!(seen, ["mine", "old"], "{step:?}");
    }
}

/// Routes over a grid, as in the report: each transaction reads many cells, takes some, and waits where they are taken.
#[test]
fn rust_stm_17_transactions_that_wait_for_each_other_go_on() {
    const SIDE: usize = 5;
    let stm = Stm::new();
    let grid: Vec<_> = (0..SIDE * SIDE).map(|_| stm.tvar(false)).collect();
    thread::scope(|scope| {
        for seed in 0..6 {
            let (stm, grid) = (&stm, &grid);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..150 {
                    let (line, is_row) = (random.below(SIDE as u64) as usize, random.percent(50));
                    let cell = |at| if is_row { line * SIDE + at } else { at * SIDE + line };
                    let route: Vec<_> = (0..SIDE).map(|at| &grid[cell(at)]).collect();
                    let options = TransactionOptions::at(0).deadline(Duration::from_secs(60));
                    let taken = stm.atomically_with(options, |tx| {
                        for cell in &route {
                            if *tx.get(cell)? {
                                return tx.retry();
                            }
                        }
                        route.iter().for_each(|cell| tx.set(cell, true));
                        Ok::<_, Stop>(())
                    });
                    taken.expect("whoever has the cells gives them back");
                    thread::yield_now();
                    let freed = stm.atomically(|tx| {
                        route.iter().for_each(|cell| tx.set(cell, false));
                        Ok::<_, Stop>(())
                    });
                    freed.unwrap();
                }
            });
        }
    });
    assert!(grid.iter().all(|cell| !*cell.load()));
}
