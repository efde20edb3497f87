//! Keys, expiry, iteration.

use super::{check, sorted};
use stillpoint_server::TestClient;

#[test]
fn keys_expire_when_their_time_has_come() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[("SET k v PX 1000", "+OK"), ("HSET h f v", ":1"), ("EXPIRE h 2", ":1"), ("TTL h", ":2")],
    );
    c.advance_ms(999);
    check(&mut c, &[("GET k", "$1\nv"), ("PTTL k", ":1"), ("TTL k", ":0")]);
    c.advance_ms(1);
    check(&mut c, &[("GET k", "$-1"), ("TTL k", ":-2"), ("EXISTS k h", ":1"), ("HLEN h", ":1")]);
    c.advance_ms(1000);
    check(
        &mut c,
        &[
            ("HGETALL h", "*0"),
            ("TYPE h", "+none"),
            ("DBSIZE", ":0"),
            ("HSET h g w", ":1"),
            ("TTL h", ":-1"),
        ],
    );
}

#[test]
fn expiry_is_changed_under_conditions() {
    let mut c = TestClient::new();
    let both = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    check(
        &mut c,
        &[
            ("SET k v", "+OK"),
            ("EXPIRE k 100 XX", ":0"),
            ("EXPIRE k 100 GT", ":0"),
            ("EXPIRE k 100 LT", ":1"),
            ("EXPIRE k 50 NX", ":0"),
            ("EXPIRE k 50 GT", ":0"),
            ("PEXPIRE k 200000 GT", ":1"),
            ("EXPIRETIME k", ":1700000200"),
            ("PEXPIREAT k 1700000100500", ":1"),
            ("PEXPIRETIME k", ":1700000100500"),
            ("EXPIRE k 1 NX XX", both),
            ("EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible"),
            ("EXPIRE k 1 SOON", "-ERR Unsupported option SOON"),
            ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
            ("EXPIRE nothing 1", ":0"),
            ("PERSIST k", ":1"),
            ("PERSIST k", ":0"),
            ("EXPIRE k -1", ":1"),
            ("EXISTS k", ":0"),
        ],
    );
}

#[test]
fn values_move_with_their_expiry() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("SET a v EX 100", "+OK"),
            ("RENAME a b", "+OK"),
            ("TTL b", ":100"),
            ("RENAME a b", "-ERR no such key"),
            ("SET a w", "+OK"),
            ("RENAMENX a b", ":0"),
            ("RENAMENX b b", ":0"),
            ("COPY b a", ":0"),
            ("COPY b a REPLACE", ":1"),
            ("TTL a", ":100"),
            ("COPY a a", "-ERR source and destination objects are the same"),
            ("COPY a a DB 1", ":1"),
            ("COPY a x DB 16", "-ERR DB index is out of range"),
            ("MOVE a 1", ":0"),
            ("MOVE a 2", ":1"),
            ("MOVE a 2", ":0"),
            ("MOVE b 0", "-ERR source and destination objects are the same"),
            ("SELECT 2", "+OK"),
            ("TTL a", ":100"),
            ("DBSIZE", ":1"),
            ("FLUSHALL", "+OK"),
            ("DBSIZE", ":0"),
        ],
    );
}

#[test]
fn scan_returns_every_key_that_is_there_all_the_while() {
    let mut c = TestClient::new();
    for number in 0..500 {
        c.run(&["SET", &format!("stays:{number}"), "v"]);
    }
    let (mut cursor, mut seen, mut steps) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = c.run(&["SCAN", &cursor, "MATCH", "stays:*", "COUNT", "7"]);
        cursor = reply.lines().nth(2).unwrap_or("0").to_owned();
        seen.extend(reply.lines().filter(|line| line.starts_with("stays:")).map(str::to_owned));
        // The index grows and shrinks meanwhile.
        for number in 0..40 {
            let name = format!("comes:{steps}:{number}");
            c.run(&["SET", &name, "v"]);
        }
        for number in 0..30 {
            c.run(&["DEL", &format!("comes:{steps}:{number}")]);
        }
        steps += 1;
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 500, "after {steps} steps");
}

#[test]
fn scan_removes_expired_keys_of_the_type_that_it_is_asked_for() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[("SET s v PX 1", "+OK"), ("HSET h f v", ":1"), ("PEXPIRE h 1", ":1"), ("SET k v", "+OK")],
    );
    c.advance_ms(2);
    check(
        &mut c,
        &[
            ("SCAN 0 TYPE string COUNT 100", "*2\n$1\n0\n*1\n$1\nk"),
            ("DBSIZE", ":2"),
            ("SCAN 0 COUNT 100", "*2\n$1\n0\n*1\n$1\nk"),
            ("DBSIZE", ":1"),
        ],
    );
}

#[test]
fn keys_are_listed_by_pattern_and_type() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("RANDOMKEY", "$-1"),
            ("MSET one 1 two 2 three 3", "+OK"),
            ("HSET hash f v", ":1"),
            ("KEYS t[wx]o", "*1\n$3\ntwo"),
            ("SCAN 0 TYPE hash COUNT 1000", "*2\n$1\n0\n*1\n$4\nhash"),
            ("SCAN 0 TYPE zset COUNT 1000", "*2\n$1\n0\n*0"),
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("OBJECT ENCODING one", "$3\nint"),
            ("OBJECT ENCODING hash", "$8\nlistpack"),
            ("OBJECT ENCODING nothing", "$-1"),
            ("TOUCH one two nothing one", ":3"),
            ("UNLINK one two nothing one", ":2"),
        ],
    );
    assert_eq!(sorted(&c.run(&["KEYS", "*"])), ["hash", "three"]);
}
