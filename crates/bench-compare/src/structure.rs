//! The suite `structure`: queues, channels and sorted lists.
//!
//! | case | one operation |
//! |---|---|
//! | `queue` | a push or a pop, alternating; empty at first |
//! | `channel` | a send or a `try_recv`, alternating; unbounded, and with room for 1,024 values |
//! | `list100_1000`, `list90_1000`, `list50_1000` | half of 1,000 keys present, uniform; so many % gets, else an insertion or a removal |
//!
//! The list on crossbeam-epoch is Harris' with Michael's removal and the wait-free get, written here in the way of its docs: what is
//! compared is the cost of traversal under either scheme.

mod crossbeam_list;
mod list;
mod queue;

use crate::Outcome;
use crate::crew::Crew;
use crate::options::Options;
use crate::plan::{Case, Figure, Sample};

const QUEUES: [&str; 6] = [
    "stillpoint-queue",
    "stillpoint-segment-queue",
    "stillpoint-array-queue",
    "crossbeam-segqueue",
    "crossbeam-arrayqueue",
    "mutex-vecdeque",
];
const CHANNELS: [&str; 4] =
    ["stillpoint-unbounded", "stillpoint-bounded", "crossbeam-unbounded", "crossbeam-bounded"];
const LISTS: [&str; 5] =
    ["stillpoint-leased", "stillpoint-ebr", "stillpoint-hp", "stillpoint-leak", "crossbeam-epoch"];

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    for threads in [1, 2, 8] {
        let case = |name: &str, subjects: &[&'static str]| Case {
            name: name.to_owned(),
            threads,
            subjects: subjects.to_vec(),
            settings: vec![("millis", options.millis(500, 25))],
            rounds: options.rounds(),
        };
        case("queue", &QUEUES).run("structure", options)?;
        case("channel", &CHANNELS).run("structure", options)?;
        if threads == 1 {
            continue;
        }
        for name in ["list100_1000", "list90_1000", "list50_1000"] {
            case(name, &LISTS).run("structure", options)?;
        }
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let (threads, millis) = (sample.setting("threads")?, sample.setting("millis")?);
    let subject = sample.subject.as_str();
    match sample.case.as_str() {
        "queue" => queue::sample(subject, threads, millis),
        "channel" => queue::sample_channel(subject, threads, millis),
        "list100_1000" => list::sample(subject, threads, millis, 100),
        "list90_1000" => list::sample(subject, threads, millis, 90),
        "list50_1000" => list::sample(subject, threads, millis, 50),
        other => Err(format!("there is no case {other:?}")),
    }
}

/// Operations between two looks at the gate.
const BATCH: u64 = 64;

/// Lets each thread repeat the operation that `make(thread)` made it, for so long.
fn contend<F: FnMut()>(threads: u64, millis: u64, make: impl Fn(u64) -> F + Sync) -> Vec<Figure> {
    let Crew { results, wall, cpu } = Crew::work(threads, millis, |thread, gate| {
        let mut operation = make(thread);
        gate.start();
        let mut ops = 0u64;
        while gate.open() {
            (0..BATCH).for_each(|_| operation());
            ops += BATCH;
        }
        ops
    });
    let ops = results.into_iter().sum::<u64>().max(1) as f64;
    vec![
        Figure::new("ops_per_s", "1/s", ops / wall.as_secs_f64()),
        Figure::new("cpu_ns_per_op", "ns", cpu.as_nanos() as f64 / ops),
    ]
}
