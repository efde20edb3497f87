//! BEGIN, COMMIT, ROLLBACK, SNAPSHOT EXPORT and IMPORT, GETV and SETV: what is not of Redis.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use stillpoint_server::TestClient;

fn pair() -> (TestClient, TestClient) {
    let first = TestClient::new();
    let second = first.another();
    (first, second)
}

const OK: &str = "+OK\r\n";

#[test]
fn a_transaction_sees_its_writes_and_others_see_them_at_the_commit() {
    let (mut a, mut b) = pair();
    b.run(&["SET", "x", "1"]);
    assert_eq!(a.run(&["BEGIN"]), OK);
    assert_eq!(a.run(&["INCR", "x"]), ":2\r\n");
    assert_eq!(a.run(&["RPUSH", "l", "e"]), ":1\r\n");
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n2\r\n");
    assert_eq!(b.run(&["GET", "x"]), "$1\r\n1\r\n");
    assert_eq!(b.run(&["EXISTS", "l"]), ":0\r\n");
    assert_eq!(a.run(&["COMMIT"]), OK);
    assert_eq!(b.run(&["GET", "x"]), "$1\r\n2\r\n");
    assert_eq!(b.run(&["EXISTS", "l"]), ":1\r\n");
    assert!(a.run(&["COMMIT"]).starts_with("-ERR COMMIT without BEGIN"));
}

#[test]
fn what_was_read_and_has_changed_is_a_conflict_and_nothing_is_written() {
    let (mut a, mut b) = pair();
    b.run(&["MSET", "x", "1", "y", "1"]);
    a.run(&["BEGIN", "SERIALIZABLE"]);
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n1\r\n");
    b.run(&["SET", "x", "7"]);
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n1\r\n");
    a.run(&["SET", "y", "2"]);
    assert!(a.run(&["COMMIT"]).starts_with("-CONFLICT "));
    assert_eq!(b.run(&["GET", "y"]), "$1\r\n1\r\n");
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n7\r\n");
}

#[test]
fn under_snapshot_isolation_only_writes_conflict() {
    let (mut a, mut b) = pair();
    b.run(&["MSET", "x", "1", "y", "1"]);
    a.run(&["BEGIN", "SNAPSHOT"]);
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n1\r\n");
    b.run(&["SET", "x", "7"]);
    assert_eq!(a.run(&["GET", "x"]), "$1\r\n1\r\n");
    a.run(&["SET", "y", "2"]);
    assert_eq!(a.run(&["COMMIT"]), OK);
    a.run(&["BEGIN", "SNAPSHOT"]);
    a.run(&["INCR", "y"]);
    b.run(&["SET", "y", "9"]);
    assert!(a.run(&["COMMIT"]).starts_with("-CONFLICT "));
}

#[test]
fn a_rollback_a_reset_and_a_vanished_client_leave_no_trace() {
    let (mut a, mut b) = pair();
    for end in ["ROLLBACK", "RESET"] {
        a.run(&["BEGIN"]);
        a.run(&["SET", "x", "1"]);
        a.run(&[end]);
        assert_eq!(b.run(&["EXISTS", "x"]), ":0\r\n", "{end}");
        assert_eq!(a.run(&["EXISTS", "x"]), ":0\r\n", "{end}");
    }
    a.run(&["BEGIN"]);
    a.run(&["SET", "x", "1"]);
    drop(a);
    assert_eq!(b.run(&["EXISTS", "x"]), ":0\r\n");
    assert!(b.run(&["ROLLBACK"]).starts_with("-ERR ROLLBACK without BEGIN"));
}

#[test]
fn an_overdue_transaction_is_rolled_back_and_says_so_until_it_is_ended() {
    let (mut a, mut b) = pair();
    assert_eq!(a.run(&["BEGIN", "TTL", "100"]), OK);
    a.run(&["SET", "x", "1"]);
    a.advance_ms(100);
    assert!(a.run(&["SET", "y", "1"]).starts_with("-TIMEOUT "));
    assert!(a.run(&["COMMIT"]).starts_with("-TIMEOUT "));
    assert_eq!(a.run(&["EXISTS", "x", "y"]), ":0\r\n");
    assert!(a.run(&["BEGIN", "TTL", "0"]).starts_with("-ERR invalid expire time"));
    b.run(&["CONFIG", "SET", "mvcc.transaction_timeout_ms", "50"]);
    b.run(&["BEGIN", "TTL", "1000"]);
    b.advance_ms(51);
    assert!(b.run(&["GET", "x"]).starts_with("-TIMEOUT "));
    assert_eq!(b.run(&["ROLLBACK"]), OK);
}

