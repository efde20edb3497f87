//! The crate `redis`, a client that nobody here wrote, against the server over TCP.

use redis::{Client, Commands, Connection, RedisResult, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use stillpoint_server::Running;

fn start(more: &[(&str, &str)]) -> Running {
    let mut directives = vec![("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "2")];
    directives.extend_from_slice(more);
    Running::start(&directives).expect("the system has a free port")
}

fn connect(server: &Running) -> Connection {
    let client = Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    client.get_connection().unwrap()
}

fn raw(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn expired_fields_count_from_the_last_reset() {
    let server = start(&[]);
    let mut c = connect(&server);
    let expired = |c: &mut Connection| -> u64 {
        let info: String = redis::cmd("INFO").arg("stats").query(c).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("expired_fields:"));
        line.unwrap().parse().unwrap()
    };
    let words = ["h", "PX", "1", "FIELDS", "1", "f", "v"];
    let set: i64 = redis::cmd("HSETEX").arg(&words).query(&mut c).unwrap();
    assert_eq!(set, 1);
    let begun = std::time::Instant::now();
    while expired(&mut c) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    let () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut c).unwrap();
    assert_eq!(expired(&mut c), 0);
    drop(c);
    server.stop().unwrap();
}

#[test]
fn everyday_commands_work() {
    let server = start(&[]);
    let mut c = connect(&server);
    let () = c.set("a", "1").unwrap();
    let n: i64 = c.incr("a", 41).unwrap();
    assert_eq!(n, 42);
    let () = c.hset_multiple("h", &[("x", "1"), ("y", "2")]).unwrap();
    let all: std::collections::BTreeMap<String, i64> = c.hgetall("h").unwrap();
    assert_eq!(all, [("x".to_owned(), 1), ("y".to_owned(), 2)].into());
    let (a, b): (i64, i64) =
        redis::pipe().atomic().incr("t", 1).incr("t", 1).query(&mut c).unwrap();
    assert_eq!((a, b), (1, 2));
    let gone: Option<String> = c.get("nothing").unwrap();
    assert_eq!(gone, None);
    let error: RedisResult<i64> = c.incr("h", 1);
    assert_eq!(error.unwrap_err().code(), Some("WRONGTYPE"));
}

#[test]
fn info_tells_how_long_a_loop_was_at_one_pass() {
    let server = start(&[("io-threads", "1")]);
    let mut c = connect(&server);
    let mut figure = |section: &str, field: &str| -> u64 {
        let text: String = redis::cmd("INFO").arg(section).query(&mut c).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO {section} has no {field}:\n{text}")).parse().unwrap()
    };
    let (passes, spent_us) =
        (figure("stats", "eventloop_cycles"), figure("stats", "eventloop_duration_sum"));
    assert!(passes > 0);
    let longest_us = figure("debug", "eventloop_duration_max");
    assert!(longest_us > 0 && longest_us <= figure("stats", "eventloop_duration_sum"));
    assert!(figure("stats", "eventloop_cycles") >= passes + 2);
    assert!(figure("stats", "eventloop_duration_sum") >= spent_us);
    let mut other = connect(&server);
    let all: String = redis::cmd("INFO").arg("everything").query(&mut other).unwrap();
    assert!(!all.contains("eventloop_duration_max"), "it is told only to who asks for it");
    let () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut other).unwrap();
    let stats: String = redis::cmd("INFO").arg("stats").query(&mut other).unwrap();
    let passes: u64 =
        stats.lines().find_map(|l| l.strip_prefix("eventloop_cycles:")).unwrap().parse().unwrap();
    assert!(passes < 10, "{passes}");
}

#[test]
fn pipelines_of_ten_thousand_are_answered_in_order() {
    let server = start(&[]);
    let mut c = connect(&server);
    let mut pipe = redis::pipe();
    for i in 0..10_000 {
        pipe.set(format!("key:{i}"), i).ignore().get(format!("key:{i}"));
    }
    let got: Vec<i64> = pipe.query(&mut c).unwrap();
    assert_eq!(got, (0..10_000).collect::<Vec<i64>>());
}

#[test]
fn values_from_nothing_to_64_mib_and_binary_keys_survive() {
    let server = start(&[]);
    let mut c = connect(&server);
    for bytes in [0, 1, 16_383, 16_384, 16_385, 1 << 20, 64 << 20] {
        let value: Vec<u8> = (0..bytes).map(|i: usize| (i * 31 % 256) as u8).collect();
        let key: &[u8] = b"binary \r\n\0\xff key";
        let () = c.set(key, &value[..]).unwrap();
        let got: Vec<u8> = c.get(key).unwrap();
        assert!(got == value, "a value of {bytes} bytes came back changed");
    }
}

#[test]
fn resp3_is_spoken_when_asked_for() {
    let server = start(&[]);
    let url = format!("redis://127.0.0.1:{}/?protocol=resp3", server.port());
    let mut c = Client::open(url).unwrap().get_connection().unwrap();
    let () = c.hset("h", "f", "v").unwrap();
    let reply: Value = redis::cmd("HGETALL").arg("h").query(&mut c).unwrap();
    assert!(matches!(reply, Value::Map(_)), "{reply:?}");
}

#[test]
fn replies_are_sent_though_the_client_has_finished_sending() {
    let server = start(&[]);
    let mut stream = raw(&server);
    let pings = b"PING\r\n".repeat(50_000);
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        writer.write_all(&pings).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut replies = Vec::new();
    stream.read_to_end(&mut replies).unwrap();
    sender.join().unwrap();
    assert_eq!(replies.len(), 7 * 50_000);
}

#[test]
fn a_password_keeps_strangers_out() {
    let server = start(&[("requirepass", "open sesame")]);
    let mut stream = raw(&server);
    stream.write_all(b"GET a\r\nAUTH wrong\r\nAUTH \"open sesame\"\r\nGET a\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert_eq!(
        replies,
        "-NOAUTH Authentication required.\r\n\
         -WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n$-1\r\n+OK\r\n"
    );
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = start(&[("maxclients", "2")]);
    let (mut a, mut b) = (connect(&server), connect(&server));
    let _: String = redis::cmd("PING").query(&mut a).unwrap();
    let _: String = redis::cmd("PING").query(&mut b).unwrap();
    let mut text = String::new();
    raw(&server).read_to_string(&mut text).unwrap();
    assert_eq!(text, "-ERR max number of clients reached\r\n");
    drop(a);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while redis::cmd("CLIENT").arg("ID").query::<i64>(&mut b).is_ok() {
        let mut c = raw(&server);
        c.write_all(b"PING\r\n").unwrap();
        let mut reply = [0; 7];
        if c.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n" {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the place was never free again");
    }
}

