//! A [`Case`] and how its samples are taken: in rounds, each sample a process of its own, the order of subjects rotating.
//!
//! ```text
//! parent ── sample SUITE CASE SUBJECT name=value … ──▶ child ── "metric unit value" lines ──▶ parent ── Report
//! ```

use crate::Outcome;
use crate::options::Options;
use crate::report::Report;
use std::collections::BTreeMap;
use std::fmt;
use std::process::{Command, Stdio};

/// One measured number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(metric: &str, unit: &str, value: f64) -> Figure {
        Figure { metric: metric.to_owned(), unit: unit.to_owned(), value }
    }

    fn from_line(line: &str) -> Outcome<Figure> {
        let mut words = line.split(' ');
        let (metric, unit, value) = (words.next(), words.next(), words.next());
        let value = value.and_then(|value| value.parse().ok());
        match (metric, unit, value) {
            (Some(metric), Some(unit), Some(value)) => Ok(Figure::new(metric, unit, value)),
            _ => Err(format!("a sample printed {line:?}")),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric, self.unit, self.value)
    }
}

/// What a child is asked to measure.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) suite: String,
    pub(crate) case: String,
    pub(crate) subject: String,
    settings: BTreeMap<String, u64>,
}

impl Sample {
    pub(crate) fn from_words(words: &[String]) -> Outcome<Sample> {
        let [suite, case, subject, settings @ ..] = words else {
            return Err(format!("a sample of {words:?}"));
        };
        let setting = |word: &String| {
            let (name, value) = word.split_once('=').ok_or(format!("setting {word:?}"))?;
            let value = value.parse().map_err(|error| format!("setting {word:?}: {error}"))?;
            Ok((name.to_owned(), value))
        };
        let settings = settings.iter().map(setting).collect::<Outcome<_>>()?;
        let [suite, case, subject] = [suite, case, subject].map(String::clone);
        Ok(Sample { suite, case, subject, settings })
    }

    /// A setting that the case gave.
    pub(crate) fn setting(&self, name: &str) -> Outcome<u64> {
        let value = self.settings.get(name).copied();
        value.ok_or_else(|| format!("the sample {}/{} lacks {name:?}", self.suite, self.case))
    }
}

/// A setting for cases that measure less than huge pages do: the sample's process has none, whatever an allocator or a subject asks for.
pub(crate) const NO_THP: (&str, u64) = ("no_thp", 1);

/// A workload, and who does it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) threads: u64,
    pub(crate) subjects: Vec<&'static str>,
    pub(crate) settings: Vec<(&'static str, u64)>,
    pub(crate) rounds: usize,
}

impl Case {
    /// Takes all samples and reports them.
    pub(crate) fn run(&self, suite: &str, options: &Options) -> Outcome {
        if !options.wants(&self.name) {
            return Ok(());
        }
        let mut reports = Vec::new();
        for round in 0..self.rounds {
            for turn in 0..self.subjects.len() {
                let subject = self.subjects[(round + turn) % self.subjects.len()];
                self.divide(suite, subject, self.sample(suite, subject, options)?, &mut reports);
            }
        }
        for report in &reports {
            report.print(options.json);
        }
        options.reports.borrow_mut().append(&mut reports);
        Ok(())
    }

    /// Gives figures to the reports of their parts; one whose name is `part/metric` is of the part, any other of the case itself.
    fn divide(&self, suite: &str, subject: &str, figures: Vec<Figure>, reports: &mut Vec<Report>) {
        for mut figure in figures {
            let mut case = self.name.clone();
            if let Some((part, metric)) = figure.metric.split_once('/') {
                case = format!("{case}_{part}");
                figure.metric = metric.to_owned();
            }
            let at = reports.iter().position(|report| report.case() == case);
            let at = at.unwrap_or_else(|| {
                reports.push(Report::new(suite, &case, self.threads, &self.subjects));
                reports.len() - 1
            });
            reports[at].add(subject, vec![figure]);
        }
    }

    fn sample(&self, suite: &str, subject: &str, options: &Options) -> Outcome<Vec<Figure>> {
        let program = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
        let threads = ("threads", self.threads);
        let no_thp = options.no_thp.then_some(&NO_THP);
        let settings = self.settings.iter().chain([&threads]).chain(no_thp);
        let output = Command::new(program)
            .args(["sample", suite, &self.name, subject])
            .args(settings.map(|(name, value)| format!("{name}={value}")))
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("starting a sample: {error}"))?;
        if !output.status.success() {
            return Err(format!("{suite}/{}/{subject} ended with {}", self.name, output.status));
        }
        String::from_utf8_lossy(&output.stdout).lines().map(Figure::from_line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_samples_survive_the_trip() {
        let figure = Figure::new("read_p99_ns", "ns", 1234.5);
        assert_eq!(Figure::from_line(&figure.to_string()), Ok(figure));
        assert!(Figure::from_line("nonsense").is_err());
        let words = ["cache", "writes30", "papaya", "threads=96"].map(str::to_owned);
        let sample = Sample::from_words(&words).unwrap();
        assert_eq!((sample.subject.as_str(), sample.setting("threads")), ("papaya", Ok(96)));
        assert!(sample.setting("keys").is_err());
    }
}
