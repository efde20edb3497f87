//! MIGRATE: keys go from one server to another, whole, and nobody waits.

use redis::{Connection, FromRedisValue, RedisResult};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use stillpoint_server::Running;

fn start(more: &[(&str, &str)]) -> (Running, Connection) {
    let mut directives = vec![("port", "0"), ("bind", "127.0.0.1"), ("save", "")];
    directives.extend_from_slice(more);
    let server = Running::start(&directives).unwrap();
    let connection = connect(server.port());
    (server, connection)
}

fn connect(port: u16) -> Connection {
    redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap().get_connection().unwrap()
}

fn run<T: FromRedisValue>(c: &mut Connection, words: &[&str]) -> RedisResult<T> {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(*word);
    });
    command.query(c)
}

fn migrate(c: &mut Connection, port: u16, key: &str, more: &[&str]) -> RedisResult<String> {
    let port = port.to_string();
    run(c, &[&["MIGRATE", "127.0.0.1", &port, key, "9", "5000"], more].concat())
}

#[test]
fn keys_go_whole_with_their_times() {
    let (_a, mut a) = start(&[]);
    let (b_server, mut b) = start(&[]);
    let () = run(&mut b, &["SELECT", "9"]).unwrap();
    let () = run(&mut a, &["SET", "s", "text", "EX", "100"]).unwrap();
    assert_eq!(migrate(&mut a, b_server.port(), "s", &[]).unwrap(), "OK");
    assert_eq!(run::<i64>(&mut a, &["EXISTS", "s"]).unwrap(), 0);
    assert_eq!(run::<String>(&mut b, &["GET", "s"]).unwrap(), "text");
    let ttl: i64 = run(&mut b, &["TTL", "s"]).unwrap();
    assert!((90..=100).contains(&ttl), "{ttl}");
    assert_eq!(migrate(&mut a, b_server.port(), "s", &[]).unwrap(), "NOKEY");
    for n in 0..30_000 {
        redis::cmd("RPUSH").arg("large").arg(format!("item {n}")).exec(&mut a).unwrap();
        if n == 2 {
            let () = run(&mut a, &["COPY", "large", "small"]).unwrap();
        }
    }
    let all = ["KEYS", "nothing", "small", "large"];
    assert_eq!(
        migrate(&mut a, b_server.port(), "", &[&["COPY"], &all[..]].concat()).unwrap(),
        "OK"
    );
    assert_eq!(run::<i64>(&mut a, &["LLEN", "large"]).unwrap(), 30_000);
    assert_eq!(run::<i64>(&mut b, &["LLEN", "large"]).unwrap(), 30_000);
    let busy = migrate(&mut a, b_server.port(), "", &all).unwrap_err();
    assert!(busy.to_string().contains("Target instance replied with error: BUSYKEY"), "{busy}");
    assert_eq!(run::<i64>(&mut a, &["EXISTS", "small", "large"]).unwrap(), 2);
    assert_eq!(
        migrate(&mut a, b_server.port(), "", &[&["REPLACE"], &all[..]].concat()).unwrap(),
        "OK"
    );
    assert_eq!(run::<i64>(&mut a, &["DBSIZE"]).unwrap(), 0);
    assert_eq!(run::<i64>(&mut b, &["LLEN", "small"]).unwrap(), 3);
}

#[test]
fn a_password_is_told_and_a_wrong_one_loses_nothing() {
    let (_a, mut a) = start(&[]);
    let (b, _) = {
        let server = Running::start(&[
            ("port", "0"),
            ("bind", "127.0.0.1"),
            ("save", ""),
            ("requirepass", "secret"),
        ]);
        (server.unwrap(), ())
    };
    let () = run(&mut a, &["SET", "k", "v"]).unwrap();
    for wrong in [&[][..], &["AUTH", "wrong"], &["AUTH2", "default", "wrong"]] {
        let refused = migrate(&mut a, b.port(), "k", wrong).unwrap_err().to_string();
        assert!(refused.contains("Target instance replied with error: "), "{refused}");
        assert_eq!(run::<i64>(&mut a, &["EXISTS", "k"]).unwrap(), 1);
    }
    assert_eq!(migrate(&mut a, b.port(), "k", &["AUTH", "secret"]).unwrap(), "OK");
    let log: Vec<redis::Value> = run(&mut a, &["SLOWLOG", "GET", "100"]).unwrap();
    assert!(!format!("{log:?}").contains("secret"));
}

