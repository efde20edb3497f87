//! One thread is stopped at each step of the protocol, in a snapshot, a write of one key, a commit of one key and a commit of several. All others go on,
//! on the very same keys, and memory stays within what one stopped thread may hold back.
//!
//! The same with a stream, where a thread may also be stopped in the publication: the feed that reads along gets an answer each time, is held back or told that it
//! lags, and misses nothing unless it was told.
//!
//! `STILLPOINT_STOPPED_OPS=1000000` sets how many operations the others finish at each step (default 60,000, a million together).
#![cfg(not(stillpoint_loom))]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{
    At, Batch, CommitError, Config, Feed, Lagged, Snapshot, Stats, Step, Store, StreamConfig,
};
use stillpoint_testkit::Random;

const AT: At = At { space: 0, now_ms: 1 };
const KEYS: u64 = 64;
const THREADS: u64 = 4;
const VALUE: usize = 40;

thread_local! {
    static IS_VICTIM: Cell<bool> = const { Cell::new(false) };
}

/// What the stopped thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Snapshot,
    Set,
    Remove,
    CommitOfOne,
    CommitOfThree,
    /// It reads a key that the others write, so that others refuse it.
    DoomedCommit,
}

const DEEDS: [(Deed, &[Step]); 6] = [
    (Deed::Snapshot, &[Step::LeaseAnnounced]),
    (Deed::Set, &[Step::Unstamped, Step::Stamped]),
    (Deed::Remove, &[Step::Unstamped, Step::Stamped]),
    (Deed::CommitOfOne, &[Step::LeaseAnnounced, Step::Unstamped, Step::Stamped]),
    (
        Deed::CommitOfThree,
        &[
            Step::Installed(1),
            Step::Installed(2),
            Step::Installed(3),
            Step::Prepared,
            Step::Fixed,
            Step::Validated,
            Step::Decided,
            Step::Finished,
        ],
    ),
    (Deed::DoomedCommit, &[Step::Prepared, Step::Fixed, Step::Validated]),
];

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Of the stream, if there is one.
const BUDGET: usize = 1 << 20;

/// Where a thread that publishes may be stopped.
const PUBLISHING: [(Deed, &[Step]); 4] = [
    (
        Deed::Set,
        &[Step::Announced, Step::Unstamped, Step::Stamped, Step::Publishing, Step::Published],
    ),
    (Deed::Remove, &[Step::Announced, Step::Publishing, Step::Published]),
    (Deed::CommitOfOne, &[Step::Announced, Step::Publishing, Step::Published]),
    (
        Deed::CommitOfThree,
        &[
            Step::Announced,
            Step::Installed(2),
            Step::Prepared,
            Step::Decided,
            Step::Publishing,
            Step::Published,
            Step::Finished,
        ],
    ),
];

fn filled(has_stream: bool) -> Store {
    let stream = has_stream.then_some(StreamConfig { budget_bytes: BUDGET });
    let store = Store::new(Config { stream, ..Config::default() });
    (0..KEYS).for_each(|number| store.set(AT, &key(number), 0, &[1; VALUE], None).unwrap());
    store
}

impl Deed {
    fn run(self, store: &Store) -> Result<Option<Snapshot>, CommitError> {
        match self {
            Deed::Snapshot => return Ok(Some(store.snapshot(1))),
            Deed::Set => {
                store.set(AT, &key(0), 0, &[2; VALUE], None).map_err(CommitError::Write)?
            }
            Deed::Remove => drop(store.remove(AT, &key(0)).map_err(CommitError::Write)?),
            Deed::CommitOfOne => {
                let mut transaction = store.begin(1);
                transaction.set(0, &key(0), 0, &[2; VALUE], None);
                transaction.commit()?;
            }
            Deed::CommitOfThree | Deed::DoomedCommit => {
                let mut transaction = store.begin(1);
                if self == Deed::DoomedCommit {
                    transaction
                        .get_with(0, &key(3), |_| ())
                        .map_err(|_| CommitError::SnapshotExpired)?;
                    // Somebody else has written it before this commit is prepared.
                    store.set(AT, &key(3), 0, &[3; VALUE], None).map_err(CommitError::Write)?;
                }
                (0..3).for_each(|number| transaction.set(0, &key(number), 0, &[2; VALUE], None));
                transaction.commit()?;
            }
        }
        Ok(None)
    }
}

