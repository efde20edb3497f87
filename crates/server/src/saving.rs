//! Saving and loading as the server does it: when, in which thread, what INFO tells of it, and what follows from a failure.
//!
//! ```text
//! SAVE, DEBUG RELOAD, the end ──▶ the calling thread ─┐
//! BGSAVE, save points ──────────▶ a thread of its own ├─▶ rdb::save      one at a time
//! ```

use crate::clock;
use crate::config::Settings;
use crate::counter::Gauge;
use crate::env::Server;
use crate::rdb::{self, Forms, Job, Loaded, RdbError, SaveError, Saved, Target};
use crate::script::{Interpreter, Policy, load_libraries};
use crate::value::Object;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use stillpoint_primitive::scheduling;
use stillpoint_store::Snapshot;

/// After a failure the next save that nobody asked for waits so long.
const RETRY_MS: u64 = 5_000;

/// What is known of saves.
#[derive(Clone, Debug, Default)]
pub(crate) struct SaveState {
    /// When the running one began.
    pub(crate) running_since_ms: Option<u64>,
    /// The running one is one in the background.
    pub(crate) in_background: bool,
    /// Another is to follow it.
    pub(crate) is_scheduled: bool,
    /// When the last good one ended, or the server began.
    pub(crate) last_saved_ms: u64,
    /// Whether the last one failed, and when it began.
    pub(crate) has_failed: bool,
    tried_ms: u64,
    /// How long the last one in the background took.
    pub(crate) took_ms: Option<u64>,
    /// Good ones since the start.
    pub(crate) saves: u64,
    /// What the file held at the start.
    pub(crate) loaded: (u64, u64),
    /// The store's commits as of the last good one.
    saved_commits: u64,
}

/// The server's saves.
#[derive(Default)]
pub(crate) struct Saving {
    state: Mutex<SaveState>,
    /// Not 0: the running one in the background shall end.
    cancelled: Gauge,
    /// Not 0: the last one failed, so that writes may have to be refused.
    failed: Gauge,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why a save was not begun, or failed.
#[non_exhaustive]
#[derive(Debug)]
pub(crate) enum SavingError {
    /// Another one is running.
    Busy,
    Failed(SaveError),
}

impl fmt::Display for SavingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SavingError::Busy => f.write_str("another save is running"),
            SavingError::Failed(error) => error.fmt(f),
        }
    }
}

/// A file that cannot be loaded, and why.
#[derive(Debug)]
pub(crate) struct LoadingError {
    path: PathBuf,
    why: RdbError,
}

impl fmt::Display for LoadingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot load '{}': {}", self.path.display(), self.why)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Saving {
    pub(crate) fn new(now_ms: u64) -> Self {
        let state = SaveState { last_saved_ms: now_ms, ..SaveState::default() };
        Saving { state: Mutex::new(state), ..Saving::default() }
    }

    pub(crate) fn state(&self) -> SaveState {
        lock(&self.state).clone()
    }

    /// Whether writes are refused because what they change could not be saved.
    pub(crate) fn refuses_writes(&self, settings: &Settings) -> bool {
        self.failed.get() != 0
            && settings.text("stop-writes-on-bgsave-error") == "yes"
            && !points(settings).is_empty()
    }

    fn begin(&self, in_background: bool) -> Result<u64, SavingError> {
        let mut state = lock(&self.state);
        if state.running_since_ms.is_some() {
            return Err(SavingError::Busy);
        }
        let now_ms = clock::now_ms();
        self.cancelled.set(0);
        state.running_since_ms = Some(now_ms);
        state.tried_ms = now_ms;
        state.in_background = in_background;
        Ok(now_ms)
    }

    fn finish(&self, commits: u64, outcome: &Result<Saved, SaveError>) {
        let now_ms = clock::now_ms();
        let mut state = lock(&self.state);
        let begun_ms = state.running_since_ms.take().unwrap_or(now_ms);
        match outcome {
            Ok(_) => {
                state.saves += 1;
                state.last_saved_ms = now_ms;
                state.saved_commits = commits;
                state.has_failed = false;
            }
            Err(SaveError::Cancelled) => {}
            Err(_) => state.has_failed = true,
        }
        if std::mem::take(&mut state.in_background) {
            state.took_ms = Some(now_ms - begun_ms);
        }
        self.failed.set(u64::from(state.has_failed));
    }
}

