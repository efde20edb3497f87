//! The suite `store`: the store beside other stores in memory, and beside maps where an operation is of one key.
//!
//! Keys of 16 bytes, values of 64 (`--value-bytes`) as byte strings of any length for all subjects, 100 K keys (`--keys`). Each subject is used as its
//! documentation shows; operations of one key by its shortest way, several as serialisable transactions that are tried until they commit. CPU
//! time is the process's, so background threads count. One operation in 16 is timed, whichever it is.
//!
//! | case | who | what |
//! |---|---|---|
//! | `ycsb` | all | YCSB A to F, and mere puts; one process does all of them, one after the other |
//! | `ycsb` of 1 KB | all | the same over 250 K keys of 1 KB, eight threads |
//! | `tx` | stores with serialisable transactions; a map behind locks as a floor | two-key transfers, ten keys read and written, Smallbank |
//! | `held` | stores with snapshots | YCSB-A without and with a snapshot that somebody holds |
//! | `growth` | those whose inserts take no more than a few µs | 10 M keys inserted, and the longest stall of another writer |
//! | `bytes` | all | resident bytes a key after a fill of 1 M keys |
//!
//! | subject | is |
//! |---|---|
//! | `stillpoint`, `-ordered`, `-stream` | the store by its defaults; with keys in order; with its stream of changes on |
//! | `surrealmx`, `skipdb`, `redb`, `kovan-mvcc` | stores with versions; redb over memory, without durability |
//! | `crossbeam-skiplist`, `dashmap`, `papaya`, `scc` | maps; no cut, no transaction |
//! | `floor-dashmap-locks` | dashmap under locks taken in order: neither rolls back nor gives anybody a cut |
//!
//! What is left out, and why: workload E where keys have no order (dashmap, papaya, scc, kovan-mvcc, the store by its defaults); F of
//! crossbeam-skiplist, which cannot replace a value atomically; `held` of redb, whose readers are held by pages and which was a thousand times slower to write;
//! growth of skipdb, redb, kovan-mvcc and crossbeam-skiplist: one has no table that grows, the others would take minutes.

mod growth;
mod held;
mod kovan;
mod load;
mod maps;
mod ours;
mod redb;
mod skip;
mod subject;
mod surreal;
mod transactions;
mod ycsb;

use crate::Outcome;
use crate::options::Options;
use crate::plan::{Case, Figure, NO_THP, Sample};
use load::Load;
use ours::{Ordered, Plain, Stillpoint, Streaming};
use stillpoint_testkit::rss_bytes;
use subject::{MAX_VALUE_BYTES, Subject};

const ALL: [&str; 11] = [
    "stillpoint",
    "stillpoint-ordered",
    "stillpoint-stream",
    "surrealmx",
    "skipdb",
    "redb",
    "kovan-mvcc",
    "crossbeam-skiplist",
    "dashmap",
    "papaya",
    "scc",
];
const TRANSACTIONAL: [&str; 8] = [
    "stillpoint",
    "stillpoint-ordered",
    "stillpoint-stream",
    "surrealmx",
    "skipdb",
    "redb",
    "kovan-mvcc",
    "floor-dashmap-locks",
];
const VERSIONED: [&str; 4] = ["stillpoint", "surrealmx", "skipdb", "kovan-mvcc"];
const GROWING: [&str; 6] =
    ["stillpoint", "stillpoint-ordered", "surrealmx", "dashmap", "papaya", "scc"];

/// Calls `$call` with `$store` as the subject of that name, if it is among the types given.
macro_rules! with_subject {
    ($subject:expr, $store:ident => $call:expr; $($name:literal: $type:ty),+) => {
        match $subject {
            $($name => {
                type $store = $type;
                $call
            })+
            other => Err(format!("there is no subject {other:?} here")),
        }
    };
}

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let most = MAX_VALUE_BYTES;
    if !(16..=most).contains(&options.value_bytes) {
        return Err(format!("--value-bytes is 16 to {most}"));
    }
    let default = [if options.quick { 5_000 } else { 100_000 }];
    let threads = options.threads(if options.quick { &[2] } else { &[1, 2, 8, 96] });
    for &keys in if options.keys.is_empty() { &default[..] } else { &options.keys } {
        for &threads in threads {
            mixed(options, keys, options.value_bytes, threads, rounds(options))?;
        }
        for &threads in threads {
            let name = format!("tx_{keys}");
            case(name, &TRANSACTIONAL, threads, keys, options).run("store", options)?;
        }
        for &threads in threads.iter().filter(|&&threads| threads == 2 || threads == 8) {
            let name = format!("held_{keys}");
            let mut case = case(name, &VERSIONED, threads, keys, options);
            case.settings[0] = ("millis", options.millis(300, 15));
            case.run("store", options)?;
        }
    }
    if !options.quick {
        mixed(options, 250_000, 1000, 8, options.rounds.unwrap_or(3).min(3))?;
    }
    let grown = if options.quick { 20_000 } else { 10_000_000 };
    let mut growth = case(format!("growth_{grown}"), &GROWING, 2, grown, options);
    growth.settings.push(NO_THP);
    growth.rounds = options.rounds.unwrap_or(1);
    growth.run("store", options)?;
    let filled = if options.quick { 5_000 } else { 1_000_000 };
    let mut bytes = case(format!("bytes_{filled}"), &ALL, 1, filled, options);
    bytes.settings.push(NO_THP);
    bytes.rounds = 1;
    bytes.run("store", options)
}

