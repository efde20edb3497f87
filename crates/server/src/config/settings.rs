//! [`Settings`]: every directive's value, immutable; CONFIG SET makes a new one ([`Settings::with`]).
//!
//! ```text
//! values  [normal text of directive 0, of directive 1, …]     what CONFIG GET reports
//! fields  the same, parsed, for those that the server acts on  what code reads
//! ```
//!
//! Invariant: fields are a function of `values` (`parsed` is the only place that sets them).

use super::directive::{Change, DIRECTIVES, find};
use super::rename::Renames;
use super::value::{merge_output_limits, normalise};
use crate::event::class;
use std::fmt;
use stillpoint_store::{Eviction, EvictionPolicy, Retention};

/// Limits of what may wait in a client's output buffer; 0 = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutputLimit {
    pub(crate) hard_bytes: usize,
    pub(crate) soft_bytes: usize,
    pub(crate) soft_seconds: u64,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Debug,
    Verbose,
    #[default]
    Notice,
    Warning,
    Nothing,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogForm {
    pub(crate) format: LogFormat,
    pub(crate) time: LogTime,
}

/// `log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Legacy,
    Logfmt,
    Json,
}

/// `log-timestamp-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogTime {
    #[default]
    Legacy,
    Iso8601,
    Milliseconds,
}

/// Values of all directives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: Vec<String>,
    pub(crate) databases: u8,
    pub(crate) huge_pages: bool,
    pub(crate) requirepass: String,
    /// Names of commands, as `rename-command` has them.
    pub(crate) renames: Renames,
    /// The words behind `user` of each such line, at start.
    pub(crate) users: Vec<Vec<String>>,
    /// New users may use every channel.
    pub(crate) acl_all_channels: bool,
    pub(crate) acl_log_max_len: usize,
    pub(crate) protected_mode: bool,
    pub(crate) proto_max_bulk_len: i64,
    pub(crate) query_buffer_limit: usize,
    pub(crate) hash_max_listpack_entries: usize,
    pub(crate) hash_max_listpack_value: usize,
    pub(crate) set_max_intset_entries: usize,
    pub(crate) set_max_listpack_entries: usize,
    pub(crate) set_max_listpack_value: usize,
    pub(crate) zset_max_listpack_entries: usize,
    pub(crate) zset_max_listpack_value: usize,
    /// Most elements of a packed list, or, negative, a class of sizes.
    pub(crate) list_max_listpack_size: i64,
    pub(crate) stream_node_max_entries: u64,
    pub(crate) stream_node_max_bytes: u64,
    pub(crate) maxclients: usize,
    pub(crate) timeout_s: u64,
    pub(crate) min_replicas: u64,
    pub(crate) tcp_keepalive_s: u64,
    pub(crate) output_limit: OutputLimit,
    pub(crate) pubsub_output_limit: OutputLimit,
    /// Classes of keyspace events; 0: none go anywhere.
    pub(crate) events: u32,
    pub(crate) slowlog_us: i64,
    pub(crate) slowlog_max_len: usize,
    /// Bytes from which on a request, or a reply, is entered into its log, and how many are.
    pub(crate) large_request_bytes: usize,
    pub(crate) large_request_max_len: usize,
    pub(crate) large_reply_bytes: usize,
    pub(crate) large_reply_max_len: usize,
    /// Slow or late is what even a quick command may be: time each one.
    pub(crate) times_all: bool,
    pub(crate) latency_ms: u64,
    /// Durations of commands are kept for INFO latencystats.
    pub(crate) latency_tracking: bool,
    pub(crate) loglevel: LogLevel,
    pub(crate) log_form: LogForm,
    /// Log lines name clients and users by their numbers only.
    pub(crate) hides_user_data: bool,
    pub(crate) lfu_policy: bool,
    /// Most bytes of data; 0: no limit.
    pub(crate) maxmemory: u64,
    /// How keys go above that.
    pub(crate) eviction: Eviction,
    /// Most bytes of clients' buffers before the largest is disconnected; 0: no limit.
    pub(crate) maxmemory_clients: u64,
    /// Milliseconds after which a script makes others be told BUSY; 0: never.
    pub(crate) busy_reply_ms: u64,
    /// Whether they are told.
    pub(crate) busy_reply: bool,
    /// Bytes that the Lua of one interpreter may allocate; 0: no limit.
    pub(crate) script_max_memory: usize,
    pub(crate) mvcc_enabled: bool,
    pub(crate) mvcc_max_versions: u32,
    pub(crate) mvcc_gc_interval_us: u64,
}

