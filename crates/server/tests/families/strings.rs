//! Strings.

use super::check;
use stillpoint_server::TestClient;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn set_takes_every_option() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("SET k v", "+OK"),
            ("SET k w NX", "$-1"),
            ("SET n w XX", "$-1"),
            ("SET k w XX GET", "$1\nv"),
            ("SET k x NX GET", "$1\nw"),
            ("SET n x NX GET", "$-1"),
            ("GET n", "$1\nx"),
            ("SET k v EX 10", "+OK"),
            ("SET k w KEEPTTL", "+OK"),
            ("TTL k", ":10"),
            ("SET k w", "+OK"),
            ("TTL k", ":-1"),
            ("SET k v PXAT 1700000005000", "+OK"),
            ("PTTL k", ":5000"),
            ("SET k v EXAT 1", "+OK"),
            ("GET k", "$-1"),
            ("SET k v EX 10 PX 10", "-ERR syntax error"),
            ("SET k v KEEPTTL EX 10", "-ERR syntax error"),
            ("SET k v EX -1", "-ERR invalid expire time in 'set' command"),
            ("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
            ("HSET h f v", ":1"),
            ("SET h v GET", WRONG_TYPE),
            ("SET h v", "+OK"),
            ("GETEX n EX 5", "$1\nx"),
            ("TTL n", ":5"),
            ("GETEX n PERSIST", "$1\nx"),
            ("TTL n", ":-1"),
            ("GETEX n EX 5 PERSIST", "-ERR syntax error"),
            ("GETDEL n", "$1\nx"),
            ("GETDEL n", "$-1"),
        ],
    );
}

#[test]
fn numbers_are_exact_and_their_ends_are_watched() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("SET n 9223372036854775806", "+OK"),
            ("INCR n", ":9223372036854775807"),
            ("INCR n", "-ERR increment or decrement would overflow"),
            ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
            ("SET t text", "+OK"),
            ("INCR t", "-ERR value is not an integer or out of range"),
            ("INCRBYFLOAT t 1", "-ERR value is not a valid float"),
            ("SET f 0.1", "+OK"),
            ("INCRBYFLOAT f 0.2", "$3\n0.3"),
            ("INCRBYFLOAT f -0.3", "$1\n0"),
            ("SET f 3.0e3", "+OK"),
            ("INCRBYFLOAT f 200", "$4\n3200"),
            ("OBJECT ENCODING f", "$6\nembstr"),
            ("INCR f", ":3201"),
            ("OBJECT ENCODING f", "$3\nint"),
            ("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"),
            ("SET n -9223372036854775808", "+OK"),
            ("DECR n", "-ERR increment or decrement would overflow"),
            ("SETEX n 100 5", "+OK"),
            ("INCR n", ":6"),
            ("TTL n", ":100"),
        ],
    );
}

#[test]
fn parts_are_read_and_overwritten() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("APPEND a Hello", ":5"),
            ("APPEND a World", ":10"),
            ("OBJECT ENCODING a", "$3\nraw"),
            ("GETRANGE a -5 -1", "$5\nWorld"),
            ("GETRANGE a 5 2", "$0\n"),
            ("GETRANGE a -100 100", "$10\nHelloWorld"),
            ("SETRANGE a 5 Redis", ":10"),
            ("GET a", "$10\nHelloRedis"),
            ("SETRANGE b 3 x", ":4"),
            ("GET b", "$4\n\0\0\0x"),
            ("SETRANGE c 3 ''", ":0"),
            ("EXISTS c", ":0"),
            ("SETRANGE b -1 x", "-ERR offset is out of range"),
            (
                "SETRANGE b 536870912 x",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            ),
            ("STRLEN b", ":4"),
        ],
    );
}

#[test]
fn several_keys_are_set_all_or_none() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("MSET a 1 b 2 a 3", "+OK"),
            ("MGET a b c", "*3\n$1\n3\n$1\n2\n$-1"),
            ("MSETNX c 1 a 2", ":0"),
            ("EXISTS c", ":0"),
            ("MSETNX c 1 d 2", ":1"),
            ("MSET a", "-ERR wrong number of arguments for 'mset' command"),
            ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
            ("HSET h f v", ":1"),
            ("MGET h a", "*2\n$-1\n$1\n3"),
        ],
    );
}

#[test]
fn the_longest_common_subsequence_is_found() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("MSET a ohmytext b mynewtext", "+OK"),
            ("LCS a b", "$6\nmytext"),
            ("LCS a b LEN", ":6"),
            (
                "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
                "*4\n$7\nmatches\n*1\n*3\n*2\n:4\n:7\n*2\n:5\n:8\n:4\n$3\nlen\n:6",
            ),
            (
                "LCS a b IDX LEN",
                "-ERR If you want both the length and indexes, please just use IDX.",
            ),
            ("LCS a nothing", "$0\n"),
            ("HSET h f v", ":1"),
            ("LCS a h", "-ERR The specified keys must contain string values"),
        ],
    );
}
