//! Replies of any size are written as they are sent: the same bytes, of what was there when the command ran, in bounded memory.

mod security;

use security::{Random, ask, clients_of, command, connect, resident_kib, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use stillpoint_server::{Running, Server, TestClient};

/// Whose memory is looked at is the process's: then no other test runs.
static TURN: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

/// Rows of a value that is certainly large, and of those that are compared with every room.
const MANY: usize = 3000;

fn send(client: &mut TestClient, line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    client.run_bytes(&words)
}

/// One large value of every type; some of their strings are long.
fn fill(client: &mut TestClient) {
    let mut random = Random::new(11);
    for number in 0..MANY {
        let len = match number % 500 {
            0 => 20_000,
            1 => 5_000,
            2 => 0,
            _ => random.below(40),
        };
        let number = number.to_string();
        let value = [number.as_bytes(), b":", random.bytes(len).as_slice()].concat();
        client.run_bytes(&[b"HSET", b"hash", number.as_bytes(), &value]);
        client.run_bytes(&[b"HSET", b"timed", &value, number.as_bytes()]);
        client.run_bytes(&[b"SADD", b"set", &value]);
        client.run_bytes(&[b"RPUSH", b"list", &value]);
        let score = format!("{number}.5");
        client.run_bytes(&[b"ZADD", b"zset", score.as_bytes(), &value]);
        let id = format!("{number}-1");
        client.run_bytes(&[b"XADD", b"stream", id.as_bytes(), b"field", &value, b"n", b"1"]);
        client.run_bytes(&[b"XADD", b"second", id.as_bytes(), b"n", number.as_bytes()]);
        if number.len() == 3 {
            let ms = if number.starts_with('7') { "50" } else { "5000000" };
            let request: [&[u8]; 6] =
                [b"HPEXPIRE", b"timed", ms.as_bytes(), b"FIELDS", b"1", &value];
            client.run_bytes(&request);
        }
    }
    client.run_bytes(&[b"SET", b"string", &random.bytes(700_000)]);
    send(client, "SETRANGE string 5 xyz");
    client.run_bytes(&[b"SET", b"other", &random.bytes(300_000)]);
    client.run_bytes(&[b"SET", b"short", b"value"]);
    client.advance_ms(100);
}

const REQUESTS: &[&str] = &[
    "HGETALL hash",
    "HKEYS hash",
    "HVALS hash",
    "HGETALL timed",
    "HKEYS timed",
    "SMEMBERS set",
    "LRANGE list 0 -1",
    "LRANGE list 700 -700",
    "LRANGE list 2999 2999",
    "LRANGE list 5 2",
    "ZRANGE zset 0 -1",
    "ZRANGE zset 0 -1 WITHSCORES",
    "ZRANGE zset 0 -1 REV",
    "ZRANGE zset 10 -10 REV WITHSCORES",
    "ZREVRANGE zset 1 -1 WITHSCORES",
    "ZRANGEBYSCORE zset 100 (2500 WITHSCORES LIMIT 3 2000",
    "ZREVRANGEBYSCORE zset +inf -inf WITHSCORES LIMIT 3 2000",
    "ZRANGE zset - + BYLEX",
    "ZREVRANGEBYLEX zset + [1",
    "XRANGE stream - +",
    "XREVRANGE stream + -",
    "XRANGE stream - + COUNT 1500",
    "XRANGE stream 5 2900-0",
    "XREVRANGE stream 2900 5-1 COUNT 2600",
    "XRANGE stream 5 2",
    "XREAD STREAMS stream 0",
    "XREAD COUNT 2500 STREAMS stream none second 7 0 0",
    "XREAD BLOCK 5000 STREAMS second stream + 2",
    "XGROUP CREATE stream g 0",
    "XGROUP CREATE second g 1500",
    "XREADGROUP GROUP g a COUNT 1400 STREAMS stream second > >",
    "XREADGROUP GROUP g a COUNT 10 STREAMS stream second stream 5 > >",
    "XREADGROUP GROUP g b NOACK STREAMS second stream > >",
    "XREADGROUP GROUP g b STREAMS second >",
    "COPY stream whole REPLACE",
    "XDEL stream 3-1 4-1 5-1 600-1",
    "XREADGROUP GROUP g a STREAMS stream 0",
    "XREADGROUP GROUP g a COUNT 900 STREAMS stream second stream 0 1600 1399",
    "XREADGROUP GROUP g c STREAMS stream 0",
    "XPENDING stream g - + 3 a",
    "COPY whole stream REPLACE",
    "MULTI",
    "XREADGROUP GROUP g a STREAMS second 0",
    "XREADGROUP GROUP g b STREAMS stream 7",
    "EXEC",
    "MULTI",
    "XGROUP SETID stream g 0",
    "XREADGROUP GROUP g b STREAMS stream >",
    "XLEN stream",
    "EXEC",
    "XGROUP DESTROY stream g",
    "XGROUP DESTROY second g",
    "GET string",
    "GETRANGE string 1000 600000",
    "GETRANGE string -5 -1",
    "GETRANGE none 0 -1",
    "MGET string short none other hash string",
    "GETEX string",
    "GETEX string PERSIST",
    "SETRANGE string 5 xyz",
    "SET short value GET",
    "MULTI",
    "MGET string other",
    "LRANGE list 0 5",
    "COPY string temporary",
    "GETDEL temporary",
    "EXEC",
    "HGETALL none",
    "SMEMBERS hash",
    "EVAL return(redis.call('hgetall','hash')) 0",
    "BEGIN",
    "ZRANGE zset 0 -1 WITHSCORES",
    "COMMIT",
    "MULTI",
    "INCR count",
    "HGETALL hash",
    "GET list",
    "LRANGE list 0 -1",
    "SMEMBERS set",
    "DECR count",
    "EXEC",
    "CLIENT REPLY SKIP",
    "HGETALL hash",
    "CLIENT REPLY OFF",
    "SMEMBERS set",
    "CLIENT REPLY ON",
    "PING",
];

#[test]
fn a_reply_in_pieces_is_the_whole_one() {
    let _turn = beside_others();
    let server = Arc::new(Server::new());
    let mut whole = TestClient::connect(&server);
    fill(&mut whole);
    for hello in ["HELLO 2", "HELLO 3"] {
        let mut whole = whole.another();
        send(&mut whole, hello);
        let expected: Vec<Vec<u8>> = REQUESTS.iter().map(|line| send(&mut whole, line)).collect();
        assert!(expected[0].len() > 200_000 && expected[3].len() > 200_000);
        for (bytes, rows) in [(61, 1), (1000, 3), (5_000, 2048), (65_536, 2048)] {
            let mut pieces = whole.another();
            pieces.stream_replies(bytes, rows);
            send(&mut pieces, hello);
            for (line, expected) in REQUESTS.iter().zip(&expected) {
                let reply = send(&mut pieces, line);
                assert!(reply == *expected, "{line} in pieces of {bytes} bytes, {rows} rows");
            }
            // All in one breath: the replies keep their order.
            let pipeline: Vec<u8> = REQUESTS
                .iter()
                .flat_map(|line| command(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>()))
                .collect();
            assert!(pieces.send(&pipeline) == expected.concat(), "pipeline, {bytes} bytes");
        }
    }
}

/// Where a string lies is nobody's business.
#[test]
fn a_long_string_is_a_string() {
    let _turn = beside_others();
    let mut client = TestClient::new();
    let mut text = vec![b'x'; 262_143];
    client.run_bytes(&[b"SET", b"s", &text]);
    let digest = |client: &mut TestClient| send(client, "DEBUG DIGEST-VALUE s");
    for _ in 0..3 {
        assert_eq!(send(&mut client, "APPEND s yz"), format!(":{}\r\n", text.len() + 2).as_bytes());
        text.extend_from_slice(b"yz");
        assert_eq!(
            send(&mut client, "SETRANGE s 262140 abc"),
            format!(":{}\r\n", text.len()).as_bytes()
        );
        text[262_140..262_143].copy_from_slice(b"abc");
        assert_eq!(
            send(&mut client, "SETBIT s 7 1"),
            if text[0] & 1 == 1 { b":1\r\n" } else { b":0\r\n" }
        );
        text[0] |= 1;
        let whole = [format!("${}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat();
        assert!(send(&mut client, "GET s") == whole);
        assert_eq!(send(&mut client, "TYPE s"), b"+string\r\n");
        assert_eq!(send(&mut client, "OBJECT ENCODING s"), b"$3\r\nraw\r\n");
        assert_eq!(send(&mut client, "STRLEN s"), format!(":{}\r\n", text.len()).as_bytes());
        assert_eq!(send(&mut client, "LPUSH s x")[..6], *b"-WRONG");
        let before = digest(&mut client);
        let dumped = send(&mut client, "DUMP s");
        let start = dumped.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let payload = dumped[start..dumped.len() - 2].to_vec();
        assert_eq!(client.run_bytes(&[b"RESTORE", b"s", b"0", &payload, b"REPLACE"]), b"+OK\r\n");
        assert!(send(&mut client, "GET s") == whole);
        assert_eq!(digest(&mut client), before);
        assert_eq!(send(&mut client, "COPY s t REPLACE"), b":1\r\n");
        assert!(send(&mut client, "GETDEL t") == whole);
        assert_eq!(send(&mut client, "EXPIRE s 1000"), b":1\r\n");
        assert!(send(&mut client, "GETSET s short") == whole);
        assert_eq!(send(&mut client, "TTL s"), b":-1\r\n");
        assert_eq!(client.run_bytes(&[b"MSET", b"a", b"1", b"s", &text]), b"+OK\r\n");
        assert_eq!(client.run_bytes(&[b"SET", b"s", &text, b"XX", b"EX", b"9"]), b"+OK\r\n");
        assert_eq!(send(&mut client, "PERSIST s"), b":1\r\n");
    }
}

/// A server with one loop, with large values of these types, 40,000 rows of three hundred bytes.
fn serve(types: &[&str], more: &[(&str, &str)]) -> Running {
    let rows = 40_000;
    let settings =
        [&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "1"), ("save", "")], more].concat();
    let server = Running::start(&settings).unwrap();
    let mut client = connect(server.port());
    let tail = "x".repeat(300);
    for first in (0..rows).step_by(500) {
        let rows: Vec<(String, String)> = (first..rows.min(first + 500))
            .map(|number| (number.to_string(), format!("{number}{tail}")))
            .collect();
        let words = |name: &[&str], row: &dyn Fn(&(String, String)) -> Vec<String>| {
            let words = name.iter().map(|word| (*word).to_owned()).chain(rows.iter().flat_map(row));
            words.collect::<Vec<String>>()
        };
        for request in [
            words(&["HSET", "hash"], &|(name, value)| vec![name.clone(), value.clone()]),
            words(&["RPUSH", "list"], &|(_, value)| vec![value.clone()]),
            words(&["SADD", "set"], &|(_, value)| vec![value.clone()]),
            words(&["ZADD", "zset"], &|(name, value)| vec![name.clone(), value.clone()]),
        ] {
            if !types.contains(&request[1].as_str()) {
                continue;
            }
            let request: Vec<&[u8]> = request.iter().map(String::as_bytes).collect();
            ask(&mut client, &request);
        }
        if types.contains(&"stream") {
            let add: &[u8] =
                b"for _ = 1, 500 do redis.call('XADD', KEYS[1], '*', 'field', ARGV[1]) end";
            ask(&mut client, &[b"EVAL", add, b"1", b"stream", tail.as_bytes()]);
        }
    }
    server
}

/// Reads so many bytes.
fn read(client: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    client.read_exact(&mut read).unwrap();
    read
}

fn figure(client: &mut TcpStream, section: &[u8], name: &str) -> u64 {
    let info = String::from_utf8(ask(client, &[b"INFO", section])).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().parse().unwrap()
}

const REPLIES: [(&str, &str); 7] = [
    ("XREADGROUP GROUP g a NOACK STREAMS stream >", "*1\r\n*2\r\n$6\r\nstream\r\n*40000\r\n"),
    ("XREAD STREAMS stream 0", "*1\r\n*2\r\n$6\r\nstream\r\n*40000\r\n"),
    ("GET string", "$12000000\r\n"),
    ("HGETALL hash", "*80000\r\n"),
    ("LRANGE list 0 -1", "*40000\r\n"),
    ("SMEMBERS set", "*40000\r\n"),
    ("ZRANGE zset 0 -1", "*40000\r\n"),
];

fn say(client: &mut TcpStream, line: &str) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    client.write_all(&command(&words)).unwrap();
}

