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
    assert_eq!(c.run(&["HTTL", "h", "FIELDS", "1", "a"]), "*1\r\n:0\r\n");
    assert_eq!(c.run(&["HPEXPIRETIME", "h", "FIELDS", "1", "a"]), "*1\r\n:1700000000100\r\n");
    assert_eq!(c.run(&["HEXPIRETIME", "h", "FIELDS", "1", "a"]), "*1\r\n:1700000000\r\n");
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
fn wrong_arguments_are_told_as_valkey_tells_them() {
    let mut c = client();
    let mut says = |words: &[&str], text: &str| {
        let reply = c.run(words);
        assert!(reply.starts_with(text), "{words:?}: {reply}");
    };
    for time in ["-1", "9223372036854775807"] {
        says(
            &["HEXPIRE", "h", time, "FIELDS", "1", "a"],
            "-ERR invalid expire time in 'hexpire' command",
        );
    }
    says(&["HEXPIRE", "h", "x", "FIELDS", "1", "a"], "-ERR value is not an integer");
    let unmatched = "-ERR numfields should be greater than 0 and match the provided number";
    says(&["HEXPIRE", "h", "1", "FIELD", "1", "a"], unmatched);
    says(&["HEXPIRE", "h", "1", "FIELDS", "0", "a"], unmatched);
    says(&["HEXPIRE", "h", "1", "FIELDS", "2", "a"], unmatched);
    says(&["HEXPIRE", "h", "1", "FIELDS", "x", "a"], "-ERR value is not an integer");
    says(&["HEXPIRE", "h", "1", "ZZ", "FIELDS", "1", "a"], "-ERR Unsupported option ZZ");
    let conflict = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    says(&["HEXPIRE", "h", "1", "NX", "LT", "FIELDS", "1", "a"], conflict);
    let conflict = "-ERR GT and LT options at the same time are not compatible";
    says(&["HEXPIRE", "h", "1", "LT", "GT", "FIELDS", "1", "a"], conflict);
    says(&["HTTL", "h", "FIELD", "1", "a"], "-ERR syntax error");
    says(&["HPERSIST", "h", "FIELDS", "2", "a"], unmatched);
    says(&["HSETEX", "h", "KEEPTTL", "KEEPTTL", "KEEPTTL", "FIELDS"], unmatched);
    says(&["HSETEX", "h", "EX", "FIELDS", "1", "a", "1"], "-ERR syntax error");
}

