//! What the tests of TLS and of the server's limits have in common.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A request in the protocol's form.
pub(crate) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Sends a request and reads its reply (no nested ones).
pub(crate) fn ask(client: &mut (impl Read + Write), words: &[&[u8]]) -> Vec<u8> {
    client.write_all(&command(words)).unwrap();
    client.flush().unwrap();
    read_reply(client)
}

fn read_line(client: &mut impl Read) -> Vec<u8> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        client.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    line
}

fn read_reply(client: &mut impl Read) -> Vec<u8> {
    let mut reply = read_line(client);
    let number =
        || std::str::from_utf8(&reply[1..reply.len() - 2]).unwrap().parse::<i64>().unwrap();
    match reply[0] {
        b'$' if number() >= 0 => {
            let mut rest = vec![0; number() as usize + 2];
            client.read_exact(&mut rest).unwrap();
            reply.extend(rest);
        }
        b'*' => {
            for _ in 0..number().max(0) {
                reply.extend(read_reply(client));
            }
        }
        _ => {}
    }
    reply
}

/// How many clients the server has, the one that asks among them.
pub(crate) fn clients_of(port: u16) -> usize {
    let info = ask(&mut connect(port), &[b"INFO", b"clients"]);
    let info = String::from_utf8(info).unwrap();
    info.lines().find_map(|line| line.strip_prefix("connected_clients:")).unwrap().parse().unwrap()
}

/// Descriptors that this process, server and test, has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn resident_kib() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it has not become so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// xorshift64*: reproducible from its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.max(1))
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