/// One operation of somebody who goes on: half of them are about the stopped thread's keys.
fn operate(store: &Store, random: &mut Random) {
    let number = if random.percent(50) { random.below(4) } else { random.below(KEYS) };
    let key = key(number);
    match random.below(10) {
        0..=2 => assert!(
            store.get_with(AT, &key, |entry| entry.is_none_or(|entry| entry.bytes().is_some()))
        ),
        3..=4 => store.set(AT, &key, 0, &[4; VALUE], None).unwrap(),
        5 => drop(store.remove(AT, &key).unwrap()),
        6 => store.update(AT, &key, |_, draft| draft.put(0, &[&[5; VALUE]], None)).unwrap(),
        7 => store.snapshot(1).get_with(0, &key, |_| ()).unwrap(),
        _ => {
            let mut transaction = store.begin(1);
            transaction.get_with(0, &key, |_| ()).unwrap();
            let other = random.below(KEYS).to_be_bytes();
            transaction.set(0, &key, 0, &[6; VALUE], None);
            transaction.set(0, &other, 0, &[6; VALUE], None);
            // Whether it commits or not, it has an end.
            let _ = transaction.commit();
        }
    }
}

fn operations() -> u64 {
    std::env::var("STILLPOINT_STOPPED_OPS").map_or(60_000, |text| text.parse().expect("a number"))
}

/// What one stopped thread may hold back: one old version of each key for its lease, as anybody's lease does; an aborted one on top of each key of its
/// own; and of what is retired, as much as was there or under way.
fn assert_bounded(stats: &Stats, what: &str) {
    let leases = THREADS + 2;
    let under_way = THREADS * 64;
    assert!(stats.old_versions <= leases * KEYS + under_way, "{what}: {stats:?}");
    assert!(stats.unreclaimed <= 60_000, "{what}: {stats:?}");
    assert!(stats.pool_bytes <= 32 << 20, "{what}: {stats:?}");
    // The budget, and for each thread what it may be ahead of another one's pump.
    let ahead = (THREADS + 2) as usize * 10 * BUDGET / 64;
    assert!(stats.stream_bytes <= (BUDGET + ahead) as u64, "{what}: {stats:?}");
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A feed that reads along, and what it makes of it.
struct Reader {
    feed: Feed,
    state: State,
    lagged: u64,
    /// The longest look.
    longest: Duration,
}

fn state_of(snapshot: &Snapshot) -> State {
    let mut state = State::new();
    let mut cursor = 0;
    loop {
        let visit = |entry: stillpoint_store::Entry<'_, ()>| {
            state.insert(entry.key().to_vec(), entry.bytes().unwrap().to_vec());
        };
        cursor = snapshot.scan(0, cursor, 1_000, visit).unwrap();
        if cursor == 0 {
            return state;
        }
    }
}

impl Reader {
    fn new(store: &Store) -> Option<Self> {
        let snapshot = store.snapshot(1);
        let feed = store.watch_all().ok()?.after(&snapshot);
        Some(Reader { feed, state: state_of(&snapshot), lagged: 0, longest: Duration::ZERO })
    }

    fn apply(&mut self, batch: &Batch) {
        for change in batch.changes() {
            match change.value_bytes() {
                Some(value) => self.state.insert(change.key().to_vec(), value.to_vec()),
                None => self.state.remove(change.key()),
            };
        }
    }

    /// Takes what there is; begins anew if it has missed something.
    fn read(&mut self, store: &Store) {
        for _ in 0..20_000 {
            let start = Instant::now();
            let next = self.feed.try_next();
            self.longest = self.longest.max(start.elapsed());
            match next {
                Ok(Some(batch)) => self.apply(&batch),
                Ok(None) => return,
                Err(Lagged { .. }) => {
                    let snapshot = store.snapshot(1);
                    self.state = state_of(&snapshot);
                    self.feed.restart(snapshot.timestamp());
                    self.lagged += 1;
                }
            }
        }
    }

