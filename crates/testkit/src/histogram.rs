//! [`Histogram`]: how often which latency occurred, exact to 1.6 %.
//!
//! ```text
//! value  0 … 127 │ 128 … 255 │ 256 … 511 │ …        64 linear steps an octave, so a step is at most 1/64 of its value
//! bucket 1 each  │ 2 each    │ 4 each    │ …
//! ```

use std::fmt;
use std::time::Duration;

const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;
const BUCKETS: usize = STEPS * (64 - STEP_BITS as usize + 1);

/// Counts of values in nanoseconds. Recording is an increment; threads keep one each and [`merge`](Histogram::merge) them.
#[derive(Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0, max: 0 }
    }
}

impl Histogram {
    /// An empty histogram (30 KB).
    pub fn new() -> Self {
        Histogram::default()
    }

    /// Counts one value.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.counts[bucket_of(ns)] += 1;
        self.total += 1;
        self.max = self.max.max(ns);
    }

    /// Counts one duration.
    #[inline]
    pub fn record_duration(&mut self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest value, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that a share of `quantile` (0 to 1) of all values does not exceed, rounded up to its step. 0 when empty.
    pub fn at(&self, quantile: f64) -> u64 {
        let rank = ((quantile.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return last_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

/// `p50 … p99 … p99.9 … max …`, in microseconds.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |ns: u64| ns as f64 / 1e3;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| us(self.at(quantile)));
        let max = us(self.max);
        write!(f, "p50 {p50:.2} µs  p99 {p99:.2} µs  p99.9 {p999:.2} µs  max {max:.0} µs")
    }
}

fn bucket_of(value: u64) -> usize {
    let octave = (64 - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (octave as usize) * STEPS + (value >> octave) as usize
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let octave = bucket / STEPS - 1;
    let step = (bucket % STEPS + STEPS) as u128;
    (((step + 1) << octave) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_narrow() {
        let mut next = 0u64;
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(next), bucket, "first of bucket {bucket} is {next}");
            let last = last_of(bucket);
            assert_eq!(bucket_of(last), bucket, "last of bucket {bucket} is {last}");
            assert!(last - next <= next / 64, "bucket {bucket} is {next}..={last}");
            match last.checked_add(1) {
                Some(value) => next = value,
                None => assert_eq!(bucket, BUCKETS - 1),
            }
        }
    }

    #[test]
    fn quantiles_of_known_values() {
        let mut histogram = Histogram::new();
        (1..=100).for_each(|value| histogram.record(value));
        assert_eq!(histogram.at(0.5), 50);
        assert_eq!(histogram.at(0.99), 99);
        assert_eq!(histogram.at(1.0), 100);
        assert_eq!(histogram.at(0.0), 1);
        let mut other = Histogram::new();
        other.record(1_000_000);
        histogram.merge(&other);
        assert_eq!(
            (histogram.count(), histogram.max(), histogram.at(1.0)),
            (101, 1_000_000, 1_000_000)
        );
        assert_eq!(Histogram::new().at(0.5), 0);
    }
}
