//! Transactions as they are offered: closures that run again, isolation levels, operations at the commit, savepoints, hooks.
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{
    At, CommitError, Config, Isolation, MergeError, Stop, Store, Transaction, TransactionError,
    TransactionOptions, abort,
};

const AT: At = At { space: 0, now_ms: 1 };
const NOW: u64 = 1;

fn store() -> Store {
    Store::new(Config::default())
}

fn options() -> TransactionOptions {
    TransactionOptions::at(NOW)
}

fn set(store: &Store, key: &[u8], value: &[u8]) {
    store.set(AT, key, 0, value, None).unwrap();
}

fn text(store: &Store, key: &[u8]) -> Option<String> {
    store.get_with(AT, key, |entry| {
        entry.map(|entry| String::from_utf8(entry.bytes().unwrap().to_vec()).unwrap())
    })
}

fn number(tx: &mut Transaction, key: &[u8]) -> i64 {
    let bytes = tx.get(0, key).unwrap();
    bytes.map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap())
}

fn put(tx: &mut Transaction, key: &[u8], value: i64) {
    tx.set(0, key, 0, value.to_string().as_bytes(), None);
}

#[test]
fn a_closure_runs_again_until_nobody_was_faster() {
    let store = store();
    let mut runs = 0;
    let seen = store.transaction(options(), |tx| {
        runs += 1;
        let seen = number(tx, b"n");
        if runs < 7 {
            set(&store, b"n", runs.to_string().as_bytes());
        }
        put(tx, b"n", seen + 100);
        put(tx, b"log", seen);
        Ok::<_, Stop>(seen)
    });
    assert_eq!((seen, runs), (Ok(6), 7));
    assert_eq!(text(&store, b"n").as_deref(), Some("106"));
    assert_eq!(store.stats().aborts, 6);
}

#[test]
fn attempts_and_time_are_limited_and_the_conflict_names_its_key() {
    let store = store();
    let hopeless = |options: TransactionOptions| {
        store.transaction(options, |tx| {
            let seen = number(tx, b"read");
            put(tx, b"x", seen);
            set(&store, b"read", b"1");
            Ok::<_, Stop>(())
        })
    };
    let conflict = TransactionError::Conflict { key: b"read".to_vec(), attempts: 3 };
    assert_eq!(hopeless(options().attempts(3)), Err(conflict));
    let began = Instant::now();
    let timed = hopeless(options().deadline(Duration::from_millis(30)));
    assert!(matches!(timed, Err(TransactionError::TimedOut { attempts }) if attempts > 3));
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert_eq!(text(&store, b"x"), None);
}

#[test]
fn an_error_of_the_closure_rolls_back_and_is_returned() {
    let store = store();
    let result = store.transaction(options(), |tx| {
        put(tx, b"x", 1);
        if number(tx, b"x") == 1 { abort("no") } else { Ok(()) }
    });
    assert_eq!(result, Err(TransactionError::Aborted("no")));
    assert_eq!(text(&store, b"x"), None);
    assert_eq!(store.stats().snapshots, 0);
}

#[test]
fn a_transaction_that_lost_three_times_has_priority() {
    let store = store();
    let mut had = Vec::new();
    let result = store.transaction(options().attempts(5), |tx| {
        number(tx, b"read");
        put(tx, b"x", 1);
        set(&store, b"read", b"1");
        // Whoever asks meanwhile does not get it.
        had.push(!store.begin(NOW).request_priority());
        Ok::<_, Stop>(())
    });
    assert!(result.is_err());
    assert_eq!(had, [false, false, false, true, true]);
    assert!(store.begin(NOW).request_priority());
}

/// Two transactions, interleaved by hand: each reads both keys and writes its own. Whether both commit.
fn skew(isolation: Isolation, for_update: bool) -> bool {
    let store = store();
    let mut open = [b"a", b"b"].map(|own| {
        let mut tx = store.begin_with(options().isolation(isolation));
        for key in [b"a", b"b"] {
            match for_update {
                true => tx.get_for_update_with(0, key, |entry| assert!(entry.is_none())).unwrap(),
                false => assert_eq!(number(&mut tx, key), 0),
            }
        }
        put(&mut tx, own, 1);
        Some(tx)
    });
    let done = open.each_mut().map(|tx| tx.take().unwrap().commit().is_ok());
    assert!(done[0], "the first to commit is never refused");
    done[1]
}

#[test]
fn write_skew_is_possible_under_snapshot_isolation_and_only_there() {
    assert!(skew(Isolation::Snapshot, false));
    assert!(!skew(Isolation::Snapshot, true));
    assert!(!skew(Isolation::Serializable, false));
    assert!(!skew(Isolation::Serializable, true));
}

