//! The command line: `stillpoint [serve] [FILE] [--directive value …]`.

use std::path::PathBuf;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// A text to print, and nothing else.
    Print(String),
    /// A server.
    Serve {
        /// The configuration file; `-` is standard input.
        file: Option<PathBuf>,
        /// Directives with their words, in order.
        words: Vec<(String, Vec<String>)>,
    },
}

const HELP: &str = "\
Stillpoint: an MVCC in-memory data engine that speaks Redis's protocol

Usage: stillpoint [serve] [FILE] [--<directive> <value>]...

  FILE                    a configuration file of lines `directive value`; - is standard input
  --port N                port to listen on (6379; 0 chooses one)
  --bind ADDRESS...       addresses to listen on (127.0.0.1 -::1)
  --tls-port N            port for TLS (0: none); see tls-cert-file and its like
  --maxclients N          most connections at a time (10000)
  --io-threads N          event loops (one per core)
  --requirepass WORD      password that clients have to give
  --logfile PATH          log file (standard output)
  --loglevel LEVEL        debug, verbose, notice, warning or nothing
  --mvcc.enabled yes|no   keep versions for snapshots (yes)
  --mvcc.max_versions N   versions kept per key (2)
  --mvcc.gc_interval_us N pause of the version collector (100)
  --<directive> <value>   any other directive of a redis.conf
  -h, --help              this text
  -v, --version           the version

Options on the command line come after the file and win over it.";

/// Reads the arguments.
///
/// # Errors
/// Which argument makes no sense.
pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Invocation, String> {
    let mut args = args.peekable();
    let mut file = None;
    let mut words: Vec<(String, Vec<String>)> = Vec::new();
    args.next_if(|a| a == "serve");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Invocation::Print(HELP.to_owned())),
            "-v" | "--version" => {
                return Ok(Invocation::Print(format!("stillpoint {}", env!("CARGO_PKG_VERSION"))));
            }
            _ => {}
        }
        if let Some(name) = arg.strip_prefix("--") {
            let (name, mut values) = match name.split_once('=') {
                Some((name, value)) => (name.to_owned(), vec![value.to_owned()]),
                None => (name.to_owned(), Vec::new()),
            };
            let is_known = crate::config::find(name.as_bytes()).is_some()
                || crate::config::is_user(&name)
                || crate::config::is_rename(&name);
            if !is_known {
                return Err(format!("unknown option '--{name}' (see stillpoint --help)"));
            }
            while let Some(value) = args.next_if(|a| !a.starts_with("--")) {
                values.push(value);
            }
            words.push((name, values));
        } else if arg.starts_with('-') && arg.len() > 1 {
            return Err(format!("unknown option '{arg}' (see stillpoint --help)"));
        } else if file.is_none() && words.is_empty() {
            file = Some(PathBuf::from(arg));
        } else {
            return Err(format!("unexpected argument '{arg}' (see stillpoint --help)"));
        }
    }
    Ok(Invocation::Serve { file, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Invocation, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn file_and_options_are_told_apart() {
        let words = vec![
            ("port".to_owned(), vec!["7000".to_owned()]),
            ("bind".to_owned(), vec!["127.0.0.1".to_owned(), "-::1".to_owned()]),
        ];
        let file = Some(PathBuf::from("a.conf"));
        let expected = Ok(Invocation::Serve { file, words });
        assert_eq!(of("serve a.conf --port 7000 --bind 127.0.0.1 -::1"), expected);
        assert_eq!(of("a.conf --port=7000 --bind 127.0.0.1 -::1"), expected);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert!(of("--prot 1").is_err_and(|e| e.contains("'--prot'")));
        assert!(of("-x").is_err_and(|e| e.contains("'-x'")));
        assert!(of("a b").is_err_and(|e| e.contains("'b'")));
    }
}
