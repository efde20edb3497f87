//! Sets, removals and expiry of three keys by eight threads, in rounds; each round's calls must have an order.

use crate::{SetAtEnd, duration, maintain, stops};
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;
use stillpoint_store::{At, Config, Entry, Store};
use stillpoint_testkit::Random;
use stillpoint_testkit::linearizability::{Log, Recorder, Specification, assert_linearizable};

const KEYS: u64 = 3;
const THREADS: u64 = 8;
/// Calls of a thread in a round.
const CALLS: u64 = 40;
/// What has this expiry has expired before it is there.
const PAST: u64 = 1;
const AT: At = At { space: 0, now_ms: 10 };

/// A call on a key and what it answered.
#[derive(Clone, Debug)]
enum Call {
    /// Found this.
    Get(u64, Option<u64>),
    /// Put this there, whatever was there; or nothing, if what it put had expired.
    Set(u64, Option<u64>),
    /// Whether it was there.
    Remove(u64, bool),
    /// Saw the first, left the second.
    Update(u64, Option<u64>, Option<u64>),
    /// Expected the first, left the second if so.
    CompareAndSet(u64, Option<u64>, u64, bool),
}

/// A key's value, or none.
struct Keys;

impl Specification for Keys {
    type Event = Call;
    type State = Option<u64>;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(&self, now: &Option<u64>, call: &Call) -> Option<Option<u64>> {
        match *call {
            Call::Get(_, found) => (found == *now).then_some(*now),
            Call::Set(_, new) => Some(new),
            Call::Remove(_, was_there) => (was_there == now.is_some()).then_some(None),
            Call::Update(_, saw, left) => (saw == *now).then_some(left),
            Call::CompareAndSet(_, expected, new, true) => (expected == *now).then_some(Some(new)),
            Call::CompareAndSet(_, expected, _, false) => (expected != *now).then_some(*now),
        }
    }

    fn part(&self, call: &Call) -> u64 {
        match *call {
            Call::Get(key, _)
            | Call::Set(key, _)
            | Call::Remove(key, _)
            | Call::Update(key, ..)
            | Call::CompareAndSet(key, ..) => key,
        }
    }
}

fn number(entry: Option<Entry<'_, ()>>) -> Option<u64> {
    entry.map(|entry| u64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
}

fn call(store: &Store, random: &mut Random, log: &mut Log<Call>, value: u64) {
    let key = random.below(KEYS);
    let name = format!("key:{key}").into_bytes();
    let expired = random.percent(30);
    let (expiry, left) = if expired { (Some(PAST), None) } else { (None, Some(value)) };
    match random.below(6) {
        0 => log.call(|| Call::Get(key, store.get_or_expire_with(AT, &name, number))),
        1 => log.call(|| {
            store.set(AT, &name, 0, &value.to_le_bytes(), expiry).unwrap();
            Call::Set(key, left)
        }),
        2 | 3 => log.call(|| Call::Remove(key, store.remove(AT, &name).unwrap())),
        4 => log.call(|| {
            let put = store.update(AT, &name, |entry, draft| {
                draft.put(0, &[&value.to_le_bytes()], expiry);
                number(entry)
            });
            Call::Update(key, put.unwrap(), left)
        }),
        _ => {
            // The value as of some moment before; two versions never have one stamp.
            let seen = store
                .get_with(AT, &name, |entry| (entry.map(|entry| entry.stamp()), number(entry)));
            log.call(|| {
                let bytes = value.to_le_bytes();
                let done = store.compare_and_set(AT, &name, seen.0, 0, &bytes, None).unwrap();
                Call::CompareAndSet(key, seen.1, value, done)
            })
        }
    };
}

#[test]
fn nothing_acknowledged_is_lost_in_churn() {
    let store: Store = Store::new(Config::default());
    stops::put_into(&store, 30, 3, &stops::Stopped::default());
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let mut rounds = 0;
    thread::scope(|scope| {
        scope.spawn(|| maintain(&store, || AT.now_ms, &done));
        let _last = SetAtEnd(&done);
        while start.elapsed() < duration() {
            rounds += 1;
            let (recorder, barrier) = (Recorder::new(), Barrier::new(THREADS as usize));
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (mut log, store, barrier) = (recorder.log(), &store, &barrier);
                    scope.spawn(move || {
                        let mut random = Random::new(rounds << 8 | thread);
                        barrier.wait();
                        for number in 0..CALLS {
                            call(store, &mut random, &mut log, thread << 32 | number);
                            if random.percent(2) {
                                drop(store.snapshot(AT.now_ms));
                            }
                        }
                    });
                }
            });
            let mut log = recorder.log();
            for key in 0..KEYS {
                let name = format!("key:{key}").into_bytes();
                log.call(|| Call::Get(key, store.get_with(AT, &name, number)));
                // For the next round to begin with nothing.
                store.remove(AT, &name).unwrap();
            }
            drop(log);
            assert_linearizable(&Keys, recorder);
        }
    });
    while store.collect(1000) > 0 {}
    store.expire_due(AT.now_ms, 1 << 20);
    let stats = store.stats();
    assert_eq!((store.len(0), stats.live_bytes, stats.old_versions), (0, 0, 0), "{stats:?}");
    println!(
        "churn: {rounds} rounds of {} calls, each with an order; {} helps, {} expired; {:?}",
        THREADS * CALLS,
        stats.helps,
        stats.expired_keys,
        start.elapsed()
    );
}