#[test]
fn a_target_that_is_silent_or_not_there_holds_up_nobody_else() {
    let (server, mut a) = start(&[("io-threads", "1")]);
    let () = run(&mut a, &["SET", "k", "v"]).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut other = connect(server.port());
    let waits = std::thread::spawn(move || {
        let refused =
            run::<String>(&mut a, &["MIGRATE", "127.0.0.1", &port.to_string(), "k", "0", "700"]);
        (a, refused.unwrap_err())
    });
    let begun = Instant::now();
    let mut worst = Duration::ZERO;
    while begun.elapsed() < Duration::from_millis(500) {
        let asked = Instant::now();
        assert_eq!(run::<String>(&mut other, &["GET", "k"]).unwrap(), "v");
        worst = worst.max(asked.elapsed());
    }
    assert!(worst < Duration::from_millis(250), "{worst:?}");
    let (mut a, refused) = waits.join().unwrap();
    assert_eq!(refused.code(), Some("IOERR"), "{refused}");
    drop(silent);
    let refused = migrate(&mut a, port, "k", &[]).unwrap_err().to_string();
    assert!(refused.contains("Can't connect to target node"), "{refused}");
    assert_eq!(run::<i64>(&mut a, &["EXISTS", "k"]).unwrap(), 1);
    let wrong = migrate(&mut a, port, "k", &["KEYS", "a"]).unwrap_err().to_string();
    assert!(wrong.contains("empty string"), "{wrong}");
    let () = run(&mut a, &["MULTI"]).unwrap();
    let _queued: String = migrate(&mut a, port, "k", &[]).unwrap();
    let inside: Vec<redis::Value> = run(&mut a, &["EXEC"]).unwrap_or_default();
    assert!(!inside.contains(&redis::Value::Okay));
}

#[test]
fn a_counter_that_is_written_all_the_while_loses_no_step() {
    let (server, mut a) = start(&[]);
    let (b_server, mut b) = start(&[]);
    let () = run(&mut b, &["SELECT", "9"]).unwrap();
    let () = run(&mut a, &["SET", "n", "0"]).unwrap();
    let port = server.port();
    let counts = std::thread::spawn(move || {
        let mut c = connect(port);
        for _ in 0..3_000 {
            let () = run(&mut c, &["INCR", "n"]).unwrap();
        }
    });
    let mut moved = 0;
    while !counts.is_finished() {
        if migrate(&mut a, b_server.port(), "n", &["REPLACE"]).is_ok_and(|said| said == "OK") {
            let got: i64 = run(&mut b, &["GETDEL", "n"]).unwrap();
            moved += got;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    counts.join().unwrap();
    let left: Option<i64> = run(&mut a, &["GET", "n"]).unwrap();
    assert_eq!(moved + left.unwrap_or(0), 3_000);
}

#[test]
fn a_target_that_is_no_redis_server_gets_no_key() {
    let (_server, mut a) = start(&[]);
    let () = run(&mut a, &["SET", "k", "v"]).unwrap();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    let answers = std::thread::spawn(move || {
        let (mut socket, _) = web.accept().unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
        let _rest = socket.read_to_end(&mut Vec::new());
    });
    let refused = migrate(&mut a, port, "k", &[]).unwrap_err().to_string();
    assert!(refused.contains("does not answer as a Redis server does"), "{refused}");
    assert_eq!(run::<String>(&mut a, &["GET", "k"]).unwrap(), "v");
    answers.join().unwrap();
}

#[test]
fn a_client_that_is_killed_stops_waiting_for_its_target() {
    let (server, mut a) = start(&[]);
    let () = run(&mut a, &["SET", "k", "v"]).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let id: i64 = run(&mut a, &["CLIENT", "ID"]).unwrap();
    let begun = Instant::now();
    let waits = std::thread::spawn(move || {
        run::<String>(&mut a, &["MIGRATE", "127.0.0.1", &port, "k", "0", "600000"])
    });
    // It has been reached: MIGRATE waits for its first answer.
    let (_taken, _) = silent.accept().unwrap();
    let mut other = connect(server.port());
    let killed: i64 = run(&mut other, &["CLIENT", "KILL", "ID", &id.to_string()]).unwrap();
    assert_eq!(killed, 1);
    assert!(waits.join().unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(run::<String>(&mut other, &["GET", "k"]).unwrap(), "v");
}

#[test]
fn silent_targets_leave_threads_for_others() {
    let (server, mut a) = start(&[]);
    let () = run(&mut a, &["SET", "k", "v"]).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = silent.local_addr().unwrap().port().to_string();
    let port = server.port();
    let mut waiting = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..16 {
        let target = target.clone();
        waiting.push(std::thread::spawn(move || {
            let words = ["MIGRATE", "127.0.0.1", &target, "k", "0", "600000"];
            run::<String>(&mut connect(port), &words)
        }));
        sockets.push(silent.accept().unwrap());
    }
    let refused = run::<String>(&mut a, &["MIGRATE", "127.0.0.1", &target, "k", "0", "600000"]);
    assert_eq!(refused.unwrap_err().code(), Some("TRYAGAIN"));
    // What comes from there is no answer, and makes room.
    sockets.clear();
    assert!(waiting.into_iter().all(|waits| waits.join().unwrap().is_err()));
    drop(silent);
    let refused = migrate(&mut a, target.parse().unwrap(), "k", &[]).unwrap_err().to_string();
    assert!(refused.contains("Can't connect to target node"), "{refused}");
    assert_eq!(run::<String>(&mut a, &["GET", "k"]).unwrap(), "v");
}