/// Commits since the last good save.
pub(crate) fn changes(server: &Server) -> u64 {
    server.store.stats().commits.saturating_sub(lock(&server.saving.state).saved_commits)
}

/// The save points: after so many seconds, if there were so many changes.
fn points(settings: &Settings) -> Vec<(u64, u64)> {
    let numbers: Vec<u64> =
        settings.text("save").split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Where the data are saved.
pub(crate) fn file(settings: &Settings) -> PathBuf {
    let (dir, name) = (Path::new(settings.text("dir")), settings.text("dbfilename"));
    // The process works in a directory that is not absolute.
    if dir.is_absolute() { dir.join(name) } else { PathBuf::from(name) }
}

/// Saves in this thread, which waits for it.
///
/// # Errors
/// Another one is running, or this one failed; the old file is as it was.
pub(crate) fn save_now(server: &Server) -> Result<(), SavingError> {
    let cut = Cut::take(server, server.saving.begin(false)?);
    run(server, cut).map_err(SavingError::Failed)
}

/// Begins to save in a thread of its own.
///
/// # Errors
/// Another one is running, or the system has no thread.
pub(crate) fn save_in_background(server: &Arc<Server>) -> Result<(), SavingError> {
    // Here and not in the thread: what comes after the reply is not part of it.
    let cut = Cut::take(server, server.saving.begin(true)?);
    server.log.notice("Background saving started");
    let saved = server.clone();
    let body = move || {
        scheduling::stand_back();
        // The log has told what became of it.
        let _logged = run(&saved, cut);
    };
    match std::thread::Builder::new().name("bgsave".into()).spawn(body) {
        Ok(thread) => {
            lock(&server.saving.thread).replace(thread);
            Ok(())
        }
        Err(error) => {
            let outcome = Err(SaveError::Io(error));
            server.saving.finish(0, &outcome);
            outcome.map(drop).map_err(SavingError::Failed)
        }
    }
}

/// Lets a save follow a FLUSHALL, if there are save points: what is gone is not to come back with the old file.
pub(crate) fn follow_flush(server: &Server, settings: &Settings) {
    if !points(settings).is_empty() {
        schedule(server);
    }
}

/// Lets a save in the background follow the running one.
pub(crate) fn schedule(server: &Server) {
    lock(&server.saving.state).is_scheduled = true;
}

/// What is to be saved: the data of one moment.
struct Cut {
    snapshot: Snapshot<Object>,
    now_ms: u64,
    /// The store's commits up to then.
    commits: u64,
}

impl Cut {
    fn take(server: &Server, now_ms: u64) -> Self {
        let commits = server.store.stats().commits;
        Cut { snapshot: server.store.snapshot(now_ms), now_ms, commits }
    }
}

fn run(server: &Server, cut: Cut) -> Result<(), SaveError> {
    let Cut { snapshot, now_ms, commits } = cut;
    let settings = server.settings();
    let path = file(&settings);
    let aux = [
        ("redis-ver", crate::command::REDIS_VERSION.to_owned()),
        ("redis-bits", "64".to_owned()),
        ("ctime", (now_ms / 1000).to_string()),
        ("used-mem", crate::memory::used_bytes(server).to_string()),
        ("aof-base", "0".to_owned()),
    ];
    let libraries = server.scripting.libraries.now();
    let functions: Vec<Vec<u8>> = libraries.all().map(|library| library.text.to_vec()).collect();
    let job = Job {
        store: &server.store,
        databases: settings.databases,
        compresses: settings.text("rdbcompression") == "yes",
        checksums: settings.text("rdbchecksum") == "yes",
        delay_us: settings.number("rdb-key-save-delay").max(0) as u64,
        functions: &functions,
        aux: &aux,
        is_cancelled: &|| server.saving.cancelled.get() != 0,
    };
    let outcome = rdb::save(&path, snapshot, &job);
    server.saving.finish(commits, &outcome);
    let name = path.display();
    match &outcome {
        Ok(saved) => server.log.notice(&format!(
            "DB saved on disk: {} keys, {} bytes in '{name}', {} ms",
            saved.keys,
            saved.bytes,
            clock::now_ms() - now_ms
        )),
        Err(error) => {
            server.log.warning(&format!("Failed to save '{name}', it is as it was: {error}"));
        }
    }
    outcome.map(drop)
}

/// Begins what is due; called ten times a second.
pub(crate) fn tick(server: &Arc<Server>, settings: &Settings, now_ms: u64) {
    let state = server.saving.state();
    if state.running_since_ms.is_some() {
        return;
    }
    let waits = state.has_failed && now_ms < state.tried_ms + RETRY_MS;
    let is_due = || {
        let (changes, elapsed_s) =
            (changes(server), now_ms.saturating_sub(state.last_saved_ms) / 1000);
        points(settings).iter().any(|(seconds, least)| changes >= *least && elapsed_s >= *seconds)
    };
    if state.is_scheduled || (!waits && is_due()) {
        // If it cannot be begun, the next tick tries again.
        if save_in_background(server).is_ok() {
            lock(&server.saving.state).is_scheduled = false;
        }
    }
}

/// What SHUTDOWN was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// Saves if there are save points.
    #[default]
    AsConfigured,
    Save,
    Discard,
}