#[test]
fn other_kinds_of_transactions_have_no_place_inside() {
    let mut a = TestClient::new();
    a.run(&["BEGIN"]);
    for words in [&["MULTI"][..], &["WATCH", "x"], &["SNAPSHOT", "BEGIN"], &["EXEC"]] {
        assert!(a.run(words).contains("inside BEGIN is not allowed"), "{words:?}");
    }
    assert!(a.run(&["BEGIN"]).starts_with("-ERR BEGIN calls can not be nested"));
    assert_eq!(a.run(&["COMMIT"]), OK);
    a.run(&["MULTI"]);
    assert!(a.run(&["BEGIN"]).starts_with("-ERR Command 'begin' not allowed inside a transaction"));
}

#[test]
fn who_waits_is_served_by_the_commit_and_a_script_is_a_part_of_the_transaction() {
    let (mut a, mut b) = pair();
    assert_eq!(b.run(&["BLPOP", "l", "0"]), "");
    a.run(&["BEGIN"]);
    a.run(&["EVAL", "return redis.call('rpush', KEYS[1], 'e')", "1", "l"]);
    assert_eq!(b.send(b""), b"");
    a.run(&["COMMIT"]);
    assert_eq!(b.send(b""), b"*2\r\n$1\r\nl\r\n$1\r\ne\r\n");
}

#[test]
fn a_version_lets_only_the_first_of_two_set() {
    let (mut a, mut b) = pair();
    assert_eq!(a.run(&["GETV", "k"]), "*2\r\n:0\r\n$-1\r\n");
    assert_eq!(a.run(&["SETV", "k", "0", "one"]), ":1\r\n");
    assert_eq!(b.run(&["SETV", "k", "0", "two"]), ":0\r\n");
    let seen = b.run(&["GETV", "k"]);
    let version = seen.split("\r\n").nth(1).and_then(|line| line.strip_prefix(':')).unwrap();
    assert!(seen.ends_with("$3\r\none\r\n"), "{seen}");
    assert_eq!(b.run(&["SETV", "k", version, "two"]), ":1\r\n");
    assert_eq!(a.run(&["SETV", "k", version, "three"]), ":0\r\n");
    assert_eq!(a.run(&["GET", "k"]), "$3\r\ntwo\r\n");
    a.run(&["RPUSH", "l", "e"]);
    assert!(a.run(&["GETV", "l"]).starts_with("-WRONGTYPE"));
}

#[test]
fn an_exported_cut_is_read_by_others_as_long_as_it_is_open() {
    let (mut a, mut b) = pair();
    a.run(&["SET", "x", "1"]);
    assert!(a.run(&["SNAPSHOT", "EXPORT"]).starts_with("-ERR "));
    a.run(&["SNAPSHOT", "BEGIN"]);
    let id = a.run(&["SNAPSHOT", "EXPORT"]).split("\r\n").nth(1).unwrap().to_owned();
    a.another().run(&["SET", "x", "2"]);
    assert_eq!(b.run(&["GET", "x"]), "$1\r\n2\r\n");
    assert!(b.run(&["SNAPSHOT", "IMPORT", &id]).starts_with(':'));
    assert_eq!(b.run(&["GET", "x"]), "$1\r\n1\r\n");
    assert_eq!(a.run(&["SNAPSHOT", "END"]), OK);
    assert_eq!(b.run(&["GET", "x"]), "$1\r\n1\r\n");
    assert_eq!(b.run(&["SNAPSHOT", "END"]), OK);
    assert!(b.run(&["SNAPSHOT", "IMPORT", &id]).starts_with("-ERR no such snapshot"));
}

#[test]
fn databases_are_exchanged_with_all_that_hangs_on_their_keys() {
    let (mut a, mut b) = pair();
    a.run(&["MSET", "both", "0", "first", "0"]);
    b.run(&["SELECT", "1"]);
    b.run(&["SET", "both", "1"]);
    b.run(&["RPUSH", "list", "e"]);
    a.run(&["WATCH", "first"]);
    let mut waiter = a.another();
    assert_eq!(waiter.run(&["BLPOP", "list", "0"]), "");
    assert_eq!(b.run(&["SWAPDB", "0", "1"]), OK);
    assert_eq!(waiter.send(b""), b"*2\r\n$4\r\nlist\r\n$1\r\ne\r\n");
    assert_eq!(a.run(&["GET", "both"]), "$1\r\n1\r\n");
    assert_eq!(b.run(&["MGET", "both", "first"]), "*2\r\n$1\r\n0\r\n$1\r\n0\r\n");
    a.run(&["MULTI"]);
    a.run(&["PING"]);
    assert_eq!(a.run(&["EXEC"]), "*-1\r\n");
    assert!(a.run(&["SWAPDB", "0", "99"]).starts_with("-ERR DB index is out of range"));
    assert!(a.run(&["SWAPDB", "x", "1"]).starts_with("-ERR invalid first DB index"));
}