#[test]
fn under_snapshot_isolation_the_first_committer_wins() {
    for blind in [true, false] {
        for keys in 1..=2 {
            let store = store();
            let mut tx = store.begin_with(options().isolation(Isolation::Snapshot));
            if !blind {
                number(&mut tx, b"k");
            }
            put(&mut tx, b"k", 1);
            (1..keys).for_each(|other| put(&mut tx, &[other], 1));
            set(&store, b"k", b"2");
            assert_eq!(tx.commit(), Err(CommitError::Conflict { key: b"k".to_vec() }));
            assert_eq!(text(&store, b"k").as_deref(), Some("2"));
        }
    }
}

#[test]
fn a_removal_and_a_key_that_came_and_went_conflict_too() {
    let store = store();
    for keys in 1..=2u8 {
        let mut tx = store.begin(NOW);
        number(&mut tx, b"ghost");
        put(&mut tx, b"ghost", 1);
        (1..keys).for_each(|other| put(&mut tx, &[other], 1));
        set(&store, b"ghost", b"boo");
        store.remove(AT, b"ghost").unwrap();
        while store.collect(100) > 0 {}
        assert!(tx.commit().is_err());
        assert!(store.is_empty(0));
    }
}

#[test]
fn operations_at_the_commit_take_what_the_key_is_by_then() {
    let store = store();
    set(&store, b"n", b"1");
    let mut tx = store.begin(NOW);
    tx.add(0, b"n", 0, 5);
    tx.add(0, b"n", 0, -2);
    tx.max(0, b"high", 0, 7);
    tx.append(0, b"log", 0, b"b");
    tx.append(0, b"log", 0, b"c");
    set(&store, b"n", b"40");
    set(&store, b"high", b"9");
    set(&store, b"log", b"a");
    tx.commit().unwrap();
    assert_eq!(text(&store, b"n").as_deref(), Some("43"));
    assert_eq!(text(&store, b"high").as_deref(), Some("9"));
    assert_eq!(text(&store, b"log").as_deref(), Some("abc"));
    // One key alone takes the shorter way.
    let mut tx = store.begin(NOW);
    tx.max(0, b"high", 0, 10);
    set(&store, b"high", b"-3");
    tx.commit().unwrap();
    assert_eq!(text(&store, b"high").as_deref(), Some("10"));
}

#[test]
fn a_merged_value_keeps_its_expiry_and_an_expired_one_begins_anew() {
    let store = store();
    store.set(AT, b"lives", 0, b"1", Some(50)).unwrap();
    store.set(AT, b"expired", 0, b"100", Some(1)).unwrap();
    let mut tx = store.begin(NOW);
    tx.add(0, b"lives", 0, 1);
    tx.add(0, b"expired", 0, 1);
    tx.commit().unwrap();
    store.get_with(AT, b"lives", |entry| {
        let entry = entry.unwrap();
        assert_eq!((entry.bytes(), entry.expire_at_ms()), (Some(&b"2"[..]), Some(50)));
    });
    assert_eq!(text(&store, b"expired").as_deref(), Some("1"));
}

#[test]
fn an_operation_that_does_not_suit_its_key_fails_the_commit_whole() {
    let store = store();
    set(&store, b"word", b"x");
    set(&store, b"most", i64::MAX.to_string().as_bytes());
    store.set(AT, b"kind", 3, b"1", None).unwrap();
    for (key, reason) in [
        (&b"word"[..], MergeError::NotANumber),
        (b"most", MergeError::Overflow),
        (b"kind", MergeError::OtherKind),
    ] {
        for read_first in [false, true] {
            let result = store.transaction(options(), |tx| {
                put(tx, b"other", 1);
                tx.add(0, key, 0, 1);
                if read_first {
                    tx.get(0, key)?;
                }
                Ok::<_, Stop>(())
            });
            let error = CommitError::Merge { key: key.to_vec(), reason };
            assert_eq!(result, Err(TransactionError::Failed(error)));
        }
        let mut alone = store.begin(NOW);
        alone.add(0, key, 0, 1);
        assert!(alone.commit().is_err());
    }
    assert_eq!(text(&store, b"other"), None);
    while store.collect(100) > 0 {}
}

#[test]
fn reading_a_pending_operation_shows_its_outcome_and_makes_it_a_read() {
    let store = store();
    set(&store, b"n", b"1");
    let mut tx = store.begin(NOW);
    tx.add(0, b"n", 0, 5);
    assert_eq!(number(&mut tx, b"n"), 6);
    tx.add(0, b"n", 0, 5);
    assert_eq!(number(&mut tx, b"n"), 11);
    tx.remove(0, b"n");
    tx.add(0, b"n", 0, 5);
    assert_eq!(number(&mut tx, b"n"), 5);
    let mut all = Vec::new();
    tx.append(0, b"log", 0, b"x");
    tx.for_each(0, |entry| all.push((entry.key().to_vec(), entry.bytes().unwrap().to_vec())))
        .unwrap();
    all.sort();
    assert_eq!(all, [(b"log".to_vec(), b"x".to_vec()), (b"n".to_vec(), b"5".to_vec())]);
    set(&store, b"n", b"2");
    assert_eq!(tx.commit(), Err(CommitError::Conflict { key: b"n".to_vec() }));
}

