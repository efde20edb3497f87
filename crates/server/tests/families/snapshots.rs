//! SNAPSHOT: one cut for all reads of a connection.

use super::{check, sorted};
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_server::TestClient;

const REFUSED: &str =
    "-ERR write commands are not allowed inside a SNAPSHOT, send SNAPSHOT END first";

#[test]
fn every_read_is_of_the_cut() {
    let mut c = TestClient::new();
    let mut other = c.another();
    check(&mut c, &[("MSET a 1 b 2", "+OK"), ("HSET h f old", ":1"), ("SET t v PX 1000", "+OK")]);
    assert!(c.run(&["SNAPSHOT", "BEGIN"]).starts_with(':'));
    check(
        &mut other,
        &[
            ("SET a new", "+OK"),
            ("DEL b", ":1"),
            ("HSET h f new g new", ":1"),
            ("SET c 3", "+OK"),
            ("DEL t", ":1"),
        ],
    );
    other.advance_ms(5_000);
    c.advance_ms(5_000);
    check(
        &mut c,
        &[
            ("GET a", "$1\n1"),
            ("MGET a b c", "*3\n$1\n1\n$1\n2\n$-1"),
            ("HGETALL h", "*2\n$1\nf\n$3\nold"),
            ("HLEN h", ":1"),
            ("EXISTS a b c t", ":3"),
            ("TYPE c", "+none"),
            ("STRLEN a", ":1"),
            ("GETRANGE b 0 -1", "$1\n2"),
            ("PTTL t", ":1000"),
            ("DBSIZE", ":4"),
            ("OBJECT ENCODING b", "$3\nint"),
        ],
    );
    assert_eq!(sorted(&c.run(&["KEYS", "*"])), ["a", "b", "h", "t"]);
    let scanned = c.run(&["SCAN", "0", "COUNT", "1000"]);
    assert_eq!(sorted(&scanned), ["0", "a", "b", "h", "t"]);
    check(
        &mut c,
        &[("SNAPSHOT END", "+OK"), ("GET a", "$3\nnew"), ("DBSIZE", ":3"), ("EXISTS t", ":0")],
    );
}

#[test]
fn writes_are_refused_and_so_is_nesting() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[("SNAPSHOT END", "-ERR SNAPSHOT END without SNAPSHOT BEGIN"), ("SNAPSHOT INFO", "$-1")],
    );
    c.run(&["SNAPSHOT", "BEGIN"]);
    check(
        &mut c,
        &[
            ("SNAPSHOT BEGIN", "-ERR SNAPSHOT BEGIN calls can not be nested"),
            ("SET a 1", REFUSED),
            ("SET a 1 NX", REFUSED),
            ("MSET a 1 b 2", REFUSED),
            ("DEL a b", REFUSED),
            ("HSET h f v", REFUSED),
            ("INCR n", REFUSED),
            ("RENAME a b", "-ERR no such key"),
            ("FLUSHALL", REFUSED),
            ("EXPIRE a 1", REFUSED),
            ("MULTI", "+OK"),
            ("GET a", "+QUEUED"),
            ("SET a 1", "+QUEUED"),
            ("EXEC", &format!("*2\n$-1\n{REFUSED}")),
            ("SNAPSHOT BEGIN TTL 0", "-ERR invalid expire time in 'snapshot|begin' command"),
            ("SNAPSHOT BEGIN TTL", "-ERR syntax error"),
            ("RESET", "+RESET"),
            ("SET a 1", "+OK"),
            ("CONFIG SET mvcc.enabled no", "+OK"),
            ("SNAPSHOT BEGIN", "-ERR snapshots are switched off, CONFIG SET mvcc.enabled yes"),
        ],
    );
}

/// Writers move amounts between strings and between fields of hashes; in a snapshot the sum is always the same.
#[test]
fn sums_hold_in_every_snapshot() {
    const ACCOUNTS: usize = 20;
    let mut c = TestClient::new();
    for number in 0..ACCOUNTS {
        c.run(&["SET", &format!("s{number}"), "100"]);
        c.run(&["HSET", "h", &format!("f{number}"), "100"]);
    }
    let names: Vec<String> = (0..ACCOUNTS).map(|number| format!("s{number}")).collect();
    let all: Vec<&str> = ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let stop = AtomicBool::new(false);
    let sum =
        |reply: &str| -> i64 { reply.lines().filter_map(|line| line.parse::<i64>().ok()).sum() };
    std::thread::scope(|scope| {
        for seed in 0..2usize {
            let (mut writer, stop) = (c.another(), &stop);
            scope.spawn(move || {
                let mut at = seed;
                while !stop.load(Ordering::Relaxed) {
                    at = (at * 7 + 3) % 1_009;
                    let (from, to) = (at % ACCOUNTS, (at + 1 + at % 5) % ACCOUNTS);
                    let request = format!(
                        "MULTI\r\nDECRBY s{from} 3\r\nHINCRBY h f{from} -2\r\nINCRBY s{to} 3\r\nHINCRBY h f{to} 2\r\nEXEC\r\n"
                    );
                    writer.send(request.as_bytes());
                }
            });
        }
        for _ in 0..500 {
            assert!(c.run(&["SNAPSHOT", "BEGIN"]).starts_with(':'));
            let one_by_one: i64 = names.iter().map(|name| sum(&c.run(&["GET", name]))).sum();
            assert_eq!(one_by_one, 100 * ACCOUNTS as i64);
            assert_eq!(sum(&c.run(&all)), 100 * ACCOUNTS as i64);
            assert_eq!(sum(&c.run(&["HVALS", "h"])), 100 * ACCOUNTS as i64);
            assert_eq!(c.run(&["SNAPSHOT", "END"]), "+OK\r\n");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
