//! Clients that wait for keys: in one session's time, and between loops under load.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stillpoint_server::{Running, TestClient};

#[test]
fn who_waits_is_served_in_the_order_of_arrival() {
    let mut writer = TestClient::new();
    let (mut first, mut second) = (writer.another(), writer.another());
    assert_eq!(first.run(&["BLPOP", "other", "k", "0"]), "");
    assert_eq!(second.run(&["BRPOP", "k", "0"]), "");
    assert!(writer.run(&["INFO", "clients"]).contains("blocked_clients:2"));
    assert!(writer.run(&["CLIENT", "LIST"]).contains("flags=b "));
    assert_eq!(writer.run(&["RPUSH", "k", "a", "b", "c"]), ":3\r\n");
    assert_eq!(first.send(b""), b"*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_eq!(second.send(b""), b"*2\r\n$1\r\nk\r\n$1\r\nc\r\n");
    assert_eq!(writer.run(&["LRANGE", "k", "0", "-1"]), "*1\r\n$1\r\nb\r\n");
    assert!(writer.run(&["INFO", "clients"]).contains("blocked_clients:0"));
}

#[test]
fn nothing_is_read_while_a_client_waits_and_then_it_goes_on() {
    let mut writer = TestClient::new();
    let mut waiter = writer.another();
    assert_eq!(waiter.send(b"BLPOP k 0\r\nPING\r\n"), b"");
    writer.run(&["MULTI"]);
    writer.run(&["LPUSH", "k", "x"]);
    assert_eq!(waiter.send(b""), b"");
    writer.run(&["EXEC"]);
    assert_eq!(waiter.send(b""), b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n+PONG\r\n");
}

#[test]
fn an_element_goes_on_to_whom_waits_for_the_next_list() {
    let mut writer = TestClient::new();
    let (mut mover, mut last) = (writer.another(), writer.another());
    assert_eq!(mover.run(&["BLMOVE", "a", "b", "LEFT", "RIGHT", "0"]), "");
    assert_eq!(last.run(&["BLMPOP", "0", "1", "b", "LEFT"]), "");
    writer.run(&["RPUSH", "a", "x"]);
    assert_eq!(mover.send(b""), b"$1\r\nx\r\n");
    assert_eq!(last.send(b""), b"*2\r\n$1\r\nb\r\n*1\r\n$1\r\nx\r\n");
    assert_eq!(writer.run(&["EXISTS", "a", "b"]), ":0\r\n");
}

#[test]
fn waiting_ends_with_time_with_a_word_or_with_the_connection() {
    let mut writer = TestClient::new();
    let mut waiter = writer.another();
    assert_eq!(waiter.run(&["BLPOP", "k", "0.5"]), "");
    waiter.advance_ms(499);
    assert_eq!(waiter.send(b""), b"");
    waiter.advance_ms(1);
    assert_eq!(waiter.send(b""), b"*-1\r\n");
    for (reason, reply) in
        [("TIMEOUT", "*-1\r\n"), ("ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]
    {
        let id = waiter.run(&["CLIENT", "ID"]).trim_matches([':', '\r', '\n']).to_owned();
        assert_eq!(waiter.run(&["BRPOPLPUSH", "k", "l", "0"]), "");
        assert_eq!(writer.run(&["CLIENT", "UNBLOCK", &id, reason]), ":1\r\n");
        assert_eq!(writer.run(&["CLIENT", "UNBLOCK", &id]), ":0\r\n");
        assert_eq!(waiter.send(b""), reply.as_bytes());
    }
    let stats = writer.run(&["INFO", "commandstats"]);
    let counted = stats.lines().find(|line| line.starts_with("cmdstat_brpoplpush:calls=2,"));
    assert!(counted.unwrap().ends_with("rejected_calls=0,failed_calls=1"), "{stats}");
    assert_eq!(waiter.run(&["BLPOP", "k", "0"]), "");
    drop(waiter);
    assert_eq!(writer.run(&["RPUSH", "k", "x"]), ":1\r\n");
    assert_eq!(writer.run(&["LLEN", "k"]), ":1\r\n");
}

#[test]
fn inside_multi_nobody_waits_and_wrong_timeouts_are_told() {
    let mut c = TestClient::new();
    c.run(&["MULTI"]);
    c.run(&["BLPOP", "k", "0"]);
    c.run(&["BLMOVE", "k", "l", "LEFT", "LEFT", "0"]);
    assert_eq!(c.run(&["EXEC"]), "*2\r\n*-1\r\n$-1\r\n");
    assert_eq!(c.run(&["BLPOP", "k", "-1"]), "-ERR timeout is negative\r\n");
    assert_eq!(c.run(&["BLPOP", "k", "x"]), "-ERR timeout is not a float or out of range\r\n");
    assert_eq!(c.run(&["BLPOP", "k", "1e17"]), "-ERR timeout is out of range\r\n");
}

#[test]
fn a_key_of_another_type_wakes_nobody() {
    let mut writer = TestClient::new();
    let mut waiter = writer.another();
    assert_eq!(waiter.run(&["BLPOP", "k", "0"]), "");
    writer.run(&["SET", "k", "v"]);
    assert_eq!(waiter.send(b""), b"");
    writer.run(&["RPUSH", "l", "x"]);
    writer.run(&["RENAME", "l", "k"]);
    assert_eq!(waiter.send(b""), b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
}

#[test]
fn readers_of_streams_wait_for_what_is_new() {
    let mut writer = TestClient::new();
    let (mut reader, mut member, mut other) =
        (writer.another(), writer.another(), writer.another());
    writer.run(&["XADD", "s", "1-0", "f", "old"]);
    writer.run(&["XGROUP", "CREATE", "s", "g", "$"]);
    assert_eq!(reader.run(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]), "");
    let read = ["XREADGROUP", "GROUP", "g", "me", "BLOCK", "0", "STREAMS", "s", ">"];
    assert_eq!(member.run(&read), "");
    assert_eq!(other.run(&read), "");
    writer.run(&["XADD", "s", "2-0", "f", "new"]);
    let entry = "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$3\r\nnew\r\n";
    assert_eq!(String::from_utf8(reader.send(b"")).unwrap(), entry);
    assert_eq!(String::from_utf8(member.send(b"")).unwrap(), entry);
    assert_eq!(other.send(b""), b"");
    writer.run(&["DEL", "s"]);
    assert!(other.send(b"").starts_with(b"-NOGROUP"));
    assert_eq!(reader.run(&["XREAD", "BLOCK", "5", "STREAMS", "s", "0"]), "");
    reader.advance_ms(5);
    assert_eq!(reader.send(b""), b"*-1\r\n");
}

/// A blocking client of a server on the network.
struct Client(BufReader<TcpStream>);

impl Client {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client(BufReader::new(stream))
    }

    fn ask(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The element of BLPOP's reply; `None` if there came none in time.
    fn popped(&mut self) -> Option<String> {
        if self.line() == "*-1" {
            return None;
        }
        (0..3).for_each(|_| drop(self.line()));
        Some(self.line())
    }
}

#[test]
fn between_loops_no_element_is_lost_and_none_is_delivered_twice() {
    const CONSUMERS: usize = 6;
    const EACH: u64 = 2_000;
    let server =
        Running::start(&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "4")]).unwrap();
    let port = server.port();
    let delivered = AtomicU64::new(0);
    let (delivered, total) = (&delivered, EACH * 4);
    let taken: Vec<Vec<String>> = std::thread::scope(|scope| {
        let consume = move |number: usize| {
            let mut client = Client::open(port);
            let mut taken = Vec::new();
            while delivered.load(Ordering::SeqCst) < total {
                // Some wait shortly, so that time and delivery meet.
                let timeout = if number.is_multiple_of(2) { "0.002" } else { "0.05" };
                client.ask(&format!("BLPOP q{} q{} {timeout}\r\n", number % 2, (number + 1) % 2));
                if let Some(element) = client.popped() {
                    taken.push(element);
                    delivered.fetch_add(1, Ordering::SeqCst);
                }
            }
            taken
        };
        let consumers: Vec<_> =
            (0..CONSUMERS).map(|number| scope.spawn(move || consume(number))).collect();
        for producer in 0..4u64 {
            scope.spawn(move || {
                let mut client = Client::open(port);
                for number in 0..EACH {
                    let element = producer * EACH + number;
                    client.ask(&match number % 3 {
                        0 => format!("RPUSH q{} {element}\r\n", number % 2),
                        1 => format!("MULTI\r\nRPUSH q0 {element}\r\nEXEC\r\n"),
                        _ => format!("RPUSH side {element}\r\nLMOVE side q1 LEFT RIGHT\r\n"),
                    });
                    let lines = [1, 4, 3][number as usize % 3];
                    (0..lines).for_each(|_| drop(client.line()));
                }
            });
        }
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
    });
    let all: Vec<u64> = taken.iter().flatten().map(|element| element.parse().unwrap()).collect();
    let distinct: BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!((all.len() as u64, distinct.len() as u64), (total, total));
}

#[test]
fn a_waiter_that_hangs_up_takes_nothing() {
    let server =
        Running::start(&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "2")]).unwrap();
    let mut writer = Client::open(server.port());
    let mut waiter = Client::open(server.port());
    waiter.ask("BLPOP k 0\r\n");
    let blocked = |writer: &mut Client| {
        writer.ask("INFO clients\r\n");
        let length: usize = writer.line()[1..].parse().unwrap();
        let (mut seen, mut count) = (0, String::new());
        while seen < length + 2 {
            let line = writer.line();
            seen += line.len() + 2;
            if let Some(number) = line.strip_prefix("blocked_clients:") {
                count = number.to_owned();
            }
        }
        count
    };
    while blocked(&mut writer) != "1" {}
    drop(waiter);
    while blocked(&mut writer) != "0" {}
    writer.ask("RPUSH k x\r\nLLEN k\r\n");
    assert_eq!((writer.line(), writer.line()), (":1".to_owned(), ":1".to_owned()));
}
