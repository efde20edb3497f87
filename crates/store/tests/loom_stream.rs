//! Announcing, publishing and pumping of the real store under all interleavings of two threads: what the stream calls complete is complete.
//!
//! The order that it rests on, announcement before install, has a twin without it, which the model must refuse.
#![cfg(stillpoint_loom)]

use loom::sync::Arc;
use loom::thread;
use std::process::Command;
use std::time::Duration;
use stillpoint_store::{At, CommitStream, Config, Entry, Mutation, Store, StreamConfig};

const AT: At = At { space: 0, now_ms: 1 };

/// Words of stack for making a store: its parts are large in a model.
const MAKERS_STACK: usize = 0x8000;
/// How long a model that finds nothing is explored: the smaller ones end before.
const LONGEST: Duration = Duration::from_secs(25);

type Outcome = Result<(), &'static str>;

fn store(mutation: Mutation) -> (Arc<Store>, CommitStream) {
    let make = move || {
        let stream = Some(StreamConfig::default());
        Store::weakened(Config { spaces: 1, stream, ..Config::default() }, mutation)
    };
    let maker = thread::Builder::new().stack_size(MAKERS_STACK).spawn(make);
    let store = Arc::new(maker.unwrap().join().unwrap());
    for key in [b"a", b"b"] {
        store.set(AT, key, 0, &[0], None).unwrap();
    }
    let stream = store.commit_stream().unwrap();
    (store, stream)
}

fn byte(entry: Option<Entry<'_, ()>>) -> u8 {
    entry.map_or(0, |entry| entry.bytes().unwrap()[0])
}

fn must(holds: bool, otherwise: &'static str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// The last values of the keys in what the stream has, applied to `state`; and through what timestamp that is everything.
fn read(stream: &mut CommitStream, state: &mut [u8; 2]) -> Result<u64, &'static str> {
    let groups = stream.next_groups(Duration::ZERO);
    for group in &groups.groups {
        for change in group.changes() {
            let value = &mut state[usize::from(change.key()[0] - b'a')];
            must(*value == 0, "a change came twice")?;
            *value = change.value_bytes().unwrap()[0];
        }
    }
    Ok(groups.through)
}

/// A cut against what the stream had handed out when it said that everything up to the cut was there.
fn cut_equals_stream(store: &Store, mut stream: CommitStream) -> Outcome {
    let snapshot = store.snapshot(1);
    let mut state = [0; 2];
    let through = read(&mut stream, &mut state)?;
    let seen = [b"a", b"b"].map(|key| snapshot.get_with(0, key, byte).unwrap());
    let read_late = through >= snapshot.timestamp() && seen.iter().zip(state).any(|(s, r)| *s > r);
    must(!read_late, "the stream called complete what was not")
}

fn one_key(mutation: Mutation) -> Outcome {
    let (store, stream) = store(mutation);
    let writer = {
        let store = store.clone();
        thread::spawn(move || store.set(AT, b"a", 0, &[1], None).unwrap())
    };
    let outcome = cut_equals_stream(&store, stream);
    writer.join().unwrap();
    outcome
}

fn two_keys(mutation: Mutation) -> Outcome {
    let (store, mut stream) = store(mutation);
    let writer = {
        let store = store.clone();
        thread::spawn(move || {
            let mut transaction = store.begin(1);
            transaction.set(0, b"a", 0, &[1], None);
            transaction.set(0, b"b", 0, &[1], None);
            transaction.commit().is_ok()
        })
    };
    let mut state = [0; 2];
    read(&mut stream, &mut state)?;
    let early = state;
    let committed = writer.join().unwrap();
    read(&mut stream, &mut state)?;
    must(early[0] == early[1], "a commit came in part")?;
    must(state == [u8::from(committed); 2], "a commit is lost")
}

/// Runs the model under all interleavings, or as many as there is time for, until one has a fault.
fn explore(model: fn(Mutation) -> Outcome, mutation: Mutation) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.max_duration = Some(LONGEST);
    builder.check(move || {
        if let Err(fault) = model(mutation) {
            panic!("noticed: {fault}");
        }
    });
}

/// The model must have a fault. It runs in a process of its own: a model that is given up takes its thread's exit hooks with it, which abort.
fn must_fail(test: &str, model: fn(Mutation) -> Outcome, mutation: Mutation) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return explore(model, mutation);
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let output = inner.args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{mutation:?} was not noticed");
    assert!(said.contains("noticed: "), "it fails for another reason: {said}");
}

#[test]
fn what_the_stream_calls_complete_is_complete() {
    explore(one_key, Mutation::None);
}

#[test]
fn a_commit_comes_whole_and_once() {
    explore(two_keys, Mutation::None);
}

#[test]
fn an_announcement_after_the_install_is_noticed() {
    must_fail(
        "an_announcement_after_the_install_is_noticed",
        one_key,
        Mutation::AnnounceAfterInstall,
    );
}
