//! The suite `reclaim`: what a pin, a load and a retirement cost, and what a stalled reader holds back.
//!
//! | case | one operation |
//! |---|---|
//! | `pin_unpin`, `pin_load_unpin` | on one thread, by its CPU time. haphazard: a fresh hazard pointer; then a kept one |
//! | `load_in_guard16` | one of 16 loads from 16 places under one guard |
//! | `treiber` | a push or a pop, alternating; sdd's stack is its own (counted pointers) |
//! | `slots95`, `slots50` | of 16 K places: pin, load, unpin in 95 % or 50 %; else pin, allocate, swap, retire, unpin |
//! | `scan16` | the same with 16 neighbouring places read a guard (one operation), 5 % writes |
//! | `stall_…`, `idle_1m` | see [`stall`] |
//!
//! A node holds 16 bytes beside what its scheme needs.

mod contended;
mod crossbeam;
mod haphazard;
mod kovan;
mod leased;
mod ours;
pub(crate) mod scheme;
mod sdd;
mod seize;
mod single;
mod stall;

use crate::Outcome;
use crate::gates::rounds;
use crate::options::Options;
use crate::plan::{Case, Figure, Sample};
use scheme::{Counted, Plain};
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::rcu::Rcu;

const SUBJECTS: [&str; 11] = [
    "stillpoint-leased",
    "stillpoint-pooled",
    "stillpoint-ebr",
    "stillpoint-hp",
    "stillpoint-rcu",
    "stillpoint-leak",
    "crossbeam-epoch",
    "seize",
    "haphazard",
    "sdd",
    "kovan",
];

/// Leased epochs as on a host that has no `membarrier`: in the cases of one thread, where the fence shows. (The rivals have one anyway, or none.)
const WITHOUT_MEMBARRIER: &str = "stillpoint-strict";

/// Calls `$run::<Scheme>($args)` for the scheme of that name.
macro_rules! with_scheme {
    ($subject:expr, $run:ident($($arg:expr),*)) => {
        match $subject {
            "stillpoint-leased" => Ok($run::<leased::Leased<leased::Defaults>>($($arg),*)),
            "stillpoint-uncapped" => Ok($run::<leased::Leased<leased::Uncapped>>($($arg),*)),
            "stillpoint-strict" => Ok($run::<leased::Leased<leased::Strict>>($($arg),*)),
            "stillpoint-pooled" => Ok($run::<ours::Ours<Collector, Pool>>($($arg),*)),
            "stillpoint-ebr" => Ok($run::<ours::Ours<Ebr>>($($arg),*)),
            "stillpoint-hp" => Ok($run::<ours::Ours<Hazard>>($($arg),*)),
            "stillpoint-rcu" => Ok($run::<ours::Ours<Rcu>>($($arg),*)),
            "stillpoint-leak" => Ok($run::<ours::Ours<Leak>>($($arg),*)),
            "crossbeam-epoch" => Ok($run::<crossbeam::Crossbeam>($($arg),*)),
            "seize" => Ok($run::<seize::Seize>($($arg),*)),
            "haphazard" => Ok($run::<haphazard::Haphazard>($($arg),*)),
            "sdd" => Ok($run::<sdd::Sdd>($($arg),*)),
            "kovan" => Ok($run::<kovan::Kovan>($($arg),*)),
            other => Err(format!("there is no scheme {other:?}")),
        }
    };
}

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    let millis = options.millis(500, 25);
    let case = |name: &str, threads| Case {
        name: name.to_owned(),
        threads,
        subjects: SUBJECTS.to_vec(),
        settings: vec![("millis", millis)],
        rounds: rounds("reclaim", name, threads, options),
    };
    for name in ["pin_unpin", "pin_load_unpin", "load_in_guard16"] {
        let mut case = case(name, 1);
        case.subjects.push(WITHOUT_MEMBARRIER);
        case.run("reclaim", options)?;
    }
    for name in ["treiber", "slots95", "slots50", "scan16"] {
        for &threads in options.crews() {
            case(name, threads).run("reclaim", options)?;
        }
    }
    let places = if options.quick { 50_000 } else { 1_000_000 };
    let rounds = if options.quick { 1 } else { options.rounds() };
    for name in ["stall_asleep", "stall_loading", "stall_asleep_1m", "idle_1m"] {
        let mut case = case(name, 2);
        case.subjects = stall_subjects();
        case.rounds = rounds;
        case.settings = vec![("millis", options.millis(2000, 100)), ("places", places)];
        case.run("reclaim", options)?;
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let millis = sample.setting("millis")?;
    let threads = sample.setting("threads")?;
    let subject = sample.subject.as_str();
    match sample.case.as_str() {
        "pin_unpin" => with_scheme!(subject, pin_unpin(millis)),
        "pin_load_unpin" => with_scheme!(subject, pin_load_unpin(millis)),
        "load_in_guard16" => with_scheme!(subject, load_in_guard(millis)),
        "treiber" => with_scheme!(subject, stack(threads, millis)),
        "slots95" => with_scheme!(subject, slots(threads, millis, 95)),
        "slots50" => with_scheme!(subject, slots(threads, millis, 50)),
        "scan16" => with_scheme!(subject, scan(threads, millis)),
        name => {
            let stall = stall::Stall::named(name, millis, sample.setting("places")?)?;
            with_scheme!(subject, stalled(&stall))
        }
    }
}

use contended::{scan, slots, stack};
use single::{load_in_guard, pin_load_unpin, pin_unpin};
use stall::stalled;

/// A scheme with both kinds of payload, and a stack.
pub(crate) trait Subject:
    scheme::Scheme<Plain> + scheme::Scheme<Counted> + scheme::StackScheme
{
}
impl<S> Subject for S where S: scheme::Scheme<Plain> + scheme::Scheme<Counted> + scheme::StackScheme {}

/// Who is in the pictures of the suite `stall`: not who only differs in where nodes come from.
pub(crate) fn stall_subjects() -> Vec<&'static str> {
    let mut subjects = SUBJECTS.to_vec();
    subjects[1] = "stillpoint-uncapped";
    subjects
}

/// A sample of the suite [`stall`](crate::stall).
pub(crate) fn stall_picture(
    subject: &str,
    reader: crate::stall::Reader,
    millis: u64,
) -> Outcome<Vec<Figure>> {
    use crate::stall::watch;
    with_scheme!(subject, watch(reader, millis))
}
