//! Commands that have much to do are done elsewhere: with the same replies, in the connection's order, all or nothing, and beside everybody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use stillpoint_server::Running;

/// Elements of each large value: far more than a loop does at once.
const ELEMENTS: usize = 5000;

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Running) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(socket))
    }
    fn say<W: AsRef<str>>(&mut self, words: &[W]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            let word = word.as_ref();
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
    /// Reads one reply; its first line, and how many there are inside of it.
    fn reply(&mut self) -> (String, usize) {
        let first = self.line();
        let (mut open, mut inside) = (elements(&first), 0);
        self.skip_bulk(&first);
        while open > 0 {
            let line = self.line();
            open += elements(&line);
            self.skip_bulk(&line);
            open -= 1;
            inside += 1;
        }
        (first, inside)
    }
    fn skip_bulk(&mut self, line: &str) {
        if let Some(bytes) = line.strip_prefix('$').and_then(|bytes| bytes.parse::<usize>().ok()) {
            self.0.read_exact(&mut vec![0; bytes + 2]).unwrap();
        }
    }
    fn ask<W: AsRef<str>>(&mut self, words: &[W]) -> String {
        self.say(words);
        self.reply().0
    }
}

fn elements(line: &str) -> usize {
    let (kind, count) = line.split_at(line.len().min(1));
    let count = count.parse().unwrap_or(0);
    match kind {
        "*" | ">" => count,
        "%" => 2 * count,
        _ => 0,
    }
}

