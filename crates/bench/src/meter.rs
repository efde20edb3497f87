//! [`Meter`]: how a [`Bench`] is run and its figures printed.

use std::time::Duration;
use stillpoint_testkit::thread_cpu;

/// Something to measure.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    /// Keys, their distribution, bytes: what the figure is of.
    pub(crate) workload: &'static str,
    /// Prepares everything and returns what does so many operations. May be called several times.
    pub(crate) make: fn() -> Box<dyn FnMut(u64)>,
}

/// How long and how often to measure.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) quick: bool,
    /// Exactly so many operations, once.
    pub(crate) ops: Option<u64>,
}

const RUNS: usize = 5;

impl Meter {
    pub(crate) fn run(&self, bench: &Bench) {
        let mut operate = (bench.make)();
        if let Some(ops) = self.ops {
            // Without a clock: what asks the kernel for one does not run under callgrind.
            operate(ops);
            println!("{:20} {ops} operations  {}", bench.name, bench.workload);
            return;
        }
        let target = Duration::from_millis(if self.quick { 10 } else { 200 });
        let mut ops = 256;
        // Doubling until a run is long enough warms everything up as well.
        while time(&mut *operate, ops) * (ops as f64) < target.as_nanos() as f64 {
            ops *= 2;
        }
        let mut runs: Vec<f64> = (0..RUNS).map(|_| time(&mut *operate, ops)).collect();
        runs.sort_by(f64::total_cmp);
        let (least, median, greatest) = (runs[0], runs[RUNS / 2], runs[RUNS - 1]);
        println!(
            "{:20} {median:8.2} ns/op ({least:.2} … {greatest:.2})  {:7.2} M/s  {}",
            bench.name,
            1e3 / median,
            bench.workload,
        );
    }
}

/// CPU nanoseconds an operation.
fn time(operate: &mut dyn FnMut(u64), ops: u64) -> f64 {
    let before = thread_cpu();
    operate(ops);
    (thread_cpu() - before).as_nanos() as f64 / ops.max(1) as f64
}
