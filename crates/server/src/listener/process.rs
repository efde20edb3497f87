//! [`run`]: the server as a process: arguments, configuration, banner, signals, exit.

use super::socket::Listening;
use super::start::{RunError, open, serve};
use crate::cli::{self, Invocation};
use crate::config::{self, Settings};
use crate::env::Server;
use crate::log::Log;
use crate::saving::{self, AtEnd};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the server as the arguments say (the program's own name not among them), until SHUTDOWN, SIGTERM or SIGINT.
/// What cannot be done is told on standard error.
pub fn run(args: impl Iterator<Item = String>) -> ExitCode {
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stillpoint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: impl Iterator<Item = String>) -> Result<(), RunError> {
    let (settings, file) = match cli::read(args).map_err(RunError::Config)? {
        Invocation::Print(text) => {
            // Nobody reads: nothing to do about it.
            let _read = writeln!(std::io::stdout(), "{}", text.trim_end());
            return Ok(());
        }
        Invocation::Serve { file, words } => configure(file, &words)?,
    };
    let log = Log::to_stdout();
    if !settings.huge_pages {
        refuse_huge_pages(&log);
    }
    prepare_files(&settings, &log)?;
    let server = Arc::new(Server::with(settings, file, log));
    crate::acl::load_at_start(&server.acl, &server.settings()).map_err(RunError::Config)?;
    let doors = open(&server)?;
    let outcome = saving::load(&server)
        .map_err(|error| RunError::Load(error.to_string()))
        .and_then(|_| run_to_the_end(&server, doors));
    let socket = server.settings().text("unixsocket").to_owned();
    if !socket.is_empty() {
        // Somebody may have removed it already.
        let _gone = std::fs::remove_file(socket);
    }
    outcome
}

/// For the whole process: the allocator of what is not the keys' memory asks for huge pages too, and then keeps 2 MiB where a little is left.
fn refuse_huge_pages(log: &Log) {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        log.warning(&format!("Cannot turn transparent huge pages off: {error}"));
    }
}

/// Serves until somebody ends it.
fn run_to_the_end(server: &Arc<Server>, doors: Vec<Arc<Listening>>) -> Result<(), RunError> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let handle = signals.handle();
    let serving = serve(server, doors)?;
    warn_of_what_is_not_done(server);
    let pidfile = server.settings().text("pidfile").to_owned();
    if !pidfile.is_empty()
        && let Err(error) = std::fs::write(&pidfile, format!("{}\n", std::process::id()))
    {
        server.log.warning(&format!("Cannot write pidfile '{pidfile}': {error}"));
    }
    announce(server, &serving.names, serving.port);
    let watched = server.clone();
    let watcher = std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            watched.log.warning(&format!("Received {name}, shutting down"));
            match saving::before_the_end(&watched, end_after(signal, &watched.settings())) {
                Ok(()) => watched.stop(),
                Err(_) if is_forced(signal, &watched.settings()) => {
                    watched.log.warning("The data are not saved, but 'force' was said");
                    watched.stop();
                }
                Err(error) => {
                    let line = format!("The data are not saved ({error}): the server goes on");
                    watched.log.warning(&line);
                }
            }
        }
    })?;
    let outcome = serving.join();
    saving::cancel(server);
    handle.close();
    // The watcher only writes the log and stops the server: a panic of it changes nothing now.
    let _ended = watcher.join();
    if !pidfile.is_empty() {
        // It may never have been there.
        let _gone = std::fs::remove_file(pidfile);
    }
    server.log.warning("Stillpoint is now ready to exit, bye bye...");
    outcome
}

fn configure(
    file: Option<PathBuf>,
    words: &[(String, Vec<String>)],
) -> Result<(Settings, Option<PathBuf>), RunError> {
    let mut settings = Settings::defaults();
    let file = match file {
        Some(path) => {
            settings =
                config::load(settings, &path).map_err(|e| RunError::Config(e.to_string()))?;
            // `dir` may change the working directory later.
            Some(std::path::absolute(&path).unwrap_or(path))
        }
        None => None,
    };
    for (name, values) in words {
        settings = config::apply_words(&settings, name, values)
            .map_err(|e| RunError::Config(format!("option --{name}: {e}")))?;
    }
    Ok((settings, file))
}

