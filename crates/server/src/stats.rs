//! [`LoopStats`]: what one loop counts; [`Totals`]: the sum over loops since the last CONFIG RESETSTAT.
//!
//! ```text
//! loop 0  calls us rejected failed  × command ─┐
//! loop 1  …                                    ├─ sum ─ minus the sum at RESETSTAT ─▶ INFO
//! ```
//!
//! Counters only grow and have one writer each, so a reset never races with a count.

use crate::command::{self, CommandId};
use crate::counter::{Counter, Gauge};
use crate::histogram::{Durations, Histogram};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Counters of one command.
#[derive(Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: Counter,
    pub(crate) nanoseconds: Counter,
    pub(crate) rejected: Counter,
    pub(crate) failed: Counter,
    durations: OnceLock<Histogram>,
}

impl CommandStats {
    /// Notes a measured run that stands for `weight` runs; `tracks`: also in the histogram, as `latency-tracking` has it.
    pub(crate) fn took(&self, nanoseconds: u64, weight: u32, tracks: bool) {
        self.nanoseconds.add(nanoseconds * u64::from(weight));
        if tracks {
            self.durations.get_or_init(Histogram::default).record(nanoseconds, u64::from(weight));
        }
    }
}

/// Kinds of errors that are counted apart.
const MAX_ERRORS: usize = 128;

/// Counters of one loop.
#[derive(Debug)]
pub(crate) struct LoopStats {
    commands: Vec<CommandStats>,
    pub(crate) processed: Counter,
    pub(crate) net_input_bytes: Counter,
    pub(crate) net_output_bytes: Counter,
    pub(crate) reads: Counter,
    pub(crate) writes: Counter,
    /// Lookups by commands that found their key, and that did not.
    pub(crate) keyspace_hits: Counter,
    pub(crate) keyspace_misses: Counter,
    pub(crate) output_limit_disconnections: Counter,
    pub(crate) query_limit_disconnections: Counter,
    /// Passes, how long they took together and for what is done at each tick; and the longest, and the most commands of one, since the last reset.
    passes: Counter,
    pass_nanoseconds: Counter,
    pub(crate) tick_nanoseconds: Counter,
    longest_pass_us: Gauge,
    most_in_pass: Gauge,
    /// Commands before this pass.
    processed_before: Counter,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl LoopStats {
    pub(crate) fn new() -> Self {
        LoopStats {
            commands: (0..command::count()).map(|_| CommandStats::default()).collect(),
            processed: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            output_limit_disconnections: Counter::default(),
            query_limit_disconnections: Counter::default(),
            passes: Counter::default(),
            pass_nanoseconds: Counter::default(),
            tick_nanoseconds: Counter::default(),
            longest_pass_us: Gauge::default(),
            most_in_pass: Gauge::default(),
            processed_before: Counter::default(),
            errors: Mutex::default(),
        }
    }
    /// Notes how long the loop was at one pass: nobody else of its connections was served meanwhile.
    pub(crate) fn passed(&self, took: Duration) {
        self.passes.add(1);
        self.pass_nanoseconds.add(took.as_nanos() as u64);
        self.longest_pass_us.raise_to(took.as_micros() as u64);
        let processed = self.processed.get();
        self.most_in_pass.raise_to(processed - self.processed_before.get());
        self.processed_before.set(processed);
    }
    pub(crate) fn activity(&self) -> Activity {
        Activity {
            commands: self.processed.get(),
            input_bytes: self.net_input_bytes.get(),
            output_bytes: self.net_output_bytes.get(),
            passes: self.passes.get(),
            pass_nanoseconds: self.pass_nanoseconds.get(),
        }
    }
    pub(crate) fn longest_pass_us(&self) -> u64 {
        self.longest_pass_us.get()
    }
    pub(crate) fn most_in_pass(&self) -> u64 {
        self.most_in_pass.get()
    }
    /// Lets the longest pass, and that of most commands, be looked for anew.
    pub(crate) fn forget_longest_pass(&self) {
        self.longest_pass_us.set(0);
        self.most_in_pass.set(0);
    }
    pub(crate) fn command(&self, id: CommandId) -> &CommandStats {
        &self.commands[id.index()]
    }
    /// Forgets the errors.
    pub(crate) fn forget_errors(&self) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    /// Counts an error reply by its code word. Scripts make up words of their own: lest they fill the memory, those that come when there are
    /// many are counted together, as in Valkey; a code in the manner of the server's own has a little more room.
    pub(crate) fn count_error(&self, code: &[u8]) {
        let like_ours = code.len() <= 16 && code.iter().all(u8::is_ascii_uppercase);
        let room = if like_ours { 2 * MAX_ERRORS } else { MAX_ERRORS };
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let code = String::from_utf8_lossy(code);
        let code = match errors.len() < room || errors.contains_key(code.as_ref()) {
            true => code.into_owned(),
            false => "ERRORSTATS_OVERFLOW".to_owned(),
        };
        *errors.entry(code).or_default() += 1;
    }
}

/// What a loop, or all of them, have done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) passes: u64,
    pub(crate) pass_nanoseconds: u64,
}

