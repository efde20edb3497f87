//! A transaction that waits, against a write of what it waits for, under all interleavings of the two: it is always woken.
//!
//! A lost wake-up is a deadlock, which loom reports. The twin that sleeps without a second look must have one.
#![cfg(stillpoint_loom)]

use loom::sync::Arc;
use loom::thread;
use std::process::Command;
use std::time::Duration;
use stillpoint_store::{At, Config, Mutation, Stop, Store, TransactionOptions};

const AT: At = At { space: 0, now_ms: 1 };

/// Words of stack for making a store: its parts are large in a model.
const MAKERS_STACK: usize = 0x8000;

fn store(mutation: Mutation) -> Arc<Store> {
    let make = move || Store::weakened(Config { spaces: 1, ..Config::default() }, mutation);
    let maker = thread::Builder::new().stack_size(MAKERS_STACK).spawn(make);
    let store = maker.unwrap().join().unwrap();
    store.set(AT, b"a", 0, &[0], None).unwrap();
    Arc::new(store)
}

fn explore(write: fn(&Store), mutation: Mutation) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.max_duration = Some(Duration::from_secs(20));
    builder.check(move || {
        let store = store(mutation);
        let writer = {
            let store = store.clone();
            thread::spawn(move || write(&store))
        };
        let seen = store.transaction(TransactionOptions::at(1), |tx| match tx.get(0, b"a")? {
            Some(value) if value == [1] => Ok::<_, Stop>(value),
            _ => tx.retry(),
        });
        assert_eq!(seen, Ok(vec![1]));
        writer.join().unwrap();
    });
}

fn single(store: &Store) {
    store.set(AT, b"a", 0, &[1], None).unwrap();
}

fn commit(store: &Store) {
    let mut tx = store.begin(1);
    tx.set(0, b"a", 0, &[1], None);
    tx.set(0, b"b", 0, &[1], None);
    tx.commit().unwrap();
}

#[test]
fn a_single_write_wakes_whoever_waits_for_its_key() {
    explore(single, Mutation::None);
}

#[test]
fn a_commit_wakes_whoever_waits_for_one_of_its_keys() {
    explore(commit, Mutation::None);
}

#[test]
fn whoever_sleeps_without_a_second_look_may_sleep_for_ever() {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return explore(single, Mutation::SleepWithoutLooking);
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let name = "whoever_sleeps_without_a_second_look_may_sleep_for_ever";
    let output = inner.args([name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "no wake-up was lost");
    assert!(said.contains("deadlock"), "it fails for another reason: {said}");
}
