//! `cargo xtask suites`: suites that nobody here wrote, against the server; and the page that tells how it stands.
//!
//! | option | what |
//! |---|---|
//! | `--server PATH` | the server's binary (default: target/release/stillpoint) |
//! | `--valkey DIR` | a checkout of Valkey that has been built: its Tcl suite in external mode |
//! | `--resp DIR` | a checkout of resp-compatibility |
//! | `--redis-py DIR` | a checkout of redis-py: those of its tests that talk to a server, under RESP2 and RESP3 |
//! | `--only WORD` | only the units whose name contains it (may be given again) |
//! | `--page FILE` | writes the table there, as docs/compatibility.md has it |
//!
//! Each unit gets a server of its own. A failure is looked up in `known_failures.txt`, which gives the reason of each; one that is not there
//! makes the run fail.

mod known;
mod page;
mod redis_py;
mod resp;
mod server;
mod valkey;

use known::Known;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a unit of a suite showed.
pub(crate) struct Unit {
    pub(crate) suite: &'static str,
    pub(crate) name: String,
    pub(crate) passed: usize,
    pub(crate) ignored: usize,
    pub(crate) failed: Vec<Failure>,
}

/// A test that failed.
pub(crate) struct Failure {
    pub(crate) name: String,
    /// What the suite said of it, if anything.
    pub(crate) message: String,
}

impl Failure {
    fn named(name: impl Into<String>) -> Self {
        Failure { name: name.into(), message: String::new() }
    }
}

type Outcome<T> = Result<T, String>;

#[derive(Default)]
struct Options {
    server: PathBuf,
    valkey: Option<PathBuf>,
    resp: Option<PathBuf>,
    redis_py: Option<PathBuf>,
    only: Vec<String>,
    page: Option<PathBuf>,
}

impl Options {
    fn read(root: &Path, args: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options =
            Options { server: root.join("target/release/stillpoint"), ..Options::default() };
        let mut args = lexopt::Parser::from_args(args);
        let text = |e: lexopt::Error| e.to_string();
        while let Some(arg) = args.next().map_err(text)? {
            let lexopt::Arg::Long(name) = arg else { return Err(arg.unexpected().to_string()) };
            let name = name.to_owned();
            let value = args.value().map_err(text)?;
            match name.as_str() {
                "server" => options.server = value.into(),
                "valkey" => options.valkey = Some(value.into()),
                "resp" => options.resp = Some(value.into()),
                "redis-py" => options.redis_py = Some(value.into()),
                "only" => options.only.push(value.to_string_lossy().into_owned()),
                "page" => options.page = Some(value.into()),
                _ => return Err(format!("unknown option --{name}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, unit: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| unit.contains(word.as_str()))
    }
}

/// Runs what the options say.
pub(crate) fn run(root: &Path, args: impl Iterator<Item = String>) -> ExitCode {
    match Options::read(root, args).and_then(|options| run_all(root, &options)) {
        Ok(unexplained) if unexplained.is_empty() => ExitCode::SUCCESS,
        Ok(unexplained) => {
            eprintln!("\n{} failure(s) without a reason in known_failures.txt:", unexplained.len());
            unexplained.iter().for_each(|name| eprintln!("  {name}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("suites: {error}");
            ExitCode::from(2)
        }
    }
}

fn run_all(root: &Path, options: &Options) -> Outcome<Vec<String>> {
    let known = Known::read(&root.join("crates/xtask/known_failures.txt"))?;
    let mut units = Vec::new();
    if let Some(suite) = &options.resp {
        units.push(resp::run(suite, &options.server)?);
        told(&units);
    }
    if let Some(suite) = &options.valkey {
        let wanted = |name: &&&str| options.wants(name) && valkey::has(suite, name);
        for name in valkey::UNITS.iter().filter(wanted) {
            units.push(valkey::run(suite, name, &options.server)?);
            told(&units);
        }
    }
    if let Some(suite) = &options.redis_py {
        for protocol in [2, 3] {
            units.push(redis_py::run(suite, protocol, &options.server)?);
            told(&units);
        }
    }
    if let Some(path) = &options.page {
        let write = |e| format!("{}: {e}", path.display());
        std::fs::write(path, page::of(&units, &known)).map_err(write)?;
    }
    let failures = units.iter().flat_map(|unit| unit.failed.iter().map(move |f| (unit, f)));
    Ok(failures
        .filter(|(unit, failure)| known.reason(unit, failure).is_none())
        .map(|(unit, failure)| format!("{} · {} · {}", unit.suite, unit.name, failure.name))
        .collect())
}

fn told(units: &[Unit]) {
    if let Some(unit) = units.last() {
        println!(
            "{} · {}: {} passed, {} failed, {} ignored",
            unit.suite,
            unit.name,
            unit.passed,
            unit.failed.len(),
            unit.ignored
        );
    }
}
