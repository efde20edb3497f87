//! The page of benchmarks: runs the suites of libraries, and puts their tables and pictures between the page's marks.
//!
//! ```text
//! <!-- stall: begin -->  …what was there goes, what was measured comes…  <!-- stall: end -->
//! docs/benchmarks.md · docs/benchmarks/stall-sleeping.svg · docs/benchmarks/stall.jsonl
//! ```
//! Whatever is outside of the marks is the author's and stays.

use crate::gates::Gates;
use crate::options::Options;
use crate::plot::{Line, Plot};
use crate::report::{Report, short};
use crate::{Outcome, map, pool, reclaim, stall, store, structure};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

type Run = fn(&Options) -> Outcome;
const SUITES: [(&str, Run); 6] = [
    ("reclaim", reclaim::run),
    ("stall", stall::run),
    ("pool", pool::run),
    ("structure", structure::run),
    ("map", map::run),
    ("store", store::run),
];

/// Runs the suites and writes the page.
pub(crate) fn run(options: &Options) -> Outcome {
    let folder = options.into.with_extension("");
    let told = |error: std::io::Error| format!("{}: {error}", options.into.display());
    fs::create_dir_all(&folder).map_err(told)?;
    let wanted = |name: &str| options.suites.is_empty() || options.suites.iter().any(|s| s == name);
    for (name, run) in SUITES.into_iter().filter(|(name, _)| wanted(name)) {
        run(options)?;
        let reports = options.reports.take();
        if reports.is_empty() {
            continue;
        }
        // What a picture shows point by point is in the picture.
        let lines = reports.iter().flat_map(Report::lines).filter(|line| !line.contains('@'));
        let lines: String = lines.map(|line| line + "\n").collect();
        fs::write(folder.join(format!("{name}.jsonl")), lines).map_err(told)?;
        let mut body = Gates::of(name).table(&reports);
        body += &tables(&reports);
        for (file, alt) in pictures(name, &reports, &folder)? {
            let link = Path::new(folder.file_name().unwrap_or_default()).join(file);
            let _ = writeln!(body, "![{alt}]({})\n", link.display());
        }
        let page = fs::read_to_string(&options.into).map_err(told)?;
        fs::write(&options.into, replaced(&page, name, &body)?).map_err(told)?;
    }
    Ok(())
}

/// The page with another body between the marks of `name`.
fn replaced(page: &str, name: &str, body: &str) -> Outcome<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let parts = page.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n{body}{end}{after}"))
    });
    parts.ok_or_else(|| format!("the page lacks {begin} or {end}"))
}

/// Metrics that get a table, the better the smaller or the larger.
const TABLES: [(&str, &str, bool); 18] = [
    ("ns_per_op", "CPU ns an operation, one thread", false),
    ("ns_per_block", "CPU ns a block", false),
    ("rss_over_live_after_trim", "resident over live bytes after a spike and a trim", false),
    ("cpu_ns_per_op", "CPU ns an operation, all threads", false),
    ("ops_per_s", "operations a second", true),
    ("p999_ns", "p99.9 of an operation, ns", false),
    ("peak_unreclaimed_nodes", "peak of nodes retired and not reclaimed", false),
    ("unreclaimed_nodes", "nodes retired and not reclaimed at the end", false),
    ("return_read_worst_us", "worst read of a returning reader, CPU µs", false),
    ("peak_rss_bytes", "peak resident bytes", false),
    ("other_worst_ms", "longest stall of another writer during growth, ms", false),
    ("other_worst_cpu_ms", "the same by that writer's CPU clock, ms", false),
    ("inserter_worst_ms", "longest insertion during growth, ms", false),
    ("bytes_per_key", "resident bytes a key", false),
    ("held_over_free", "CPU time with a snapshot held over without", false),
    ("extra_versions_per_key", "versions beside the newest, a key", false),
    ("aborts_per_1000", "attempts in vain, of 1000 transactions", false),
    ("helps_per_1000", "steps done for another thread, of 1000 operations", false),
];

