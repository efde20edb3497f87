//! The suite `memory`: what a key and a version of it cost in the store.
//!
//! Keys of 16 bytes, values of 64 bytes. `max_versions` is set to the number of versions; every key is written as often.
//!
//! | case | snapshots | versions a key that must stay |
//! |---|---|---|
//! | `idle_vN` | none; measured when background collection has settled | 1 (what more there is, is the store's choice) |
//! | `snapshot_vN` | one before each overwriting pass, all still open | N |
//! | `closed_vN` | the same, all closed since, and collection has settled | 1 |
//!
//! | metric | is |
//! |---|---|
//! | `bytes_per_key_accounted` | newest versions, old versions and index by `Store::stats`, a key |
//! | `bytes_per_key_pool` | what the pool has from the system, and the index, a key |
//! | `bytes_per_key_rss` | growth of resident memory, a key |
//! | `old_versions_per_key` | as the store counts them |
//! | `overhead_per_version` | accounted bytes of versions a version, less its key and value |
//! | `index_bytes_per_key` | the index alone |

use crate::Outcome;
use crate::options::Options;
use crate::plan::{Case, Figure, Sample};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, Config, Stats, Store};
use stillpoint_testkit::{KEY_BYTES, key, rss_bytes};

const VALUE_BYTES: usize = 64;
const AT: At = At { space: 0, now_ms: 1 };
const VERSIONS: [u64; 3] = [1, 2, 4];

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let default: &[u64] = if options.quick { &[200_000] } else { &[1_000_000, 10_000_000] };
    for &keys in if options.keys.is_empty() { default } else { &options.keys } {
        for kind in ["idle", "snapshot", "closed"] {
            for versions in VERSIONS {
                let case = Case {
                    name: format!("{kind}_v{versions}_keys{keys}"),
                    threads: 1,
                    subjects: vec!["stillpoint"],
                    settings: vec![
                        ("keys", keys),
                        ("versions", versions),
                        ("held", u64::from(kind != "idle")),
                        ("closed", u64::from(kind == "closed")),
                    ],
                    rounds: options.rounds.unwrap_or(1),
                };
                case.run("memory", options)?;
            }
        }
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let (keys, versions) = (sample.setting("keys")?, sample.setting("versions")?);
    let held = sample.setting("held")? == 1;
    let before = rss_bytes();
    let config = Config { max_versions: versions as u32, ..Config::default() };
    let store: Store = Store::new(config);
    store.start_maintenance(|| AT.now_ms);
    let mut snapshots = Vec::new();
    for pass in 0..versions {
        if held {
            snapshots.push(store.snapshot(AT.now_ms));
        }
        fill(&store, keys, pass)?;
    }
    if sample.setting("closed")? == 1 {
        snapshots.clear();
    }
    let took = settle(&store);
    let stats = store.stats();
    let rss = rss_bytes().saturating_sub(before);
    let mut figures = figures(&stats, keys, rss);
    figures.push(Figure::new("settled_after_ms", "ms", took.as_secs_f64() * 1e3));
    drop(snapshots);
    Ok(figures)
}

fn fill(store: &Store, keys: u64, pass: u64) -> Outcome {
    let value = [pass as u8; VALUE_BYTES];
    for number in 0..keys {
        store.set(AT, &key(number), 0, &value, None).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Waits until the number of old versions and blocks stays what it is; how long until the last change.
fn settle(store: &Store) -> Duration {
    let started = Instant::now();
    let mut last_change = started;
    let mut before = (0, 0);
    while last_change.elapsed() < Duration::from_millis(500)
        && started.elapsed() < Duration::from_secs(20)
    {
        thread::sleep(Duration::from_millis(20));
        let stats = store.stats();
        let now = (stats.old_versions, stats.unreclaimed);
        if now != before {
            (before, last_change) = (now, Instant::now());
        }
    }
    last_change - started
}

fn figures(stats: &Stats, keys: u64, rss: u64) -> Vec<Figure> {
    let keys = keys as f64;
    let per_key = |metric, bytes: u64| Figure::new(metric, "bytes", bytes as f64 / keys);
    let versions = stats.live_bytes + stats.old_version_bytes;
    let count = keys + stats.old_versions as f64;
    let overhead = versions as f64 / count - (KEY_BYTES + VALUE_BYTES) as f64;
    vec![
        per_key("bytes_per_key_accounted", versions + stats.index_bytes),
        per_key("bytes_per_key_pool", stats.pool_bytes + stats.index_bytes),
        per_key("bytes_per_key_rss", rss),
        Figure::new("old_versions_per_key", "1", stats.old_versions as f64 / keys),
        Figure::new("overhead_per_version", "bytes", overhead),
        per_key("index_bytes_per_key", stats.index_bytes),
    ]
}
