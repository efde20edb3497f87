//! [`Rates`]: what goes on per second, as INFO tells it: the mean since the sample before, taken once a second.

use crate::counter::Gauge;
use crate::env::Server;
use crate::stats::Activity;
use std::sync::{Mutex, PoisonError};

/// Between two samples.
const EVERY_MS: u64 = 1000;

/// Figures per second, and those at the last sample that they are made of.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    pub(crate) commands: Gauge,
    /// Bytes received and sent.
    pub(crate) input_bytes: Gauge,
    pub(crate) output_bytes: Gauge,
    /// Passes of all loops, and microseconds that one took.
    pub(crate) passes: Gauge,
    pub(crate) pass_us: Gauge,
    last: Mutex<(u64, Activity)>,
}

impl Rates {
    /// Takes a sample, if it is time.
    pub(crate) fn sample(&self, server: &Server, now_ms: u64) {
        let mut sample = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (then_ms, last) = *sample;
        let elapsed_ms = now_ms.saturating_sub(then_ms);
        if elapsed_ms < EVERY_MS {
            return;
        }
        let now = server.activity();
        if then_ms > 0 {
            let per_second = |now: u64, then: u64| (now - then) * 1000 / elapsed_ms;
            self.commands.set(per_second(now.commands, last.commands));
            self.input_bytes.set(per_second(now.input_bytes, last.input_bytes));
            self.output_bytes.set(per_second(now.output_bytes, last.output_bytes));
            self.passes.set(per_second(now.passes, last.passes));
            let nanoseconds = now.pass_nanoseconds - last.pass_nanoseconds;
            self.pass_us.set(nanoseconds / (now.passes - last.passes).max(1) / 1000);
        }
        *sample = (now_ms, now);
    }
}
