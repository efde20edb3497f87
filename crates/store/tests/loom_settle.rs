//! Stamping, installing, settling, leases and commits of the real store under all interleavings of two threads.
//!
//! Each step of the protocol has a twin with that step left out ([`Mutation`]), which the models must refuse.
#![cfg(stillpoint_loom)]

#[path = "loom_models/explore.rs"]
mod explore;

use explore::{Outcome, explore, made, must, must_fail};
use loom::sync::Arc;
use loom::thread;
use stillpoint_store::{At, Config, Entry, Mutation, Store};

const AT: At = At { space: 0, now_ms: 1 };

fn store(mutation: Mutation) -> Arc<Store> {
    let store = made(Config { spaces: 1, ..Config::default() }, mutation);
    for key in [b"a", b"b"] {
        store.set(AT, key, 0, &[0], None).unwrap();
    }
    store
}

fn byte(entry: Option<Entry<'_, ()>>) -> Option<u8> {
    entry.map(|entry| entry.bytes().unwrap()[0])
}

/// One writes a key, the other reads it twice in a snapshot: the same both times, and what the writer found done is there.
fn one_key(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let writer = {
        let store = store.clone();
        thread::spawn(move || store.set(AT, b"a", 0, &[1], None).unwrap())
    };
    let snapshot = store.snapshot(1);
    let first = snapshot.get_with(0, b"a", byte).unwrap();
    let newest = store.get_with(AT, b"a", byte);
    let second = snapshot.get_with(0, b"a", byte).unwrap();
    writer.join().unwrap();
    let third = snapshot.get_with(0, b"a", byte).unwrap();
    let last = store.get_with(AT, b"a", byte);
    must(first.is_some() && last == Some(1), "a value is lost")?;
    must(newest >= first, "the newest value is older than a snapshot's")?;
    must(first == second && first == third, "a snapshot changed")
}

/// A transaction writes two keys; a snapshot sees both or none, and so do reads of the newest values in the order of its writes.
fn two_keys(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let writer = {
        let store = store.clone();
        thread::spawn(move || {
            let mut transaction = store.begin(1);
            transaction.set(0, b"a", 0, &[1], None);
            transaction.set(0, b"b", 0, &[1], None);
            transaction.commit().is_ok()
        })
    };
    // A thread of its own, so that which of the two begins costs no preemption.
    let reader = {
        let store = store.clone();
        thread::spawn(move || {
            let snapshot = store.snapshot(1);
            let seen = [b"a", b"b"].map(|key| snapshot.get_with(0, key, byte).unwrap());
            (seen, [b"a", b"b"].map(|key| store.get_with(AT, key, byte)))
        })
    };
    let committed = writer.join().unwrap();
    let (seen, newest) = reader.join().unwrap();
    must(seen[0].is_some() && seen[0] == seen[1], "a torn cut")?;
    must(newest[1] >= newest[0], "a commit was seen in part")?;
    must(committed && store.get_with(AT, b"b", byte) == Some(1), "nobody stood in its way")
}

/// Two transactions, each of which reads what the other writes: not both may have read the old value.
fn skew(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let one = |store: &Store, read: &[u8], write: &[u8], other: &[u8]| {
        let mut transaction = store.begin(1);
        let seen = transaction.get_with(0, read, byte).unwrap();
        transaction.set(0, write, 0, &[1], None);
        transaction.set(0, other, 0, &[1], None);
        transaction.commit().is_ok() && seen == Some(0)
    };
    let left = {
        let store = store.clone();
        thread::spawn(move || one(&store, b"a", b"b", b"x"))
    };
    let right = one(&store, b"b", b"a", b"y");
    let left = left.join().unwrap();
    must(!(left && right), "write skew")
}

/// A removed key whose old value is still linked, with an aborted write on top: while that is tidied up nobody may find the old value.
fn removed(mutation: Mutation) -> Outcome {
    let store = store(mutation);
    let before = store.snapshot(1);
    store.remove(AT, b"a").unwrap();
    drop(before);
    let mut transaction = store.begin(1);
    transaction.get_with(0, b"b", byte).unwrap();
    transaction.set(0, b"a", 0, &[1], None);
    transaction.set(0, b"c", 0, &[1], None);
    store.set(AT, b"b", 0, &[2], None).unwrap();
    let writer = thread::spawn(move || transaction.commit().is_ok());
    let reader = {
        let store = store.clone();
        thread::spawn(move || store.get_with(AT, b"a", byte))
    };
    let committed = writer.join().unwrap();
    let found = reader.join().unwrap();
    must(!committed, "what was read had changed")?;
    must(found.is_none(), "a removed value came back")?;
    must(store.get_with(AT, b"a", byte).is_none(), "a removed value came back for good")
}

#[test]
fn a_removed_value_does_not_come_back_under_an_aborted_write() {
    explore(removed, Mutation::None);
}

#[test]
fn a_tombstone_that_goes_before_what_it_covers_is_noticed() {
    must_fail(
        "a_tombstone_that_goes_before_what_it_covers_is_noticed",
        removed,
        Mutation::TombstoneFirst,
    );
}

#[test]
fn a_snapshot_of_one_key_is_stable() {
    explore(one_key, Mutation::None);
}

#[test]
fn a_commit_is_seen_whole_or_not_at_all() {
    explore(two_keys, Mutation::None);
}

#[test]
fn of_two_transactions_that_exclude_each_other_one_commits() {
    explore(skew, Mutation::None);
}

#[test]
fn a_clock_loaded_before_the_install_is_noticed() {
    must_fail(
        "a_clock_loaded_before_the_install_is_noticed",
        one_key,
        Mutation::StampBeforeInstall,
    );
}

#[test]
fn passing_an_unset_version_by_is_noticed() {
    must_fail("passing_an_unset_version_by_is_noticed", one_key, Mutation::SkipUnset);
}

#[test]
fn a_lease_that_is_not_announced_is_noticed() {
    must_fail("a_lease_that_is_not_announced_is_noticed", one_key, Mutation::NoAnnouncement);
}

#[test]
fn a_look_at_the_leases_before_the_stamp_is_noticed() {
    must_fail(
        "a_look_at_the_leases_before_the_stamp_is_noticed",
        one_key,
        Mutation::PruneBeforeStamp,
    );
}

#[test]
fn passing_a_prepared_commit_by_is_noticed() {
    must_fail("passing_a_prepared_commit_by_is_noticed", two_keys, Mutation::SkipPrepared);
}

#[test]
fn a_commit_that_does_not_validate_is_noticed() {
    must_fail("a_commit_that_does_not_validate_is_noticed", skew, Mutation::NoValidation);
}