#[test]
fn hot_counters_lose_nothing_and_conflict_with_nobody() {
    const EACH: i64 = 2_000;
    let store = store();
    thread::scope(|scope| {
        for me in 0..4u8 {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..EACH {
                    let done = store.transaction(options(), |tx| {
                        tx.add(0, b"all", 0, 1);
                        tx.add(0, &[me], 0, 1);
                        Ok::<_, Stop>(())
                    });
                    done.unwrap();
                }
            });
        }
    });
    assert_eq!(text(&store, b"all"), Some((4 * EACH).to_string()));
}

#[test]
fn a_savepoint_takes_back_writes_and_not_reads() {
    let store = store();
    set(&store, b"r", b"1");
    let ran = Arc::new(AtomicU32::new(0));
    let mut tx = store.begin(NOW);
    let count = |tx: &mut Transaction, by: u32| {
        let ran = ran.clone();
        tx.on_commit(move || {
            ran.fetch_add(by, Ordering::Relaxed);
        });
    };
    put(&mut tx, b"a", 1);
    tx.add(0, b"n", 0, 1);
    count(&mut tx, 1);
    let first = tx.savepoint();
    put(&mut tx, b"a", 2);
    tx.add(0, b"n", 0, 10);
    tx.remove(0, b"r");
    count(&mut tx, 10);
    let second = tx.savepoint();
    put(&mut tx, b"b", 1);
    tx.rollback_to(&second);
    assert_eq!((number(&mut tx, b"a"), number(&mut tx, b"b")), (2, 0));
    tx.rollback_to(&first);
    assert_eq!((number(&mut tx, b"a"), number(&mut tx, b"r")), (1, 1));
    tx.rollback_to(&first);
    tx.commit().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!((text(&store, b"a").as_deref(), text(&store, b"b")), (Some("1"), None));
    assert_eq!(text(&store, b"n").as_deref(), Some("1"));
    // What was read before the rollback is still validated.
    let mut tx = store.begin(NOW);
    let savepoint = tx.savepoint();
    number(&mut tx, b"r");
    tx.rollback_to(&savepoint);
    put(&mut tx, b"x", 1);
    set(&store, b"r", b"2");
    assert_eq!(tx.commit(), Err(CommitError::Conflict { key: b"r".to_vec() }));
}

#[test]
#[should_panic(expected = "a savepoint of another transaction")]
fn a_savepoint_that_was_rolled_back_is_void() {
    let store = store();
    let mut tx = store.begin(NOW);
    let first = tx.savepoint();
    put(&mut tx, b"a", 1);
    let second = tx.savepoint();
    tx.rollback_to(&first);
    tx.rollback_to(&second);
}

#[test]
fn what_is_to_run_at_the_end_runs_once_and_at_the_right_end() {
    let store = store();
    let (committed, rolled_back) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let noted = |tx: &mut Transaction| {
        let (committed, rolled_back) = (committed.clone(), rolled_back.clone());
        tx.on_commit(move || {
            committed.fetch_add(1, Ordering::Relaxed);
        });
        tx.on_rollback(move || {
            rolled_back.fetch_add(1, Ordering::Relaxed);
        });
    };
    let ran = || (committed.load(Ordering::Relaxed), rolled_back.load(Ordering::Relaxed));
    let mut runs = 0;
    let done = store.transaction(options(), |tx| {
        noted(tx);
        runs += 1;
        let seen = number(tx, b"n");
        if runs == 1 {
            set(&store, b"n", b"1");
        }
        put(tx, b"n", seen);
        Ok::<_, Stop>(())
    });
    done.unwrap();
    assert_eq!(ran(), (1, 1));
    let mut tx = store.begin(NOW);
    noted(&mut tx);
    tx.rollback();
    assert_eq!(ran(), (1, 2));
}

/// Reads of one attempt are of one moment, also in an attempt that will fail.
#[test]
fn no_attempt_sees_a_torn_pair() {
    const ROUNDS: u64 = 20_000;
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let store = store();
        let begin = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                for round in 0..ROUNDS as i64 {
                    let mut tx = store.begin(NOW);
                    put(&mut tx, b"a", round);
                    put(&mut tx, b"b", -round);
                    tx.commit().unwrap_or(());
                }
            });
            begin.wait();
            for _ in 0..ROUNDS {
                let mut tx = store.begin_with(options().isolation(isolation));
                let a = number(&mut tx, b"a");
                thread::yield_now();
                assert_eq!(a + number(&mut tx, b"b"), 0);
            }
        });
    }
}