#[test]
fn many_slow_readers_cost_a_piece_each() {
    let _turn = alone();
    let server = serve(&["hash", "list", "set", "zset", "stream"], &[]);
    let text = vec![b'x'; 12_000_000];
    assert_eq!(ask(&mut connect(server.port()), &[b"SET", b"string", &text]), b"+OK\r\n");
    drop(text);
    let mut client = connect(server.port());
    let before = resident_kib();
    let readers: Vec<TcpStream> = (0..200)
        .map(|number| {
            let (request, header) = REPLIES[number % REPLIES.len()];
            let mut reader = connect(server.port());
            if request.starts_with("XREADGROUP") {
                for change in ["XGROUP DESTROY stream g", "XGROUP CREATE stream g 0"] {
                    ask(&mut client, &change.split(' ').map(str::as_bytes).collect::<Vec<_>>());
                }
            }
            say(&mut reader, request);
            assert_eq!(read(&mut reader, header.len()), header.as_bytes());
            reader
        })
        .collect();
    // They have what their sockets take; the next piece of each waits, and what the allocator and the loop keep.
    let list = String::from_utf8(ask(&mut client, &[b"CLIENT", b"LIST"])).unwrap();
    let held = list.lines().filter_map(|line| {
        line.split(' ').find_map(|part| part.strip_prefix("omem=")?.parse::<usize>().ok())
    });
    let (count, most) = held.fold((0, 0), |(count, most), bytes| (count + 1, most.max(bytes)));
    assert_eq!(count, 201);
    assert!(most < 200_000, "{most} bytes held for one client");
    let grown = resident_kib().saturating_sub(before);
    println!("200 readers of 12 MB: {grown} KiB more");
    assert!(grown < 80 * 1024, "{grown} KiB more");
    drop(readers);
    until(|| clients_of(server.port()) == 2);
    drop(client);
    server.stop().unwrap();
}

