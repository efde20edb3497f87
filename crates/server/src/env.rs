//! [`Server`]: what all loops share; [`Env`]: one loop's view of it.
//!
//! ```text
//!            ┌─ Env (loop 0): settings of this pass, clock of this pass, own counters
//! Server ◀───┼─ Env (loop 1)
//!            └─ Env (tests)
//! ```
//!
//! Invariant: a loop sees changed settings at its next pass, the loop that changed them at the next command.

use crate::acl::Acl;
use crate::blocking;
use crate::clients::{Card, Clients};
use crate::clock;
use crate::config::{SettingError, Settings, Source};
use crate::counter::Gauge;
use crate::data::Exports;
use crate::disposal::Disposal;
use crate::event::class;
use crate::field_expiry::FieldExpiry;
use crate::listener::{Doors, Mailbox, Tls, TlsError};
use crate::log::Log;
use crate::monitors::Monitors;
use crate::pubsub::{Parcel, Registry};
use crate::rates::Rates;
use crate::removed::Removed;
use crate::saving::Saving;
use crate::script::{Interpreter, Scripting};
use crate::session::Scout;
use crate::slowlog::{CommandLogs, LatencyLog};
use crate::stats::{Activity, LoopStats, Totals};
use crate::tracking::Tracking;
use crate::value::Object;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stillpoint_store::{Config, Room, Store};

/// Keys evicted at the begin of a pass at most, so that nobody waits long when the limit was lowered; maintenance goes on.
const EVICTIONS_PER_PASS: usize = 512;
const EVICTIONS_PER_COMMAND: usize = 16;

/// CLIENT PAUSE in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) until_ms: u64,
    /// Until when reads, too.
    pub(crate) all_until_ms: u64,
}

/// The server: one per process, shared by its loops.
pub struct Server {
    pub(crate) store: Store<Object>,
    settings: Mutex<Arc<Settings>>,
    /// Counts changes of settings or pause.
    generation: Gauge,
    pause: Mutex<Pause>,
    /// Clients that a pause holds up.
    pub(crate) held_up: Gauge,
    /// Transactions that hold writers up.
    pub(crate) holds: Gauge,
    /// MIGRATEs that run.
    pub(crate) migrations: Gauge,
    pub(crate) config_file: Option<PathBuf>,
    /// Where clients connect.
    pub(crate) doors: Doors,
    /// None without `tls-port`.
    tls: Mutex<Option<Tls>>,
    pub(crate) clients: Clients,
    pub(crate) acl: Acl,
    pub(crate) pubsub: Registry,
    pub(crate) monitors: Monitors,
    pub(crate) tracking: Tracking,
    /// Clients that wait for keys.
    pub(crate) blocking: blocking::Registry,
    /// Hashes with fields that will expire.
    pub(crate) field_expiry: FieldExpiry,
    pub(crate) command_logs: CommandLogs,
    /// When a request was last met that a browser was made to send.
    pub(crate) attack_logged_ms: Gauge,
    pub(crate) latency: LatencyLog,
    pub(crate) log: Log,
    pub(crate) saving: Saving,
    pub(crate) scripting: Scripting,
    /// Large collections on their way out.
    pub(crate) disposal: Disposal,
    /// Cuts that connections share by name.
    pub(crate) exports: Exports,
    pub(crate) started_ms: u64,
    pub(crate) run_id: String,
    /// What goes on per second, by loop 0's tick.
    pub(crate) rates: Rates,
    pub(crate) peak_memory: Gauge,
    /// 0: expired keys stay until somebody meets them (DEBUG SET-ACTIVE-EXPIRE 0).
    pub(crate) active_expire: Gauge,
    pub(crate) removed: Arc<Removed>,
    pub(crate) evicted_clients: Gauge,
    /// Keys that had expired and been evicted at the last CONFIG RESETSTAT.
    removed_base: Mutex<(u64, u64)>,
    loops: Mutex<Vec<Arc<LoopStats>>>,
    stats_base: Mutex<Totals>,
    mailboxes: Mutex<Vec<Arc<Mailbox>>>,
    stopping: Gauge,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server over a new, empty store, with default settings and no log.
    pub fn new() -> Self {
        Server::with(Settings::defaults(), None, Log::silent())
    }

