//! Thousands of clients that come, stall in the midst of a request, send what no client sends, and vanish: nothing of them may stay.

mod security;

use security::{Random, ask, clients_of, command, connect, open_descriptors, resident_kib, until};
use std::io::Write as _;
use std::net::TcpStream;
use stillpoint_server::Running;

/// As many as this process may have of sockets, both ends, up to 10,000.
fn crowd() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit = line.split_ascii_whitespace().nth(3).unwrap().parse::<usize>().unwrap_or(1 << 20);
    ((limit - 200) / 2).min(10_000)
}

fn rounds() -> usize {
    std::env::var("STILLPOINT_CROWDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn serve(more: &[(&str, &str)]) -> Running {
    Running::start(&[&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "2")], more].concat())
        .unwrap()
}

/// Leaves the socket in some state that a client may leave it in.
fn misbehave(socket: &mut TcpStream, random: &mut Random) {
    let request = command(&[b"SET", b"crowd", b"value"]);
    let bytes = match random.below(8) {
        0 => Vec::new(),
        1 => request[..random.below(request.len())].to_vec(),
        2 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n".to_vec(),
        3 => random.bytes(300),
        4 => b"*1000000\r\n".to_vec(),
        5 => [command(&[b"MULTI"]), request].concat(),
        6 => command(&[b"SUBSCRIBE", b"news"]),
        _ => command(&[b"BLPOP", b"never", b"0"]),
    };
    // It may be refused by now.
    let _sent = socket.write_all(&bytes);
}

#[test]
fn clients_that_vanish_leave_nothing() {
    let count = crowd();
    let server = serve(&[("maxclients", "20000")]);
    let port = server.port();
    let mut random = Random::new(7);
    let (before, mut memory) = (open_descriptors(), Vec::new());
    for _ in 0..rounds() {
        let mut sockets: Vec<TcpStream> = Vec::with_capacity(count);
        for _ in 0..count {
            let mut socket = connect(port);
            misbehave(&mut socket, &mut random);
            sockets.push(socket);
        }
        // Somebody who behaves is served beside them.
        assert_eq!(ask(&mut connect(port), &[b"PING"]), b"+PONG\r\n");
        drop(sockets);
        until(|| clients_of(port) == 1);
        until(|| open_descriptors() <= before);
        memory.push(resident_kib());
        println!("{} KiB", memory[memory.len() - 1]);
    }
    // What loops keep of buffers, and the allocator of pages, comes to its end after some rounds more.
    let grown = memory[memory.len() - 1].saturating_sub(memory[0]);
    assert!(grown < 64 * 1024, "KiB after each crowd: {memory:?}");
}

/// A loop receives into one buffer for all, out of which goes what is not whole.
#[test]
fn requests_that_come_in_pieces_stay_apart() {
    let server = serve(&[("io-threads", "1")]);
    let mut random = Random::new(3);
    let (mut senders, mut readers) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for at in 0..150 {
            let len = match random.below(40) {
                0 => random.below(200_000),
                1..4 => random.below(20_000),
                _ => random.below(2_000),
            };
            let (key, value) = (format!("{number}:{}", at % 7), random.bytes(len));
            requests.extend(command(&[b"SET", key.as_bytes(), &value]));
            requests.extend(command(&[b"GET", key.as_bytes()]));
            replies.extend(format!("+OK\r\n${len}\r\n").into_bytes());
            replies.extend([&value[..], b"\r\n"].concat());
        }
        let socket = connect(server.port());
        let mut reading = socket.try_clone().unwrap();
        senders.push((socket, requests, 0));
        readers.push(std::thread::spawn(move || {
            let mut got = vec![0; replies.len()];
            std::io::Read::read_exact(&mut reading, &mut got).unwrap();
            assert!(got == replies, "a reply to client {number} is another one");
        }));
    }
    while senders.iter().any(|(_, requests, sent)| *sent < requests.len()) {
        for (socket, requests, sent) in &mut senders {
            let piece =
                if random.below(3) == 0 { random.below(150_000) } else { random.below(3_000) };
            let end = (*sent + piece).min(requests.len());
            socket.write_all(&requests[*sent..end]).unwrap();
            *sent = end;
        }
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn what_a_large_request_took_is_given_back_though_the_next_one_has_begun() {
    const CLIENTS: usize = 10;
    let server = serve(&[]);
    let value = vec![b'v'; 8 << 20];
    // The second of them lacks more than is received at a time.
    let rests = [&b"*"[..], b"*2\r\n$4\r\nECHO\r\n$20000\r\n"];
    let mut clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut client = connect(server.port());
            let request = [&command(&[b"SET", b"large", &value]), rests[number % 2]].concat();
            client.write_all(&request).unwrap();
            let mut reply = [0; 5];
            std::io::Read::read_exact(&mut client, &mut reply).unwrap();
            assert_eq!(&reply, b"+OK\r\n");
            client
        })
        .collect();
    let mut other = connect(server.port());
    let mut most = || {
        let list = String::from_utf8(ask(&mut other, &[b"CLIENT", b"LIST"])).unwrap();
        let bytes = list.split(' ').filter_map(|part| part.strip_prefix("tot-mem="));
        bytes.map(|bytes| bytes.parse::<usize>().unwrap()).max().unwrap()
    };
    until(|| most() < 200_000);
    for client in clients.iter_mut().step_by(2) {
        client.write_all(b"1\r\n$4\r\nPING\r\n").unwrap();
        let mut reply = [0; 7];
        std::io::Read::read_exact(client, &mut reply).unwrap();
        assert_eq!(&reply, b"+PONG\r\n");
    }
}