#[test]
fn the_list_of_pending_entries_counts_as_output() {
    let _turn = beside_others();
    let server = serve(&["stream"], &[]);
    let (mut reader, mut other) = (connect(server.port()), connect(server.port()));
    assert_eq!(ask(&mut other, &[b"XGROUP", b"CREATE", b"stream", b"g", b"0"]), b"+OK\r\n");
    let drained: Vec<&[u8]> =
        b"EVAL|redis.call('XREADGROUP', 'GROUP', 'g', 'a', 'STREAMS', 'stream', '>')|0"
            .split(|byte| *byte == b'|')
            .collect();
    assert_eq!(ask(&mut other, &drained), b"$-1\r\n");
    say(&mut reader, "XREADGROUP GROUP g a STREAMS stream 0");
    let header = b"*1\r\n*2\r\n$6\r\nstream\r\n*40000\r\n";
    assert_eq!(read(&mut reader, header.len()), header);
    let mut held = || {
        let list = String::from_utf8(ask(&mut other, &[b"CLIENT", b"LIST"])).unwrap();
        let omem = list.split_ascii_whitespace().filter_map(|part| part.strip_prefix("omem="));
        omem.map(|bytes| bytes.parse::<usize>().unwrap()).max().unwrap()
    };
    until(|| (500_000..800_000).contains(&held()));
    drop(reader);
    until(|| held() == 0);
}

