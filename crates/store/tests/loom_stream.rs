//! Announcing, publishing and pumping of the real store under all interleavings of two threads: what the stream calls complete is complete.
//!
//! The order that it rests on, announcement before install, has a twin without it, which the model must refuse.
#![cfg(stillpoint_loom)]

#[path = "loom_models/explore.rs"]
mod explore;

use explore::{Outcome, explore, made, must, must_fail};
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;
use stillpoint_store::{At, CommitStream, Config, Entry, Mutation, Store, StreamConfig};

const AT: At = At { space: 0, now_ms: 1 };

fn store(mutation: Mutation) -> (Arc<Store>, CommitStream) {
    let stream = Some(StreamConfig::default());
    let store = made(Config { spaces: 1, stream, ..Config::default() }, mutation);
    for key in [b"a", b"b"] {
        store.set(AT, key, 0, &[0], None).unwrap();
    }
    let stream = store.commit_stream().unwrap();
    (store, stream)
}

fn byte(entry: Option<Entry<'_, ()>>) -> u8 {
    entry.map_or(0, |entry| entry.bytes().unwrap()[0])
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
