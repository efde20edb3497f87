//! The suite `map`: concurrent maps, hashed and ordered.
//!
//! Keys are `u64`, values 64 bytes; hash maps all hash with foldhash. All interfaces are used as their docs show: a pin an operation.
//! `pooled` is our hash map with entries from the pool instead of mimalloc.
//!
//! | case | keys | one operation |
//! |---|---|---|
//! | `zipf_get`, `zipf_95`, `zipf_50` | all present, drawn by Zipf 0.99 | a read; else (5 %, 50 %) a put of a new value |
//! | `mix0`, `mix50`, `mix90`, `mix100` | half present, uniform | so many % reads; else an insertion or a removal, alternating at random |
//! | `range100` (ordered) | all present, uniform | a walk over 100 neighbours; 10 % puts |
//! | `growth` | none at first | one thread inserts up to the end, another puts to what is there: the longest stall of both. Without huge pages: where the host gives memory to a guest only at its first touch, to zero one takes 8 to 17 ms, ten times what the maps themselves do. `floor-no-map` is two threads that only look at the clock: what the machine takes away by itself |
//!
//! The mixes follow the field's suites (smr-benchmark): half of the key range present, insertions and removals in balance. One operation
//! in 64 is timed, whichever it is. Without `--keys`: all cases on 100,000, and on 1,000, 10,000 and 10 million the mixes, with as many threads as cores
//! (two) and, since to fill the largest takes seconds, three samples.

mod growth;
mod hashed;
mod load;
mod machine;
mod ordered;
mod subject;

use crate::Outcome;
use crate::gates::rounds;
use crate::options::Options;
use crate::plan::{Case, Figure, NO_THP, Sample};
use load::Load;

const HASHED: [&str; 9] = [
    "stillpoint-hashmap",
    "stillpoint-hashmap-pooled",
    "papaya",
    "dashmap",
    "scc-hashmap",
    "scc-hashindex",
    "flurry",
    "kovan-map",
    "rwlock-hashmap",
];
const ORDERED: [&str; 4] =
    ["stillpoint-orderedmap", "crossbeam-skiplist", "scc-treeindex", "rwlock-btreemap"];

/// Cases on other counts of keys than the usual.
const SIZES: &[(u64, &[&str])] = &[
    (1_000, &["mix0", "mix50", "mix90", "mix100"]),
    (10_000, &["mix0", "mix50", "mix90", "mix100"]),
    (10_000_000, &["mix50", "mix100"]),
];

/// Calls `$call` with `$map` as the map of that name.
macro_rules! with_map {
    ($subject:expr, $map:ident => $call:expr) => {
        match $subject {
            "stillpoint-hashmap" => with_map!(@ hashed::Stillpoint, $map, $call),
            "stillpoint-hashmap-pooled" => with_map!(@ hashed::Pooled, $map, $call),
            "papaya" => with_map!(@ hashed::Papaya, $map, $call),
            "dashmap" => with_map!(@ hashed::Dash, $map, $call),
            "scc-hashmap" => with_map!(@ hashed::SccMap, $map, $call),
            "scc-hashindex" => with_map!(@ hashed::SccIndex, $map, $call),
            "flurry" => with_map!(@ hashed::Flurry, $map, $call),
            "kovan-map" => with_map!(@ hashed::Kovan, $map, $call),
            "rwlock-hashmap" => with_map!(@ hashed::Locked, $map, $call),
            "stillpoint-orderedmap" => with_map!(@ ordered::Stillpoint, $map, $call),
            "crossbeam-skiplist" => with_map!(@ ordered::Skip, $map, $call),
            "floor-no-map" => with_map!(@ machine::Machine, $map, $call),
            "scc-treeindex" => with_map!(@ ordered::SccTree, $map, $call),
            "rwlock-btreemap" => with_map!(@ ordered::Locked, $map, $call),
            other => Err(format!("there is no map {other:?}")),
        }
    };
    (@ $type:ty, $map:ident, $call:expr) => {{
        type $map = $type;
        Ok($call)
    }};
}

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let keys = if options.keys.is_empty() { vec![100_000] } else { options.keys.clone() };
    for (kind, subjects) in [("hash", &HASHED[..]), ("ordered", &ORDERED[..])] {
        let case = |name: &str, keys: u64, threads, rounds| Case {
            name: format!("{kind}_{name}_{keys}"),
            threads,
            subjects: subjects.to_vec(),
            settings: vec![("millis", options.millis(500, 15)), ("keys", keys)],
            rounds,
        };
        for &keys in &keys {
            for &threads in options.threads(&[2, 8, 96]) {
                let names = ["zipf_get", "zipf_95", "zipf_50", "mix0", "mix50", "mix90", "mix100"];
                for name in names.into_iter().chain((kind == "ordered").then_some("range100")) {
                    let mut case = case(name, keys, threads, 0);
                    case.rounds = rounds("map", &case.name, threads, options);
                    case.run("map", options)?;
                }
            }
        }
        if options.keys.is_empty() && !options.quick {
            for (keys, names) in SIZES {
                for name in *names {
                    case(name, *keys, 2, options.rounds().min(3)).run("map", options)?;
                }
            }
        }
        let grown = if options.quick { 50_000 } else { 4_000_000 };
        let case = Case {
            name: format!("{kind}_growth_{grown}"),
            threads: 2,
            subjects: [subjects, &["floor-no-map"]].concat(),
            settings: vec![("millis", 0), ("keys", grown), NO_THP],
            rounds: if options.quick { 1 } else { options.rounds() },
        };
        case.run("map", options)?;
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let (kind, rest) = sample.case.split_once('_').unwrap_or_default();
    let (name, _) = rest.rsplit_once('_').unwrap_or_default();
    let subject = sample.subject.as_str();
    let (threads, keys) = (sample.setting("threads")?, sample.setting("keys")?);
    let load = Load { threads, keys, millis: sample.setting("millis")? };
    match name {
        "growth" => with_map!(subject, Map => growth::run::<Map>(keys)),
        "zipf_get" => with_map!(subject, Map => load.zipf::<Map>(100)),
        "zipf_95" => with_map!(subject, Map => load.zipf::<Map>(95)),
        "zipf_50" => with_map!(subject, Map => load.zipf::<Map>(50)),
        "range100" => match subject {
            "stillpoint-orderedmap" => Ok(load.ranges::<ordered::Stillpoint>()),
            "crossbeam-skiplist" => Ok(load.ranges::<ordered::Skip>()),
            "scc-treeindex" => Ok(load.ranges::<ordered::SccTree>()),
            "rwlock-btreemap" => Ok(load.ranges::<ordered::Locked>()),
            other => Err(format!("there is no ordered map {other:?}")),
        },
        mix => {
            let reads = mix.strip_prefix("mix").and_then(|reads| reads.parse().ok());
            let reads = reads.ok_or_else(|| format!("there is no case {kind}_{rest}"))?;
            with_map!(subject, Map => load.mix::<Map>(reads))
        }
    }
}
