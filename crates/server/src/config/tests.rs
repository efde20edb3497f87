//! Directives: defaults are valid, values are checked, files are read and rewritten.

use super::directive::DIRECTIVES;
use super::file::{apply_text, load, rewrite};
use super::*;

fn set(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Settings::defaults().with(&pairs, Source::Client { protected: false })
}

#[test]
fn every_default_is_in_normal_form() {
    for d in DIRECTIVES.iter().filter(|d| d.name != "io-threads") {
        let settings = Settings::defaults()
            .with(&[(d.name.to_owned(), d.default.to_owned())], Source::Start)
            .unwrap();
        assert_eq!(settings.text(d.name), d.default, "{}", d.name);
    }
}

#[test]
fn values_are_refused_in_redis_words() {
    let why = |name: &str, value: &str| match set(&[(name, value)]) {
        Err(SettingError::Refused { why, .. }) => why,
        other => panic!("{name} {value}: {other:?}"),
    };
    assert_eq!(why("maxclients", "0"), "argument must be between 1 and 4294967295 inclusive");
    assert_eq!(why("maxclients", "x"), "argument couldn't be parsed into an integer");
    assert_eq!(why("maxmemory", "10xb"), "argument must be a memory value");
    assert_eq!(why("mvcc.enabled", "maybe"), "argument must be 'yes' or 'no'");
    assert_eq!(
        why("mvcc.max_versions", "0"),
        "argument must be between 1 and 4294967295 inclusive"
    );
    assert_eq!(why("admin-port", "1"), "can't set immutable config");
    assert!(set(&[("admin-port", "0"), ("mvcc.retention_prefixes", "")]).is_ok());
    assert_eq!(why("databases", "1"), "can't set immutable config");
    assert_eq!(why("dir", "/"), "can't set protected config");
    assert!(why("loglevel", "loud").starts_with("argument(s) must be one of the following: debug"));
    let shutdown = why("shutdown-on-sigterm", "nosave foo");
    assert_eq!(
        shutdown,
        "argument(s) must be one of the following: default, save, nosave, now, force"
    );
    assert_eq!(
        why("latency-tracking-info-percentiles", "50 foo"),
        "Invalid latency-tracking-info-percentiles parameters"
    );
    assert_eq!(
        why("latency-tracking-info-percentiles", "101"),
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
    );
    assert!(matches!(set(&[("nope", "1")]), Err(SettingError::Unknown(_))));
    let twice = set(&[("hz", "1"), ("hz", "2")]);
    assert!(
        matches!(twice, Err(SettingError::Refused { why, .. }) if why == "duplicate parameter")
    );
}

#[test]
fn values_take_their_normal_form() {
    let s = set(&[
        ("maxmemory", "2gb"),
        ("hash-max-ziplist-entries", "7"),
        ("notify-keyspace-events", "KEA"),
        ("client-output-buffer-limit", "normal 1mb 2k 3"),
        ("MVCC.Enabled", "NO"),
    ])
    .unwrap();
    assert_eq!(s.text("maxmemory"), "2147483648");
    assert_eq!(s.hash_max_listpack_entries, 7);
    assert_eq!(s.text("notify-keyspace-events"), "AKE");
    assert_eq!(
        s.output_limit,
        crate::config::settings::OutputLimit {
            hard_bytes: 1 << 20,
            soft_bytes: 2000,
            soft_seconds: 3
        }
    );
    assert!(s.text("client-output-buffer-limit").contains("pubsub 33554432"));
    assert!(!s.mvcc_enabled);
}

