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
    assert_eq!(why("port", "1"), "can't set immutable config");
    assert_eq!(why("dir", "/"), "can't set protected config");
    assert!(why("loglevel", "loud").starts_with("argument(s) must be one of the following: debug"));
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