/// Whether a loop writes them or, as they take long, another thread: who replaces one soon lets go of it.
#[test]
fn large_values_that_have_been_replaced_do_not_stay() {
    let server = serve(&[]);
    let (mut client, mut other) = (connect(server.port()), connect(server.port()));
    for (times, bytes) in [(40, 4 << 20), (200, 300_000)] {
        let value = vec![b'v'; bytes];
        for _ in 0..times {
            assert_eq!(ask(&mut client, &[b"SET", b"large", &value]), b"+OK\r\n");
        }
        until(|| {
            let info = String::from_utf8(ask(&mut other, &[b"INFO", b"mvcc"])).unwrap();
            info.lines().any(|line| line == "mvcc_unreclaimed_blocks:0")
        });
    }
}

#[test]
fn who_is_too_many_is_told_so() {
    let server = serve(&[("maxclients", "20")]);
    let port = server.port();
    let clients: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut client = connect(port);
            assert_eq!(ask(&mut client, &[b"PING"]), b"+PONG\r\n");
            client
        })
        .collect();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut connect(port), &mut reply).unwrap();
    assert_eq!(reply, "-ERR max number of clients reached\r\n");
    drop(clients);
    until(|| {
        TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut client| {
            client.write_all(b"PING\r\n").unwrap();
            let mut reply = [0; 7];
            std::io::Read::read_exact(&mut client, &mut reply).is_ok() && &reply == b"+PONG\r\n"
        })
    });
}

#[test]
fn who_does_nothing_is_closed_after_the_timeout() {
    let server = serve(&[("timeout", "1")]);
    let (mut idle, mut waiting) = (connect(server.port()), connect(server.port()));
    assert_eq!(ask(&mut idle, &[b"PING"]), b"+PONG\r\n");
    waiting.write_all(&command(&[b"BLPOP", b"l", b"4"])).unwrap();
    assert_eq!(std::io::Read::read(&mut idle, &mut [0; 8]).unwrap(), 0);
    assert_eq!(ask(&mut connect(server.port()), &[b"RPUSH", b"l", b"x"]), b":1\r\n");
    let mut reply = [0; 18];
    std::io::Read::read_exact(&mut waiting, &mut reply).unwrap();
    assert_eq!(&reply, b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
}

#[test]
fn a_request_longer_than_allowed_ends_the_connection() {
    let server = serve(&[("client-query-buffer-limit", "1mb"), ("proto-max-bulk-len", "2mb")]);
    let mut client = connect(server.port());
    let head = b"*2\r\n$4\r\nECHO\r\n$3000000\r\n";
    client.write_all(head).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut client, &mut reply).unwrap();
    assert_eq!(reply, "-ERR Protocol error: invalid bulk length\r\n");
    let mut client = connect(server.port());
    client.write_all(b"*2\r\n$4\r\nECHO\r\n$2000000\r\n").unwrap();
    // Whether all of it is taken before the end depends on the kernel's buffers.
    let _sent = client.write_all(&vec![b'x'; 1_500_000]);
    let end = std::io::Read::read(&mut client, &mut [0; 8]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    until(|| clients_of(server.port()) == 1);
}

#[test]
fn output_that_nobody_reads_ends_the_connection_at_its_class_limits() {
    let limits = "normal 4mb 0 0 pubsub 0 1mb 1";
    let server = serve(&[("client-output-buffer-limit", limits)]);
    let port = server.port();
    let mut publisher = connect(port);
    let mut subscriber = connect(port);
    subscriber.write_all(&command(&[b"SUBSCRIBE", b"news"])).unwrap();
    until(|| ask(&mut publisher, &[b"PUBLISH", b"news", b"x"]) == b":1\r\n");
    let large = vec![b'm'; 256 << 10];
    // The kernel's buffers come first; the soft limit has to last its second.
    let began = std::time::Instant::now();
    until(|| ask(&mut publisher, &[b"PUBLISH", b"news", &large]) == b":0\r\n");
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    drop(subscriber);
    let mut greedy = connect(port);
    // A longer one would be written as it is sent.
    assert_eq!(ask(&mut greedy, &[b"SET", b"big", &vec![b'b'; 200 << 10]]), b"+OK\r\n");
    let requests: Vec<u8> = (0..320).flat_map(|_| command(&[b"GET", b"big"])).collect();
    let _sent = greedy.write_all(&requests);
    until(|| clients_of(port) == 2);
    let info = ask(&mut publisher, &[b"INFO", b"stats"]);
    assert!(
        String::from_utf8(info).unwrap().contains("client_output_buffer_limit_disconnections:2")
    );
}