#[test]
fn a_client_that_does_not_read_is_ended_by_its_output_limit() {
    let server = start(&[("client-output-buffer-limit", "normal 4mb 0 0")]);
    let mut c = connect(&server);
    // A longer one would be written as it is sent.
    let () = c.set("big", vec![b'x'; 200 << 10]).unwrap();
    let mut deaf = raw(&server);
    deaf.write_all(&b"GET big\r\n".repeat(320)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut c).unwrap();
        if info.contains("client_output_buffer_limit_disconnections:1\r\n") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "never disconnected:\n{info}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_does_not_read_holds_only_itself_up() {
    let server = start(&[]);
    let mut c = connect(&server);
    let () = c.set("big", vec![b'x'; 1 << 20]).unwrap();
    let mut deaf = raw(&server);
    deaf.write_all(&b"GET big\r\n".repeat(300)).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut c).unwrap();
    let most = list
        .split_ascii_whitespace()
        .filter_map(|field| field.strip_prefix("omem=")?.parse::<u64>().ok())
        .max();
    assert!(most.is_some_and(|bytes| bytes < 4 << 20), "{list}");
    let mut replies = vec![0; (1 << 20) + 12];
    for _ in 0..300 {
        deaf.read_exact(&mut replies).unwrap();
    }
    assert!(replies.starts_with(b"$1048576\r\nxxx") && replies.ends_with(b"x\r\n"));
}