#[test]
fn a_file_is_read_and_rewritten() {
    let dir = std::env::temp_dir().join(format!("stillpoint-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("a.conf");
    std::fs::write(&path, "# mine\nport 7000\nrequirepass \"a b\"\nsave 60 1\n").unwrap();
    let settings = load(Settings::defaults(), &path).unwrap();
    assert_eq!(settings.text("port"), "7000");
    assert_eq!(settings.requirepass, "a b");
    let changed =
        settings.with(&[("hz".into(), "20".into())], Source::Client { protected: false }).unwrap();
    rewrite(&changed, &[b"user default on".to_vec()], &path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "# mine\nport 7000\nrequirepass \"a b\"\nsave 60 1\nhz 20\nuser default on\n");
    assert_eq!(load(Settings::defaults(), &path).unwrap().text("hz"), "20");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_bad_line_is_named() {
    let error = apply_text(Settings::defaults(), "port 1\nfoo bar\n").unwrap_err();
    assert_eq!(error.to_string(), "config file, line 2: 'foo bar': unknown directive 'foo'");
}

#[test]
fn what_redis_and_valkey_have_in_their_files_is_known() {
    let text = "replica-serve-stale-data yes\nrepl-diskless-sync-max-replicas 0\nrepl-diskless-load disabled\n\
        repl-disable-tcp-nodelay no\nreplica-priority 100\nreplica-lazy-flush no\noom-score-adj no\n\
        oom-score-adj-values 0 200 800\nproc-title-template \"{title} {listen-addr} {server-mode}\"\n\
        client-output-buffer-limit replica 256mb 64mb 60\njemalloc-bg-thread yes\nappendfilename \"appendonly.aof\"\n\
        active-defrag-threshold-lower 10\ncluster-node-timeout 15000\nsyslog-ident redis\nbio_cpulist 1,3\n\
        tls-ciphers DEFAULT:!MEDIUM\ntls-protocols \"TLSv1.2 TLSv1.3\"\ndaemonize yes\nunixsocketperm 0700\n";
    let settings = apply_text(Settings::defaults(), text).unwrap();
    assert_eq!(settings.text("slave-priority"), "100");
    assert_eq!(settings.text("oom-score-adj-values"), "0 200 800");
    assert_eq!(settings.text("unixsocketperm"), "700");
}

#[test]
fn what_is_not_there_is_refused_with_its_reason() {
    let why = |line: &str| apply_text(Settings::defaults(), line).unwrap_err().to_string();
    let refused = why("replicaof 10.0.0.1 6379");
    assert!(refused.contains("cannot be a replica"), "{refused}");
    assert!(why("appendonly yes").contains("kept by saving"));
    assert!(why("cluster-enabled yes").contains("cannot be a node"));
    assert!(why("tls-key-file-pass x").contains("give one that has none"));
    let refused = why("unixsocketperm 799");
    assert!(refused.ends_with("argument couldn't be parsed as an octal number"), "{refused}");
    assert!(why("unixsocketperm 7777").ends_with("between 0 and 777 inclusive"));
    let refused = why("dbfilename ../dump.rdb");
    assert!(refused.ends_with("dbfilename can't be a path, just a filename"), "{refused}");
    assert!(why("dbfilename \"\"").ends_with("dbfilename can't be empty"));
}

#[test]
fn files_are_included_and_do_not_go_round_in_circles() {
    let dir = std::env::temp_dir().join(format!("stillpoint-include-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let inner = file("b.conf", "hz 50\ntimeout 7\n");
    let text = format!("hz 20\ninclude {inner}\ntimeout 8\n");
    let settings = apply_text(Settings::defaults(), &text).unwrap();
    assert_eq!((settings.text("hz"), settings.text("timeout")), ("50", "8"));
    let wrong = file("c.conf", "port 1\nnonsense 1\n");
    let error = apply_text(Settings::defaults(), &format!("include {wrong}")).unwrap_err();
    assert!(error.to_string().contains("c.conf': config file, line 2: 'nonsense 1'"), "{error}");
    let round = file("d.conf", &format!("include {}\n", dir.join("d.conf").display()));
    let error = apply_text(Settings::defaults(), &format!("include {round}")).unwrap_err();
    assert!(error.to_string().ends_with("files include each other without an end"), "{error}");
    let error = apply_text(Settings::defaults(), "include /nowhere/x.conf").unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn commands_get_other_names_or_none() {
    let text =
        "rename-command CONFIG Hidden\nrename-command debug \"\"\nrename-command GET config\n";
    let renames = apply_text(Settings::defaults(), text).unwrap().renames;
    let name = |word: &str| renames.lookup(word.as_bytes()).map(|(_, command)| command.name);
    assert_eq!(name("HIDDEN"), Some("config"));
    assert_eq!(name("Config"), Some("get"));
    assert_eq!((name("DEBUG"), name("get"), name("set")), (None, None, Some("set")));
    let why = |line: &str| apply_text(Settings::defaults(), line).unwrap_err().to_string();
    assert!(why("rename-command nothing x").contains("No such command in rename-command"));
    assert!(why("rename-command get SET").contains("Target command name already exists: 'SET'"));
    assert!(why("rename-command get").contains("wrong number of arguments"));
}

#[test]
fn the_page_about_configuration_names_every_directive() {
    let page = include_str!("../../../../docs/configuration.md");
    for d in DIRECTIVES {
        let is_there = [format!("`{}`", d.name), format!("`{} ", d.name)];
        assert!(is_there.iter().any(|name| page.contains(name)), "{} is missing", d.name);
    }
}

/// What a client sets stays the value of that directive, also after CONFIG REWRITE and a start.
#[test]
fn values_cannot_become_other_directives_of_the_file() {
    let path = std::env::temp_dir().join(format!("stillpoint-values-{}.conf", std::process::id()));
    std::fs::write(&path, "port 7000\n").unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, permissions).unwrap();
    let hostile = "x\nenable-debug-command yes\n";
    let settings = set(&[
        ("ignore-warnings", hostile),
        ("bind", "127.0.0.1\r\nenable-debug-command\tyes"),
        ("requirepass", "a\"b'c\\d"),
        ("masteruser", hostile),
        ("latency-tracking-info-percentiles", "50\n99"),
    ])
    .unwrap();
    assert!(set(&[("bind", "127.0.0.1 \"")]).is_err());
    super::rewrite(&settings, &[], &path).unwrap();
    let again = super::load(Settings::defaults(), &path).unwrap();
    assert_eq!(again.text("enable-debug-command"), "no");
    assert_eq!(again.text("bind"), "127.0.0.1 enable-debug-command yes");
    for name in ["requirepass", "masteruser", "latency-tracking-info-percentiles"] {
        assert_eq!(again.text(name), settings.text(name));
    }
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_file(path).unwrap();
}
