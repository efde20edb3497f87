//! [`Gate`]: what a figure must be for the project to be content, and the table that says whether it is.

mod libraries;
mod store;

use crate::options::Options;
use crate::report::{Report, short};
use std::fmt::Write;

/// How many times as many samples there are of what gates are held against: an operation of some nanoseconds costs once or twice as much by where the
/// system and its host put the threads, so that the median of five says as much about that.
const GATED: usize = 3;

/// How many samples to take of a case.
pub(crate) fn rounds(suite: &str, case: &str, threads: u64, options: &Options) -> usize {
    let is_gated = !options.quick && Gates::of(suite).cover(case, threads);
    options.rounds() * if is_gated { GATED } else { 1 }
}

/// A bound on one metric of one subject: alone, or as a ratio to the best rival's or to the subject's own in another case, of the same run.
struct Gate {
    what: &'static str,
    subject: &'static str,
    /// How the names of the cases begin and end.
    case: (&'static str, &'static str),
    /// Only with so many threads; with any if there are none.
    threads: &'static [u64],
    metric: &'static str,
    beside: Beside,
    most: f64,
}

/// What a figure is divided by.
#[derive(Clone, Copy)]
enum Beside {
    /// Nothing.
    Nothing,
    /// The least of these subjects' in the same case.
    Best(&'static [&'static str]),
    /// Another metric of the same subject and case.
    Metric(&'static str),
    /// The same metric of the same subject in another case.
    Case(&'static str),
}

const OURS: Gate = Gate {
    what: "",
    subject: "stillpoint",
    case: ("", ""),
    threads: &[],
    metric: "cpu_ns_per_op",
    beside: Beside::Nothing,
    most: 0.0,
};

/// Some gates.
pub(crate) struct Gates(&'static [Gate]);

/// One gate held against one case.
struct Finding {
    ours: f64,
    /// Who or what it is divided by, and its figure.
    beside: Option<(String, f64)>,
}

impl Finding {
    fn figure(&self) -> f64 {
        self.beside.as_ref().map_or(self.ours, |(_, theirs)| self.ours / theirs)
    }
}

impl Gates {
    /// The gates of a suite.
    pub(crate) fn of(suite: &str) -> Gates {
        Gates(match suite {
            "reclaim" => libraries::RECLAIM,
            "stall" => libraries::STALL,
            "pool" => libraries::POOL,
            "structure" => libraries::STRUCTURE,
            "map" => libraries::MAP,
            "store" => store::STORE,
            _ => &[],
        })
    }

    /// Whether one of them is held against such a case.
    fn cover(&self, case: &str, threads: u64) -> bool {
        self.0.iter().any(|gate| gate.is_about(case, threads))
    }

    /// A row for each gate and each case that it is about; nothing if there is none.
    pub(crate) fn table(&self, reports: &[Report]) -> String {
        let mut text = String::new();
        for gate in self.0 {
            for report in
                reports.iter().filter(|report| gate.is_about(report.case(), report.threads()))
            {
                let Some(finding) = gate.find(report, reports) else { continue };
                text += &gate.row(report, &finding);
            }
        }
        if text.is_empty() {
            return text;
        }
        format!(
            "| gate | case / threads | ours | beside | found | at most | |\n|---|---|---|---|---|---|---|\n{text}\n"
        )
    }
}

impl Gate {
    fn is_about(&self, case: &str, threads: u64) -> bool {
        let (begin, end) = self.case;
        case.starts_with(begin)
            && case.ends_with(end)
            && (self.threads.is_empty() || self.threads.contains(&threads))
    }

    fn find(&self, report: &Report, reports: &[Report]) -> Option<Finding> {
        let of = |report: &Report, metric: &str, name: &str| {
            let medians = report.medians(metric);
            medians.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
        };
        let ours = of(report, self.metric, self.subject)?;
        let beside = match self.beside {
            Beside::Nothing => return Some(Finding { ours, beside: None }),
            Beside::Best(rivals) => rivals
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), of(report, self.metric, name)?)))
                .min_by(|(_, a), (_, b)| a.total_cmp(b))?,
            Beside::Metric(metric) => (metric.to_owned(), of(report, metric, self.subject)?),
            Beside::Case(case) => {
                let other = reports.iter().find(|other| other.case() == case)?;
                (case.to_owned(), of(other, self.metric, self.subject)?)
            }
        };
        (beside.1 > 0.0).then_some(Finding { ours, beside: Some(beside) })
    }

    fn row(&self, report: &Report, finding: &Finding) -> String {
        let found = finding.figure();
        let verdict = if found <= self.most { "met" } else { "**missed**" };
        let beside = finding.beside.as_ref();
        let beside = beside.map(|(name, value)| format!("{name} {}", short(*value)));
        let mut row = format!("| {} | {} / {} |", self.what, report.case(), report.threads());
        let (ours, most) = (short(finding.ours), short(self.most));
        let beside = beside.unwrap_or_default();
        let _ = writeln!(row, " {ours} | {beside} | {} | {most} | {verdict} |", short(found));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Figure;

    fn report(case: &str, figures: &[(&'static str, &str, f64)]) -> Report {
        let subjects: Vec<_> = figures.iter().map(|(name, ..)| *name).collect();
        let mut report = Report::new("suite", case, 2, &subjects);
        for (name, metric, value) in figures {
            report.add(name, vec![Figure::new(metric, "1", *value)]);
        }
        report
    }

    #[test]
    fn a_gate_is_met_or_missed() {
        let reads = [("stillpoint", "cpu_ns_per_op", 100.0), ("papaya", "cpu_ns_per_op", 100.0)];
        let text = Gates::of("store").table(&[report("ycsb_10x64_c", &reads)]);
        let row = "| a read, beside papaya's | ycsb_10x64_c / 2 | 100.0 | papaya 100.0 | 1.000 | 1.150 | met |";
        assert!(text.contains(row), "{text}");
        let growth = report("growth_10", &[("stillpoint", "other_worst_ms", 7.0)]);
        assert!(Gates::of("store").table(&[growth]).contains("**missed**"));
        assert_eq!(Gates::of("store").table(&[]), "");
        assert_eq!(Gates::of("no such suite").table(&[]), "");
    }

    #[test]
    fn the_best_rival_is_the_one_that_counts() {
        let places = [
            ("stillpoint-leased", "cpu_ns_per_op", 30.0),
            ("kovan", "cpu_ns_per_op", 20.0),
            ("seize", "cpu_ns_per_op", 60.0),
        ];
        let text = Gates::of("reclaim").table(&[report("slots95", &places)]);
        assert!(text.contains("| 30.00 | kovan 20.00 | 1.500 | 1.000 | **missed** |"), "{text}");
    }

    #[test]
    fn a_figure_beside_its_own_bound_and_beside_another_case() {
        let peak = report("sleeping", &[("stillpoint-leased", "peak_unreclaimed_nodes", 50.0)]);
        let mut bounded =
            report("loading", &[("stillpoint-leased", "peak_unreclaimed_nodes", 50.0)]);
        bounded.add("stillpoint-leased", vec![Figure::new("bound_nodes", "1", 100.0)]);
        let text = Gates::of("stall").table(&[peak, bounded]);
        assert!(text.contains("| loading / 2 | 50.00 | bound_nodes 100.0 | 0.500 |"), "{text}");
        assert!(!text.contains("sleeping / 2 |"), "it has no bound: {text}");
        let held = report("holding_10ms", &[("stillpoint-leased", "wall_ns_per_op", 110.0)]);
        let free = report("nobody", &[("stillpoint-leased", "wall_ns_per_op", 100.0)]);
        let text = Gates::of("stall").table(&[held, free]);
        assert!(text.contains("| holding_10ms / 2 | 110.0 | nobody 100.0 | 1.100 |"), "{text}");
    }
}
