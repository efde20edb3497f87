//! A client of its own making: sends one request, reads one reply of RESP2 or RESP3.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A reply, each with the character that it began with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reply {
    One(u8, Vec<u8>),
    Null(u8),
    Many(u8, Vec<Reply>),
}

impl Reply {
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Reply::One(b'-', _))
    }

    pub(crate) fn is_queued(&self) -> bool {
        matches!(self, Reply::One(b'+', text) if text == b"QUEUED")
    }

    /// The text of a single reply, nothing of others.
    pub(crate) fn text(&self) -> &[u8] {
        match self {
            Reply::One(_, text) => text,
            _ => b"",
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Reply::One(b':', text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn parts(&self) -> &[Reply] {
        match self {
            Reply::Many(_, parts) => parts,
            _ => &[],
        }
    }

    pub(crate) fn texts(&self) -> Vec<Vec<u8>> {
        self.parts().iter().map(|part| part.text().to_vec()).collect()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::One(kind, text) => write!(f, "{}{}", char::from(*kind), text.escape_ascii()),
            Reply::Null(kind) => write!(f, "{}null", char::from(*kind)),
            Reply::Many(kind, parts) => {
                write!(f, "{}[", char::from(*kind))?;
                for (number, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if number > 0 { " " } else { "" })?;
                }
                write!(f, "]")
            }
        }
    }
}

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Connection { stream: BufReader::new(stream) }
    }

    pub(crate) fn ask(&mut self, request: &[Vec<u8>]) -> Reply {
        let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
        for word in request {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&bytes).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a reply comes");
        assert!(line.ends_with(b"\r\n"), "cut off: {}", line.escape_ascii());
        line.truncate(line.len() - 2);
        let kind = line.remove(0);
        let length = || std::str::from_utf8(&line).unwrap().parse::<i64>().unwrap();
        match kind {
            b'$' | b'=' if length() >= 0 => {
                let mut text = vec![0; length() as usize + 2];
                self.stream.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                Reply::One(kind, text)
            }
            b'*' | b'~' | b'%' if length() >= 0 => {
                let parts = length() * if kind == b'%' { 2 } else { 1 };
                Reply::Many(kind, (0..parts).map(|_| self.reply()).collect())
            }
            b'$' | b'*' | b'_' => Reply::Null(kind),
            b'+' | b'-' | b':' | b',' | b'#' | b'(' => Reply::One(kind, line),
            other => panic!("no reply begins with {}", other.escape_ascii()),
        }
    }
}
