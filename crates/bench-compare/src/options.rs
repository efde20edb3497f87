//! [`Options`]: the command line.

use crate::Outcome;
use crate::plan::Sample;
use crate::report::Report;
use lexopt::prelude::*;
use std::cell::RefCell;
use std::path::PathBuf;
use std::str::FromStr;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Stillpoint beside its rivals, in the same run.

stillpoint-bench-compare SUITE [OPTIONS]

  reclaim   memory reclamation: pins, loads, stacks, slots, stalled readers
  stall     garbage over time beside a reader that does not get out of the way
  structure queues and sorted lists
  cache     the store, dashmap (64 shards) and papaya as a cache
  map       concurrent maps, hashed and ordered
  memory    bytes per key and version of the store
  store     the store beside other stores in memory: YCSB, transactions, snapshots, growth, bytes
  server    the server beside another one: CPU and bytes, waits beside heavy commands, saving (needs redis-benchmark)
  pool      blocks of 64 bytes: the pool and allocators
  docs      runs the suites of the libraries, and writes their tables and pictures into --into

  --quick             a short run, to see that everything works (ends within 40 s)
  --json              one JSON object a line instead of tables
  --rounds N          samples of each figure (5, three times as many where a gate is; store: growth 1, values of 1 KB 3)
  --seconds S         length of a sample (0.5; cache and stalls 2; store 0.12; server: operations instead)
  --threads N[,N]     cache, map: worker threads (2,8,96); store: (1,2,8,96)
  --writes PERCENT    cache: share of writes (30)
  --keys K[,K]        cache, map, store: keys (100k); memory: keys (1m,10m); server: keys (1m)
  --value-bytes B     cache, store: bytes of a value (64)
  --no-thp            no transparent huge pages for any sample's process
  --only WORD[,WORD]  only cases whose name contains one of the words
  --stall-seconds S   stall: how long the reader stays (30; a tenth of it where it comes back)
  --suite S[,S]       docs: only these suites
  --into PATH         docs: the page to write into (docs/benchmarks.md); pictures go into a folder of its name
  --peer PATH         server: the other server (redis-server)
  --ours PATH         server: our server (stillpoint beside this program)
";

/// Which suite is asked for.
#[derive(Debug)]
pub(crate) enum Suite {
    Help,
    Reclaim,
    Pool,
    Stall,
    Structure,
    Docs,
    Cache,
    Map,
    Memory,
    Store,
    Server,
    /// One sample, asked for by the parent process.
    Sample(Sample),
}

impl Suite {
    fn named(name: &str) -> Outcome<Suite> {
        Ok(match name {
            "reclaim" => Suite::Reclaim,
            "stall" => Suite::Stall,
            "structure" => Suite::Structure,
            "docs" => Suite::Docs,
            "cache" => Suite::Cache,
            "pool" => Suite::Pool,
            "map" => Suite::Map,
            "memory" => Suite::Memory,
            "store" => Suite::Store,
            "server" => Suite::Server,
            other => return Err(format!("there is no suite {other:?}")),
        })
    }
}

/// The command line, read.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) suite: Suite,
    pub(crate) quick: bool,
    pub(crate) json: bool,
    pub(crate) no_thp: bool,
    pub(crate) rounds: Option<usize>,
    pub(crate) seconds: Option<f64>,
    threads: Vec<u64>,
    pub(crate) writes: u64,
    pub(crate) keys: Vec<u64>,
    pub(crate) value_bytes: u64,
    pub(crate) only: Vec<String>,
    pub(crate) stall_seconds: Option<f64>,
    pub(crate) suites: Vec<String>,
    pub(crate) into: PathBuf,
    pub(crate) peer: PathBuf,

    pub(crate) ours: Option<PathBuf>,
    /// What has been measured.
    pub(crate) reports: RefCell<Vec<Report>>,
}

impl Options {
    pub(crate) fn from_args() -> Outcome<Options> {
        let mut args = lexopt::Parser::from_env();
        Options::parse(&mut args).map_err(|error| format!("{error}; see --help"))
    }