#[test]
fn a_command_that_waits_counts_when_it_is_served() {
    let server = start(&[]);
    let (mut c, mut waiter) = (connect(&server), raw(&server));
    let mut replies = BufReader::new(waiter.try_clone().unwrap());
    let mut line = || {
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        line
    };
    waiter.write_all(b"CLIENT ID\r\n").unwrap();
    let id = line()[1..].trim_end().to_owned();
    let mut await_count = |count: u32| {
        let wanted = format!("tot-cmds={count}\n");
        let begun = std::time::Instant::now();
        loop {
            let list: String =
                redis::cmd("CLIENT").arg(&["LIST", "ID", &id]).query(&mut c).unwrap();
            let waits = list.contains("flags=b ");
            if list.ends_with(&wanted) {
                return waits;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{count} commands: {list}");
        }
    };
    await_count(1);
    waiter.write_all(b"BLPOP k 0\r\n").unwrap();
    let begun = std::time::Instant::now();
    while !await_count(1) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not wait");
    }
    let () = connect(&server).rpush("k", "a").unwrap();
    (0..5).for_each(|_| drop(line()));
    assert!(!await_count(2));
    // What a script calls counts, too; what MULTI queues when it is run.
    waiter.write_all(b"EVAL \"return redis.call('PING')\" 0\r\n").unwrap();
    line();
    await_count(4);
    waiter.write_all(b"MULTI\r\nPING\r\n").unwrap();
    (0..2).for_each(|_| drop(line()));
    await_count(5);
    waiter.write_all(b"EXEC\r\n").unwrap();
    (0..2).for_each(|_| drop(line()));
    await_count(7);
    server.stop().unwrap();
}

#[test]
fn idle_clients_are_ended_by_timeout_and_killed_by_hand() {
    let server = start(&[("timeout", "1")]);
    let mut idle = raw(&server);
    let mut c = connect(&server);
    let mut end = Vec::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| idle.read_to_end(&mut end));
        while !reading.is_finished() {
            let _: String = redis::cmd("PING").query(&mut c).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(reading.join().unwrap().unwrap(), 0);
    });
    let () = redis::cmd("CONFIG").arg(&["SET", "timeout", "0"]).query(&mut c).unwrap();
    let mut victim = connect(&server);
    let id: i64 = redis::cmd("CLIENT").arg("ID").query(&mut victim).unwrap();
    let killed: i64 = redis::cmd("CLIENT").arg(&["KILL", "ID"]).arg(id).query(&mut c).unwrap();
    assert_eq!(killed, 1);
    assert!(redis::cmd("PING").query::<String>(&mut victim).is_err());
}

#[test]
fn pause_holds_writes_up_until_it_ends() {
    let server = start(&[]);
    let mut c = connect(&server);
    let () = redis::cmd("CLIENT").arg(&["PAUSE", "300", "WRITE"]).query(&mut c).unwrap();
    let begun = std::time::Instant::now();
    let _: Option<String> = c.get("k").unwrap();
    assert!(begun.elapsed() < Duration::from_millis(250));
    let () = c.set("k", 1).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(290));
    let () = redis::cmd("CLIENT").arg(&["PAUSE", "200", "ALL"]).query(&mut c).unwrap();
    let mut eager = raw(&server);
    eager.write_all(&b"PING\r\n".repeat(20_000)).unwrap();
    let mut replies = vec![0; 7 * 20_000];
    eager.read_exact(&mut replies).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(490));
}

#[test]
fn a_pause_of_all_ends_though_writes_wait_longer() {
    let server = start(&[]);
    let mut c = connect(&server);
    let mut other = connect(&server);
    let pause = |c: &mut Connection, ms: &str, what: &str| -> RedisResult<()> {
        redis::cmd("CLIENT").arg(&["PAUSE", ms, what]).query(c)
    };
    pause(&mut c, "300", "ALL").unwrap();
    pause(&mut c, "60000", "WRITE").unwrap();
    let begun = std::time::Instant::now();
    let _: Option<String> = other.get("k").unwrap();
    let waited = begun.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
    let writing = std::thread::spawn(move || other.set::<_, _, ()>("k", 1));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(c.get::<_, Option<u64>>("k").unwrap(), None);
    let () = redis::cmd("CLIENT").arg("UNPAUSE").query(&mut c).unwrap();
    writing.join().unwrap().unwrap();
}

#[test]
fn shutdown_ends_the_server() {
    let server = start(&[]);
    let mut c = connect(&server);
    assert!(redis::cmd("SHUTDOWN").arg("NOSAVE").query::<String>(&mut c).is_err());
    server.join().unwrap();
}

#[test]
fn a_port_in_use_is_named() {
    let server = start(&[]);
    let port = server.port().to_string();
    let error = Running::start(&[("port", &port), ("bind", "127.0.0.1")]).err().unwrap();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}: the address is in use")));
}

