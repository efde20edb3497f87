//! MULTI, EXEC, WATCH.

use super::check;
use std::sync::atomic::{AtomicBool, Ordering};
use stillpoint_server::TestClient;

#[test]
fn a_queue_runs_as_one_and_a_failing_command_undoes_nothing() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("HGET a f", "+QUEUED"),
            ("INCR a", "+QUEUED"),
            ("SELECT 1", "+QUEUED"),
            ("SET b in-1", "+QUEUED"),
            ("DBSIZE", "+QUEUED"),
            (
                "EXEC",
                "*6\n+OK\n-WRONGTYPE Operation against a key holding the wrong kind of value\n:2\n+OK\n+OK\n:1",
            ),
            ("GET b", "$4\nin-1"),
            ("SELECT 0", "+OK"),
            ("GET a", "$1\n2"),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("DISCARD", "-ERR DISCARD without MULTI"),
        ],
    );
}

#[test]
fn what_cannot_be_queued_aborts() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("MULTI", "+OK"),
            ("SET a", "-ERR wrong number of arguments for 'set' command"),
            ("SET a 1", "+QUEUED"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ("EXISTS a", ":0"),
            ("MULTI", "+OK"),
            (
                "EXEC now",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("DISCARD", "+OK"),
            ("EXISTS a", ":0"),
        ],
    );
}

#[test]
fn a_watched_key_that_changed_lets_nothing_run() {
    let mut c = TestClient::new();
    let mut other = c.another();
    let by_other: &[&[&str]] = &[
        &["SET", "k", "v"],
        &["SET", "k", "other"],
        &["DEL", "k"],
        &["EXPIRE", "k", "100"],
        &["RENAME", "k", "l"],
        &["APPEND", "k", "x"],
        &["FLUSHALL"],
    ];
    for change in by_other {
        check(&mut c, &[("SET k v", "+OK"), ("WATCH k absent", "+OK")]);
        other.run(change);
        check(
            &mut c,
            &[("MULTI", "+OK"), ("SET done 1", "+QUEUED"), ("EXEC", "*-1"), ("EXISTS done", ":0")],
        );
    }
    let not_changing: &[&[&str]] = &[
        &["GET", "k"],
        &["SET", "other", "v"],
        &["SETNX", "k", "w"],
        &["EXPIRE", "k", "1", "XX"],
        &["FLUSHDB"],
    ];
    for no_change in not_changing {
        check(&mut c, &[("SET k v", "+OK"), ("WATCH k", "+OK")]);
        other.run(&["SELECT", if no_change[0] == "FLUSHDB" { "3" } else { "0" }]);
        other.run(no_change);
        check(&mut c, &[("MULTI", "+OK"), ("EXEC", "*0")]);
    }
    // A key that was absent and is there now; one that expired; and forgetting.
    check(
        &mut c,
        &[
            ("DEL k", ":1"),
            ("WATCH k", "+OK"),
            ("SET k v PX 10", "+OK"),
            ("MULTI", "+OK"),
            ("EXEC", "*-1"),
        ],
    );
    check(&mut c, &[("WATCH k", "+OK")]);
    c.advance_ms(10);
    check(&mut c, &[("MULTI", "+OK"), ("EXEC", "*-1")]);
    check(
        &mut c,
        &[
            ("WATCH k", "+OK"),
            ("SET k v", "+OK"),
            ("UNWATCH", "+OK"),
            ("MULTI", "+OK"),
            ("EXEC", "*0"),
        ],
    );
}

#[test]
fn multi_and_watch_inside_multi_abort_it() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("MULTI", "+OK"),
            ("WATCH k", "-ERR Command 'watch' not allowed inside a transaction"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ("MULTI", "+OK"),
            ("MULTI", "-ERR Command 'multi' not allowed inside a transaction"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ],
    );
}

/// Threads that add within EXEC, and by WATCH and EXEC: not one addition is lost.
#[test]
fn additions_of_many_connections_all_count() {
    const EACH: usize = 300;
    let mut c = TestClient::new();
    c.run(&["SET", "watched", "0"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = c.another();
            scope.spawn(move || {
                for _ in 0..EACH {
                    let request = b"MULTI\r\nINCR n\r\nHINCRBY h f 1\r\nEXEC\r\n";
                    let reply = String::from_utf8(client.send(request)).unwrap();
                    let sums: Vec<&str> =
                        reply.lines().filter(|line| line.starts_with(':')).collect();
                    assert!(sums.len() == 2 && sums[0] == sums[1], "{reply}");
                    loop {
                        client.run(&["WATCH", "watched"]);
                        let text = client.run(&["GET", "watched"]);
                        let number: u64 = text.lines().nth(1).unwrap().parse().unwrap();
                        client.run(&["MULTI"]);
                        client.run(&["SET", "watched", &(number + 1).to_string()]);
                        if client.run(&["EXEC"]) != "*-1\r\n" {
                            break;
                        }
                    }
                }
            });
        }
    });
    check(&mut c, &[("GET n", "$4\n1200"), ("HGET h f", "$4\n1200"), ("GET watched", "$4\n1200")]);
}

/// Two keys always change together, by MSET, EXEC or RENAME; MGET never sees one without the other.
#[test]
fn several_keys_are_read_as_of_one_moment() {
    let mut c = TestClient::new();
    c.run(&["MSET", "a", "0", "b", "0", "x", "v"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut writer = c.another();
        let stop = &stop;
        scope.spawn(move || {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let text = number.to_string();
                match number % 2 {
                    0 => drop(writer.run(&["MSET", "a", &text, "b", &text])),
                    _ => {
                        let request = format!("MULTI\r\nSET a {text}\r\nSET b {text}\r\nEXEC\r\n");
                        writer.send(request.as_bytes());
                    }
                }
                writer.run(if number % 2 == 0 {
                    &["RENAME", "x", "y"]
                } else {
                    &["RENAME", "y", "x"]
                });
            }
        });
        for _ in 0..5_000 {
            let reply = c.run(&["MGET", "a", "b"]);
            let lines: Vec<&str> = reply.lines().collect();
            assert_eq!(lines[2], lines[4], "torn: {reply}");
            assert_eq!(
                c.run(&["EXISTS", "x", "y"]),
                ":1\r\n",
                "a renamed key was in two places or none"
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
}
