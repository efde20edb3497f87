//! [`Histogram`]: durations of one command on one loop; [`Durations`]: the sum over loops.
//!
//! ```text
//! nanoseconds  0 1 … 7 │ 8 … 15 │ 16 18 … 30 │ 32 36 … 60 │ …     eight steps an octave: a figure is at most an eighth too large
//! ```

use crate::counter::Counter;

/// Octaves with eight steps each; the last holds whatever is longer than half an hour.
const STEPS: usize = 8;
const BUCKETS: usize = 39 * STEPS;

fn bucket_of(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS as u64 {
        return nanoseconds as usize;
    }
    let octave = nanoseconds.ilog2() as usize;
    let step = (nanoseconds >> (octave - 3)) as usize % STEPS;
    ((octave - 2) * STEPS + step).min(BUCKETS - 1)
}

/// The longest duration of a bucket.
fn ceiling(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let (octave, step) = (bucket / STEPS + 2, (bucket % STEPS) as u64);
    ((STEPS as u64 + step + 1) << (octave - 3)) - 1
}

/// How often each duration was met. One thread records.
#[derive(Debug)]
pub(crate) struct Histogram(Box<[Counter]>);

impl Default for Histogram {
    fn default() -> Self {
        Histogram((0..BUCKETS).map(|_| Counter::default()).collect())
    }
}

impl Histogram {
    /// Notes a duration that stands for `weight` commands.
    pub(crate) fn record(&self, nanoseconds: u64, weight: u64) {
        self.0[bucket_of(nanoseconds)].add(weight);
    }
}

/// Durations of one command, of all loops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations(Vec<u64>);

impl Durations {
    pub(crate) fn add(&mut self, one: &Histogram) {
        self.0.resize(BUCKETS, 0);
        for (sum, count) in self.0.iter_mut().zip(&one.0) {
            *sum += count.get();
        }
    }

    pub(crate) fn add_all(&mut self, other: &Durations) {
        if !other.0.is_empty() {
            self.0.resize(BUCKETS, 0);
        }
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    pub(crate) fn subtract(&mut self, base: &Durations) {
        for (sum, count) in self.0.iter_mut().zip(&base.0) {
            *sum = sum.saturating_sub(*count);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The duration in nanoseconds that `percent` of all do not exceed; 0 if there are none.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.count() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, ceiling)
    }

    /// Powers of two in microseconds, each with how many did not exceed it, from the first that is not 0 to the last that adds any.
    pub(crate) fn cumulative_us(&self) -> Vec<(u64, u64)> {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += count;
            // A bucket across a power of two counts where its middle is.
            let floor = bucket.checked_sub(1).map_or(0, |below| ceiling(below) + 1);
            let us = ((floor + ceiling(bucket)) / 2).div_ceil(1000).next_power_of_two();
            match rows.last_mut() {
                Some((last, so_far)) if *last == us => *so_far = seen,
                _ => rows.push((us, seen)),
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_its_ceiling_and_an_eighth_below() {
        for nanoseconds in (0..5_000).chain([1 << 20, (1 << 30) + 12_345, u64::MAX >> 25]) {
            let ceiling = ceiling(bucket_of(nanoseconds));
            assert!(ceiling >= nanoseconds, "{nanoseconds} {ceiling}");
            assert!(ceiling <= nanoseconds + nanoseconds / 8, "{nanoseconds} {ceiling}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_durations() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(us * 1000, 1));
        let mut durations = Durations::default();
        durations.add(&histogram);
        assert_eq!(durations.count(), 1000);
        for (percent, us) in [(50.0, 500), (99.0, 990), (99.9, 999), (100.0, 1000)] {
            let found = durations.percentile(percent) / 1000;
            assert!((us..=us + us / 8).contains(&found), "p{percent}: {found}");
        }
        assert_eq!(durations.cumulative_us().last(), Some(&(1024, 1000)));
    }
}
