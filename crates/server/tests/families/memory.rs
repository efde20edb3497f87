//! maxmemory and its policies, how keys are used, what is told of keys that go.

use crate::check;
use stillpoint_server::TestClient;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

fn info(c: &mut TestClient, field: &str) -> u64 {
    let text = c.run(&["INFO", "everything"]);
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {field}"))
}

fn limited(policy: &str, room: u64) -> (TestClient, u64) {
    let mut c = TestClient::new();
    let limit = info(&mut c, "used_memory") + room;
    c.run(&["CONFIG", "SET", "maxmemory-policy", policy]);
    c.run(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    (c, limit)
}

#[test]
fn each_policy_keeps_to_the_limit_and_evicts_only_what_it_may() {
    for policy in ["lru", "lfu", "random", "ttl"] {
        for scope in ["allkeys", "volatile"] {
            if (scope, policy) == ("allkeys", "ttl") {
                continue;
            }
            let (mut c, limit) = limited(&format!("{scope}-{policy}"), 150_000);
            for number in 0..100 {
                c.run(&["SET", &format!("stays:{number}"), "x"]);
            }
            for number in 0..3_000 {
                let key = format!("key:{number}");
                assert_eq!(c.run(&["SETEX", &key, "10000", "x"]), "+OK\r\n", "{scope}-{policy}");
            }
            let used = info(&mut c, "used_memory");
            assert!(used < limit + 4096, "{scope}-{policy}: {used} of {limit}");
            assert!(info(&mut c, "evicted_keys") > 1000, "{scope}-{policy}");
            let left = (0..100).filter(|n| c.run(&["EXISTS", &format!("stays:{n}")]) == ":1\r\n");
            let left = left.count();
            assert!(scope == "allkeys" || left == 100, "{scope}-{policy}: {left} of 100");
            c.run(&["CONFIG", "RESETSTAT"]);
            assert_eq!(info(&mut c, "evicted_keys"), 0);
        }
    }
}

#[test]
fn what_needs_memory_is_refused_when_nothing_may_go() {
    for policy in ["noeviction", "volatile-lru"] {
        let (mut c, _) = limited(policy, 50_000);
        let refused =
            (0..5_000).map(|n| c.run(&["SET", &format!("k{n}"), "x"])).find(|r| r != "+OK\r\n");
        assert_eq!(refused.as_deref(), Some(OOM), "{policy}");
        assert_eq!(c.run(&["RPUSH", "list", "x"]), OOM);
        check(&mut c, &[("MULTI", "+OK"), ("SET k3 y", OOM.trim_end())]);
        assert!(c.run(&["EXEC"]).starts_with("-EXECABORT"));
        check(&mut c, &[("GET k1", "$1\nx"), ("EXPIRE k1 100", ":1"), ("DEL k2", ":1")]);
        c.run(&["CONFIG", "SET", "maxmemory", "0"]);
        check(&mut c, &[("SET k3 y", "+OK")]);
    }
}

#[test]
fn large_collections_count_and_go() {
    let (mut c, limit) = limited("allkeys-lru", 1 << 20);
    for number in 0..20 {
        let key = format!("hash{number}");
        c.advance_ms(1_000);
        for step in 0..10 {
            let mut words = vec!["HSET".to_owned(), key.clone()];
            words.extend((0..200).map(|field| format!("{step}:{}", field / 2)));
            c.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let bytes = c.run(&["MEMORY", "USAGE", &key]);
        assert!(
            bytes.trim_start_matches(':').trim_end().parse::<u64>().unwrap() > 150_000,
            "{bytes}"
        );
    }
    assert!((4..8).contains(&c.run(&["DBSIZE"])[1..2].parse::<u32>().unwrap()), "of 180 KB each");
    assert!(info(&mut c, "used_memory") < limit + 200_000);
}

#[test]
fn idle_time_and_frequency_are_those_of_the_policy() {
    let mut c = TestClient::new();
    c.run(&["SET", "k", "v"]);
    c.advance_ms(100_000);
    check(&mut c, &[("OBJECT IDLETIME k", ":100"), ("OBJECT ENCODING k", "$6\nembstr")]);
    check(
        &mut c,
        &[("CLIENT NO-TOUCH ON", "+OK"), ("GET k", "$1\nv"), ("OBJECT IDLETIME k", ":100")],
    );
    check(
        &mut c,
        &[("TOUCH k", ":1"), ("OBJECT IDLETIME k", ":0"), ("CLIENT NO-TOUCH OFF", "+OK")],
    );
    c.advance_ms(7_000);
    check(&mut c, &[("OBJECT IDLETIME k", ":7"), ("GET k", "$1\nv"), ("OBJECT IDLETIME k", ":0")]);
    let dump = c.run_bytes(&[b"DUMP", b"k"]);
    let dump = &dump[dump.iter().position(|byte| *byte == b'\n').unwrap() + 1..dump.len() - 2];
    c.run_bytes(&[b"RESTORE", b"r", b"0", dump, b"IDLETIME", b"1000"]);
    check(&mut c, &[("OBJECT IDLETIME r", ":1000")]);

    c.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]);
    check(&mut c, &[("SET new v", "+OK"), ("OBJECT FREQ new", ":5")]);
    c.run_bytes(&[b"RESTORE", b"f", b"0", dump, b"FREQ", b"100"]);
    check(&mut c, &[("OBJECT FREQ f", ":100")]);
    c.advance_ms(600_000);
    check(&mut c, &[("OBJECT FREQ f", ":90"), ("OBJECT FREQ nothing", "$-1")]);
}

#[test]
fn integers_are_shared_unless_a_policy_needs_to_tell_them_apart() {
    let mut c = TestClient::new();
    check(&mut c, &[("SET a 1", "+OK"), ("OBJECT REFCOUNT a", ":2147483647")]);
    c.run(&["CONFIG", "SET", "maxmemory", "1073741824"]);
    check(&mut c, &[("OBJECT REFCOUNT a", ":2147483647")]);
    c.run(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    check(&mut c, &[("OBJECT REFCOUNT a", ":1")]);
}

#[test]
fn evicted_keys_are_told_of_and_invalidated() {
    let mut c = TestClient::new();
    let mut listener = c.another();
    c.run(&["CONFIG", "SET", "notify-keyspace-events", "Ee"]);
    listener.run(&["HELLO", "3"]);
    listener.run(&["SUBSCRIBE", "__keyevent@0__:evicted"]);
    c.run(&["SET", "k", "v"]);
    listener.run(&["CLIENT", "TRACKING", "ON"]);
    listener.run(&["GET", "k"]);
    c.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    c.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(c.run(&["DBSIZE"]), ":0\r\n");
    let mail = listener.received();
    assert!(mail.contains("__keyevent@0__:evicted") && mail.contains("invalidate"), "{mail}");
}