/// Goes to the working directory and opens the log, so that what cannot be used is known before the first client comes.
fn prepare_files(settings: &Settings, log: &Log) -> Result<(), RunError> {
    let dir = settings.text("dir");
    let fail = |directive: &'static str, path: &str, error| RunError::File {
        directive,
        path: path.to_owned(),
        error,
    };
    std::env::set_current_dir(dir).map_err(|e| fail("dir", dir, e))?;
    if dir != "." {
        rustix::fs::access(".", rustix::fs::Access::WRITE_OK)
            .map_err(|e| fail("dir", dir, e.into()))?;
    }
    let logfile = settings.text("logfile");
    if !logfile.is_empty() {
        log.open(Path::new(logfile)).map_err(|e| fail("logfile", logfile, e))?;
    }
    Ok(())
}

/// What `shutdown-on-sigint` and `shutdown-on-sigterm` say.
fn words_for(signal: i32, settings: &Settings) -> &str {
    settings.text(if signal == SIGINT { "shutdown-on-sigint" } else { "shutdown-on-sigterm" })
}

/// Whether data are saved after a signal.
fn end_after(signal: i32, settings: &Settings) -> AtEnd {
    let mut words = words_for(signal, settings).split(' ');
    words
        .find_map(|word| match word {
            "save" => Some(AtEnd::Save),
            "nosave" => Some(AtEnd::Discard),
            _ => None,
        })
        .unwrap_or(AtEnd::AsConfigured)
}

/// Whether it ends though the data could not be saved.
fn is_forced(signal: i32, settings: &Settings) -> bool {
    words_for(signal, settings).split(' ').any(|word| word == "force")
}

/// Tells of directives that ask for something that only Redis does.
fn warn_of_what_is_not_done(server: &Server) {
    let settings = server.settings();
    for (name, asked, instead) in [
        (
            "daemonize",
            "yes",
            "the process stays in the foreground, let your service manager keep it",
        ),
        ("syslog-enabled", "yes", "the log goes to 'logfile' or standard output"),
        ("tls-replication", "yes", "there is no replication"),
        ("tls-cluster", "yes", "there is no cluster, and MIGRATE connects in the clear"),
    ] {
        if settings.text(name) == asked {
            server.log.warning(&format!("'{name} {asked}' has no effect: {instead}"));
        }
    }
}

fn announce(server: &Server, names: &[String], port: Option<u16>) {
    let settings = server.settings();
    let port = port.map_or_else(|| "-".to_owned(), |p| p.to_string());
    let loops = settings.number("io-threads");
    let lines = [
        format!("Stillpoint {} (pid {})", env!("CARGO_PKG_VERSION"), std::process::id()),
        format!(
            "port {port}, {loops} event loop{}, {} databases, snapshots {}",
            if loops == 1 { "" } else { "s" },
            settings.databases,
            if settings.mvcc_enabled { "on" } else { "off" }
        ),
        format!("listening on {}", names.join(", ")),
    ];
    if settings.text("logfile").is_empty() {
        // The banner is for people who watch; a closed standard output is no reason to stop.
        let _shown = writeln!(std::io::stdout(), "{}", banner(&lines));
    } else {
        lines.iter().for_each(|line| server.log.notice(line));
    }
    server.log.notice("Ready to accept connections");
}

/// Versions pass; the reader's point stands still.
fn banner(lines: &[String; 3]) -> String {
    let art = ["   ─────────────", "   ──────●──────", "   ─────────────"];
    let rows: Vec<String> = art.iter().zip(lines).map(|(a, l)| format!("{a}   {l}")).collect();
    format!("\n{}\n", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn signals_save_as_the_directives_say() {
        let with = |value: &str| {
            let pair = ("shutdown-on-sigterm".to_owned(), value.to_owned());
            Settings::defaults().with(&[pair], Source::Start).unwrap()
        };
        for (words, end, forced) in [
            ("default", AtEnd::AsConfigured, false),
            ("nosave now", AtEnd::Discard, false),
            ("force save", AtEnd::Save, true),
        ] {
            let settings = with(words);
            assert_eq!(end_after(SIGTERM, &settings), end, "{words}");
            assert_eq!(is_forced(SIGTERM, &settings), forced, "{words}");
            assert_eq!(end_after(SIGINT, &settings), AtEnd::AsConfigured);
        }
    }
}