    pub(crate) fn with(settings: Settings, config_file: Option<PathBuf>, log: Log) -> Self {
        log.set_level(settings.loglevel);
        log.set_form(settings.log_form);
        let store = Store::with_object_bytes(store_config(&settings), Object::bytes);
        let acl = Acl::new(&settings.requirepass);
        let active_expire = Gauge::default();
        active_expire.set(1);
        let removed = Arc::new(Removed::default());
        let queue = Arc::clone(&removed);
        let is_first = store.on_removal(move |removal| queue.note(removal));
        debug_assert!(is_first, "the store is new");
        if settings.events & (class::EXPIRED | class::EVICTED) != 0 {
            removed.want();
        }
        Server {
            store,
            settings: Mutex::new(Arc::new(settings)),
            generation: Gauge::default(),
            pause: Mutex::default(),
            held_up: Gauge::default(),
            holds: Gauge::default(),
            migrations: Gauge::default(),
            config_file,
            doors: Doors::default(),
            tls: Mutex::default(),
            clients: Clients::default(),
            acl,
            pubsub: Registry::default(),
            monitors: Monitors::default(),
            tracking: Tracking::default(),
            blocking: blocking::Registry::new(),
            field_expiry: FieldExpiry::default(),
            command_logs: CommandLogs::default(),
            attack_logged_ms: Gauge::default(),
            latency: LatencyLog::default(),
            log,
            saving: Saving::new(clock::now_ms()),
            scripting: Scripting::default(),
            disposal: Disposal::default(),
            exports: Exports::default(),
            started_ms: clock::now_ms(),
            run_id: new_run_id(),
            rates: Rates::default(),
            peak_memory: Gauge::default(),
            active_expire,
            removed,
            evicted_clients: Gauge::default(),
            removed_base: Mutex::default(),
            loops: Mutex::default(),
            stats_base: Mutex::default(),
            mailboxes: Mutex::default(),
            stopping: Gauge::default(),
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        lock(&self.settings).clone()
    }

    /// Changes settings, all or none, and hands those of the store to it.
    ///
    /// # Errors
    /// Which directive was refused, and why.
    pub(crate) fn change_settings(
        &self,
        pairs: &[(String, String)],
        source: Source,
    ) -> Result<(), SettingError> {
        let mut settings = lock(&self.settings);
        let next = settings.with(pairs, source)?;
        self.change_outside(pairs, &settings, &next)?;
        self.store.set_mvcc_enabled(next.mvcc_enabled);
        self.store.set_max_versions(next.mvcc_max_versions);
        self.store.set_gc_interval_us(next.mvcc_gc_interval_us);
        self.log.set_level(next.loglevel);
        self.log.set_form(next.log_form);
        if (next.max_bytes(), &next.eviction) != (settings.max_bytes(), &settings.eviction) {
            self.store.set_limit(next.max_bytes(), &next.eviction);
        }
        if next.events & (class::EXPIRED | class::EVICTED) != 0 {
            self.removed.want();
        }
        if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("requirepass")) {
            self.acl.set_password(&next.requirepass);
        }
        *settings = Arc::new(next);
        self.generation.add(1);
        Ok(())
    }

