//! [`Load`]: threads that do operations on one store for a while, and what that took.

use super::subject::Subject;
use crate::crew::{Crew, Gate};
use crate::plan::Figure;
use std::time::Instant;
use stillpoint_testkit::Histogram;

/// One operation in so many is timed.
const TIMED: u64 = 16;

/// How many threads, for how long, on how many keys of which size.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) threads: u64,
    pub(crate) millis: u64,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
}

impl Load {
    /// A quarter of it, for what nobody counts: memory's first touches, threads' first steps.
    pub(crate) fn warming(&self) -> Load {
        Load { millis: (self.millis / 4).max(1), ..*self }
    }

    /// A store with all keys, their numbers 0.
    pub(crate) fn filled<S: Subject>(&self) -> S {
        let store = S::new();
        store.fill(self.keys, &self.value());
        store
    }

    /// A value whose number is 0.
    pub(crate) fn value(&self) -> Vec<u8> {
        let mut value = vec![7; self.value_bytes];
        value[..8].fill(0);
        value
    }

    /// Lets each thread do what `make(thread)` returns, again and again. The figures' names begin with `part/`; and how many operations
    /// were done.
    pub(crate) fn run<S: Subject, F: FnMut(&Gate)>(
        &self,
        part: &str,
        store: &S,
        make: impl Fn(u64) -> F + Sync,
    ) -> (Vec<Figure>, f64) {
        let helps = store.helps();
        let crew = Crew::work(self.threads, self.millis, |thread, gate| {
            let mut operation = make(thread);
            let mut times = Histogram::new();
            let mut ops = 0u64;
            gate.start();
            while gate.open() {
                if ops.is_multiple_of(TIMED) {
                    let started = Instant::now();
                    operation(gate);
                    times.record_duration(started.elapsed());
                } else {
                    operation(gate);
                }
                ops += 1;
            }
            (ops, times)
        });
        let mut times = Histogram::new();
        crew.results.iter().for_each(|(_, theirs)| times.merge(theirs));
        let ops = crew.results.iter().map(|(ops, _)| ops).sum::<u64>().max(1) as f64;
        let figure =
            |metric: &str, unit, value| Figure::new(&format!("{part}/{metric}"), unit, value);
        let mut figures = vec![
            figure("cpu_ns_per_op", "ns", crew.cpu.as_nanos() as f64 / ops),
            figure("ops_per_s", "1/s", ops / crew.wall.as_secs_f64()),
            figure("p999_ns", "ns", times.at(0.999) as f64),
        ];
        if let (Some(before), Some(after)) = (helps, store.helps()) {
            figures.push(figure("helps_per_1000", "1", (after - before) as f64 * 1e3 / ops));
        }
        (figures, ops)
    }
}
