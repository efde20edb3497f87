//! [`Directive`]: one row per directive: name, kind of value, default, what may be changed when.
//!
//! | kind | accepts | CONFIG GET gives |
//! |---|---|---|
//! | `YesNo` | `yes`, `no` in any case | as given, lower case |
//! | `Number(min, max)` | a decimal | a decimal |
//! | `Bytes(min, max)` | a decimal with `k kb m mb g gb` | bytes |
//! | `BytesOrPercent` | the same, or up to `100%` | bytes or a percentage |
//! | `OneOf(words)` | one of the words, in any case | the word |
//! | `Only(word, why)` | that word: what else Redis knows is not there, and `why` says it | the word |
//! | `SomeOf(words)` | one or more of the words | the words |
//! | `Percentiles` | numbers from 0 to 100 | as given |
//! | `Permissions` | octal, up to 777 | octal |
//! | `FileName` | a name without a directory | as given |
//! | `Text`, `Words` | anything; `Words`: more than one word in a file | as given |
//! | `Save`, `OutputLimits`, `Events` | see [`value`](super::value) | in normal form |

/// What values a directive takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    YesNo,
    Number(i64, i64),
    Bytes(i64, i64),
    BytesOrPercent,
    OneOf(&'static [&'static str]),
    Only(&'static str, &'static str),
    Permissions,
    FileName,
    Text,
    Words,
    SomeOf(&'static [&'static str]),
    Percentiles,
    Save,
    OutputLimits,
    Events,
}

/// When a directive may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// At start and by CONFIG SET.
    Live,
    /// At start only.
    Start,
    /// By CONFIG SET only if `enable-protected-configs` allows it.
    Protected,
}

/// One directive.
#[derive(Debug)]
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) change: Change,
    /// CONFIG GET shows it only to those who name it.
    pub(crate) hidden: bool,
}

const fn row(name: &'static str, kind: Kind, default: &'static str, change: Change) -> Directive {
    Directive { name, alias: None, kind, default, change, hidden: false }
}
const fn yes_no(name: &'static str, default: &'static str) -> Directive {
    row(name, Kind::YesNo, default, Change::Live)
}
const fn number(name: &'static str, min: i64, max: i64, default: &'static str) -> Directive {
    row(name, Kind::Number(min, max), default, Change::Live)
}
const fn bytes(name: &'static str, min: i64, default: &'static str) -> Directive {
    row(name, Kind::Bytes(min, i64::MAX), default, Change::Live)
}
const fn text(name: &'static str, default: &'static str) -> Directive {
    row(name, Kind::Text, default, Change::Live)
}
const fn words(name: &'static str, default: &'static str) -> Directive {
    row(name, Kind::Words, default, Change::Live)
}
const fn only(name: &'static str, word: &'static str, why: &'static str) -> Directive {
    row(name, Kind::Only(word, why), word, Change::Live)
}
const fn one_of(
    name: &'static str,
    words: &'static [&'static str],
    default: &'static str,
) -> Directive {
    row(name, Kind::OneOf(words), default, Change::Live)
}

impl Directive {
    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
    const fn at_start(mut self) -> Self {
        self.change = Change::Start;
        self
    }
    const fn protected(mut self) -> Self {
        self.change = Change::Protected;
        self
    }
}

const LOCAL_ONLY: &[&str] = &["no", "yes", "local"];
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
const SHUTDOWN: &[&str] = &["default", "save", "nosave", "now", "force"];
const ENDPOINTS: &[&str] = &["ip", "hostname", "unknown-endpoint"];
const DISKLESS_LOADS: &[&str] = &["disabled", "on-empty-db", "swapdb", "flush-before-load"];
const NO_AOF: &str = "there is no append-only file here, only 'no' is possible: the data are kept by saving, see 'save'";
const NO_REPLICA: &str = "this server cannot be a replica of another one, replication is not there";
const NO_CLUSTER: &str = "this server cannot be a node of a cluster, only 'no' is possible";
const NO_FUTURE_RDB: &str =
    "files of a version that is not known are not guessed at, only 'strict' is possible";
const NO_CERTIFICATE_USERS: &str =
    "a certificate does not log its bearer in, only 'off' is possible: clients send AUTH";
const NO_RELOAD: &str =
    "certificates are read again when CONFIG SET names them, only 0 is possible";