#[test]
fn a_reply_shows_what_was_there_whatever_becomes_of_the_value() {
    let _turn = beside_others();
    let server = serve(&["hash"], &[]);
    let mut other = connect(server.port());
    let mut run =
        |line: &str| ask(&mut other, &line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    let expected = run("HGETALL hash");
    run("COPY hash kept");
    for change in ["HSET hash 5 changed", "SET hash string", "DEL hash", "FLUSHALL"] {
        assert_eq!(run("COPY kept hash REPLACE"), b":1\r\n");
        let mut reader = connect(server.port());
        say(&mut reader, "HGETALL hash");
        let mut reply = read(&mut reader, 1000);
        assert_ne!(run(change)[0], b'-', "{change}");
        reply.extend(read(&mut reader, expected.len() - 1000));
        assert!(reply == expected, "{change}");
        assert_eq!(ask(&mut reader, &[b"PING"]), b"+PONG\r\n");
    }
    drop(other);
    server.stop().unwrap();
}

#[test]
fn who_leaves_in_the_midst_of_a_reply_lets_go_of_the_value() {
    let _turn = beside_others();
    let server = serve(&["hash"], &[]);
    let mut other = connect(server.port());
    let mut readers: Vec<TcpStream> = (0..3).map(|_| connect(server.port())).collect();
    for reader in &mut readers {
        say(reader, "HGETALL hash");
        assert_eq!(read(reader, 8), b"*80000\r\n");
    }
    assert_eq!(ask(&mut other, &[b"DEL", b"hash"]), b":1\r\n");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(figure(&mut other, b"memory", "lazyfree_pending_objects"), 1);
    readers.pop();
    readers.pop();
    until(|| clients_of(server.port()) == 3);
    assert_eq!(figure(&mut other, b"memory", "lazyfree_pending_objects"), 1);
    drop(readers);
    until(|| {
        // The store gives up what was removed with what is removed after it.
        for _ in 0..100 {
            ask(&mut other, &[b"SET", b"s", b"x"]);
        }
        figure(&mut other, b"memory", "lazyfree_pending_objects") == 0
    });
    drop(other);
    server.stop().unwrap();
}

#[test]
fn an_output_limit_counts_what_is_held_and_not_what_is_shared() {
    let _turn = beside_others();
    let limits = [("client-output-buffer-limit", "normal 1mb 0 0")];
    let server = serve(&["hash", "list"], &limits);
    let mut client = connect(server.port());
    // Twelve times the limit, a piece at a time.
    let reply = ask(&mut client, &[b"HGETALL", b"hash"]);
    assert!(reply.len() > 11_000_000, "{}", reply.len());
    // What will be sent counts as the size of the reply all the same.
    ask(&mut client, &[b"CONFIG", b"SET", b"commandlog-reply-larger-than", b"5000000"]);
    let reply = ask(&mut client, &[b"LRANGE", b"list", b"0", b"-1"]);
    let log = ask(&mut client, &[b"COMMANDLOG", b"GET", b"-1", b"large-reply"]);
    let log = String::from_utf8(log).unwrap();
    let figure: usize = log.lines().nth(4).unwrap()[1..].parse().unwrap();
    assert!(figure.abs_diff(reply.len()) < reply.len() / 10, "{figure} for {}", reply.len());
    // Short strings are copied: what nobody reads of them ends the client.
    assert_eq!(ask(&mut client, &[b"SET", b"s", &[b'x'; 100_000]]), b"+OK\r\n");
    let gets: Vec<u8> = (0..400).flat_map(|_| command(&[b"GET", b"s"])).collect();
    client.write_all(&gets).unwrap();
    until(|| clients_of(server.port()) == 1);
    drop(client);
    server.stop().unwrap();
}