/// Why a set of values was refused; nothing of it is in force.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingError {
    /// No such directive.
    Unknown(String),
    /// The directive does not take this value, or not now.
    Refused { name: String, why: String },
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingError::Unknown(name) => write!(f, "unknown directive '{name}'"),
            SettingError::Refused { name, why } => write!(f, "'{name}': {why}"),
        }
    }
}

/// Who sets a value: decides what may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// File or command line.
    Start,
    /// CONFIG SET; may it touch protected directives?
    Client { protected: bool },
}

impl Settings {
    /// Most bytes of the store's newest values.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        (self.maxmemory > 0).then_some(self.maxmemory)
    }

    /// Which past versions the store keeps, in every database.
    pub(crate) fn retention(&self) -> Vec<Retention> {
        let limit = |name| u64::try_from(self.number(name)).ok().filter(|limit| *limit > 0);
        let max_versions = limit("mvcc.retention_versions").and_then(|n| u32::try_from(n).ok());
        let max_age_ms = limit("mvcc.retention_age_ms");
        let max_bytes = limit("mvcc.retention_bytes").unwrap_or(0) as usize;
        let words = self.text("mvcc.retention_prefixes").split_ascii_whitespace();
        let rule = |space, word: &str| {
            let prefix = word.strip_suffix('*').unwrap_or(word).as_bytes().to_vec();
            Retention { space, prefix, max_versions, max_age_ms, max_bytes }
        };
        words.flat_map(|word| (0..self.databases).map(move |db| rule(db, word))).collect()
    }

    /// Every directive at its default.
    pub(crate) fn defaults() -> Self {
        let mut values: Vec<String> = DIRECTIVES.iter().map(|d| d.default.to_owned()).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(128);
        if let Some(i) = find(b"io-threads") {
            values[i] = cores.to_string();
        }
        Settings { values, ..Settings::default() }.parsed()
    }

    /// The text that CONFIG GET reports for a directive (empty if there is no such directive).
    pub(crate) fn text(&self, name: &str) -> &str {
        find(name.as_bytes()).map_or("", |i| self.values[i].as_str())
    }

    /// A directive's number (0 if it is none).
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// New settings with these directives changed, all or none.
    ///
    /// # Errors
    /// Says which directive was refused, and why.
    pub(crate) fn with(
        &self,
        pairs: &[(String, String)],
        source: Source,
    ) -> Result<Settings, SettingError> {
        let mut next = self.clone();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let refused = |why: &str| SettingError::Refused { name: name.clone(), why: why.into() };
            let row = find(name.as_bytes()).ok_or_else(|| SettingError::Unknown(name.clone()))?;
            let directive = &DIRECTIVES[row];
            match (source, directive.change) {
                // Tools that set all that they have got know what cannot be set in Redis, not what cannot be set here.
                (Source::Client { .. }, Change::Start)
                    if is_ours(directive.name) && self.values[row] == *value => {}
                (Source::Client { .. }, Change::Start) => {
                    return Err(refused("can't set immutable config"));
                }
                (Source::Client { protected: false }, Change::Protected) => {
                    return Err(refused("can't set protected config"));
                }
                (Source::Client { .. }, _) if seen.contains(&row) => {
                    return Err(refused("duplicate parameter"));
                }
                _ => seen.push(row),
            }
            let text = normalise(directive, value).map_err(|why| refused(&why))?;
            next.values[row] = match directive.name {
                "client-output-buffer-limit" => merge_output_limits(&next.values[row], &text),
                _ => text,
            };
        }
        Ok(next.parsed())
    }

    /// New settings with one more user, from the words behind `user`.
    ///
    /// # Errors
    /// They make no user, or there is one of this name.
    pub(crate) fn with_user(&self, words: &[String]) -> Result<Settings, SettingError> {
        let refused = |why| SettingError::Refused { name: "user".to_owned(), why };
        crate::acl::check_line(words).map_err(refused)?;
        let name = words.first();
        if self.users.iter().any(|known| known.first() == name) {
            return Err(refused(format!(
                "Error in user declaration '{}': Duplicate user found. A user can only be defined once in config files",
                name.map_or("", String::as_str)
            )));
        }
        let mut next = self.clone();
        next.users.push(words.to_vec());
        Ok(next)
    }

    /// New settings with one more command renamed, from the words behind `rename-command`.
    ///
    /// # Errors
    /// There is no such command, or there is one already of the new name.
    pub(crate) fn with_rename(&self, words: &[String]) -> Result<Settings, SettingError> {
        let refused = |why| SettingError::Refused { name: "rename-command".to_owned(), why };
        let [from, to] = words else {
            return Err(refused("wrong number of arguments".to_owned()));
        };
        let mut next = self.clone();
        next.renames.add(from, to).map_err(refused)?;
        Ok(next)
    }

    /// Bytes that are given as such or, with `%`, as a part of `maxmemory`.
    fn share_of_maxmemory(&self, name: &str) -> u64 {
        match self.text(name).strip_suffix('%').and_then(|percent| percent.parse::<u64>().ok()) {
            Some(percent) => (u128::from(self.maxmemory) * u128::from(percent) / 100) as u64,
            None => self.number(name).max(0) as u64,
        }
    }

    fn parsed(mut self) -> Self {
        let yes = |s: &Settings, name| s.text(name) == "yes";
        let size = |s: &Settings, name| s.number(name).max(0) as usize;
        self.databases = self.number("databases") as u8;
        self.huge_pages = !yes(&self, "disable-thp");
        self.requirepass = self.text("requirepass").to_owned();
        self.acl_all_channels = self.text("acl-pubsub-default") == "allchannels";
        self.acl_log_max_len = size(&self, "acllog-max-len");
        self.protected_mode = yes(&self, "protected-mode");
        self.proto_max_bulk_len = self.number("proto-max-bulk-len").min(i64::from(u32::MAX) / 2);
        self.query_buffer_limit = size(&self, "client-query-buffer-limit").min(MAX_QUERY_BYTES);
        self.hash_max_listpack_entries = size(&self, "hash-max-listpack-entries");
        self.hash_max_listpack_value = size(&self, "hash-max-listpack-value");
        self.set_max_intset_entries = size(&self, "set-max-intset-entries");
        self.set_max_listpack_entries = size(&self, "set-max-listpack-entries");
        self.set_max_listpack_value = size(&self, "set-max-listpack-value");
        self.zset_max_listpack_entries = size(&self, "zset-max-listpack-entries");
        self.zset_max_listpack_value = size(&self, "zset-max-listpack-value");
        self.stream_node_max_entries = self.number("stream-node-max-entries").max(0) as u64;
        self.stream_node_max_bytes = self.number("stream-node-max-bytes").max(0) as u64;
        self.list_max_listpack_size = self.number("list-max-listpack-size");
        self.maxclients = size(&self, "maxclients");
        self.timeout_s = self.number("timeout") as u64;
        self.min_replicas = self.number("min-replicas-to-write") as u64;
        self.tcp_keepalive_s = self.number("tcp-keepalive") as u64;
        let limits = self.text("client-output-buffer-limit");
        (self.output_limit, self.pubsub_output_limit) =
            (output_limit(limits, "normal"), output_limit(limits, "pubsub"));
        self.events = class::parse(self.text("notify-keyspace-events"));
        self.slowlog_us = self.number("slowlog-log-slower-than");
        self.slowlog_max_len = size(&self, "slowlog-max-len");
        self.large_request_max_len = size(&self, "commandlog-large-request-max-len");
        self.large_reply_max_len = size(&self, "commandlog-large-reply-max-len");
        let threshold = |s: &Settings, name, max_len| match usize::try_from(s.number(name)) {
            Ok(bytes) if max_len > 0 => bytes,
            _ => usize::MAX,
        };
        self.large_request_bytes =
            threshold(&self, "commandlog-request-larger-than", self.large_request_max_len);
        self.large_reply_bytes =
            threshold(&self, "commandlog-reply-larger-than", self.large_reply_max_len);
        self.latency_tracking = yes(&self, "latency-tracking");
        self.latency_ms = self.number("latency-monitor-threshold") as u64;
        self.times_all = (0..1000).contains(&self.slowlog_us);
        self.loglevel = log_level(&self);
        self.log_form = log_form(&self);
        self.hides_user_data = yes(&self, "hide-user-data-from-log");
        self.lfu_policy = self.text("maxmemory-policy").ends_with("lfu");
        self.maxmemory = self.number("maxmemory").max(0) as u64;
        self.maxmemory_clients = self.share_of_maxmemory("maxmemory-clients");
        self.eviction = eviction(&self);
        self.busy_reply = yes(&self, "script-busy-reply");
        self.script_max_memory = size(&self, "script-max-memory");
        self.busy_reply_ms = self.number("busy-reply-threshold").max(0) as u64;
        self.mvcc_enabled = yes(&self, "mvcc.enabled");
        self.mvcc_max_versions = self.number("mvcc.max_versions") as u32;
        self.mvcc_gc_interval_us = self.number("mvcc.gc_interval_us") as u64;
        self
    }
}