/// A server with one event loop, so that whatever holds it up holds up everybody.
fn server() -> Running {
    let settings = [("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "1"), ("save", "")];
    Running::start(&settings).unwrap()
}

/// A hash, list, set, sorted set, stream and string, each large; and 5,000 small strings.
fn fill(client: &mut Client) {
    let numbers = || (0..ELEMENTS).map(|number| number.to_string());
    let pairs = || numbers().flat_map(|number| [number.clone(), number]);
    let words = |head: [&str; 2], rest: &mut dyn Iterator<Item = String>| -> Vec<String> {
        head.into_iter().map(str::to_owned).chain(rest).collect()
    };
    let all = format!(":{ELEMENTS}");
    assert_eq!(client.ask(&words(["HSET", "hash"], &mut pairs())), all);
    assert_eq!(client.ask(&words(["RPUSH", "list"], &mut numbers())), all);
    assert_eq!(client.ask(&words(["SADD", "set"], &mut numbers())), all);
    assert_eq!(client.ask(&words(["ZADD", "zset"], &mut pairs())), all);
    for _ in 0..ELEMENTS {
        client.say(&["XADD", "stream", "*", "field", "value"]);
    }
    (0..ELEMENTS).for_each(|_| assert!(client.reply().0.starts_with('$')));
    assert_eq!(client.ask(&["SETRANGE", "string", "4000000", "x"]), ":4000001");
    populate(client, ELEMENTS);
}

/// So many small strings.
fn populate(client: &mut Client, keys: usize) {
    for first in (0..keys).step_by(5000) {
        let pairs =
            (first..keys.min(first + 5000)).flat_map(|n| [format!("key:{n}"), n.to_string()]);
        let words: Vec<String> = std::iter::once("MSET".to_owned()).chain(pairs).collect();
        assert_eq!(client.ask(&words), "+OK");
    }
}

#[test]
fn replies_are_the_same_and_in_order() {
    let server = server();
    let mut client = Client::connect(&server);
    fill(&mut client);
    let n = ELEMENTS;
    let cases: &[(&str, &str, usize)] = &[
        ("HGETALL hash", "*10000", 2 * n),
        ("HKEYS hash", "*5000", n),
        ("HVALS hash", "*5000", n),
        ("HSCAN hash 0 COUNT 5000", "*2", 2 * n + 2),
        ("HRANDFIELD hash -5000", "*5000", n),
        ("SMEMBERS set", "*5000", n),
        ("SRANDMEMBER set 5000", "*5000", n),
        ("SUNION set set", "*5000", n),
        ("SINTERSTORE stored set set", ":5000", 0),
        ("LRANGE list 0 -1", "*5000", n),
        ("LPOS list 4999", ":4999", 0),
        ("SORT list DESC", "*5000", n),
        ("ZRANGE zset 0 -1", "*5000", n),
        ("ZRANGEBYSCORE zset -inf +inf", "*5000", n),
        ("ZRANGE zset 3 4", "*2", 2),
        ("ZUNIONSTORE stored 2 zset set", ":5000", 0),
        ("ZRANGESTORE stored zset 0 -1", ":5000", 0),
        ("XRANGE stream - +", "*5000", 20_000 + n),
        ("XREAD COUNT 4000 STREAMS stream 0", "*1", 16_000 + 4_000 + 3),
        ("BITCOUNT string", ":4", 0),
        ("BITPOS string 1", ":32000001", 0),
        ("SETBIT string 7 1", ":0", 0),
        ("APPEND string x", ":4000002", 0),
        ("KEYS *", "*5008", 5008),
        ("SCAN 0 COUNT 10000", "*2", 5010),
        ("LREM list 1 4998", ":1", 0),
        ("LINSERT list BEFORE 4999 4998", ":5000", 0),
        ("LPOP list 3000", "*3000", 3000),
        ("ZREMRANGEBYRANK zset 0 3999", ":4000", 0),
        ("ZPOPMIN zset 1000", "*2000", 2000),
        ("SPOP set 4000", "*4000", 4000),
        ("EVAL return(#redis.call('hgetall','hash')) 0", ":10000", 0),
        ("DEL hash", ":1", 0),
        ("FLUSHALL", "+OK", 0),
        ("DBSIZE", ":1", 0),
    ];
    for (number, (request, first, inside)) in cases.iter().enumerate() {
        // The counter is asked for in the same breath: it has to be answered behind.
        client.say(&request.split(' ').collect::<Vec<_>>());
        client.say(&["INCR", "count"]);
        let reply = client.reply();
        assert_eq!((reply.0.as_str(), reply.1), (*first, *inside), "{request}");
        let expected = if *request == "DBSIZE" { 2 } else { number + 1 };
        let expected = if *request == "FLUSHALL" { 1 } else { expected };
        assert_eq!(client.reply().0, format!(":{expected}"), "behind {request}");
    }
    server.stop().unwrap();
}

/// EXEC goes elsewhere as a whole, be it for what one of its commands has to do or for their number, and what they did here is not done twice.
#[test]
fn a_transaction_moves_as_a_whole() {
    let server = server();
    let (mut client, mut other) = (Client::connect(&server), Client::connect(&server));
    fill(&mut client);
    assert_eq!(client.ask(&["WATCH", "list"]), "+OK");
    assert_eq!(client.ask(&["MULTI"]), "+OK");
    for words in [&["INCR", "n"][..], &["HKEYS", "hash"], &["INCR", "n"], &["PUBLISH", "c", "m"]] {
        assert_eq!(client.ask(words), "+QUEUED");
    }
    client.say(&["EXEC"]);
    assert_eq!(client.line(), "*4");
    assert_eq!(client.reply().0, ":1");
    assert_eq!(client.reply(), ("*5000".to_owned(), ELEMENTS));
    assert_eq!((client.reply().0.as_str(), client.reply().0.as_str()), (":2", ":0"));
    // What is watched is watched over there too.
    assert_eq!(client.ask(&["WATCH", "list"]), "+OK");
    assert_eq!(client.ask(&["MULTI"]), "+OK");
    assert_eq!(client.ask(&["HKEYS", "hash"]), "+QUEUED");
    assert_eq!(other.ask(&["LPUSH", "list", "x"]), ":5001");
    assert_eq!(client.ask(&["EXEC"]), "*-1");
    assert_eq!(client.ask(&["MULTI"]), "+OK");
    for number in 0..3000 {
        client.say(&["SET".to_owned(), format!("k{number}"), "v".to_owned()]);
    }
    (0..3000).for_each(|_| assert_eq!(client.reply().0, "+QUEUED"));
    assert_eq!(
        (client.ask(&["EXEC"]).as_str(), other.ask(&["GET", "k2999"]).as_str()),
        ("*3000", "$1")
    );
    server.stop().unwrap();
}

/// A write that is done elsewhere wakes those who wait for it.
#[test]
fn a_push_of_many_wakes_who_waits() {
    let server = server();
    let (mut waiter, mut client) = (Client::connect(&server), Client::connect(&server));
    waiter.say(&["BLPOP", "list", "10"]);
    std::thread::sleep(Duration::from_millis(20));
    let words: Vec<String> = ["RPUSH", "list"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..ELEMENTS).map(|n| n.to_string()))
        .collect();
    assert_eq!(client.ask(&words), format!(":{ELEMENTS}"));
    assert_eq!(waiter.reply(), ("*2".to_owned(), 2));
    assert_eq!(client.ask(&["LLEN", "list"]), format!(":{}", ELEMENTS - 1));
    server.stop().unwrap();
}

/// What CLIENT CACHING says of the next command holds where that command runs.
#[test]
fn a_read_that_moves_is_tracked() {
    let server = server();
    let (mut client, mut other) = (Client::connect(&server), Client::connect(&server));
    fill(&mut client);
    assert_eq!(client.ask(&["HELLO", "3"]).chars().next(), Some('%'));
    assert_eq!(client.ask(&["CLIENT", "TRACKING", "ON", "OPTIN"]), "+OK");
    assert_eq!(client.ask(&["CLIENT", "CACHING", "YES"]), "+OK");
    assert_eq!(client.ask(&["HRANDFIELD", "hash", "-5000"]), "*5000");
    assert_eq!(other.ask(&["HSET", "hash", "0", "x"]), ":0");
    assert_eq!(client.reply(), (">2".to_owned(), 3));
    server.stop().unwrap();
}

/// On the same loop as a client that asks for everything, nobody waits for as long as that takes.
#[test]
fn nobody_else_waits() {
    let server = server();
    let (mut busy, mut other) = (Client::connect(&server), Client::connect(&server));
    populate(&mut busy, 100_000);
    let begun = Instant::now();
    busy.say(&["KEYS", "*"]);
    let reader = std::thread::spawn(move || {
        assert_eq!(busy.reply(), ("*100000".to_owned(), 100_000));
        begun.elapsed()
    });
    let mut worst = Duration::ZERO;
    while !reader.is_finished() {
        let asked = Instant::now();
        assert_eq!(other.ask(&["PING"]), "+PONG");
        worst = worst.max(asked.elapsed());
    }
    let took = reader.join().unwrap();
    assert!(worst < took / 2, "KEYS took {took:?}, somebody else waited for {worst:?}");
    server.stop().unwrap();
}