#[test]
fn conditions_that_go_together_have_both_to_hold() {
    let mut c = client();
    let mut answers = |words: &str| c.run(&words.split(' ').collect::<Vec<_>>());
    assert_eq!(answers("HEXPIRE h 100 XX GT FIELDS 1 a"), "*1\r\n:0\r\n");
    assert_eq!(answers("HEXPIRE h 100 FIELDS 1 a"), "*1\r\n:1\r\n");
    assert_eq!(answers("HEXPIRE h 100 XX GT FIELDS 1 a"), "*1\r\n:0\r\n");
    assert_eq!(answers("HEXPIRE h 200 XX GT FIELDS 1 a"), "*1\r\n:1\r\n");
    assert_eq!(answers("HEXPIRE h 100 LT XX FIELDS 2 a b"), "*2\r\n:1\r\n:0\r\n");
    assert_eq!(answers("HEXPIRE h 100 LT FIELDS 1 b"), "*1\r\n:1\r\n");
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

#[test]
fn fields_are_set_read_and_removed_with_their_times_in_one_step() {
    let mut c = client();
    assert_eq!(c.run(&["HSETEX", "h", "PX", "50", "FIELDS", "2", "a", "5", "d", "6"]), ":1\r\n");
    assert_eq!(c.run(&["HPTTL", "h", "FIELDS", "3", "a", "b", "d"]), "*3\r\n:50\r\n:-1\r\n:50\r\n");
    assert_eq!(c.run(&["HSETEX", "h", "KEEPTTL", "FIELDS", "1", "a", "7"]), ":1\r\n");
    assert_eq!(c.run(&["HSETEX", "h", "FIELDS", "1", "d", "8"]), ":1\r\n");
    assert_eq!(c.run(&["HPTTL", "h", "FIELDS", "2", "a", "d"]), "*2\r\n:50\r\n:-1\r\n");
    for (condition, answer) in [("FNX", ":0"), ("FXX", ":0"), ("NX", ":0"), ("XX", ":1")] {
        let words = ["HSETEX", "h", condition, "FIELDS", "2", "a", "9", "new", "9"];
        assert_eq!(c.run(&words), format!("{answer}\r\n"), "{condition}");
    }
    let got = c.run(&["HGETEX", "h", "PX", "70", "FIELDS", "2", "a", "nothing"]);
    assert_eq!(got, "*2\r\n$1\r\n9\r\n$-1\r\n");
    assert_eq!(c.run(&["HPTTL", "h", "FIELDS", "1", "a"]), "*1\r\n:70\r\n");
    c.run(&["HGETEX", "h", "PERSIST", "FIELDS", "1", "a"]);
    assert_eq!(c.run(&["HPTTL", "h", "FIELDS", "1", "a"]), "*1\r\n:-1\r\n");
    assert_eq!(c.run(&["HGETEX", "h", "EXAT", "1", "FIELDS", "1", "a"]), "*1\r\n$1\r\n9\r\n");
    assert_eq!(c.run(&["HGETDEL", "h", "FIELDS", "2", "a", "b"]), "*2\r\n$-1\r\n$1\r\n2\r\n");
    assert_eq!(c.run(&["HLEN", "h"]), ":3\r\n");
    c.run(&["HGETDEL", "h", "FIELDS", "3", "c", "d", "new"]);
    assert_eq!(c.run(&["EXISTS", "h"]), ":0\r\n");
    assert_eq!(c.run(&["HSETEX", "h", "PX", "0", "FIELDS", "1", "a", "1"]), ":1\r\n");
    assert_eq!(c.run(&["EXISTS", "h"]), ":0\r\n");
    for (words, error) in [
        (&["HSETEX", "h", "FIELDS", "2", "a", "1"][..], "numfields"),
        (&["HSETEX", "h", "EX", "-1", "FIELDS", "1", "a", "1"], "invalid expire"),
        (&["HSETEX", "h", "NX", "XX", "FIELDS", "1", "a", "1"], "syntax"),
        (&["HSETEX", "h", "EX", "1", "KEEPTTL", "FIELDS", "1", "a", "1"], "syntax"),
        (&["HGETEX", "h", "FIELDS", "0", "a"], "numfields"),
        (&["HGETDEL", "h", "PERSIST", "FIELDS", "1", "a"], "syntax"),
    ] {
        assert!(c.run(words).contains(error), "{words:?}");
    }
}

#[test]
fn a_value_is_set_or_removed_if_it_is_still_the_one() {
    let mut c = TestClient::new();
    assert_eq!(c.run(&["SET", "k", "2", "IFEQ", "1"]), "$-1\r\n");
    c.run(&["SET", "k", "1"]);
    assert_eq!(c.run(&["SET", "k", "2", "IFEQ", "1", "GET"]), "$1\r\n1\r\n");
    assert_eq!(c.run(&["DELIFEQ", "k", "1"]), ":0\r\n");
    assert_eq!(c.run(&["DELIFEQ", "k", "2"]), ":1\r\n");
    assert_eq!(c.run(&["DELIFEQ", "k", "2"]), ":0\r\n");
    assert!(c.run(&["SET", "k", "2", "IFEQ", "1", "NX"]).starts_with("-ERR syntax"));
    c.run(&["RPUSH", "l", "e"]);
    assert!(c.run(&["DELIFEQ", "l", "e"]).starts_with("-WRONGTYPE"));
}

#[test]
fn a_field_that_is_due_before_its_transaction_commits_goes_all_the_same() {
    let mut c = TestClient::new();
    c.run(&["BEGIN"]);
    c.run(&["HSET", "h", "a", "1"]);
    c.run(&["HPEXPIRE", "h", "10", "FIELDS", "1", "a"]);
    c.advance_ms(50);
    assert_eq!(c.run(&["COMMIT"]), "+OK\r\n");
    assert_eq!(c.run(&["HGETALL", "h"]), "*0\r\n");
}
