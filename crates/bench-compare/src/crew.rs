//! [`Crew`]: threads that begin together, work for so long, and what they used meanwhile; [`contend`]: what an operation costs when they all repeat it.
//!
//! ```text
//! contend: ready ── warm-up of 0.1 s or a turn of each thread, nothing counted ──▶ clocks are read ── operations counted ──▶ the gate closes, clocks are read
//! ```

use crate::plan::Figure;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::{Histogram, process_cpu};

/// How long threads warm up, in milliseconds; not at all for a sample that is shorter. Memory that a subject touches for the first time is zeroed by the system, 2 MB at a time, and
/// some have a few megabytes on their way that others do not; without a warm-up a short sample measures that.
const WARM_UP_MILLIS: u64 = 100;
/// How long the warm-up is a thread at the least, in milliseconds: a turn of the scheduler's, on one core. Where threads are many, some would else touch their memory in the sample.
const TURN_MILLIS: u64 = 3;

/// Where workers wait for the start and see the end.
pub(crate) struct Gate {
    barrier: Barrier,
    warm: AtomicBool,
    closed: AtomicBool,
}

impl Gate {
    /// To be called once by every worker, when it is ready. Returns when all are and the clocks have been read.
    pub(crate) fn start(&self) {
        self.barrier.wait();
        self.barrier.wait();
    }

    /// Whether the clocks have not been read yet: what is done now is not measured.
    #[inline(always)]
    fn warming(&self) -> bool {
        !self.warm.load(Ordering::Relaxed)
    }

    /// Whether to go on.
    #[inline(always)]
    pub(crate) fn open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }
}

/// What a crew did.
pub(crate) struct Crew<R> {
    /// What each worker returned.
    pub(crate) results: Vec<R>,
    pub(crate) wall: Duration,
    /// CPU time of the process.
    pub(crate) cpu: Duration,
}

impl<R: Send> Crew<R> {
    /// Lets `work(thread, gate)` run on so many threads; each must call [`Gate::start`] once, then work while the gate is open.
    pub(crate) fn work(threads: u64, millis: u64, work: impl Fn(u64, &Gate) -> R + Sync) -> Self {
        Crew::warmed(threads, 0, millis, work)
    }

    /// The same, but the workers begin so many milliseconds before the clocks are read.
    fn warmed(
        threads: u64,
        warm_up: u64,
        millis: u64,
        work: impl Fn(u64, &Gate) -> R + Sync,
    ) -> Self {
        let gate = &Gate {
            barrier: Barrier::new(threads as usize + 1),
            warm: AtomicBool::new(warm_up == 0),
            closed: AtomicBool::new(false),
        };
        thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> =
                (0..threads).map(|i| scope.spawn(move || work(i, gate))).collect();
            gate.barrier.wait();
            let mut before = (Instant::now(), process_cpu());
            gate.barrier.wait();
            if warm_up > 0 {
                thread::sleep(Duration::from_millis(warm_up));
                before = (Instant::now(), process_cpu());
                gate.warm.store(true, Ordering::Relaxed);
            }
            let (started, before) = before;
            thread::sleep(Duration::from_millis(millis));
            gate.closed.store(true, Ordering::Relaxed);
            let join = |worker: thread::ScopedJoinHandle<'_, R>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            let results = workers.into_iter().map(join).collect();
            Crew { results, wall: started.elapsed(), cpu: process_cpu() - before }
        })
    }
}

/// Operations between two looks at the gate. The first of them is timed: the clock costs all subjects alike, less than a nanosecond an operation.
const BATCH: u64 = 64;

/// Lets each thread repeat the operation that `make(thread)` made it, for so long, after a warm-up of 0.1 s or, with many threads, of a turn for each (none before a shorter sample). Operations
/// a second by the wall clock, CPU time an operation by the process's, and the 99.9th percentile of the timed ones.
pub(crate) fn contend<F: FnMut()>(
    threads: u64,
    millis: u64,
    make: impl Fn(u64) -> F + Sync,
) -> Vec<Figure> {
    let warm_up =
        if millis < WARM_UP_MILLIS { 0 } else { WARM_UP_MILLIS.max(threads * TURN_MILLIS) };
    let Crew { results, wall, cpu } = Crew::warmed(threads, warm_up, millis, |thread, gate| {
        let mut operation = make(thread);
        let (mut times, mut ops) = (Histogram::new(), 0u64);
        gate.start();
        while gate.warming() {
            (0..BATCH).for_each(|_| operation());
        }
        while gate.open() {
            let started = Instant::now();
            operation();
            times.record_duration(started.elapsed());
            (1..BATCH).for_each(|_| operation());
            ops += BATCH;
        }
        (ops, times)
    });
    let mut times = Histogram::new();
    results.iter().for_each(|(_, theirs)| times.merge(theirs));
    let ops = results.iter().map(|(ops, _)| ops).sum::<u64>().max(1) as f64;
    vec![
        Figure::new("ops_per_s", "1/s", ops / wall.as_secs_f64()),
        Figure::new("cpu_ns_per_op", "ns", cpu.as_nanos() as f64 / ops),
        Figure::new("p999_ns", "ns", times.at(0.999) as f64),
    ]
}