/// Ends a running save, and makes the last one if it is wanted.
///
/// # Errors
/// The data could not be saved.
pub(crate) fn before_the_end(server: &Server, choice: AtEnd) -> Result<(), SavingError> {
    cancel(server);
    let wanted = match choice {
        AtEnd::AsConfigured => !points(&server.settings()).is_empty(),
        AtEnd::Save => true,
        AtEnd::Discard => false,
    };
    if wanted { save_now(server) } else { Ok(()) }
}

/// Ends a save in the background, and waits for that.
pub(crate) fn cancel(server: &Server) {
    server.saving.cancelled.set(1);
    let thread = lock(&server.saving.thread).take();
    if let Some(Err(panic)) = thread.map(JoinHandle::join) {
        std::panic::resume_unwind(panic);
    }
}

/// Takes over the libraries of functions of a file; what cannot be loaded is told in the log.
fn load_functions(server: &Arc<Server>, texts: &[Vec<u8>]) {
    if texts.is_empty() {
        return;
    }
    let interpreter = Interpreter::new(server).map_err(|error| error.to_string());
    let loaded = interpreter.and_then(|mut interpreter| {
        load_libraries(&mut interpreter, server, texts, Policy::Replace).map(drop)
    });
    if let Err(why) = loaded {
        server.log.warning(&format!("Failed creating functions from the RDB file: {why}"));
    }
}

/// Loads the file, if there is one, and removes what killed saves left beside it. `Ok(None)`: there is none.
///
/// # Errors
/// It cannot be read or is no sound file; it is as it was, and a part of it may be in the store.
pub(crate) fn load(server: &Arc<Server>) -> Result<Option<Loaded>, LoadingError> {
    let settings = server.settings();
    let path = file(&settings);
    match rdb::remove_left_behind(&path) {
        0 => {}
        n => server.log.notice(&format!("Removed {n} temporary file(s) of saves that were killed")),
    }
    let from = match File::open(&path) {
        Ok(from) => from,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LoadingError { path, why: RdbError::unreadable(error) }),
    };
    let begun_ms = clock::now_ms();
    let target = Target {
        store: &server.store,
        databases: settings.databases,
        now_ms: begun_ms,
        forms: Forms::of(&settings),
        field_expiry: &server.field_expiry,
    };
    let loaded = rdb::load(from, &target).map_err(|why| LoadingError { path, why })?;
    load_functions(server, &loaded.functions);
    let by =
        loaded.written_by.as_ref().map_or(String::new(), |by| format!(", written by version {by}"));
    server.log.notice(&format!(
        "DB loaded from disk: {} keys, {} expired{by}, {} ms",
        loaded.keys,
        loaded.expired,
        clock::now_ms() - begun_ms
    ));
    let commits = server.store.stats().commits;
    let mut state = lock(&server.saving.state);
    state.saved_commits = commits;
    state.loaded = (loaded.keys, loaded.expired);
    drop(state);
    Ok(Some(loaded))
}