#[test]
fn what_multi_queues_counts_for_the_longest_request() {
    let server = start(&[("client-query-buffer-limit", "1mb")]);
    let mut client = raw(&server);
    client.write_all(b"MULTI\r\n").unwrap();
    let value = "x".repeat(60_000);
    // One at a time, lest what the server has not read when it closes has the system drop replies that are on their way.
    let mut replies = BufReader::new(client.try_clone().unwrap());
    let mut line = String::new();
    replies.read_line(&mut line).unwrap();
    let mut queued = 0;
    while queued < 40 && client.write_all(format!("SET k {value}\r\n").as_bytes()).is_ok() {
        line.clear();
        match replies.read_line(&mut line) {
            Ok(_) if line == "+QUEUED\r\n" => queued += 1,
            _ => break,
        }
    }
    assert!((1..=18).contains(&queued), "{queued} of 40 were queued");
    let mut other = connect(&server);
    assert_eq!(redis::cmd("PING").query::<String>(&mut other).unwrap(), "PONG");
}

#[test]
fn renamed_commands_answer_to_their_new_names_only() {
    let server = start(&[("rename-command", "CONFIG Hidden")]);
    let mut client = connect(&server);
    let mut ask =
        |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut client);
    let unknown = ask(&["CONFIG", "GET", "port"]).unwrap_err().to_string();
    assert!(unknown.contains("unknown command 'CONFIG'"), "{unknown}");
    assert!(ask(&["hidden", "GET", "port"]).is_ok());
    ask(&["MULTI"]).unwrap();
    assert!(ask(&["CONFIG", "GET", "port"]).is_err());
    assert!(ask(&["EXEC"]).unwrap_err().to_string().contains("previous errors"));
    let unknown = ask(&["EVAL", "return redis.call('config','get','port')", "0"]).unwrap_err();
    assert!(unknown.to_string().contains("Unknown Redis command"), "{unknown}");
}

/// Sends `word key` with many keys, and tells whether the server ends the connection.
fn is_cut_off(server: &Running, word: &str) -> bool {
    let mut client = raw(server);
    let mut replies = client.try_clone().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut replies, &mut std::io::sink()));
    for i in 0..20_000 {
        // What comes after its end is lost.
        let _lost = client.write_all(format!("{word} key:{i}\r\n").as_bytes());
    }
    match reading.join().unwrap() {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn what_a_client_watches_or_listens_to_counts_as_its_memory() {
    let server = start(&[("maxmemory-clients", "200kb")]);
    for word in ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        assert!(is_cut_off(&server, word), "{word} without end");
    }
    let mut c = connect(&server);
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory-clients", "0"]).query(&mut c).unwrap();
    let held = |c: &mut Connection| -> u64 {
        let line: String = redis::cmd("CLIENT").arg("INFO").query(c).unwrap();
        let figure = line.split(' ').find_map(|word| word.strip_prefix("tot-mem="));
        figure.unwrap().parse().unwrap()
    };
    let keys: Vec<String> = (0..1_000).map(|i| format!("key:{i}")).collect();
    let () = redis::cmd("WATCH").arg(&keys).query(&mut c).unwrap();
    let watching = held(&mut c);
    assert!((60_000..200_000).contains(&watching), "{watching}");
    let () = redis::cmd("UNWATCH").query(&mut c).unwrap();
    assert!(held(&mut c) < 10_000);
}

#[test]
fn who_has_seen_the_end_of_a_pause_finds_what_it_held_up_done() {
    // One loop: what it has seen, all have.
    let server = start(&[("io-threads", "1")]);
    let mut c = connect(&server);
    for _ in 0..50 {
        let mut held = raw(&server);
        let () = redis::cmd("CLIENT").arg(&["PAUSE", "100000", "WRITE"]).query(&mut c).unwrap();
        held.write_all(b"INCR n\r\n").unwrap();
        loop {
            let info: String = redis::cmd("INFO").arg("clients").query(&mut c).unwrap();
            if info.contains("blocked_clients:1\r\n") {
                break;
            }
        }
        let before: u64 = c.get::<_, Option<u64>>("n").unwrap().unwrap_or(0);
        let () = redis::cmd("CLIENT").arg("UNPAUSE").query(&mut c).unwrap();
        assert_eq!(c.get::<_, u64>("n").unwrap(), before + 1);
    }
}
