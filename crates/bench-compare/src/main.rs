//! Stillpoint beside its rivals, in the same run.
//!
//! ```text
//! stillpoint-bench-compare reclaim | stall | structure | pool | map | cache | memory | store | server | docs   [--quick] [--json] …
//! ```
//! | suite | who | what |
//! |---|---|---|
//! | `reclaim` | leased epochs, crossbeam-epoch, seize, haphazard, sdd, kovan | pins, loads, stacks, slots; memory behind a stalled reader |
//! | `cache` | the store, dashmap with 64 shards, papaya | throughput, read latencies, CPU and bytes of a cache under load |
//! | `stall` | the same | garbage over time beside a reader that does not get out of the way |
//! | `structure` | our queues and lists, crossbeam's, a locked one | pushes and pops; walks along a sorted list |
//! | `pool` | the pool, a thread's own list, glibc, mimalloc, jemalloc | a block's cost: at once, in batches, across threads; what a spike leaves |
//! | `map` | our maps, papaya, dashmap, scc, flurry, kovan-map, crossbeam-skiplist, maps behind a lock | reads, writes, ranges, growth |
//! | `memory` | the store | bytes per key and version, by its own account and the system's |
//! | `store` | the store, surrealmx, skipdb, redb, kovan-mvcc, maps | YCSB, transactions, Smallbank, snapshots held, growth, bytes per key |
//! | `server` | the server, and redis-server or what `--peer` names | CPU per operation, bytes per key, waits beside heavy commands, saving and loading, expiry |
//!
//! How it measures: every sample is a process of its own, so no subject inherits another's heap; samples of a case are taken in rounds
//! whose order rotates; the figure is the median, with the least and the greatest. All subjects allocate from mimalloc.

mod cache;
mod crew;
mod gates;
mod map;
mod memory;
mod options;
mod page;
mod plan;
mod plot;
mod pool;
mod reclaim;
mod report;
mod server;
mod stall;
mod store;
mod structure;

use options::{Options, Suite};
use plan::Sample;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a suite may fail with: a message for people.
pub(crate) type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let outcome = Options::from_args().and_then(|options| match &options.suite {
        Suite::Help => {
            print!("{}", options::HELP);
            Ok(())
        }
        Suite::Reclaim => reclaim::run(&options),
        Suite::Stall => stall::run(&options),
        Suite::Structure => structure::run(&options),
        Suite::Docs => page::run(&options),
        Suite::Cache => cache::run(&options),
        Suite::Pool => pool::run(&options),
        Suite::Map => map::run(&options),
        Suite::Memory => memory::run(&options),
        Suite::Store => store::run(&options),
        Suite::Server => server::run(&options),
        Suite::Sample(sample) => take(sample),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("stillpoint-bench-compare: {message}");
            ExitCode::from(2)
        }
    }
}

/// The child's side of a [`plan::Case`].
fn take(sample: &Sample) -> Outcome {
    if sample.setting(plan::NO_THP.0) == Ok(plan::NO_THP.1) {
        rustix::thread::disable_transparent_huge_pages(true)
            .map_err(|error| format!("doing without huge pages: {error}"))?;
    }
    let figures = match sample.suite.as_str() {
        "reclaim" => reclaim::sample(sample)?,
        "stall" => stall::sample(sample)?,
        "structure" => structure::sample(sample)?,
        "cache" => cache::sample(sample)?,
        "pool" => pool::sample(sample)?,
        "map" => map::sample(sample)?,
        "memory" => memory::sample(sample)?,
        "store" => store::sample(sample)?,
        other => return Err(format!("there are no samples of suite {other:?}")),
    };
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}
