//! The suite `pool`: what a block of 64 bytes costs.
//!
//! | case | one operation |
//! |---|---|
//! | `alloc_free64` | an allocation, a byte written, and its freeing; on one thread, by its CPU time |
//! | `batch256` | one of 256 allocations, then as many freed in the same order |
//! | `remote256` | the same, but batches go through a channel and another thread frees them; CPU time of both |
//! | `spike` | resident memory over live bytes when a tenfold spike has been freed and trimmed, where the subject can trim; without |
//! | | transparent huge pages under the program's own allocator, mimalloc: a dozen small vectors would count 2 MiB each |
//!
//! Each allocator is called directly, so one program carries all, and told the size of what it takes back, as Rust's allocators are;
//! `stillpoint-by-address` is not told: it finds pool and class by the block's address. `thread-local-vec` is the lower bound: a free list of one thread, for
//! one size, that gives nothing back. jemalloc is there if the program was built with `--features jemalloc`.

mod churn;
mod spike;
mod subject;

use crate::Outcome;
use crate::gates::rounds;
use crate::options::Options;
use crate::plan::{Case, Figure, NO_THP, Sample};
use subject::{Allocator, ByAddress, Stillpoint, ThreadLocalVec};

const SUBJECTS: &[&str] = &[
    "stillpoint-pool",
    "stillpoint-by-address",
    "thread-local-vec",
    "glibc",
    "mimalloc",
    #[cfg(feature = "jemalloc")]
    "jemalloc",
];

/// Calls `$run(&subject, $args)` for the subject of that name.
macro_rules! with_subject {
    ($name:expr, $run:path, $($arg:expr),*) => {
        match $name {
            "stillpoint-pool" => Ok($run(&Stillpoint::default(), $($arg),*)),
            "stillpoint-by-address" => Ok($run(&ByAddress::default(), $($arg),*)),
            "thread-local-vec" => Ok($run(&ThreadLocalVec, $($arg),*)),
            "glibc" => Ok($run(&Allocator(std::alloc::System), $($arg),*)),
            "mimalloc" => Ok($run(&Allocator(mimalloc::MiMalloc), $($arg),*)),
            #[cfg(feature = "jemalloc")]
            "jemalloc" => Ok($run(&Allocator(tikv_jemallocator::Jemalloc), $($arg),*)),
            other => Err(format!("there is no allocator {other:?}")),
        }
    };
}

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let millis = options.millis(500, 25);
    for (name, threads) in [("alloc_free64", 1), ("batch256", 1), ("remote256", 2), ("spike", 1)] {
        // A list of one thread takes nothing from another, and never shrinks.
        let fits =
            |subject: &&str| threads == 1 && name != "spike" || *subject != "thread-local-vec";
        let mut settings =
            vec![("millis", millis), ("blocks", if options.quick { 20_000 } else { 200_000 })];
        settings.extend((name == "spike").then_some(NO_THP));
        let case = Case {
            name: name.to_owned(),
            threads,
            subjects: SUBJECTS.iter().copied().filter(fits).collect(),
            settings,
            rounds: rounds("pool", name, threads, options),
        };
        case.run("pool", options)?;
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let (millis, blocks) = (sample.setting("millis")?, sample.setting("blocks")?);
    let subject = sample.subject.as_str();
    match sample.case.as_str() {
        "alloc_free64" => with_subject!(subject, churn::alloc_free, millis),
        "batch256" => with_subject!(subject, churn::batch, millis),
        "remote256" => with_subject!(subject, churn::remote, millis),
        "spike" => with_subject!(subject, spike::spike, blocks as usize),
        other => Err(format!("there is no case {other:?}")),
    }
}
