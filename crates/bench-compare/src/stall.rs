//! The suite `stall`: garbage over time while one reader does not get out of the way.
//!
//! Two threads replace nodes of 1,024 places at random, as fast as they can. Beside them one reader
//!
//! | case | what it does |
//! |---|---|
//! | `sleeping` | pins, loads once, and sleeps to the end |
//! | `loading` | pins, and loads another place every 0.2 ms, up to the end, without unpinning |
//! | `holding_1ms`, `holding_10ms` | pins and loads again and again, each time for so long |
//! | `nobody` | there is no reader |
//!
//! `unreclaimed_nodes@t` is what was retired and not yet dropped at `t` milliseconds, the largest of 20 looks in each interval; a subject
//! that has 24 M retires nothing more. `bound_nodes` is what the formula allows, of a scheme that has one. A reader of `stillpoint-leased` that has reached the longest lease is told so and pins anew;
//! `stillpoint-uncapped` is the same collector without a longest lease.

use crate::Outcome;
use crate::options::Options;
use crate::plan::{Case, Figure, Sample};
use crate::reclaim::scheme::{Counted, Payload, Scheme, dropped};
use crate::reclaim::{self, Subject};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::{Random, peak_rss_bytes, process_cpu};

const WRITERS: u64 = 2;
const PLACES: u64 = 1 << 10;
const MAX_UNRECLAIMED: u64 = 24_000_000;
const BATCH: u64 = 256;
/// Points of a line.
const POINTS: u32 = 60;
const LOOKS: u32 = 20;
/// Two looks in so short a time were not torn apart.
const UNDISTURBED: Duration = Duration::from_micros(50);
const LOOKS_AGAIN: u32 = 16;

const CASES: [&str; 5] = ["nobody", "holding_1ms", "holding_10ms", "sleeping", "loading"];

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome {
    for name in CASES {
        let stays = matches!(name, "sleeping" | "loading");
        let millis = options.stall_millis() / if stays || options.quick { 1 } else { 10 };
        let case = Case {
            name: name.to_owned(),
            threads: WRITERS,
            subjects: reclaim::stall_subjects(),
            settings: vec![("millis", millis)],
            rounds: options.rounds.unwrap_or(1),
        };
        case.run("stall", options)?;
    }
    Ok(())
}

/// Takes one sample, in the child.
pub(crate) fn sample(sample: &Sample) -> Outcome<Vec<Figure>> {
    let millis = sample.setting("millis")?;
    let reader = match sample.case.as_str() {
        "nobody" => Reader::Nobody,
        "sleeping" => Reader::Sleeping,
        "loading" => Reader::Loading,
        "holding_1ms" => Reader::Holding(Duration::from_millis(1)),
        "holding_10ms" => Reader::Holding(Duration::from_millis(10)),
        other => return Err(format!("there is no case {other:?}")),
    };
    reclaim::stall_picture(&sample.subject, reader, millis)
}

/// What the reader does.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    Nobody,
    Sleeping,
    Loading,
    Holding(Duration),
}

struct Scene<S: Scheme<Counted>> {
    scheme: &'static S,
    slots: Vec<S::Slot>,
    retired: AtomicU64,
    stop: AtomicBool,
}

impl<S: Scheme<Counted>> Scene<S> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn unreclaimed(&self) -> u64 {
        // What has been dropped first: the difference errs upwards, by what is retired between the two looks. That is much if the thread was
        // preempted there; then it looks again.
        for _ in 0..LOOKS_AGAIN {
            let begun = Instant::now();
            let dropped = dropped();
            let retired = self.retired.load(Ordering::Relaxed);
            if begun.elapsed() < UNDISTURBED {
                return retired.saturating_sub(dropped);
            }
        }
        let dropped = dropped();
        self.retired.load(Ordering::Relaxed).saturating_sub(dropped)
    }

    /// Replaces nodes at random until told to stop.
    fn churn(&self, seed: u64) {
        let (mut random, mut local) = (Random::new(seed), self.scheme.local());
        while !self.stopped() {
            if self.unreclaimed() >= MAX_UNRECLAIMED {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            for _ in 0..BATCH {
                let slot = &self.slots[random.below(PLACES) as usize];
                let mut guard = self.scheme.pin(&mut local);
                S::replace(&mut guard, slot, Counted::new(seed));
            }
            self.retired.fetch_add(BATCH, Ordering::Relaxed);
        }
    }

    fn read(&self, reader: Reader) {
        let mut local = self.scheme.local();
        while !self.stopped() {
            let mut guard = self.scheme.pin(&mut local);
            black_box(S::read(&mut guard, &self.slots[0]));
            let mut at = 0;
            match reader {
                Reader::Nobody => return,
                Reader::Holding(long) => thread::sleep(long),
                Reader::Sleeping => {
                    while !self.stopped() {
                        thread::sleep(Duration::from_millis(2));
                    }
                }
                Reader::Loading => {
                    while !self.stopped() {
                        thread::sleep(Duration::from_micros(200));
                        at = (at + 1) % self.slots.len();
                        black_box(S::read(&mut guard, &self.slots[at]));
                    }
                }
            }
        }
    }
}

/// Watches the garbage of one scheme.
pub(crate) fn watch<S: Subject>(reader: Reader, millis: u64) -> Vec<Figure> {
    let scheme: &'static S = Box::leak(Box::new(<S as Scheme<Counted>>::new()));
    let slots = (0..PLACES).map(|value| scheme.slot(Counted::new(value))).collect();
    let scene = &Scene { scheme, slots, retired: AtomicU64::new(0), stop: AtomicBool::new(false) };
    let mut figures = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || scene.read(reader));
        thread::sleep(Duration::from_millis(2));
        (0..WRITERS).for_each(|seed| drop(scope.spawn(move || scene.churn(seed))));
        let (started, cpu) = (Instant::now(), process_cpu());
        let look = Duration::from_millis(millis) / (POINTS * LOOKS);
        let mut peak = 0;
        for point in 1..=POINTS {
            let mut most = 0;
            for turn in 1..=LOOKS {
                let until = look * ((point - 1) * LOOKS + turn);
                thread::sleep(until.saturating_sub(started.elapsed()));
                most = most.max(scene.unreclaimed());
            }
            peak = peak.max(most);
            let at = u64::from(point) * millis / u64::from(POINTS);
            figures.push(Figure::new(&format!("unreclaimed_nodes@{at}"), "1", most as f64));
        }
        let retired = scene.retired.load(Ordering::Relaxed) as f64;
        let spent = (process_cpu() - cpu).as_nanos() as f64;
        scene.stop.store(true, Ordering::Relaxed);
        figures.push(Figure::new("peak_unreclaimed_nodes", "1", peak as f64));
        figures.push(Figure::new("peak_rss_bytes", "bytes", peak_rss_bytes() as f64));
        figures.push(Figure::new("ops_per_s", "1/s", retired / started.elapsed().as_secs_f64()));
        figures.push(Figure::new("cpu_ns_per_op", "ns", spent / retired.max(1.0)));
        let wall = started.elapsed().as_nanos() as f64;
        figures.push(Figure::new("wall_ns_per_op", "ns", wall / retired.max(1.0)));
        let goes_on = matches!(reader, Reader::Loading);
        if let Some(bound) = <S as Scheme<Counted>>::bound(scheme, PLACES, goes_on) {
            figures.push(Figure::new("bound_nodes", "1", bound as f64));
        }
    });
    figures
}
