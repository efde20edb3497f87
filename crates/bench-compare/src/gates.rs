//! [`Gate`]: what a figure must be for the project to be content, and the table that says whether it is.

use crate::report::{Report, short};
use std::fmt::Write;

/// A bound on one metric of one subject, alone or as a ratio to a rival's in the same run.
struct Gate {
    what: &'static str,
    subject: &'static str,
    /// How the names of the cases begin and end.
    case: (&'static str, &'static str),
    /// Only with so many threads.
    threads: Option<u64>,
    metric: &'static str,
    rival: Option<&'static str>,
    most: f64,
}

const OURS: Gate = Gate {
    what: "",
    subject: "stillpoint",
    case: ("", ""),
    threads: None,
    metric: "cpu_ns_per_op",
    rival: None,
    most: 0.0,
};

/// The gates of the suite `store`.
pub(crate) const STORE: Gates = Gates(&[
    Gate {
        what: "a read, beside papaya's",
        case: ("ycsb_", "_c"),
        rival: Some("papaya"),
        most: 1.15,
        ..OURS
    },
    Gate {
        what: "a read, beside surrealmx's",
        case: ("ycsb_", "_c"),
        rival: Some("surrealmx"),
        most: 0.4,
        ..OURS
    },
    Gate {
        what: "a put, beside surrealmx's",
        case: ("ycsb_", "_puts"),
        rival: Some("surrealmx"),
        most: 0.125,
        ..OURS
    },
    Gate {
        what: "half puts with a snapshot held, beside without",
        case: ("held_", "_held"),
        metric: "held_over_free",
        most: 1.1,
        ..OURS
    },
    Gate {
        what: "versions beside the newest, a key",
        case: ("held_", "_held"),
        metric: "extra_versions_per_key",
        most: 1.0,
        ..OURS
    },
    Gate {
        what: "a transfer, CPU ns",
        case: ("tx_", "_transfer"),
        threads: Some(1),
        most: 1200.0,
        ..OURS
    },
    Gate {
        what: "ten keys read and written, beside surrealmx's",
        case: ("tx_", "_rmw10"),
        rival: Some("surrealmx"),
        most: 1.0 / 3.0,
        ..OURS
    },
    Gate {
        what: "longest stall of another writer, ms",
        case: ("growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..OURS
    },
    Gate {
        what: "longest stall of another writer with keys in order, ms",
        subject: "stillpoint-ordered",
        case: ("growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..OURS
    },
]);

/// Some gates.
pub(crate) struct Gates(&'static [Gate]);

impl Gates {
    /// A row for each gate and each case that it is about; nothing if there is none.
    pub(crate) fn table(&self, reports: &[Report]) -> String {
        let mut text = String::new();
        for gate in self.0 {
            for report in reports.iter().filter(|report| gate.is_about(report)) {
                let Some(found) = gate.figure(report) else { continue };
                let verdict = if found <= gate.most { "met" } else { "**missed**" };
                let (what, most) = (gate.what, short(gate.most));
                let (case, threads) = (report.case(), report.threads());
                let found = short(found);
                let _ = writeln!(
                    text,
                    "| {what} | {case} / {threads} | {found} | {most} | {verdict} |"
                );
            }
        }
        if text.is_empty() {
            return text;
        }
        format!("| gate | case / threads | found | at most | |\n|---|---|---|---|---|\n{text}\n")
    }
}

impl Gate {
    fn is_about(&self, report: &Report) -> bool {
        let (begin, end) = self.case;
        report.case().starts_with(begin)
            && report.case().ends_with(end)
            && self.threads.is_none_or(|threads| threads == report.threads())
    }

    fn figure(&self, report: &Report) -> Option<f64> {
        let medians = report.medians(self.metric);
        let of = |name: &str| medians.iter().find(|(found, _)| *found == name).map(|(_, of)| *of);
        let ours = of(self.subject)?;
        match self.rival {
            None => Some(ours),
            Some(rival) => of(rival).filter(|theirs| *theirs > 0.0).map(|theirs| ours / theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Figure;

    #[test]
    fn a_gate_is_met_or_missed() {
        let mut report = Report::new("store", "ycsb_10x64_c", 2, &["stillpoint", "papaya"]);
        report.add("stillpoint", vec![Figure::new("cpu_ns_per_op", "ns", 100.0)]);
        report.add("papaya", vec![Figure::new("cpu_ns_per_op", "ns", 100.0)]);
        let text = STORE.table(&[report]);
        assert!(
            text.contains("| a read, beside papaya's | ycsb_10x64_c / 2 | 1.000 | 1.150 | met |"),
            "{text}"
        );
        let mut report = Report::new("store", "growth_10", 2, &["stillpoint"]);
        report.add("stillpoint", vec![Figure::new("other_worst_ms", "ms", 7.0)]);
        assert!(STORE.table(&[report]).contains("**missed**"));
        assert_eq!(STORE.table(&[]), "");
    }
}