    fn parse(args: &mut lexopt::Parser) -> Result<Options, lexopt::Error> {
        let mut options = Options {
            suite: Suite::Help,
            quick: false,
            json: false,
            no_thp: false,
            rounds: None,
            seconds: None,
            threads: Vec::new(),
            writes: 30,
            keys: Vec::new(),
            value_bytes: 64,
            only: Vec::new(),
            stall_seconds: None,
            suites: Vec::new(),
            into: "docs/benchmarks.md".into(),
            peer: "redis-server".into(),
            ours: None,
            reports: RefCell::default(),
        };
        while let Some(arg) = args.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(Options { suite: Suite::Help, ..options }),
                Long("quick") => options.quick = true,
                Long("json") => options.json = true,
                Long("no-thp") => options.no_thp = true,
                Long("rounds") => options.rounds = Some(args.value()?.parse()?),
                Long("seconds") => options.seconds = Some(args.value()?.parse()?),
                Long("threads") => options.threads = args.value()?.parse_with(counts)?,
                Long("writes") => options.writes = args.value()?.parse()?,
                Long("keys") => options.keys = args.value()?.parse_with(counts)?,
                Long("value-bytes") => options.value_bytes = args.value()?.parse()?,
                Long("stall-seconds") => options.stall_seconds = Some(args.value()?.parse()?),
                Long("only") => options.only = words(&args.value()?.string()?),
                Long("suite") => options.suites = words(&args.value()?.string()?),
                Long("into") => options.into = args.value()?.into(),
                Long("peer") => options.peer = args.value()?.into(),
                Long("ours") => options.ours = Some(args.value()?.into()),
                Value(word) if matches!(options.suite, Suite::Help) => {
                    options.suite = match word.string()?.as_str() {
                        "sample" => {
                            let words = args.raw_args()?.map(|word| word.string());
                            let words = words.collect::<Result<Vec<_>, _>>()?;
                            Suite::Sample(Sample::from_words(&words)?)
                        }
                        name => Suite::named(name)?,
                    };
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    /// How many samples of each figure.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(5).max(1)
    }

    /// The numbers of threads: as asked for, else these.
    pub(crate) fn threads<'o>(&'o self, default: &'o [u64]) -> &'o [u64] {
        if self.threads.is_empty() { default } else { &self.threads }
    }

    /// The numbers of threads of the cases that several do: one, as many as there are cores (two), and 4 and 48 times as many.
    pub(crate) fn crews(&self) -> &'static [u64] {
        if self.quick { &[2, 8] } else { &[1, 2, 8, 96] }
    }

    /// The length of a sample in milliseconds: as asked for, else one of these.
    pub(crate) fn millis(&self, full: u64, quick: u64) -> u64 {
        match self.seconds {
            Some(seconds) => (seconds * 1e3).max(1.0) as u64,
            None if self.quick => quick,
            None => full,
        }
    }

    /// How long a reader stalls, in milliseconds.
    pub(crate) fn stall_millis(&self) -> u64 {
        match self.stall_seconds {
            Some(seconds) => (seconds * 1e3).max(60.0) as u64,
            None if self.quick => 60,
            None => 30_000,
        }
    }

    /// Whether `--only` lets a case pass.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| case.contains(word.as_str()))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// `1m,250k,7` → `[1_000_000, 250_000, 7]`.
fn counts(text: &str) -> Result<Vec<u64>, String> {
    let count = |word: &str| {
        let word = word.trim().to_ascii_lowercase();
        let (digits, unit) = match word.as_bytes().last() {
            Some(b'k') => (&word[..word.len() - 1], 1_000),
            Some(b'm') => (&word[..word.len() - 1], 1_000_000),
            _ => (word.as_str(), 1),
        };
        let number = u64::from_str(digits).map_err(|error| format!("{word:?}: {error}"))?;
        match number.checked_mul(unit) {
            Some(0) | None => Err(format!("{word:?} is out of range")),
            Some(number) => Ok(number),
        }
    };
    text.split(',').map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn counts_take_units() {
        assert_eq!(counts("1m,250K,7"), Ok(vec![1_000_000, 250_000, 7]));
        assert!(counts("0").is_err());
        assert!(counts("x").is_err());
        assert!(counts("99999999999999999m").is_err());
    }
}
