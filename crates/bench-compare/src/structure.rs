//! The suite `structure`: queues, channels and sorted lists.
//!
//! | case | one operation |
//! |---|---|
//! | `queue` | a push or a pop, alternating; empty at first |
//! | `channel` | a send or a `try_recv`, alternating; unbounded, and with room for 1,024 values |
//! | `list100_1000` … `list0_10000` | half of so many keys present, uniform; so many % gets, else an insertion or a removal |
//!
//! The list on crossbeam-epoch is Harris' with Michael's removal and the wait-free get, written here in the way of its docs: what is
//! compared is the cost of traversal under either scheme.

mod crossbeam_list;
mod list;
mod queue;

use crate::Outcome;
use crate::gates::rounds;
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
    for &threads in options.crews() {
        let case = |name: &str, subjects: &[&'static str]| Case {
            name: name.to_owned(),
            threads,
            subjects: subjects.to_vec(),
            settings: vec![("millis", options.millis(500, 25))],
            rounds: rounds("structure", name, threads, options),
        };
        case("queue", &QUEUES).run("structure", options)?;
        case("channel", &CHANNELS).run("structure", options)?;
        if threads == 1 {
            continue;
        }
        for reads in [100, 90, 50, 0] {
            case(&format!("list{reads}_1000"), &LISTS).run("structure", options)?;
        }
        if threads == 2 {
            for name in ["list100_100", "list50_100", "list100_10000", "list50_10000"] {
                case(name, &LISTS).run("structure", options)?;
            }
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
        case => {
            let words = case.strip_prefix("list").and_then(|rest| rest.split_once('_'));
            let numbers =
                words.and_then(|(reads, keys)| Some((reads.parse().ok()?, keys.parse().ok()?)));
            let (reads, keys) = numbers.ok_or_else(|| format!("there is no case {case:?}"))?;
            list::sample(subject, list::Mix { threads, millis, reads, keys })
        }
    }
}
