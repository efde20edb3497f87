//! HEXPIRE and its kin.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use stillpoint_server::TestClient;

fn client() -> TestClient {
    let mut c = TestClient::new();
    c.run(&["HSET", "h", "a", "1", "b", "2", "c", "3"]);
    c
}

#[test]
fn fields_go_at_their_time_and_others_stay() {
    let mut c = client();
    let set = c.run(&["HPEXPIRE", "h", "100", "FIELDS", "3", "a", "b", "nothing"]);
    assert_eq!(set, "*3\r\n:1\r\n:1\r\n:-2\r\n");
    assert_eq!(c.run(&["HPTTL", "h", "FIELDS", "2", "a", "c"]), "*2\r\n:100\r\n:-1\r\n");
    assert_eq!(c.run(&["HTTL", "h", "FIELDS", "1", "a"]), "*1\r\n:1\r\n");
    assert_eq!(c.run(&["HPEXPIRETIME", "h", "FIELDS", "1", "a"]), "*1\r\n:1700000000100\r\n");
    assert_eq!(c.run(&["HEXPIRETIME", "h", "FIELDS", "1", "a"]), "*1\r\n:1700000001\r\n");
    assert_eq!(c.run(&["OBJECT", "ENCODING", "h"]), "$10\r\nlistpackex\r\n");
    c.advance_ms(99);
    assert_eq!(c.run(&["HLEN", "h"]), ":3\r\n");
    c.advance_ms(1);
    assert_eq!(c.run(&["HLEN", "h"]), ":1\r\n");
    assert_eq!(c.run(&["HGET", "h", "a"]), "$-1\r\n");
    assert_eq!(c.run(&["HGETALL", "h"]), "*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(c.run(&["HSCAN", "h", "0"]), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(c.run(&["HRANDFIELD", "h", "5"]), "*1\r\n$1\r\nc\r\n");
    assert_eq!(c.run(&["HRANDFIELD", "h"]), "$1\r\nc\r\n");
    assert_eq!(c.run(&["HSETNX", "h", "a", "9"]), ":1\r\n");
    assert_eq!(c.run(&["HDEL", "h", "b"]), ":0\r\n");
}

#[test]
fn setting_a_field_ends_its_time_and_counting_does_not() {
    let mut c = client();
    c.run(&["HEXPIRE", "h", "100", "FIELDS", "2", "a", "b"]);
    c.run(&["HSET", "h", "a", "5"]);
    c.run(&["HINCRBY", "h", "b", "5"]);
    assert_eq!(c.run(&["HTTL", "h", "FIELDS", "2", "a", "b"]), "*2\r\n:-1\r\n:100\r\n");
    assert_eq!(c.run(&["HPERSIST", "h", "FIELDS", "2", "a", "b"]), "*2\r\n:-1\r\n:1\r\n");
    assert_eq!(c.run(&["OBJECT", "ENCODING", "h"]), "$9\r\nhashtable\r\n");
}

#[test]
fn conditions_are_judged_field_by_field() {
    let mut c = client();
    c.run(&["HEXPIRE", "h", "100", "FIELDS", "1", "a"]);
    for (condition, seconds, answers) in [
        ("NX", "50", "*2\r\n:0\r\n:1\r\n"),
        ("GT", "60", "*2\r\n:0\r\n:1\r\n"),
        ("LT", "55", "*2\r\n:1\r\n:1\r\n"),
        ("XX", "70", "*2\r\n:1\r\n:1\r\n"),
    ] {
        let words = ["HEXPIRE", "h", seconds, condition, "FIELDS", "2", "a", "b"];
        assert_eq!(c.run(&words), answers, "{condition}");
    }
    assert_eq!(
        c.run(&["HEXPIREAT", "h", "1", "FIELDS", "3", "a", "b", "c"]),
        "*3\r\n:2\r\n:2\r\n:2\r\n"
    );
    assert_eq!(c.run(&["EXISTS", "h"]), ":0\r\n");
    assert_eq!(c.run(&["HTTL", "h", "FIELDS", "1", "a"]), "*1\r\n:-2\r\n");
}

#[test]
fn wrong_arguments_are_told_as_redis_tells_them() {
    let mut c = client();
    let mut says = |words: &[&str], text: &str| {
        let reply = c.run(words);
        assert!(reply.starts_with(text), "{words:?}: {reply}");
    };
    says(&["HEXPIRE", "h", "-1", "FIELDS", "1", "a"], "-ERR invalid expire time, must be >= 0");
    says(
        &["HEXPIRE", "h", "9223372036854775807", "FIELDS", "1", "a"],
        "-ERR invalid expire time in 'hexpire'",
    );
    says(&["HEXPIRE", "h", "x", "FIELDS", "1", "a"], "-ERR value is not an integer");
    says(&["HEXPIRE", "h", "1", "FIELD", "1", "a"], "-ERR Mandatory argument FIELDS is missing");
    says(
        &["HEXPIRE", "h", "1", "FIELDS", "0", "a"],
        "-ERR Parameter `numFields` should be greater than 0",
    );
    says(&["HEXPIRE", "h", "1", "FIELDS", "2", "a"], "-ERR The `numfields` parameter must match");
}

#[test]
fn times_go_with_the_value_into_a_dump_and_another_key() {
    let mut c = client();
    c.run(&["HPEXPIRE", "h", "500", "FIELDS", "1", "a"]);
    let dump = c.run_bytes(&[b"DUMP", b"h"]);
    let start = dump.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let payload = dump[start..dump.len() - 2].to_vec();
    assert_eq!(c.run_bytes(&[b"RESTORE", b"copy", b"0", &payload]), b"+OK\r\n");
    c.run(&["RENAME", "h", "other"]);
    for key in ["copy", "other"] {
        assert_eq!(
            c.run(&["HPTTL", key, "FIELDS", "2", "a", "b"]),
            "*2\r\n:500\r\n:-1\r\n",
            "{key}"
        );
    }
    c.advance_ms(500);
    assert_eq!(c.run(&["HMGET", "copy", "a", "b"]), "*2\r\n$-1\r\n$1\r\n2\r\n");
}
