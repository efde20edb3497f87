//! Sets of integers, packed and large.

use super::{check, sorted};
use stillpoint_server::TestClient;

#[test]
fn members_come_and_go() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("SADD s 3 1 2 1", ":3"),
            ("OBJECT ENCODING s", "$6\nintset"),
            ("SMEMBERS s", "*3\n$1\n1\n$1\n2\n$1\n3"),
            ("TYPE s", "+set"),
            ("SADD s a 100000000000 -5", ":3"),
            ("OBJECT ENCODING s", "$8\nlistpack"),
            ("SISMEMBER s 100000000000", ":1"),
            ("SISMEMBER s 01", ":0"),
            ("SMISMEMBER s a b 3", "*3\n:1\n:0\n:1"),
            ("SREM s a b 3", ":2"),
            ("SCARD s", ":4"),
            ("SADD s ''", ":1"),
            ("SISMEMBER s ''", ":1"),
            ("SMOVE s t ''", ":1"),
            ("SMOVE s t ''", ":0"),
            ("SMOVE s s 1", ":1"),
            ("SMOVE nothing t 1", ":0"),
            ("SMEMBERS t", "*1\n$0\n"),
            ("SREM t ''", ":1"),
            ("EXISTS t", ":0"),
            ("SMEMBERS t", "*0"),
            ("SPOP t", "$-1"),
            ("SPOP t 3", "*0"),
            ("SPOP t -1", "-ERR value is out of range, must be positive"),
            ("SRANDMEMBER t", "$-1"),
            ("SRANDMEMBER t 3", "*0"),
            ("SET x v", "+OK"),
            ("SADD x a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("SMOVE s x 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            (
                "SINTER nothing x",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("HGET s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    );
}

#[test]
fn a_set_that_grows_changes_its_form_and_keeps_its_members() {
    let mut c = TestClient::new();
    for name in ["set-max-intset-entries", "set-max-listpack-entries"] {
        c.run(&["CONFIG", "SET", name, "16"]);
    }
    for first in ["a", "0"] {
        c.run(&["DEL", "s"]);
        c.run(&["SADD", "s", first]);
        for number in 1..=16 {
            let packed = c.run(&["OBJECT", "ENCODING", "s"]);
            assert!(!packed.contains("hashtable"), "{number}");
            c.run(&["SADD", "s", &number.to_string()]);
        }
        check(&mut c, &[("OBJECT ENCODING s", "$9\nhashtable"), ("SCARD s", ":17")]);
        for number in 17..1_000 {
            assert_eq!(c.run(&["SADD", "s", &number.to_string()]), ":1\r\n");
        }
        for number in (1..1_000).step_by(2) {
            assert_eq!(c.run(&["SREM", "s", &number.to_string()]), ":1\r\n");
        }
        check(&mut c, &[("SCARD s", ":500"), ("SISMEMBER s 998", ":1"), ("SISMEMBER s 999", ":0")]);
    }
    let long = "x".repeat(65);
    check(&mut c, &[(&format!("SADD p 1 {long}"), ":2"), ("OBJECT ENCODING p", "$9\nhashtable")]);
}

#[test]
fn sets_are_put_together() {
    let mut c = TestClient::new();
    check(&mut c, &[("SADD a 1 2 3 x y", ":5"), ("SADD b 2 3 4 y", ":4"), ("SADD c 3 y z", ":3")]);
    assert_eq!(sorted(&c.run(&["SINTER", "a", "b", "c"])), ["3", "y"]);
    assert_eq!(sorted(&c.run(&["SUNION", "a", "b", "c"])), ["1", "2", "3", "4", "x", "y", "z"]);
    assert_eq!(sorted(&c.run(&["SDIFF", "a", "b", "c"])), ["1", "x"]);
    check(
        &mut c,
        &[
            ("SINTERSTORE d a b", ":3"),
            ("SDIFFSTORE a a d", ":2"),
            ("SUNIONSTORE d nothing", ":0"),
            ("EXISTS d", ":0"),
            ("SINTERCARD 2 b c", ":2"),
            ("SINTERCARD 2 b c LIMIT 1", ":1"),
            ("SINTERCARD 2 b nothing", ":0"),
            ("SINTERCARD 0 b", "-ERR numkeys should be greater than 0"),
            ("SINTERCARD 3 b c", "-ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 2 b c LIMIT -1", "-ERR LIMIT can't be negative"),
            ("COMMAND GETKEYS SINTERCARD 2 b c LIMIT 1", "*2\n$1\nb\n$1\nc"),
        ],
    );
}

#[test]
fn what_is_popped_is_gone_and_random_members_are_as_asked_for() {
    let mut c = TestClient::new();
    for entries in ["0", "1000"] {
        c.run(&["CONFIG", "SET", "set-max-listpack-entries", entries]);
        for first in ["x", "100"] {
            c.run(&["DEL", "s"]);
            c.run(&["SADD", "s", first]);
            (1..40).for_each(|number| drop(c.run(&["SADD", "s", &number.to_string()])));
            for count in [0, 1, 5, 39, 40, 100] {
                let mut drawn = sorted(&c.run(&["SRANDMEMBER", "s", &count.to_string()]));
                drawn.dedup();
                assert_eq!(drawn.len(), count.min(40));
            }
            assert_eq!(sorted(&c.run(&["SRANDMEMBER", "s", "-100"])).len(), 100);
            let mut all: Vec<String> = Vec::new();
            for count in ["1", "7", "100"] {
                all.extend(sorted(&c.run(&["SPOP", "s", count])));
            }
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 40);
            check(&mut c, &[("EXISTS s", ":0")]);
        }
    }
}

#[test]
fn sscan_misses_no_member_that_is_there_all_the_while() {
    let mut c = TestClient::new();
    check(&mut c, &[("CONFIG SET set-max-listpack-entries 4", "+OK")]);
    (0..600).for_each(|number| drop(c.run(&["SADD", "s", &format!("m{number}")])));
    let (mut cursor, mut seen, mut step) = ("0".to_owned(), Vec::new(), 0);
    while step == 0 || cursor != "0" {
        let reply = c.run(&["SSCAN", "s", &cursor, "COUNT", "10"]);
        cursor = reply.lines().nth(2).unwrap_or("0").to_owned();
        seen.extend(reply.lines().filter(|line| line.starts_with('m')).map(str::to_owned));
        (0..20).for_each(|of| drop(c.run(&["SREM", "s", &format!("m{}", (step * 5 + of) % 300)])));
        c.run(&["SADD", "s", &format!("new{step}")]);
        step += 1;
    }
    for number in 300..600 {
        assert!(seen.contains(&format!("m{number}")), "m{number} was missed");
    }
    check(&mut c, &[("SSCAN s 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN")]);
}
