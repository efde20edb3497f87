//! Memory behind a reader that does not move on, while two writers replace nodes.
//!
//! | case | the reader | places |
//! |---|---|---|
//! | `stall_asleep` | sleeps in a guard | 1 K |
//! | `stall_loading` | holds a guard and loads once every 0.2 ms | 1 K |
//! | `stall_asleep_1m` | sleeps in a guard | 1 M (with `--quick` 50 K), all older than the guard, replaced at random |
//! | `idle_1m` | has pinned once and is *not* pinned; reads again afterwards, beside a writer | the same |
//!
//! `unreclaimed_nodes` is what was retired and not dropped at the end of the churn, before the reader moves on; a run ends early at 24 M.
//! `return_read_worst_us` is the most CPU time that one read of the returning reader took. A reader of
//! `stillpoint-leased` that has reached the longest lease is told so and pins anew; `stillpoint-uncapped` has no longest lease.

use super::Subject;
use super::scheme::{Counted, Payload, Scheme, dropped};
use crate::Outcome;
use crate::plan::Figure;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::{Random, peak_rss_bytes, thread_cpu};

const WRITERS: u64 = 2;
const MAX_UNRECLAIMED: u64 = 24_000_000;
const BATCH: u64 = 256;

#[derive(Clone, Copy, PartialEq)]
enum Reader {
    Asleep,
    Loading,
    Idle,
}

/// One such case.
pub(crate) struct Stall {
    reader: Reader,
    places: u64,
    churn: Duration,
}

impl Stall {
    pub(crate) fn named(name: &str, millis: u64, places: u64) -> Outcome<Stall> {
        let (reader, places) = match name {
            "stall_asleep" => (Reader::Asleep, 1 << 10),
            "stall_loading" => (Reader::Loading, 1 << 10),
            "stall_asleep_1m" => (Reader::Asleep, places),
            "idle_1m" => (Reader::Idle, places),
            other => return Err(format!("there is no case {other:?}")),
        };
        Ok(Stall { reader, places, churn: Duration::from_millis(millis) })
    }
}

/// What the threads of a run share.
struct Scene<S: Scheme<Counted>> {
    scheme: &'static S,
    slots: Vec<S::Slot>,
    retired: AtomicU64,
    stop: AtomicBool,
}

impl<S: Scheme<Counted>> Scene<S> {
    fn unreclaimed(&self) -> u64 {
        self.retired.load(Ordering::Relaxed).saturating_sub(dropped())
    }

    /// Replaces nodes at random until told to stop.
    fn churn(&self, seed: u64) {
        let (mut random, mut local) = (Random::new(seed), self.scheme.local());
        while !self.stop.load(Ordering::Relaxed) && self.unreclaimed() < MAX_UNRECLAIMED {
            for _ in 0..BATCH {
                let slot = &self.slots[random.below(self.slots.len() as u64) as usize];
                let mut guard = self.scheme.pin(&mut local);
                S::replace(&mut guard, slot, Counted::new(seed));
            }
            self.retired.fetch_add(BATCH, Ordering::Relaxed);
        }
    }

    /// The reader up to the end of the churn. Reports that it stands, and goes when `go` is dropped.
    fn read(&self, reader: Reader, standing: &Sender<()>, go: &Receiver<()>) {
        let mut local = self.scheme.local();
        let mut guard = self.scheme.pin(&mut local);
        black_box(S::read(&mut guard, &self.slots[0]));
        if reader == Reader::Idle {
            drop(guard);
            let _ = standing.send(());
            let _ = go.recv();
            return;
        }
        let _ = standing.send(());
        let pause = if reader == Reader::Loading { 200 } else { 3_600_000_000 };
        let mut at = 0;
        while go.recv_timeout(Duration::from_micros(pause))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            at = (at + 1) % self.slots.len();
            black_box(S::read(&mut guard, &self.slots[at]));
        }
    }

    /// Reads again, for so long; the worst CPU time of one read in microseconds.
    fn read_again(&self, long: Duration) -> f64 {
        let (mut random, mut local) = (Random::new(9), self.scheme.local());
        let until = Instant::now() + long;
        let mut worst = Duration::ZERO;
        while Instant::now() < until {
            let slot = &self.slots[random.below(self.slots.len() as u64) as usize];
            let before = thread_cpu();
            let mut guard = self.scheme.pin(&mut local);
            black_box(S::read(&mut guard, slot));
            drop(guard);
            worst = worst.max(thread_cpu() - before);
        }
        worst.as_secs_f64() * 1e6
    }
}

pub(crate) fn stalled<S: Subject>(stall: &Stall) -> Vec<Figure> {
    let scheme: &'static S = Box::leak(Box::new(<S as Scheme<Counted>>::new()));
    let slots = (0..stall.places).map(|value| scheme.slot(Counted::new(value))).collect();
    let scene = &Scene { scheme, slots, retired: AtomicU64::new(0), stop: AtomicBool::new(false) };
    let (standing, stands) = channel();
    let (go, gone) = channel::<()>();
    let (returned, returns) = channel();
    let mut figures = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            scene.read(stall.reader, &standing, &gone);
            if stall.reader == Reader::Idle {
                let _ = returned.send(scene.read_again(stall.churn / 2));
            }
        });
        let _ = stands.recv();
        let writers: Vec<_> = (0..WRITERS).map(|i| scope.spawn(move || scene.churn(i))).collect();
        let until = Instant::now() + stall.churn;
        while Instant::now() < until && scene.unreclaimed() < MAX_UNRECLAIMED {
            thread::sleep(Duration::from_millis(5));
        }
        figures.push(Figure::new("unreclaimed_nodes", "1", scene.unreclaimed() as f64));
        figures.push(Figure::new("peak_rss_bytes", "bytes", peak_rss_bytes() as f64));
        let retired = scene.retired.load(Ordering::Relaxed) as f64;
        figures.push(Figure::new("retired_nodes", "1", retired));
        // Writers go on while the reader returns.
        drop(go);
        if let Ok(worst) = returns.recv() {
            figures.push(Figure::new("return_read_worst_us", "us", worst));
        }
        scene.stop.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| drop(writer.join()));
    });
    figures
}