impl std::ops::Add for Activity {
    type Output = Activity;
    fn add(self, other: Activity) -> Activity {
        Activity {
            commands: self.commands + other.commands,
            input_bytes: self.input_bytes + other.input_bytes,
            output_bytes: self.output_bytes + other.output_bytes,
            passes: self.passes + other.passes,
            pass_nanoseconds: self.pass_nanoseconds + other.pass_nanoseconds,
        }
    }
}

/// Sums of one command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandTotals {
    pub(crate) calls: u64,
    pub(crate) nanoseconds: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    pub(crate) durations: Durations,
}

/// Sums over all loops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) commands: Vec<CommandTotals>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) processed: u64,
    pub(crate) net_input_bytes: u64,
    pub(crate) net_output_bytes: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) keyspace_hits: u64,
    pub(crate) keyspace_misses: u64,
    pub(crate) output_limit_disconnections: u64,
    pub(crate) query_limit_disconnections: u64,
    pub(crate) passes: u64,
    pub(crate) pass_nanoseconds: u64,
    pub(crate) tick_nanoseconds: u64,
}

impl Totals {
    /// Sums the loops' counters.
    pub(crate) fn of<'s>(loops: impl Iterator<Item = &'s LoopStats>) -> Totals {
        let mut sum = Totals {
            commands: vec![CommandTotals::default(); command::count()],
            ..Totals::default()
        };
        for stats in loops {
            for (total, one) in sum.commands.iter_mut().zip(&stats.commands) {
                total.calls += one.calls.get();
                total.nanoseconds += one.nanoseconds.get();
                total.rejected += one.rejected.get();
                total.failed += one.failed.get();
                one.durations.get().into_iter().for_each(|one| total.durations.add(one));
            }
            for (code, n) in stats.errors.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                *sum.errors.entry(code.clone()).or_default() += n;
            }
            sum.processed += stats.processed.get();
            sum.net_input_bytes += stats.net_input_bytes.get();
            sum.net_output_bytes += stats.net_output_bytes.get();
            sum.reads += stats.reads.get();
            sum.writes += stats.writes.get();
            sum.keyspace_hits += stats.keyspace_hits.get();
            sum.keyspace_misses += stats.keyspace_misses.get();
            sum.passes += stats.passes.get();
            sum.pass_nanoseconds += stats.pass_nanoseconds.get();
            sum.tick_nanoseconds += stats.tick_nanoseconds.get();
            sum.output_limit_disconnections += stats.output_limit_disconnections.get();
            sum.query_limit_disconnections += stats.query_limit_disconnections.get();
        }
        sum
    }
    /// How long commands took together.
    pub(crate) fn command_nanoseconds(&self) -> u64 {
        self.commands.iter().map(|command| command.nanoseconds).sum()
    }
    /// What has come on top of `base`.
    pub(crate) fn since(mut self, base: &Totals) -> Totals {
        for (now, then) in self.commands.iter_mut().zip(&base.commands) {
            now.calls = now.calls.saturating_sub(then.calls);
            now.nanoseconds = now.nanoseconds.saturating_sub(then.nanoseconds);
            now.rejected = now.rejected.saturating_sub(then.rejected);
            now.failed = now.failed.saturating_sub(then.failed);
            now.durations.subtract(&then.durations);
        }
        for (code, n) in &mut self.errors {
            *n = n.saturating_sub(base.errors.get(code).copied().unwrap_or(0));
        }
        self.errors.retain(|_, n| *n > 0);
        self.processed = self.processed.saturating_sub(base.processed);
        self.net_input_bytes = self.net_input_bytes.saturating_sub(base.net_input_bytes);
        self.net_output_bytes = self.net_output_bytes.saturating_sub(base.net_output_bytes);
        self.reads = self.reads.saturating_sub(base.reads);
        self.writes = self.writes.saturating_sub(base.writes);
        self.keyspace_hits = self.keyspace_hits.saturating_sub(base.keyspace_hits);
        self.keyspace_misses = self.keyspace_misses.saturating_sub(base.keyspace_misses);
        let disconnections = base.output_limit_disconnections;
        self.output_limit_disconnections =
            self.output_limit_disconnections.saturating_sub(disconnections);
        let disconnections = base.query_limit_disconnections;
        self.query_limit_disconnections =
            self.query_limit_disconnections.saturating_sub(disconnections);
        self.passes = self.passes.saturating_sub(base.passes);
        self.tick_nanoseconds = self.tick_nanoseconds.saturating_sub(base.tick_nanoseconds);
        self.pass_nanoseconds = self.pass_nanoseconds.saturating_sub(base.pass_nanoseconds);
        self
    }
}
