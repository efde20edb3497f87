//! [`Recorder`]: the last two minutes, a sample a second.

use crate::env::Server;
use crate::histogram::Durations;
use crate::memory;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Instant;

const SAMPLES: usize = 120;

/// What happened within one second.
struct Sample {
    ops_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    used_bytes: u64,
    old_version_bytes: u64,
}

#[derive(Default)]
pub(super) struct Recorder {
    samples: VecDeque<Sample>,
    before: Option<(Instant, u64, Durations)>,
}

impl Recorder {
    /// Notes what happened since the last sample.
    pub(super) fn sample(&mut self, server: &Server) {
        let (now, processed, durations) = (Instant::now(), server.activity().commands, all(server));
        let stats = server.store.stats();
        if let Some((then, processed_then, durations_then)) = self.before.take() {
            let mut within = durations.clone();
            within.subtract(&durations_then);
            let us = |percent| within.percentile(percent) as f64 / 1000.0;
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            self.samples.push_back(Sample {
                ops_per_s: (processed - processed_then) as f64 / seconds,
                p50_us: us(50.0),
                p99_us: us(99.0),
                p999_us: us(99.9),
                used_bytes: memory::used_bytes(server),
                old_version_bytes: stats.old_version_bytes,
            });
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
        self.before = Some((now, processed, durations));
    }

    /// Each figure as a row, oldest first.
    pub(super) fn as_json(&self) -> Value {
        let row = |of: fn(&Sample) -> f64| self.samples.iter().map(of).collect::<Vec<f64>>();
        json!({
            "ops_per_s": row(|s| s.ops_per_s),
            "p50_us": row(|s| s.p50_us),
            "p99_us": row(|s| s.p99_us),
            "p999_us": row(|s| s.p999_us),
            "used_bytes": row(|s| s.used_bytes as f64),
            "old_version_bytes": row(|s| s.old_version_bytes as f64),
        })
    }
}

/// Durations of all commands.
fn all(server: &Server) -> Durations {
    let mut sum = Durations::default();
    server.totals().commands.iter().for_each(|command| sum.add_all(&command.durations));
    sum
}