fn case(
    name: String,
    subjects: &[&'static str],
    threads: u64,
    keys: u64,
    options: &Options,
) -> Case {
    let settings = vec![
        ("millis", options.millis(120, 10)),
        ("keys", keys),
        ("value_bytes", options.value_bytes),
    ];
    Case { name, threads, subjects: subjects.to_vec(), settings, rounds: rounds(options) }
}

fn rounds(options: &Options) -> usize {
    options.rounds.unwrap_or(if options.quick { 1 } else { options.rounds() })
}

fn mixed(options: &Options, keys: u64, bytes: u64, threads: u64, rounds: usize) -> Outcome {
    let mut case = case(format!("ycsb_{keys}x{bytes}"), &ALL, threads, keys, options);
    case.settings[2] = ("value_bytes", bytes);
    case.rounds = rounds;
    case.run("store", options)
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let load = Load {
        threads: sample.setting("threads")?,
        millis: sample.setting("millis")?,
        keys: sample.setting("keys")?,
        value_bytes: sample.setting("value_bytes")? as usize,
    };
    let subject = sample.subject.as_str();
    match sample.case.split('_').next().unwrap_or_default() {
        "ycsb" => of_one_key(subject, &load, Single::Mixed),
        "bytes" => of_one_key(subject, &load, Single::Filled),
        "growth" => of_one_key(subject, &load, Single::Growth),
        "tx" => with_subject!(subject, Store => transactions::run::<Store>(&load);
            "stillpoint": Stillpoint<Plain>, "stillpoint-ordered": Stillpoint<Ordered>,
            "stillpoint-stream": Stillpoint<Streaming>, "surrealmx": surreal::Surreal, "skipdb": skip::Skip,
            "redb": redb::Redb, "kovan-mvcc": kovan::Kovan, "floor-dashmap-locks": maps::Locks),
        "held" => with_subject!(subject, Store => held::run::<Store>(&load);
            "stillpoint": Stillpoint<Plain>, "surrealmx": surreal::Surreal,
            "skipdb": skip::Skip, "kovan-mvcc": kovan::Kovan),
        other => Err(format!("there is no case {other:?}")),
    }
}

/// What is measured of operations on single keys.
enum Single {
    Mixed,
    Filled,
    Growth,
}

fn of_one_key(subject: &str, load: &Load, what: Single) -> Outcome<Vec<Figure>> {
    with_subject!(subject, Store => Ok(match what {
        Single::Mixed => ycsb::run::<Store>(load),
        Single::Filled => filled::<Store>(load),
        Single::Growth => growth::run::<Store>(load.keys, &load.value()),
    });
        "stillpoint": Stillpoint<Plain>, "stillpoint-ordered": Stillpoint<Ordered>,
        "stillpoint-stream": Stillpoint<Streaming>, "surrealmx": surreal::Surreal, "skipdb": skip::Skip,
        "redb": redb::Redb, "kovan-mvcc": kovan::Kovan, "crossbeam-skiplist": maps::SkipList,
        "dashmap": maps::Dash, "papaya": maps::Papaya, "scc": maps::Scc)
}

/// What a key costs.
fn filled<S: Subject>(load: &Load) -> Vec<Figure> {
    let before = rss_bytes();
    let store: S = load.filled();
    let grown = rss_bytes().saturating_sub(before);
    drop(store);
    vec![Figure::new("bytes_per_key", "bytes", grown as f64 / load.keys as f64)]
}

#[cfg(test)]
mod tests {
    use super::subject::{Subject, Transactional, until_done};
    use super::*;

    const LOAD: Load = Load { threads: 3, millis: 20, keys: 200, value_bytes: 64 };

    #[test]
    fn no_subject_loses_money() {
        for subject in TRANSACTIONAL {
            let words = [
                "store",
                "tx_200",
                subject,
                "threads=3",
                "millis=20",
                "keys=200",
                "value_bytes=64",
            ];
            let sample = Sample::from_words(&words.map(str::to_owned)).unwrap();
            let figures = super::sample(&sample).unwrap();
            assert!(figures.iter().any(|figure| figure.metric == "smallbank/aborts_per_1000"));
        }
    }

    #[test]
    fn scans_are_in_order_and_of_the_length_asked_for() {
        fn check<S: Subject>() {
            let store: S = LOAD.filled();
            assert!(S::IS_ORDERED);
            let mut out = [0; 64];
            assert_eq!(store.scan(&[0; 16], 7, &mut out), 7);
            assert_eq!(store.scan(&[0; 16], 1000, &mut out), LOAD.keys as usize);
            assert_eq!(store.scan(&[0xff; 16], 7, &mut out), 0);
        }
        check::<Stillpoint<Ordered>>();
        check::<surreal::Surreal>();
        check::<skip::Skip>();
        check::<redb::Redb>();
        check::<maps::SkipList>();
    }

    #[test]
    fn what_is_tried_in_vain_ends_with_the_sample() {
        let mut left = 3;
        let goes_on = || true;
        assert_eq!(
            until_done(&goes_on, || {
                left -= 1;
                left == 0
            }),
            2
        );
        assert_eq!(until_done(&|| false, || false), 1);
        let store: maps::Locks = LOAD.filled();
        assert_eq!(store.transact(&[], &goes_on, &mut |_| Ok(())), 0);
    }
}