    /// Changes what is not only a value, files that are read, sockets, the working directory: all or nothing.
    fn change_outside(
        &self,
        pairs: &[(String, String)],
        settings: &Settings,
        next: &Settings,
    ) -> Result<(), SettingError> {
        let given = |wanted: fn(&str) -> bool| pairs.iter().find(|(name, _)| wanted(name));
        let refused = |name: &str, why| SettingError::Refused { name: name.to_owned(), why };
        let tls = given(is_of_tls).map(|(name, _)| {
            let tls = tls_of(next);
            tls.map_err(|error| refused(name, error.to_string()))
        });
        let tls = tls.transpose()?;
        let doors = given(is_of_doors).map(|(name, _)| {
            self.doors.prepare(settings, next).map_err(|error| {
                self.log.warning(&format!("CONFIG SET {name}: {error}"));
                refused(name, cannot_listen(name).to_owned())
            })
        });
        let doors = doors.transpose()?.flatten();
        // The last that can fail.
        for (name, value) in pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case("dir")) {
            std::env::set_current_dir(value).map_err(|error| refused(name, error.to_string()))?;
        }
        if let Some(tls) = tls {
            *lock(&self.tls) = tls;
        }
        if let Some(doors) = doors {
            doors.commit();
            self.wake_all();
        }
        Ok(())
    }

    /// Reads the files that TLS needs, if it is asked for.
    ///
    /// # Errors
    /// They cannot be used.
    pub(crate) fn load_tls(&self) -> Result<(), TlsError> {
        *lock(&self.tls) = tls_of(&self.settings())?;
        Ok(())
    }
    /// What new connections under TLS begin with.
    pub(crate) fn tls(&self) -> Option<Tls> {
        lock(&self.tls).clone()
    }

    /// Begins, prolongs or ends (`Pause::default()`) a pause, and wakes every loop.
    pub(crate) fn set_pause(&self, pause: Pause) {
        *lock(&self.pause) = pause;
        self.generation.add(1);
        self.wake_all();
    }
    pub(crate) fn pause(&self) -> Pause {
        *lock(&self.pause)
    }

    pub(crate) fn add_mailbox(&self, mailbox: Arc<Mailbox>) {
        self.removed.set_bell(&mailbox);
        lock(&self.mailboxes).push(mailbox);
    }
    pub(crate) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        lock(&self.mailboxes).clone()
    }
    pub(crate) fn wake_all(&self) {
        for mailbox in self.mailboxes() {
            mailbox.wake();
        }
    }

    /// Ends a connection, wherever it is served.
    pub(crate) fn kill(&self, card: &Card) {
        card.killed.set(1);
        // It may be on its way from one loop to another: all of them look.
        for mailbox in self.mailboxes() {
            mailbox.wake_for_kill();
        }
    }

    /// Asks every loop to send what is written and to end.
    pub fn stop(&self) {
        self.stopping.set(1);
        self.wake_all();
    }
    /// Whether only this machine's clients are let in: protected mode without a password.
    pub(crate) fn is_protected(&self, settings: &Settings) -> bool {
        settings.protected_mode && self.acl.default_account().now().takes_any_password()
    }
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get() != 0
    }

    /// Sums of all counters since the last reset.
    pub(crate) fn totals(&self) -> Totals {
        self.all_totals().since(&lock(&self.stats_base))
    }
    pub(crate) fn reset_totals(&self) {
        lock(&self.loops).iter().for_each(|stats| stats.forget_errors());
        let totals = self.all_totals();
        *lock(&self.stats_base) = totals;
        let stats = self.store.stats();
        *lock(&self.removed_base) = (stats.expired_keys, stats.evicted_keys);
        self.evicted_clients.set(0);
        lock(&self.loops).iter().for_each(|stats| stats.forget_longest_pass());
        self.acl.log.reset_counts();
    }
    /// The longest pass of any loop since the last reset, in microseconds.
    pub(crate) fn longest_pass_us(&self) -> u64 {
        lock(&self.loops).iter().map(|stats| stats.longest_pass_us()).max().unwrap_or(0)
    }
    /// Keys that have expired and been evicted since the last reset.
    pub(crate) fn removed_keys(&self) -> (u64, u64) {
        let (stats, base) = (self.store.stats(), *lock(&self.removed_base));
        (stats.expired_keys.saturating_sub(base.0), stats.evicted_keys.saturating_sub(base.1))
    }
    /// The time by which the store's maintenance goes.
    pub(crate) fn maintenance_ms(&self, now_ms: u64) -> u64 {
        // At the beginning of time nothing is due; nor is it while clients are paused, who may be on their way to another server, or while a
        // transaction holds writers up: a key that it has read as expired is not to change under it.
        let stays = self.active_expire.get() == 0 || self.holds.get() > 0;
        if stays || self.pause().until_ms > now_ms { 0 } else { now_ms }
    }
    pub(crate) fn most_in_pass(&self) -> u64 {
        lock(&self.loops).iter().map(|stats| stats.most_in_pass()).max().unwrap_or(0)
    }
    /// What all loops have done since the start, resets notwithstanding.
    pub(crate) fn activity(&self) -> Activity {
        lock(&self.loops).iter().fold(Activity::default(), |sum, stats| sum + stats.activity())
    }
    fn all_totals(&self) -> Totals {
        Totals::of(lock(&self.loops).iter().map(Arc::as_ref))
    }
}

fn store_config(settings: &Settings) -> Config {
    Config {
        spaces: settings.databases,
        huge_pages: settings.huge_pages,
        mvcc_enabled: settings.mvcc_enabled,
        max_versions: settings.mvcc_max_versions,
        gc_interval_us: settings.mvcc_gc_interval_us,
        max_bytes: settings.max_bytes(),
        eviction: settings.eviction.clone(),
        retention: settings.retention(),
        ..Config::default()
    }
}

fn is_of_tls(name: &str) -> bool {
    name.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("tls-"))
}

fn is_of_doors(name: &str) -> bool {
    ["port", "bind", "tls-port"].iter().any(|door| door.eq_ignore_ascii_case(name))
}