fn log_level(settings: &Settings) -> LogLevel {
    match settings.text("loglevel") {
        "debug" => LogLevel::Debug,
        "verbose" => LogLevel::Verbose,
        "warning" => LogLevel::Warning,
        "nothing" => LogLevel::Nothing,
        _ => LogLevel::Notice,
    }
}

fn log_form(settings: &Settings) -> LogForm {
    LogForm {
        format: match settings.text("log-format") {
            "logfmt" => LogFormat::Logfmt,
            "json" => LogFormat::Json,
            _ => LogFormat::Legacy,
        },
        time: match settings.text("log-timestamp-format") {
            "iso8601" => LogTime::Iso8601,
            "milliseconds" => LogTime::Milliseconds,
            _ => LogTime::Legacy,
        },
    }
}

/// Whether Redis does not know this directive.
fn is_ours(name: &str) -> bool {
    name.starts_with("admin-") || name.starts_with("mvcc.")
}

/// How the store makes room; it never refuses a write, since commands that need memory are refused before they run.
fn eviction(settings: &Settings) -> Eviction {
    let (scope, policy) = settings.text("maxmemory-policy").split_once('-').unwrap_or_default();
    let number = |name| settings.number(name).clamp(0, u32::MAX.into()) as u32;
    Eviction {
        policy: match policy {
            "lru" => EvictionPolicy::Lru,
            "lfu" => EvictionPolicy::Lfu,
            "ttl" => EvictionPolicy::Ttl,
            "random" => EvictionPolicy::Random,
            _ => EvictionPolicy::None,
        },
        volatile_only: scope == "volatile",
        always_track: true,
        refuse: false,
        samples: number("maxmemory-samples"),
        lfu_log_factor: number("lfu-log-factor"),
        lfu_decay_minutes: number("lfu-decay-time"),
    }
}

/// Ranges into the read buffer have 32 bits: a request may not grow beyond.
const MAX_QUERY_BYTES: usize = u32::MAX as usize - (1 << 20);

fn output_limit(text: &str, class: &str) -> OutputLimit {
    let words: Vec<&str> = text.split(' ').collect();
    let at = words.iter().position(|word| *word == class).unwrap_or(words.len());
    let number = |i: usize| words.get(at + i).and_then(|w| w.parse().ok()).unwrap_or(0);
    OutputLimit { hard_bytes: number(1), soft_bytes: number(2), soft_seconds: number(3) as u64 }
}
