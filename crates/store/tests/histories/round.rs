//! One round: a fresh store, its threads, its maintenance; and what all rounds were together.

use crate::stops::{self, Stopped};
use crate::workload::{Shared, Worker};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_store::{Config, Isolation, PressurePolicy, SpaceSet, Store};
use stillpoint_testkit::Random;
use stillpoint_testkit::serializability::{History, Outcome, Recorder, Report, check};

/// Transactions of a thread.
const EACH: u64 = 600;

/// What distinguishes a round from others.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    seed: u64,
    threads: u64,
    keys: u64,
    /// Of 1,000 steps, at how many a thread is stopped.
    stops: u64,
    /// Whether snapshots are ended when old versions take more than a little.
    presses: bool,
    /// Whether lists are kept in order, and walked.
    is_ordered: bool,
}

impl Round {
    /// So many rounds have each number of keys, each kind of stops, each pressure once.
    pub(crate) fn kinds() -> u64 {
        6
    }

    pub(crate) fn of(seed: u64) -> Self {
        let keys = [3, 8, 200][(seed % 3) as usize];
        let stops = [0, 4, 20, 100][(seed / 3 % 4) as usize];
        let is_ordered = (seed / 5).is_multiple_of(2);
        Round { seed, threads: 8 + seed % 5, keys, stops, presses: seed % 4 == 3, is_ordered }
    }

    pub(crate) fn run(&self, isolation: Isolation, total: &mut Total) -> History {
        let mut config = Config::default();
        if self.presses {
            config.max_version_bytes = Some(2_000);
            config.on_pressure = PressurePolicy::ExpireOldest;
        }
        if self.is_ordered {
            config.ordered = SpaceSet::ALL;
        }
        let (store, shared, recorder) = (
            Store::new(config),
            Shared::new(self.keys, isolation, self.is_ordered),
            Recorder::new(),
        );
        stops::put_into(&store, self.stops, self.seed, &total.stopped);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let maintainer = scope.spawn(|| maintain(&store, &shared, &done));
            let workers: Vec<_> = (0..self.threads)
                .map(|number| {
                    let (store, shared, log) = (&store, &shared, recorder.log());
                    let random = Random::new(self.seed << 8 | number);
                    let mut worker = Worker { store, shared, log, random, number, written: 0 };
                    scope.spawn(move || worker.run(EACH))
                })
                .collect();
            let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            // Before a panic goes on: the scope waits for the maintainer.
            done.store(true, Ordering::Relaxed);
            maintainer.join().unwrap();
            ends.into_iter().for_each(|end| end.unwrap());
        });
        shared.read_all(&store, &mut recorder.log());
        let stats = store.stats();
        total.rounds += 1;
        total.helps += stats.helps;
        total.expired_keys += stats.expired_keys;
        total.expired_snapshots += stats.expired_snapshots;
        recorder.history()
    }
}

/// What a maintenance thread does, and more often.
fn maintain(store: &Store, shared: &Shared, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        store.expire_due(shared.now_ms(), 256);
        store.collect(256);
        thread::sleep(Duration::from_micros(300));
    }
}

/// All rounds together.
#[derive(Debug, Default)]
pub(crate) struct Total {
    pub(crate) rounds: u64,
    committed: usize,
    aborted: usize,
    operations: usize,
    edges: usize,
    second_opinions: usize,
    helps: u64,
    expired_keys: u64,
    expired_snapshots: u64,
    stopped: Stopped,
}

impl Total {
    pub(crate) fn check(&mut self, history: &History) -> Report {
        let report = check(history);
        self.committed += report.committed;
        self.aborted += report.aborted;
        self.operations += report.operations;
        self.edges += report.data_edges + report.order_edges;
        report
    }

    /// What another author's checker says.
    pub(crate) fn second_opinion(&mut self, history: &History, model: &str) {
        let lists = history.lists();
        let parsed = adya::History::from_json(&lists.to_json_lines()).expect("as it reads them");
        let options = adya::Opts { models: vec![model.to_owned()], ..adya::Opts::default() };
        let report = adya::check(&parsed, adya::Workload::ListAppend, &options);
        assert_eq!(report.valid, adya::Valid::True, "{:?}", report.anomalies);
        self.second_opinions += lists.count(Outcome::Committed);
    }

    pub(crate) fn assert_stopped_everywhere(&self) {
        let stopped = self.stopped.lock().unwrap();
        assert_eq!(stopped.len(), 9, "{stopped:?}");
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds: {} transactions committed, {} aborted, {} operations, {} edges, 0 anomalies; {} of them with a second opinion; {} helps, \
             {} keys expired, {} snapshots ended; stops: {:?}",
            self.rounds,
            self.committed,
            self.aborted,
            self.operations,
            self.edges,
            self.second_opinions,
            self.helps,
            self.expired_keys,
            self.expired_snapshots,
            self.stopped.lock().unwrap()
        )
    }
}
