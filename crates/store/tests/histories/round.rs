//! One round: a fresh store, its threads, its maintenance; and what all rounds were together.

use crate::heard::Heard;
use crate::stops::{self, Stopped};
use crate::workload::{Shared, Worker};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_store::{
    Config, Eviction, EvictionPolicy, Isolation, PressurePolicy, RemovalReason, SpaceSet, Store,
    StreamConfig,
};
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
    /// By which policy keys that expire are evicted, if any are.
    evicts: Option<EvictionPolicy>,
    /// Whether a feed reads along.
    is_heard: bool,
}

const POLICIES: [EvictionPolicy; 5] = [
    EvictionPolicy::Lru,
    EvictionPolicy::Lfu,
    EvictionPolicy::S3Fifo,
    EvictionPolicy::Ttl,
    EvictionPolicy::Random,
];

impl Round {
    /// So many rounds have each number of keys, each kind of stops, each pressure once.
    pub(crate) fn kinds() -> u64 {
        6
    }

    pub(crate) fn of(seed: u64) -> Self {
        let keys = [3, 8, 200][(seed % 3) as usize];
        let stops = [0, 4, 20, 100][(seed / 3 % 4) as usize];
        let is_ordered = (seed / 5).is_multiple_of(2);
        let policy = POLICIES[(seed / 4 % 5) as usize];
        let evicts = (seed / 2).is_multiple_of(2).then_some(policy);
        let is_heard = seed.is_multiple_of(2);
        let (threads, presses) = (8 + seed % 5, seed % 4 == 3);
        Round { seed, threads, keys, stops, presses, is_ordered, evicts, is_heard }
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
        if self.is_heard {
            config.stream = Some(StreamConfig::default());
        }
        let (store, shared, recorder) = (
            Store::new(config),
            Shared::new(self.keys, isolation, self.is_ordered, self.evicts.is_some()),
            Recorder::new(),
        );
        let removed = listen_to_removals(&store);
        stops::put_into(&store, self.stops, self.seed, &total.stopped);
        let done = AtomicBool::new(false);
        let feed = self.is_heard.then(|| store.watch_all().unwrap().from(0));
        let heard = thread::scope(|scope| {
            let maintainer = scope.spawn(|| maintain(&store, &shared, self.evicts, &done));
            let listener = feed.map(|feed| {
                let (store, shared, done) = (&store, &shared, &done);
                scope.spawn(move || Heard::listen(feed, store, shared.now_ms(), done))
            });
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
            listener.map(|listener| listener.join().unwrap())
        });
        shared.read_all(&store, &mut recorder.log());
        let (history, stats) = (recorder.history(), store.stats());
        if let Some(heard) = heard {
            heard.check(&history);
            total.heard += heard.changes;
        }
        let removed = removed.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(removed, [stats.expired_keys, stats.evicted_keys]);
        total.rounds += 1;
        total.helps += stats.helps;
        total.expired_keys += stats.expired_keys;
        total.evicted_keys += stats.evicted_keys;
        total.expired_snapshots += stats.expired_snapshots;
        history
    }
}

/// Counts the keys that the store itself removes: expired ones, evicted ones.
fn listen_to_removals(store: &Store) -> Arc<[AtomicU64; 2]> {
    let removed = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counts = Arc::clone(&removed);
    store.on_removal(move |removal| {
        assert!(removal.key.starts_with(b"volatile:"), "{removal:?}");
        let is_evicted = removal.reason == RemovalReason::Evicted;
        counts[usize::from(is_evicted)].fetch_add(1, Ordering::Relaxed);
    });
    removed
}

/// What a maintenance thread does, and more often.
fn maintain(store: &Store, shared: &Shared, evicts: Option<EvictionPolicy>, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        if let Some(policy) = evicts {
            // Always a little less than there is, so that writers and maintenance evict all the while.
            let stats = store.stats();
            let limit = (stats.live_bytes + stats.index_bytes).saturating_sub(64);
            let rules =
                Eviction { policy, volatile_only: true, refuse: false, ..Eviction::default() };
            store.set_limit(Some(limit), &rules);
            store.make_room(shared.now_ms(), 1);
        }
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
    evicted_keys: u64,
    expired_snapshots: u64,
    /// Changes that feeds handed out.
    heard: u64,
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
        // Its second of search is soon over on a machine with other things to do.
        let (models, timeout) = (vec![model.to_owned()], Duration::from_secs(60));
        let options = adya::Opts { models, timeout, ..adya::Opts::default() };
        let report = adya::check(&parsed, adya::Workload::ListAppend, &options);
        assert_eq!(report.valid, adya::Valid::True, "{:?}", report.anomalies);
        self.second_opinions += lists.count(Outcome::Committed);
    }

    /// Threads were stopped at each kind of step, keys went by themselves, and feeds read along.
    pub(crate) fn assert_much_happened(&self) {
        assert!(self.expired_keys > 0 && self.evicted_keys > 0 && self.heard > 0, "{self}");
        let stopped = self.stopped.lock().unwrap();
        assert_eq!(stopped.len(), 12, "{stopped:?}");
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds: {} transactions committed, {} aborted, {} operations, {} edges, 0 anomalies; {} of them with a second opinion; {} helps, \
             {} keys expired, {} evicted, {} snapshots ended; {} changes heard by feeds; stops: {:?}",
            self.rounds,
            self.committed,
            self.aborted,
            self.operations,
            self.edges,
            self.second_opinions,
            self.helps,
            self.expired_keys,
            self.evicted_keys,
            self.expired_snapshots,
            self.heard,
            self.stopped.lock().unwrap()
        )
    }
}
