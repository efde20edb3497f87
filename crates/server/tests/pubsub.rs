//! Publish/subscribe over sockets and several loops: nothing lost, nothing out of order, nothing without bound.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use stillpoint_server::Running;

struct Client(BufReader<TcpStream>);

impl Client {
    fn open(server: &Running) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client(BufReader::new(stream))
    }
    fn send(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
    /// An array of bulk strings and integers, as texts.
    fn array(&mut self) -> Vec<String> {
        let count: usize = self.line()[1..].parse().unwrap();
        (0..count)
            .map(|_| {
                let head = self.line();
                if head.starts_with('$') { self.line() } else { head }
            })
            .collect()
    }
}

fn start(directives: &[(&str, &str)]) -> Running {
    let fixed = [("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "3")];
    let all: Vec<(&str, &str)> = fixed.iter().chain(directives).copied().collect();
    Running::start(&all).unwrap()
}

#[test]
fn every_subscriber_gets_every_message_in_one_order() {
    const PUBLISHERS: usize = 3;
    const SUBSCRIBERS: usize = 6;
    const MESSAGES: usize = 400;
    let server = start(&[]);
    let mut subscribers: Vec<Client> = (0..SUBSCRIBERS).map(|_| Client::open(&server)).collect();
    for (i, client) in subscribers.iter_mut().enumerate() {
        client.send(if i % 2 == 0 { &["SUBSCRIBE", "news"] } else { &["PSUBSCRIBE", "n?ws"] });
        assert_eq!(client.array()[2], ":1");
    }
    let orders: Vec<Vec<String>> = std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let mut client = Client::open(&server);
            scope.spawn(move || {
                for i in 0..MESSAGES {
                    client.send(&["PUBLISH", "news", &format!("{publisher} {i}")]);
                    assert_eq!(client.line(), format!(":{SUBSCRIBERS}"));
                }
            });
        }
        let hear = |mut client: Client| {
            scope.spawn(move || {
                let message = |_| client.array().pop().unwrap();
                (0..PUBLISHERS * MESSAGES).map(message).collect::<Vec<String>>()
            })
        };
        let hearing: Vec<_> = subscribers.into_iter().map(hear).collect();
        hearing.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for order in &orders {
        for publisher in 0..PUBLISHERS {
            let own = order.iter().filter(|text| text.starts_with(&format!("{publisher} ")));
            let numbers: Vec<usize> =
                own.map(|text| text.split_once(' ').unwrap().1.parse().unwrap()).collect();
            assert!(numbers.iter().copied().eq(0..MESSAGES), "publisher {publisher}");
        }
    }
    // Those who listen to the channel hear all of it in one order.
    assert!(orders.iter().step_by(2).all(|order| *order == orders[0]));
}

#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let server = start(&[("client-output-buffer-limit", "pubsub 1mb 0 0")]);
    let (mut slow, mut publisher) = (Client::open(&server), Client::open(&server));
    slow.send(&["SUBSCRIBE", "c"]);
    assert_eq!(slow.array()[2], ":1");
    let payload = "x".repeat(64 * 1024);
    let mut sent = 0;
    let told = loop {
        publisher.send(&["PUBLISH", "c", &payload]);
        sent += payload.len();
        if publisher.line() == ":0" {
            break true;
        }
        // The kernel takes some megabytes before the server has to keep anything.
        if sent > 200 << 20 {
            break false;
        }
    };
    assert!(told, "still subscribed after {sent} bytes");
    // What the kernel had taken comes, then the end.
    let mut rest = Vec::new();
    let _reset = slow.0.read_to_end(&mut rest);
    assert!(rest.len() < sent);
    publisher.send(&["PUBSUB", "NUMSUB", "c"]);
    assert_eq!(publisher.array(), ["c", ":0"]);
}

#[test]
fn background_expiry_is_told_of() {
    let server = start(&[("notify-keyspace-events", "Ex")]);
    let (mut listener, mut client) = (Client::open(&server), Client::open(&server));
    listener.send(&["SUBSCRIBE", "__keyevent@0__:expired"]);
    assert_eq!(listener.array()[2], ":1");
    for i in 0..50 {
        client.send(&["SET", &format!("k{i}"), "v", "PX", "30"]);
        assert_eq!(client.line(), "+OK");
    }
    let mut expired: Vec<String> = (0..50).map(|_| listener.array().pop().unwrap()).collect();
    expired.sort();
    expired.dedup();
    assert_eq!(expired.len(), 50);
}
