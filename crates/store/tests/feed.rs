//! A snapshot and the feed after it are the store: at every later snapshot, whatever is committed, expires or lags meanwhile.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Bound;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use stillpoint_store::{
    At, Batch, Config, Entry, Feed, Lagged, Snapshot, Store, StreamConfig, StreamOff,
};

const AT: At = At { space: 0, now_ms: 1 };
const ACCOUNTS: u8 = 8;

fn store(budget_bytes: usize) -> Store {
    let stream = Some(StreamConfig { budget_bytes });
    Store::new(Config { spaces: 2, stream, ..Config::default() })
}

/// Values with the time at which they expire.
type State = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn state_of(snapshot: &Snapshot, prefix: &[u8]) -> State {
    let mut state = State::new();
    let mut cursor = 0;
    loop {
        let see = |entry: Entry<'_, ()>| {
            if entry.key().starts_with(prefix) {
                let value = (entry.bytes().unwrap().to_vec(), entry.expire_at_ms());
                state.insert(entry.key().to_vec(), value);
            }
        };
        cursor = snapshot.scan(0, cursor, 100, see).unwrap();
        if cursor == 0 {
            return state;
        }
    }
}

fn apply(state: &mut State, batch: &Batch) {
    for change in batch.changes() {
        match change.value_bytes() {
            Some(value) => {
                state.insert(change.key().to_vec(), (value.to_vec(), change.expire_at_ms()))
            }
            None => state.remove(change.key()),
        };
    }
}

fn amount(entry: Option<Entry<'_, ()>>) -> i64 {
    entry.map_or(100, |entry| i64::from_le_bytes(entry.bytes().unwrap().try_into().unwrap()))
}

fn transfer(store: &Store, random: &mut fastrand::Rng) {
    let [from, to] = [random.u8(..ACCOUNTS), random.u8(..ACCOUNTS)].map(|n| [b'a', b'/', n]);
    let mut transaction = store.begin(1);
    for (key, by) in [(from, -1), (to, 1)] {
        let changed = transaction.update(0, &key, |entry, draft| {
            draft.put(0, &[&(amount(entry) + by).to_le_bytes()], None);
        });
        if changed.is_err() {
            return;
        }
    }
    // A conflict is no matter here.
    let _ = transaction.commit();
}

/// Follows the store for some rounds; begins anew when it lagged. How often that was.
fn follow(store: &Store, prefix: &[u8], running: &AtomicBool, pause: Duration) -> u32 {
    let mut snapshot = store.snapshot(0);
    let mut state = state_of(&snapshot, prefix);
    let mut feed = store.watch(0, prefix).unwrap().after(&snapshot);
    let mut lags = 0;
    while running.load(Ordering::SeqCst) {
        thread::sleep(pause);
        snapshot = store.snapshot(0);
        match catch_up(&mut feed, snapshot.timestamp(), &mut state) {
            Ok(()) => {}
            Err(Lagged { since }) => {
                assert!(since < snapshot.timestamp());
                lags += 1;
                state = state_of(&snapshot, prefix);
                feed.restart(snapshot.timestamp());
            }
        }
        assert_eq!(state, state_of(&snapshot, prefix));
        let sum: i64 = state
            .iter()
            .filter(|(key, _)| key.starts_with(b"a/"))
            .map(|(_, (value, _))| i64::from_le_bytes((&**value).try_into().unwrap()) - 100)
            .sum();
        assert_eq!(sum, 0, "a torn transfer");
    }
    lags
}

/// Applies what came up to `timestamp`.
fn catch_up(feed: &mut Feed, timestamp: u64, state: &mut State) -> Result<(), Lagged> {
    loop {
        if feed.through() >= timestamp {
            return Ok(());
        }
        match feed.next_up_to(timestamp)? {
            Some(batch) => apply(state, &batch),
            None => thread::yield_now(),
        }
    }
}

