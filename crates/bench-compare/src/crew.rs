//! [`Crew`]: threads that begin together, work for so long, and what they used meanwhile.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::process_cpu;

/// Where workers wait for the start and see the end.
pub(crate) struct Gate {
    barrier: Barrier,
    closed: AtomicBool,
}

impl Gate {
    /// To be called once by every worker, when it is ready. Returns when all are and the clocks have been read.
    pub(crate) fn start(&self) {
        self.barrier.wait();
        self.barrier.wait();
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
        let gate =
            &Gate { barrier: Barrier::new(threads as usize + 1), closed: AtomicBool::new(false) };
        thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> =
                (0..threads).map(|i| scope.spawn(move || work(i, gate))).collect();
            gate.barrier.wait();
            let (started, before) = (Instant::now(), process_cpu());
            gate.barrier.wait();
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
