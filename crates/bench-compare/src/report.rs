//! [`Report`]: the figures of one case, as a table or as JSON lines.

use crate::plan::Figure;
use crate::plot::Line;

#[derive(Debug)]
/// All samples of a case, in the order in which metrics were first seen.
pub(crate) struct Report {
    suite: String,
    case: String,
    threads: u64,
    subjects: Vec<&'static str>,
    metrics: Vec<Metric>,
}

#[derive(Debug)]
struct Metric {
    name: String,
    unit: String,
    /// One list of samples a subject.
    samples: Vec<Vec<f64>>,
}

/// The median of some samples, the least and the greatest.
#[derive(Debug, PartialEq)]
struct Summary {
    median: f64,
    min: f64,
    max: f64,
    runs: usize,
}

impl Summary {
    fn of(samples: &[f64]) -> Option<Summary> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        Some(Summary { median, min, max, runs: sorted.len() })
    }
}

impl Report {
    pub(crate) fn new(suite: &str, case: &str, threads: u64, subjects: &[&'static str]) -> Report {
        let (suite, case, subjects) = (suite.to_owned(), case.to_owned(), subjects.to_vec());
        Report { suite, case, threads, subjects, metrics: Vec::new() }
    }

    /// Adds what one sample of `subject` found.
    pub(crate) fn add(&mut self, subject: &str, figures: Vec<Figure>) {
        let Some(column) = self.subjects.iter().position(|name| *name == subject) else {
            return;
        };
        for Figure { metric: name, unit, value } in figures {
            let row = self.metrics.iter().position(|metric| metric.name == name);
            let row = row.unwrap_or_else(|| {
                let samples = vec![Vec::new(); self.subjects.len()];
                self.metrics.push(Metric { name, unit, samples });
                self.metrics.len() - 1
            });
            self.metrics[row].samples[column].push(value);
        }
    }

    pub(crate) fn print(&self, json: bool) {
        if json { self.lines().for_each(|line| println!("{line}")) } else { self.print_table() }
    }

    /// The medians of a metric, a subject each.
    pub(crate) fn medians(&self, metric: &str) -> Vec<(&'static str, f64)> {
        let metric = self.metrics.iter().find(|found| found.name == metric);
        let columns =
            metric.into_iter().flat_map(|metric| self.subjects.iter().zip(&metric.samples));
        columns.filter_map(|(name, samples)| Some((*name, Summary::of(samples)?.median))).collect()
    }

    /// The medians over time of a metric whose name is `metric@x`.
    pub(crate) fn series(&self, metric: &str) -> Vec<Line> {
        let moments = self.metrics.iter().filter_map(|found| {
            let (name, x) = found.name.split_once('@')?;
            Some((x.parse().ok().filter(|_| name == metric)?, found))
        });
        let moments: Vec<(f64, &Metric)> = moments.collect();
        let line = |(at, name): (usize, &&str)| {
            let point = |(x, metric): &(f64, &Metric)| {
                Summary::of(&metric.samples[at]).map(|summary| (*x, summary.median))
            };
            Line { name: (*name).to_owned(), points: moments.iter().filter_map(point).collect() }
        };
        self.subjects.iter().enumerate().map(line).collect()
    }

    pub(crate) fn case(&self) -> &str {
        &self.case
    }

    pub(crate) fn threads(&self) -> u64 {
        self.threads
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.metrics.iter().flat_map(move |metric| {
            let columns = self.subjects.iter().zip(&metric.samples);
            columns.filter_map(|(subject, samples)| {
                let Summary { median, min, max, runs } = Summary::of(samples)?;
                Some(format!(
                    r#"{{"suite":"{}","case":"{}","subject":"{subject}","threads":{},"metric":"{}","unit":"{}","value":{median},"min":{min},"max":{max},"runs":{runs}}}"#,
                    self.suite, self.case, self.threads, metric.name, metric.unit,
                ))
            })
        })
    }

    fn print_table(&self) {
        let runs = self.metrics.iter().flat_map(|metric| &metric.samples).map(Vec::len).max();
        let Report { suite, case, threads, .. } = self;
        println!(
            "\n{suite} / {case} / {threads} thread(s), median of {} (least … greatest)",
            runs.unwrap_or(0)
        );
        let width = self.subjects.iter().map(|name| name.len()).max().unwrap_or(0).max(8);
        for metric in self.metrics.iter().filter(|metric| !metric.name.contains('@')) {
            println!("  {} [{}]", metric.name, metric.unit);
            for (subject, samples) in self.subjects.iter().zip(&metric.samples) {
                let Some(summary) = Summary::of(samples) else { continue };
                let [median, min, max] = [summary.median, summary.min, summary.max].map(short);
                println!("    {subject:width$}  {median:>9}  ({min} … {max})");
            }
        }
    }
}

/// Four digits that count, with `k`, `M`, `G` for large numbers.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1e10 => (value / 1e9, "G"),
        v if v >= 1e7 => (value / 1e6, "M"),
        v if v >= 1e5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_what_the_readers_of_it_expect() {
        let mut report = Report::new("reclaim", "pin_load_unpin", 1, &["seize"]);
        for value in [3.0, 1.0, 2.5] {
            report.add("seize", vec![Figure::new("ns_per_op", "ns", value)]);
        }
        let lines: Vec<_> = report.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"suite":"reclaim","case":"pin_load_unpin","subject":"seize","threads":1,"metric":"ns_per_op","unit":"ns","value":2.5,"min":1,"max":3,"runs":3}"#
            ]
        );
    }

    #[test]
    fn medians_and_units() {
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(short(12_345_678.0), "12.35M");
        assert_eq!(short(3.21987), "3.220");
        assert_eq!(short(12_345.0), "12345");
    }
}