    /// Reads to the end, which must be what the store is.
    fn end(mut self, store: &Store, what: &str) {
        let snapshot = store.snapshot(1);
        while self.feed.through() < snapshot.timestamp() {
            self.read(store);
        }
        assert_eq!(self.state, state_of(&snapshot), "{what}");
        assert!(self.longest < Duration::from_secs(5), "{what}: a look took {:?}", self.longest);
        assert_eq!(store.stats().lagged_feeds, self.lagged, "{what}");
    }
}

/// Nothing old is left in the end, and who read along has it all.
fn tidy_up(store: &Store, reader: Option<Reader>, what: &str) {
    // Each key once more, for an aborted version stays on top until then; then nothing old is left.
    (0..KEYS).for_each(|number| store.set(AT, &key(number), 0, &[7; VALUE], None).unwrap());
    if let Some(reader) = reader {
        reader.end(store, what);
    }
    while store.collect(1000) > 0 {}
    assert_eq!((store.stats().old_versions, store.len(0)), (0, KEYS), "{what}");
}

/// Runs all others while one thread is stopped; the most that was unreclaimed.
fn stop_at(deed: Deed, step: Step, has_stream: bool) -> u64 {
    let what = format!("{deed:?} stopped at {step:?}");
    let store = filled(has_stream);
    let mut reader = Reader::new(&store);
    let (stopped, is_stopped) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let once = AtomicBool::new(true);
    store.on_step(move |at| {
        if IS_VICTIM.get() && at == step && once.swap(false, Ordering::Relaxed) {
            stopped.send(()).unwrap();
            // An error: the test has failed, and its end waits for this thread.
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    let finished = Arc::new(AtomicU64::new(0));
    let mut most = 0;
    thread::scope(|scope| {
        let go_on = go_on;
        let victim = scope.spawn(|| {
            IS_VICTIM.set(true);
            deed.run(&store)
        });
        is_stopped.recv().unwrap();
        let others: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (store, finished) = (&store, Arc::clone(&finished));
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    while finished.fetch_add(1, Ordering::Relaxed) < operations() {
                        operate(store, &mut random);
                    }
                })
            })
            .collect();
        while others.iter().any(|other| !other.is_finished()) {
            store.collect(1000);
            let stats = store.stats();
            most = most.max(stats.unreclaimed);
            assert_bounded(&stats, &what);
            if let Some(reader) = &mut reader {
                reader.read(&store);
            }
            thread::sleep(Duration::from_millis(2));
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        go_on.send(()).unwrap();
        let result = victim.join().unwrap();
        let result = result.map(drop);
        match (deed, &result) {
            (Deed::DoomedCommit, _) => {
                assert!(matches!(result, Err(CommitError::Conflict { .. })), "{what}")
            }
            // Whoever was not prepared was killed.
            (Deed::CommitOfThree, Err(CommitError::Conflict { .. })) => {
                assert!(matches!(step, Step::Installed(_)), "{what}");
            }
            _ => assert!(result.is_ok(), "{what}: {result:?}"),
        }
    });
    tidy_up(&store, reader, &what);
    most
}

#[test]
fn while_one_thread_is_stopped_at_any_step_all_others_go_on() {
    let mut steps = 0;
    for (deed, at) in DEEDS {
        for &step in at {
            let most = stop_at(deed, step, false);
            println!(
                "{deed:?} stopped at {step:?}: {} operations, at most {most} unreclaimed",
                operations()
            );
            steps += 1;
        }
    }
    println!("{} operations while somebody was stopped at {steps} steps", steps * operations());
}

#[test]
fn while_a_thread_is_stopped_that_publishes_others_and_feeds_go_on() {
    for (deed, at) in PUBLISHING {
        for &step in at {
            let start = Instant::now();
            let most = stop_at(deed, step, true);
            println!("{deed:?} stopped at {step:?}: {most} unreclaimed, {:?}", start.elapsed());
        }
    }
}
