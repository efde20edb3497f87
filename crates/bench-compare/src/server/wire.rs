//! [`Wire`]: one blocking connection that speaks RESP: requests are written as they are given, replies are skipped as they come, whatever their size.

use crate::Outcome;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A server that answers nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to a server on this machine.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// What has been read and not looked at.
    unread: std::ops::Range<usize>,
}

impl Wire {
    pub(crate) fn connect(port: u16) -> Outcome<Wire> {
        let failed = |error| format!("port {port}: {error}");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Wire { stream, buffer: vec![0; 64 * 1024].into(), unread: 0..0 })
    }

    /// Sends what [`push`] has made.
    pub(crate) fn send(&mut self, requests: &[u8]) -> Outcome {
        self.stream.write_all(requests).map_err(|error| format!("sending: {error}"))
    }

    /// Reads so many replies, looking at nothing but where they end.
    ///
    /// # Errors
    /// One of them is an error, or there is none.
    pub(crate) fn skip(&mut self, replies: usize) -> Outcome {
        let mut owed = replies as u64;
        let mut line = Vec::new();
        while owed > 0 {
            self.line(&mut line).map_err(|error| format!("reading: {error}"))?;
            let text = String::from_utf8_lossy(line.get(1..).unwrap_or_default());
            let number = text.parse::<i64>().unwrap_or(0);
            owed -= 1;
            match line.first() {
                Some(b'$') if number >= 0 => {
                    self.pass(number as usize + 2).map_err(|error| format!("reading: {error}"))?;
                }
                Some(b'*') => owed += number.max(0) as u64,
                Some(b'-') => return Err(format!("the server said {text}")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends one request and skips its reply.
    pub(crate) fn run(&mut self, words: &[&str]) -> Outcome {
        let mut request = Vec::new();
        push(&mut request, words);
        self.send(&request)?;
        self.skip(1)
    }

    /// Sends one request whose reply is one line, or one bulk string.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Outcome<String> {
        let mut request = Vec::new();
        push(&mut request, words);
        self.send(&request)?;
        let failed = |error: io::Error| format!("reading: {error}");
        let mut line = Vec::new();
        self.line(&mut line).map_err(failed)?;
        let text = String::from_utf8_lossy(line.get(1..).unwrap_or_default()).into_owned();
        let Some(bytes) =
            (line.first() == Some(&b'$')).then(|| text.parse::<usize>().ok()).flatten()
        else {
            return Ok(text);
        };
        let mut bulk = Vec::with_capacity(bytes);
        while bulk.len() < bytes + 2 {
            let part = self.more().map_err(failed)?;
            let taken = part.len().min(bytes + 2 - bulk.len());
            bulk.extend_from_slice(&part[..taken]);
            self.unread.start += taken;
        }
        bulk.truncate(bytes);
        Ok(String::from_utf8_lossy(&bulk).into_owned())
    }

    /// What is unread; reads if nothing is.
    fn more(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() {
            self.unread = 0..self.stream.read(&mut self.buffer)?;
            if self.unread.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        line.clear();
        loop {
            let part = self.more()?;
            let end = part.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&part[..end.unwrap_or(part.len())]);
            self.unread.start += end.map_or(part.len(), |end| end + 1);
            if end.is_some() {
                line.pop();
                return Ok(());
            }
        }
    }

    fn pass(&mut self, mut bytes: usize) -> io::Result<()> {
        while bytes > 0 {
            let passed = self.more()?.len().min(bytes);
            self.unread.start += passed;
            bytes -= passed;
        }
        Ok(())
    }
}

/// Appends a request.
pub(crate) fn push<W: AsRef<[u8]>>(requests: &mut Vec<u8>, words: &[W]) {
    requests.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        requests.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        requests.extend_from_slice(word);
        requests.extend_from_slice(b"\r\n");
    }
}