/// Redis's words.
fn cannot_listen(name: &str) -> &'static str {
    match name.eq_ignore_ascii_case("bind") {
        true => "Failed to bind to specified addresses.",
        false => "Unable to listen on this port. Check server logs.",
    }
}

fn tls_of(settings: &Settings) -> Result<Option<Tls>, TlsError> {
    if settings.number("tls-port") == 0 { Ok(None) } else { Tls::load(settings).map(Some) }
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

/// Forty hexadecimal digits, different at each start.
pub(crate) fn new_run_id() -> String {
    use std::hash::{BuildHasher, Hasher};
    let word = || std::hash::RandomState::new().build_hasher().finish();
    let text = format!("{:016x}{:016x}{:016x}", word(), word(), word());
    text[..40].to_owned()
}

/// What one loop hands to its sessions: the clock is read once a pass.
pub(crate) struct Env {
    pub(crate) server: Arc<Server>,
    /// Settings as of this pass (CONFIG SET refreshes them at once on its own loop).
    pub(crate) settings: Arc<Settings>,
    /// Wall clock of this pass in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// Counters of this loop.
    pub(crate) stats: Arc<LoopStats>,
    pub(crate) pause: Pause,
    /// The data take more than `maxmemory`, and nothing can be evicted, as of this pass.
    out_of_memory: bool,
    /// Counts commands, to choose those whose duration is measured.
    pub(crate) tick: u32,
    pub(crate) scout: Scout,
    /// This loop's own; none in a test.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    /// Made when the first script comes; away while one runs.
    pub(crate) interpreter: Option<Box<Interpreter>>,
    generation: u64,
}

impl Env {
    /// The view of one more loop.
    pub(crate) fn new(server: Arc<Server>, now_ms: u64) -> Self {
        let stats = Arc::new(LoopStats::new());
        lock(&server.loops).push(stats.clone());
        Env {
            settings: server.settings(),
            generation: server.generation.get(),
            pause: server.pause(),
            server,
            now_ms,
            stats,
            out_of_memory: false,
            tick: 0,
            scout: Scout::default(),
            mailbox: None,
            interpreter: None,
        }
    }
    /// Gives a connection something that it has not asked for.
    pub(crate) fn deliver(&self, card: &Card, parcel: Parcel) {
        if card.killed.get() != 0 {
            return;
        }
        let hard_bytes = self.settings.pubsub_output_limit.hard_bytes;
        card.inbox.deliver(parcel, hard_bytes, self.mailbox.as_ref());
    }
    /// Turns the clock to a new pass.
    pub(crate) fn begin_pass(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.refresh();
        if self.settings.maxmemory > 0 {
            self.weigh();
        }
        if self.server.removed.is_waiting() {
            let removed = Arc::clone(&self.server.removed);
            removed.tell(self);
        }
    }
    /// Milliseconds that CLIENT PAUSE still lasts, if it is in force.
    pub(crate) fn pause_left_ms(&self) -> Option<u64> {
        self.pause.until_ms.checked_sub(self.now_ms).filter(|left| *left > 0)
    }
    /// The same of the pause of reads.
    pub(crate) fn all_pause_left_ms(&self) -> Option<u64> {
        self.pause.all_until_ms.checked_sub(self.now_ms).filter(|left| *left > 0)
    }
    /// Whether some requests have to wait: CLIENT PAUSE is in force, or a transaction holds writers up.
    #[inline]
    pub(crate) fn holds_up(&self) -> bool {
        self.pause_left_ms().is_some() || self.server.holds.get() > 0
    }
    /// A number that no script can foresee.
    pub(crate) fn fresh_seed(&self) -> u32 {
        fastrand::u32(..)
    }
    /// Takes over changed settings.
    pub(crate) fn refresh(&mut self) {
        let generation = self.server.generation.get();
        if generation != self.generation {
            self.generation = generation;
            self.settings = self.server.settings();
            self.pause = self.server.pause();
            self.weigh();
        }
    }
    /// Evicts, if there is too much; if nothing may go, that is noted.
    fn weigh(&mut self) {
        let store = &self.server.store;
        self.out_of_memory = self.pause_left_ms().is_none()
            && store.is_full()
            && store.make_room(self.now_ms, EVICTIONS_PER_PASS) == Room::None;
    }
    /// Whether commands that need memory are to be refused; evicts, if there is too much.
    #[inline]
    pub(crate) fn is_out_of_memory(&self) -> bool {
        let store = &self.server.store;
        self.out_of_memory
            || store.is_full()
                && self.pause_left_ms().is_none()
                && store.make_room(self.now_ms, EVICTIONS_PER_COMMAND) == Room::None
    }
}