#[test]
fn snapshot_and_feed_are_the_store_at_every_later_snapshot() {
    let store = store(64 << 10);
    let running = Arc::new(AtomicBool::new(true));
    let writers: Vec<_> = (0..2)
        .map(|seed| {
            let (store, running) = (store.clone(), Arc::clone(&running));
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                while running.load(Ordering::SeqCst) {
                    transfer(&store, &mut random);
                    let key = [b'b', b'/', random.u8(..20)];
                    let expire_at_ms = random.bool().then_some(2);
                    store.set(AT, &key, 0, &[random.u8(..)], expire_at_ms).unwrap();
                    if random.u8(..4) == 0 {
                        store.expire_due(2, 10);
                        store.remove(AT, &key).unwrap();
                    }
                }
            })
        })
        .collect();
    let follower = |prefix: &'static [u8], pause| {
        let (store, running) = (store.clone(), Arc::clone(&running));
        thread::spawn(move || follow(&store, prefix, &running, Duration::from_millis(pause)))
    };
    let (quick, slow) = ([follower(b"", 0), follower(b"a/", 1)], follower(b"b/", 300));
    thread::sleep(Duration::from_millis(1500));
    running.store(false, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    quick.into_iter().for_each(|follower| assert!(follower.join().is_ok()));
    assert!(slow.join().unwrap() > 0, "a slow subscriber was never told that it lags");
}

#[test]
fn a_store_without_a_stream_has_no_feeds() {
    let store: Store = Store::new(Config::default());
    assert_eq!(store.watch(0, b"").err(), Some(StreamOff));
}

#[test]
fn a_feed_tells_that_it_lagged_once_as_an_iterator_and_goes_on_after_a_restart() {
    let store = store(16 << 10);
    let mut feed = store.watch_all().unwrap().from_now();
    let begun = feed.through();
    (0..100u8).for_each(|key| store.set(AT, &[key], 0, &[7; 1000], None).unwrap());
    assert_eq!(feed.try_next().err(), Some(Lagged { since: begun }));
    assert_eq!(feed.next().unwrap().err(), Some(Lagged { since: begun }));
    assert!(feed.next().is_none());
    feed.restart(store.snapshot(1).timestamp());
    store.set(At { space: 1, ..AT }, b"k", 5, b"v", None).unwrap();
    let batch = feed.next().unwrap().unwrap();
    let change = batch.changes().next().unwrap();
    assert_eq!((change.space(), change.key(), change.kind()), (1, &b"k"[..], 5));
    let stats = store.stats();
    assert_eq!((stats.lagged_feeds, stats.log_lag), (1, 0));
    assert!(stats.published_changes > 0 && stats.stream_bytes <= 16 << 10, "{stats:?}");
}

#[test]
fn an_iterator_waits_and_ends_with_the_store() {
    let store = store(1 << 20);
    let feed = store.watch(0, b"k").unwrap().from_now();
    let counter =
        thread::spawn(move || feed.map(|batch| batch.unwrap().changes().len()).sum::<usize>());
    for n in 0..50u8 {
        store.set(AT, &[b'k', n % 3], 0, &[n], None).unwrap();
        store.set(AT, &[b'j', n % 3], 0, &[n], None).unwrap();
        if n % 10 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    drop(store);
    assert_eq!(counter.join().unwrap(), 50);
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_task_is_woken_by_a_change() {
    let store = store(1 << 20);
    let watch = store.watch_range(0, Bound::Excluded(b"a"), Bound::Included(b"k"));
    let mut feed = watch.unwrap().from_now();
    let writer = {
        let store = store.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            for key in [b"a", b"l", b"k"] {
                store.set(AT, key, 0, b"v", None).unwrap();
            }
        })
    };
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut next =
        pin!(poll_fn(|context| { futures_core::Stream::poll_next(Pin::new(&mut feed), context) }));
    loop {
        match Future::poll(next.as_mut(), &mut context) {
            Poll::Ready(batch) => {
                assert_eq!(batch.unwrap().unwrap().changes().len(), 1);
                break;
            }
            Poll::Pending => thread::park_timeout(Duration::from_secs(20)),
        }
    }
    writer.join().unwrap();
}