const NO_SOCKET_GROUP: &str = "the socket belongs to the group that the server runs as";
const NO_MPTCP: &str = "multipath TCP is not there, only 'no' is possible";
const INT_MAX: i64 = i32::MAX as i64;

/// All directives, by family.
pub(crate) static DIRECTIVES: &[Directive] = &[
    // Network.
    number("port", 0, 65_535, "6379"),
    words("bind", "127.0.0.1 -::1"),
    number("tls-port", 0, 65_535, "0"),
    text("tls-cert-file", ""),
    text("tls-key-file", ""),
    text("tls-ca-cert-file", ""),
    text("tls-ca-cert-dir", ""),
    one_of("tls-auth-clients", &["no", "yes", "optional"], "yes"),
    words("tls-protocols", ""),
    text("tls-ciphers", ""),
    text("tls-ciphersuites", ""),
    yes_no("tls-prefer-server-ciphers", "no"),
    only("tls-key-file-pass", "", "a key with a password cannot be read: give one that has none"),
    only("tls-auth-clients-user", "off", NO_CERTIFICATE_USERS),
    only("tls-auto-reload-interval", "0", NO_RELOAD),
    yes_no("tls-session-caching", "yes"),
    number("tls-session-cache-size", 0, INT_MAX, "20480"),
    text("bind-source-addr", ""),
    text("unixsocket", "").at_start(),
    row("unixsocketgroup", Kind::Only("", NO_SOCKET_GROUP), "", Change::Start),
    row("unixsocketperm", Kind::Permissions, "0", Change::Start),
    // The port of figures and the admin page; 0: none.
    number("admin-port", 0, 65_535, "0").at_start(),
    text("admin-bind", "127.0.0.1").at_start(),
    number("tcp-backlog", 0, INT_MAX, "511").at_start(),
    number("tcp-keepalive", 0, INT_MAX, "300"),
    number("timeout", 0, INT_MAX, "0"),
    number("maxclients", 1, u32::MAX as i64, "10000"),
    number("io-threads", 1, 128, "0").at_start(),
    yes_no("io-threads-do-reads", "no").at_start(),
    yes_no("protected-mode", "yes"),
    row("client-output-buffer-limit", Kind::OutputLimits, OUTPUT_LIMITS, Change::Live),
    bytes("client-query-buffer-limit", 1024 * 1024, "1073741824"),
    bytes("proto-max-bulk-len", 1024 * 1024, "536870912"),
    row("maxmemory-clients", Kind::BytesOrPercent, "0", Change::Live),
    // Process.
    yes_no("daemonize", "no").at_start(),
    text("pidfile", "").at_start(),
    text("dir", ".").protected(),
    row("dbfilename", Kind::FileName, "dump.rdb", Change::Protected),
    text("logfile", "").at_start(),
    one_of("loglevel", &["debug", "verbose", "notice", "warning", "nothing"], "notice"),
    one_of("log-format", &["legacy", "logfmt", "json"], "legacy"),
    one_of("log-timestamp-format", &["legacy", "iso8601", "milliseconds"], "legacy"),
    yes_no("hide-user-data-from-log", "yes"),
    one_of("supervised", &["upstart", "systemd", "auto", "no"], "no").at_start(),
    text("proc-title-template", "{title} {listen-addr} {server-mode}"),
    yes_no("always-show-logo", "no").at_start(),
    yes_no("set-proc-title", "yes").at_start(),
    text("availability-zone", ""),
    number("hz", 1, 500, "10"),
    yes_no("dynamic-hz", "yes"),
    number("databases", 1, 16, "16").at_start(),
    yes_no("crash-log-enabled", "yes"),
    yes_no("disable-thp", "yes").at_start(),
    number("shutdown-timeout", 0, INT_MAX, "10"),
    row("shutdown-on-sigint", Kind::SomeOf(SHUTDOWN), "default", Change::Live),
    row("shutdown-on-sigterm", Kind::SomeOf(SHUTDOWN), "default", Change::Live),
    // Security.
    text("requirepass", ""),
    text("masterauth", "").alias("primaryauth"),
    text("masteruser", "").alias("primaryuser"),
    text("aclfile", "").at_start(),
    number("acllog-max-len", 0, INT_MAX, "128"),
    one_of("acl-pubsub-default", &["allchannels", "resetchannels"], "resetchannels"),
    one_of("enable-protected-configs", LOCAL_ONLY, "no").at_start(),
    one_of("enable-debug-command", LOCAL_ONLY, "no").at_start(),
    one_of("enable-module-command", LOCAL_ONLY, "no").at_start(),
    // Persistence, as far as clients ask for it.
    row("save", Kind::Save, "3600 1 300 100 60 10000", Change::Live),
    only("appendonly", "no", NO_AOF),
    row("appendfilename", Kind::FileName, "appendonly.aof", Change::Start),
    row("appenddirname", Kind::FileName, "appendonlydir", Change::Start),
    one_of("appendfsync", &["everysec", "always", "no"], "everysec"),
    yes_no("no-appendfsync-on-rewrite", "no"),
    number("auto-aof-rewrite-percentage", 0, INT_MAX, "100"),
    bytes("auto-aof-rewrite-min-size", 0, "67108864"),
    yes_no("aof-use-rdb-preamble", "yes"),
    yes_no("aof-load-truncated", "yes"),
    yes_no("aof-timestamp-enabled", "no"),
    yes_no("rdbcompression", "yes"),
    yes_no("rdbchecksum", "yes").at_start(),
    only("rdb-version-check", "strict", NO_FUTURE_RDB),
    yes_no("rdb-del-sync-files", "no"),
    yes_no("rdb-save-incremental-fsync", "yes"),
    yes_no("aof-rewrite-incremental-fsync", "yes"),
    yes_no("stop-writes-on-bgsave-error", "yes"),
    number("rdb-key-save-delay", i32::MIN as i64, INT_MAX, "0").hidden(),
    number("key-load-delay", i32::MIN as i64, INT_MAX, "0").hidden(),
    one_of("sanitize-dump-payload", &["no", "yes", "clients"], "no"),
    // Memory.
    bytes("maxmemory", 0, "0"),
    one_of("maxmemory-policy", POLICIES, "noeviction"),
    number("maxmemory-samples", 1, 64, "5"),
    number("maxmemory-eviction-tenacity", 0, 100, "10"),
    number("active-expire-effort", 1, 10, "1"),
    yes_no("activedefrag", "no"),
    yes_no("activerehashing", "yes"),
    yes_no("jemalloc-bg-thread", "yes"),
    number("lfu-log-factor", 0, INT_MAX, "10"),
    number("lfu-decay-time", 0, INT_MAX, "1"),
    yes_no("lazyfree-lazy-eviction", "no"),
    yes_no("lazyfree-lazy-expire", "no"),
    yes_no("lazyfree-lazy-server-del", "no"),
    yes_no("lazyfree-lazy-user-del", "no"),
    yes_no("lazyfree-lazy-user-flush", "no"),
    // Encodings.
    number("hash-max-listpack-entries", 0, i64::MAX, "512").alias("hash-max-ziplist-entries"),
    number("hash-max-listpack-value", 0, i64::MAX, "64").alias("hash-max-ziplist-value"),
    number("list-max-listpack-size", i32::MIN as i64, INT_MAX, "-2").alias("list-max-ziplist-size"),
    number("list-compress-depth", 0, INT_MAX, "0"),
    number("set-max-intset-entries", 0, i64::MAX, "512"),
    number("set-max-listpack-entries", 0, i64::MAX, "128"),
    number("set-max-listpack-value", 0, i64::MAX, "64"),
    number("zset-max-listpack-entries", 0, i64::MAX, "128").alias("zset-max-ziplist-entries"),
    number("zset-max-listpack-value", 0, i64::MAX, "64").alias("zset-max-ziplist-value"),
    bytes("hll-sparse-max-bytes", 0, "3000"),
    bytes("stream-node-max-bytes", 0, "4096"),
    number("stream-node-max-entries", 0, i64::MAX, "100"),
    // Watching.
    number("slowlog-log-slower-than", -1, i64::MAX, "10000")
        .alias("commandlog-execution-slower-than"),
    number("slowlog-max-len", 0, i64::MAX, "128").alias("commandlog-slow-execution-max-len"),
    number("commandlog-request-larger-than", -1, i64::MAX, "1048576"),
    number("commandlog-large-request-max-len", 0, i64::MAX, "128"),
    number("commandlog-reply-larger-than", -1, i64::MAX, "1048576"),
    number("commandlog-large-reply-max-len", 0, i64::MAX, "128"),
    number("latency-monitor-threshold", 0, i64::MAX, "0"),
    yes_no("latency-tracking", "yes"),
    row("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9", Change::Live),
    row("notify-keyspace-events", Kind::Events, "", Change::Live),
    number("tracking-table-max-keys", 0, i64::MAX, "1000000"),
    // Replication and cluster: reported, since clients ask.
    row("replicaof", Kind::Only("", NO_REPLICA), "", Change::Start).alias("slaveof"),
    yes_no("replica-serve-stale-data", "yes").alias("slave-serve-stale-data"),
    yes_no("replica-read-only", "yes").alias("slave-read-only"),
    yes_no("repl-diskless-sync", "yes"),
    number("repl-diskless-sync-delay", 0, INT_MAX, "5"),
    number("repl-ping-replica-period", 1, INT_MAX, "10").alias("repl-ping-slave-period"),
    number("repl-timeout", 1, INT_MAX, "60"),
    bytes("repl-backlog-size", 1, "1048576"),
    number("min-replicas-to-write", 0, INT_MAX, "0").alias("min-slaves-to-write"),
    number("min-replicas-max-lag", 0, INT_MAX, "10").alias("min-slaves-max-lag"),
    row("cluster-enabled", Kind::Only("no", NO_CLUSTER), "no", Change::Start),
    // Known, for the files of Redis and Valkey have them; nothing here follows from their values.
    number("active-defrag-cycle-max", 1, 99, "25"),
    number("active-defrag-cycle-min", 1, 99, "1"),
    number("active-defrag-cycle-us", 0, 100_000, "500"),
    bytes("active-defrag-ignore-bytes", 1, "104857600"),
    number("active-defrag-max-scan-fields", 1, i64::MAX, "1000"),
    number("active-defrag-threshold-lower", 0, 1000, "10"),
    number("active-defrag-threshold-upper", 0, 1000, "100"),
    yes_no("aof-disable-auto-gc", "no"),
    text("aof_rewrite_cpulist", "").alias("aof-rewrite-cpulist").at_start(),
    text("bgsave_cpulist", "").alias("bgsave-cpulist").at_start(),
    text("bio_cpulist", "").alias("bio-cpulist").at_start(),
    text("server_cpulist", "").alias("server-cpulist").at_start(),
    yes_no("cluster-allow-pubsubshard-when-down", "yes"),
    yes_no("cluster-allow-reads-when-down", "no"),
    yes_no("cluster-allow-replica-migration", "yes"),
    number("cluster-announce-bus-port", 0, 65_535, "0"),
    text("cluster-announce-client-ipv4", ""),
    text("cluster-announce-client-ipv6", ""),
    number("cluster-announce-client-port", 0, 65_535, "0"),
    number("cluster-announce-client-tls-port", 0, 65_535, "0"),
    text("cluster-announce-hostname", ""),
    text("cluster-announce-human-nodename", ""),
    text("cluster-announce-ip", ""),
    number("cluster-announce-port", 0, 65_535, "0"),
    number("cluster-announce-tls-port", 0, 65_535, "0"),
    number("cluster-blacklist-ttl", 0, i64::MAX, "60"),
    row("cluster-config-file", Kind::FileName, "nodes.conf", Change::Start),
    one_of("cluster-config-save-behavior", &["sync", "best-effort"], "sync"),
    number("cluster-databases", 1, INT_MAX, "1").at_start(),
    bytes("cluster-link-sendbuf-limit", 0, "0"),
    number("cluster-manual-failover-timeout", 1, INT_MAX, "5000"),
    number("cluster-migration-barrier", 0, INT_MAX, "1"),
    number("cluster-node-timeout", 0, i64::MAX, "15000"),
    number("cluster-port", 0, 65_535, "0").at_start(),
    one_of("cluster-preferred-endpoint-type", ENDPOINTS, "ip"),
    yes_no("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover"),
    number("cluster-replica-validity-factor", 0, INT_MAX, "10")
        .alias("cluster-slave-validity-factor"),
    yes_no("cluster-require-full-coverage", "yes"),
    number("cluster-slot-migration-log-max-len", 0, i64::MAX, "1000"),
    yes_no("cluster-slot-stats-enabled", "no"),
    yes_no("crash-memcheck-enabled", "yes"),
    text("debug-context", "").hidden(),
    yes_no("dual-channel-replication-enabled", "no"),
    yes_no("enable-debug-assert", "no").hidden().at_start(),
    yes_no("extended-redis-compatibility", "no"),
    text("hash-seed", "").at_start(),
    words("ignore-warnings", ""),
    yes_no("io-threads-always-active", "no").hidden(),
    bytes("loading-process-events-interval-bytes", 1024, "2097152").hidden(),
    text("locale-collate", ""),
    number("max-new-connections-per-cycle", 1, 1000, "10"),
    number("max-new-tls-connections-per-cycle", 1, 1000, "1"),
    number("min-io-threads-avoid-copy-reply", 0, INT_MAX, "7").hidden(),
    number("min-string-size-avoid-copy-reply", 0, INT_MAX, "16384").hidden(),
    number("min-string-size-avoid-copy-reply-threaded", 0, INT_MAX, "65536").hidden(),
    row("mptcp", Kind::Only("no", NO_MPTCP), "no", Change::Start),
    one_of("oom-score-adj", &["no", "yes", "relative", "absolute"], "no"),
    words("oom-score-adj-values", "0 200 800"),
    number("prefetch-batch-max-size", 0, 128, "16"),
    one_of("propagation-error-behavior", &["ignore", "panic", "panic-on-replicas"], "ignore"),
    number("repl-backlog-ttl", 0, i64::MAX, "3600"),
    yes_no("repl-disable-tcp-nodelay", "no"),
    row("repl-mptcp", Kind::Only("no", NO_MPTCP), "no", Change::Start),
    one_of("repl-diskless-load", DISKLESS_LOADS, "disabled"),
    number("repl-diskless-sync-max-replicas", 0, INT_MAX, "0"),
    text("replica-announce-ip", "").alias("slave-announce-ip"),
    number("replica-announce-port", 0, 65_535, "0").alias("slave-announce-port"),
    yes_no("replica-announced", "yes"),
    yes_no("replica-ignore-disk-write-errors", "no"),
    yes_no("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory"),
    yes_no("replica-lazy-flush", "no").alias("slave-lazy-flush"),
    number("replica-priority", 0, INT_MAX, "100").alias("slave-priority"),
    bytes("slot-migration-max-failover-repl-bytes", 0, "0"),
    number("socket-mark-id", 0, u32::MAX as i64, "0"),
    yes_no("syslog-enabled", "no").at_start(),
    text("syslog-facility", "local0").at_start(),
    text("syslog-ident", "redis").at_start(),
    text("tls-client-cert-file", ""),
    text("tls-client-key-file", ""),
    text("tls-client-key-file-pass", ""),
    yes_no("tls-cluster", "no"),
    text("tls-dh-params-file", ""),
    yes_no("tls-replication", "no"),
    number("tls-session-cache-timeout", 0, INT_MAX, "300"),
    yes_no("use-exit-on-panic", "no").hidden(),
    number("watchdog-period", 0, INT_MAX, "0").hidden(),
    // Scripts.
    only("lua-enable-insecure-api", "no", "what it would allow is not there")
        .alias("lua-enable-deprecated-api")
        .hidden(),
    number("busy-reply-threshold", 0, i64::MAX, "5000").alias("lua-time-limit"),
    yes_no("script-busy-reply", "yes"),
    bytes("script-max-memory", 0, "1073741824"),
    // Ours.
    yes_no("mvcc.enabled", "yes"),
    number("mvcc.max_versions", 1, u32::MAX as i64, "2"),
    number("mvcc.gc_interval_us", 1, 60_000_000, "100"),
    // How long BEGIN may stay open; 0: for ever.
    number("mvcc.transaction_timeout_ms", 0, i64::MAX, "60000"),
    // Of which keys past versions are kept, for HISTORY and AT: what their names begin with, one word each (`*`: all keys); and how many of each key, for how
    // long after their end (0: any number, for ever), within how many bytes per prefix and database.
    text("mvcc.retention_prefixes", "").at_start(),
    number("mvcc.retention_versions", 0, u32::MAX as i64, "1000").at_start(),
    number("mvcc.retention_age_ms", 0, i64::MAX, "0").at_start(),
    row("mvcc.retention_bytes", Kind::Bytes(0, i64::MAX), "67108864", Change::Start),
];

/// Redis's defaults; a normal client has no limit, but see the listener on backpressure.
const OUTPUT_LIMITS: &str = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";

/// The row of a name or alias, in any case.
pub(crate) fn find(name: &[u8]) -> Option<usize> {
    DIRECTIVES.iter().position(|d| {
        d.name.as_bytes().eq_ignore_ascii_case(name)
            || d.alias.is_some_and(|a| a.as_bytes().eq_ignore_ascii_case(name))
    })
}
