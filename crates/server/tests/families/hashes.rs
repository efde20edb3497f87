//! Hashes, packed and large.

use super::{check, sorted};
use stillpoint_server::TestClient;

#[test]
fn fields_are_set_read_and_removed() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("HSET h a 1 b 2 a 3", ":2"),
            ("HGETALL h", "*4\n$1\na\n$1\n3\n$1\nb\n$1\n2"),
            ("HSETNX h a x", ":0"),
            ("HSETNX h c x", ":1"),
            ("HMGET h a nothing c", "*3\n$1\n3\n$-1\n$1\nx"),
            ("HKEYS h", "*3\n$1\na\n$1\nb\n$1\nc"),
            ("HVALS h", "*3\n$1\n3\n$1\n2\n$1\nx"),
            ("HSTRLEN h c", ":1"),
            ("HEXISTS h b", ":1"),
            ("HDEL h b nothing", ":1"),
            ("HLEN h", ":2"),
            ("HINCRBY h a -5", ":-2"),
            ("HINCRBY h c 1", "-ERR hash value is not an integer"),
            ("HINCRBYFLOAT h a 0.5", "$4\n-1.5"),
            ("HINCRBYFLOAT h c 1", "-ERR hash value is not a float"),
            ("HSET h a", "-ERR wrong number of arguments for 'hset' command"),
            ("HMSET h '' empty", "+OK"),
            ("HGET h ''", "$5\nempty"),
            ("HDEL h a c ''", ":3"),
            ("EXISTS h", ":0"),
            ("HGET h a", "$-1"),
            ("HDEL h a", ":0"),
            ("SET s v", "+OK"),
            ("HGET s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("HSET s a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    );
}

/// A hash of so many fields `f0…`, each with its number.
fn fill(c: &mut TestClient, key: &str, fields: usize) {
    for number in 0..fields {
        c.run(&["HSET", key, &format!("f{number}"), &number.to_string()]);
    }
}

#[test]
fn a_hash_that_grows_changes_its_form_and_keeps_its_fields() {
    let mut c = TestClient::new();
    check(&mut c, &[("CONFIG SET hash-max-listpack-entries 16", "+OK")]);
    fill(&mut c, "h", 16);
    check(
        &mut c,
        &[
            ("OBJECT ENCODING h", "$8\nlistpack"),
            ("HSET h f16 16", ":1"),
            ("OBJECT ENCODING h", "$9\nhashtable"),
        ],
    );
    fill(&mut c, "h", 2_000);
    for number in (0..2_000).step_by(2) {
        assert_eq!(c.run(&["HDEL", "h", &format!("f{number}")]), ":1\r\n");
    }
    check(&mut c, &[("HLEN h", ":1000"), ("HGET h f1999", "$4\n1999"), ("HGET h f1998", "$-1")]);
    let long = "x".repeat(65);
    check(
        &mut c,
        &[
            ("HSET p a 1", ":1"),
            (&format!("HSET p b {long}"), ":1"),
            ("OBJECT ENCODING p", "$9\nhashtable"),
        ],
    );
}

#[test]
fn hscan_misses_no_field_that_is_there_all_the_while() {
    let mut c = TestClient::new();
    check(&mut c, &[("CONFIG SET hash-max-listpack-entries 4", "+OK")]);
    fill(&mut c, "h", 600);
    let (mut cursor, mut seen, mut step) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = c.run(&["HSCAN", "h", &cursor, "COUNT", "10", "NOVALUES"]);
        cursor = reply.lines().nth(2).unwrap_or("0").to_owned();
        seen.extend(reply.lines().filter(|line| line.starts_with('f')).map(str::to_owned));
        // Of the first 300 fields all go, of the others none.
        for of in 0..20 {
            c.run(&["HDEL", "h", &format!("f{}", step * 5 + of)]);
        }
        c.run(&["HSET", "h", &format!("new{step}"), "v"]);
        step += 1;
        if cursor == "0" || step == 56 {
            break;
        }
    }
    while cursor != "0" {
        let reply = c.run(&["HSCAN", "h", &cursor, "COUNT", "10", "NOVALUES"]);
        cursor = reply.lines().nth(2).unwrap_or("0").to_owned();
        seen.extend(reply.lines().filter(|line| line.starts_with('f')).map(str::to_owned));
    }
    for number in 300..600 {
        assert!(seen.contains(&format!("f{number}")), "f{number} was missed");
    }
}

#[test]
fn random_fields_are_distinct_or_repeated_as_asked_for() {
    let mut c = TestClient::new();
    for entries in ["0", "1000"] {
        c.run(&["CONFIG", "SET", "hash-max-listpack-entries", entries]);
        c.run(&["DEL", "h"]);
        fill(&mut c, "h", 40);
        for count in [1, 5, 20, 39, 40, 100] {
            let mut fields = sorted(&c.run(&["HRANDFIELD", "h", &count.to_string()]));
            fields.dedup();
            assert_eq!(fields.len(), count.min(40));
        }
        let repeated = sorted(&c.run(&["HRANDFIELD", "h", "-4000"]));
        let all: std::collections::BTreeSet<&String> = repeated.iter().collect();
        assert_eq!((repeated.len(), all.len()), (4_000, 40));
        for field in all {
            let times = repeated.iter().filter(|other| *other == field).count();
            assert!((40..200).contains(&times), "{field}: {times} of 4000");
        }
    }
    check(
        &mut c,
        &[
            ("HRANDFIELD nothing", "$-1"),
            ("HRANDFIELD nothing 3", "*0"),
            ("HRANDFIELD h 1 VALUES", "-ERR syntax error"),
        ],
    );
}
