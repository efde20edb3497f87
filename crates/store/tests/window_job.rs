//! The example of stream processing, killed at random points and started anew: each event is in the sums exactly once.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

#[path = "../examples/windows/job.rs"]
mod job;

use job::{EVENTS, Ended, Event};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_store::{At, Config, Store, StreamConfig};

const AT: At = At { space: 0, now_ms: 0 };
const EVENTS_EACH: u64 = 800;

/// Writes events, some of them two in a transaction.
fn write(store: &Store, writer: u64) -> Vec<Event> {
    let mut random = fastrand::Rng::with_seed(writer);
    let mut written = Vec::new();
    for n in 0..EVENTS_EACH {
        let mut event = || {
            let (sensor, time_ms) = (random.u8(..3), random.u64(..10_000));
            Event { sensor, time_ms, amount: random.i64(-5..100) }
        };
        let (one, two) = (event(), event());
        let key = |half: u8| [EVENTS, &writer.to_le_bytes(), &n.to_le_bytes(), &[half]].concat();
        if n % 3 == 0 {
            let mut transaction = store.begin(0);
            transaction.set(0, &key(0), 0, one.encode().as_bytes(), None);
            transaction.set(0, &key(1), 0, two.encode().as_bytes(), None);
            if transaction.commit().is_ok() {
                written.extend([one, two]);
            }
        } else {
            store.set(AT, &key(0), 0, one.encode().as_bytes(), None).unwrap();
            written.push(one);
        }
        if n % 100 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    written
}

/// Starts the job again and again until it has come to its end. How often it was killed, and how often another one was faster.
fn keep_running(store: &Store, seed: u64, end: &AtomicU64) -> (u32, u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut killed, mut superseded) = (0, 0);
    loop {
        let until = || Some(end.load(Ordering::SeqCst)).filter(|end| *end != 0);
        let step = || if random.u8(..40) == 0 { Err(Ended::Killed) } else { Ok(()) };
        match job::run(store, until, step) {
            Ok(()) => return (killed, superseded),
            Err(Ended::Killed) => killed += 1,
            Err(Ended::Superseded) => superseded += 1,
            Err(Ended::Failed(error)) => panic!("{error}"),
        }
    }
}

fn exactly_once(budget_bytes: usize, jobs: u64) -> (u32, u32) {
    let stream = Some(StreamConfig { budget_bytes });
    let store: Store = Store::new(Config { spaces: 1, stream, ..Config::default() });
    let end = Arc::new(AtomicU64::new(0));
    let jobs: Vec<_> = (0..jobs)
        .map(|seed| {
            let (store, end) = (store.clone(), Arc::clone(&end));
            thread::spawn(move || keep_running(&store, seed, &end))
        })
        .collect();
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let store = store.clone();
            thread::spawn(move || write(&store, writer))
        })
        .collect();
    let events: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    end.store(store.snapshot(0).timestamp(), Ordering::SeqCst);
    let ends: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
    let expected = job::sums(events);
    let mut windows = 0;
    for (window, sum) in &expected {
        let stored = store.get_with(AT, window.as_bytes(), |entry| {
            entry.map(|entry| str::from_utf8(entry.bytes().unwrap()).unwrap().to_owned())
        });
        assert_eq!(stored, Some(sum.to_string()), "{window}");
        windows += 1;
    }
    assert_eq!(windows, 60);
    ends.into_iter().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1))
}

#[test]
fn a_job_that_is_killed_at_random_counts_each_event_once() {
    let (killed, _) = exactly_once(1 << 20, 1);
    assert!(killed > 3, "killed {killed} times only");
}

#[test]
fn two_jobs_that_run_at_once_by_mistake_count_each_event_once() {
    exactly_once(1 << 20, 2);
}

#[test]
fn a_job_that_lags_counts_each_event_once() {
    // More than the sums take, so that computing them anew is not the next lag.
    exactly_once(32 << 10, 1);
}