/// A table a metric and set of subjects: a row a case, the best in bold, and the first, if it is ours, beside the best rival (a floor is none).
fn tables(reports: &[Report]) -> String {
    let mut text = String::new();
    for (metric, title, larger) in TABLES {
        let rows: Vec<_> = reports.iter().map(|report| (report, report.medians(metric))).collect();
        let mut groups: Vec<Vec<&str>> = Vec::new();
        for (_, row) in rows.iter().filter(|(_, row)| !row.is_empty()) {
            let names: Vec<_> = row.iter().map(|(name, _)| *name).collect();
            if !groups.contains(&names) {
                groups.push(names);
            }
        }
        for names in groups {
            let _ = writeln!(
                text,
                "**{title}**\n\n| case / threads | {} | first/best rival |",
                names.join(" | ")
            );
            let _ = writeln!(text, "|---|{}", "---|".repeat(names.len() + 1));
            let mine = rows
                .iter()
                .filter(|(_, row)| row.iter().map(|(name, _)| *name).eq(names.iter().copied()));
            for (report, row) in mine {
                text += &table_row(report, row, larger);
            }
            text.push('\n');
        }
    }
    text
}

fn table_row(report: &Report, row: &[(&str, f64)], larger: bool) -> String {
    let better = |a: f64, b: f64| if larger { a.max(b) } else { a.min(b) };
    let is_ours = |name: &str| name.starts_with("stillpoint");
    let ours = row.first().filter(|(name, _)| is_ours(name)).map(|(_, value)| *value);
    let is_rival = |name: &str| !is_ours(name) && !name.starts_with("floor");
    let rivals = row.iter().filter(|(name, _)| is_rival(name)).map(|(_, value)| *value);
    let rival = rivals.reduce(better);
    let best = row.iter().map(|(_, value)| *value).reduce(better);
    let mut text = format!("| {} / {} |", report.case(), report.threads());
    for (_, value) in row {
        let bold = if Some(*value) == best { "**" } else { "" };
        let _ = write!(text, " {bold}{}{bold} |", short(*value));
    }
    match (ours, rival) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => {
            let _ = writeln!(text, " {:.2} |", ours / theirs);
        }
        _ => text += " |\n",
    }
    text
}

/// Draws what there is to draw: garbage over time, and throughput over threads.
fn pictures(suite: &str, reports: &[Report], folder: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut draw = |file: String, plot: Plot| {
        let (path, alt) = (folder.join(&file), plot.title.clone());
        files.push((PathBuf::from(file), alt));
        plot.write(&path)
    };
    for report in reports {
        let lines = report.series("unreclaimed_nodes");
        if lines.iter().any(|line| !line.points.is_empty()) {
            let title = format!("{suite} / {}: nodes retired and not reclaimed", report.case());
            let plot =
                Plot { title, x: "milliseconds", y: "nodes", log_x: false, log_y: true, lines };
            draw(format!("{suite}-{}.svg", report.case()), plot)?;
        }
    }
    let cases: BTreeSet<&str> = reports.iter().map(Report::case).collect();
    for case in cases {
        let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for report in reports.iter().filter(|report| report.case() == case) {
            for (name, value) in report.medians("ops_per_s") {
                lines.entry(name).or_default().push((report.threads() as f64, value));
            }
        }
        if lines.values().any(|points| points.len() > 1) {
            let line = |(name, points): (&str, _)| Line { name: name.to_owned(), points };
            let lines = lines.into_iter().map(line).collect();
            let title = format!("{suite} / {case}: operations a second");
            let plot = Plot { title, x: "threads", y: "1/s", log_x: true, log_y: false, lines };
            draw(format!("{suite}-{case}.svg"), plot)?;
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Figure;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = "before <!-- a: begin -->old<!-- a: end --> after";
        let expected = "before <!-- a: begin -->\nnew<!-- a: end --> after";
        assert_eq!(replaced(page, "a", "new").as_deref(), Ok(expected));
        assert!(replaced(page, "b", "new").is_err());
    }

    #[test]
    fn a_row_shows_the_best_and_the_ratio() {
        let mut report = Report::new("map", "get", 2, &["stillpoint", "papaya"]);
        report.add("stillpoint", vec![Figure::new("cpu_ns_per_op", "ns", 50.0)]);
        report.add("papaya", vec![Figure::new("cpu_ns_per_op", "ns", 100.0)]);
        let text = tables(&[report]);
        assert!(text.contains("| get / 2 | **50.00** | 100.0 | 0.50 |"), "{text}");
    }
}
