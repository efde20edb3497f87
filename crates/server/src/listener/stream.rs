//! [`Stream`]: a connection's socket, in the clear or under TLS.

use super::tls::TlsStream;
use crate::session::ReadBuffer;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::OwnedFd;

/// What one look at a socket gave.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing yet.
    Nothing,
    /// So many bytes in the input buffer (none, if only TLS had something to say), and perhaps the end.
    Some {
        /// How many.
        bytes: usize,
        /// The peer sends nothing more.
        ended: bool,
    },
    /// The connection is over; under TLS, why.
    Broken(Option<String>),
}

/// A socket, and what is between it and the session.
pub(crate) enum Stream {
    Plain(OwnedFd),
    Tls(Box<TlsStream>),
}

impl Stream {
    pub(crate) fn socket(&self) -> &OwnedFd {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.socket,
        }
    }

    /// Takes what the socket has, about `most` bytes.
    #[inline]
    pub(crate) fn receive(&mut self, input: &mut ReadBuffer, most: usize) -> Received {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => return stream.receive(input, most),
        };
        let buffer = rustix::buffer::spare_capacity(input.receive(most));
        match rustix::net::recv(socket, buffer, RecvFlags::empty()) {
            Ok((bytes, _)) => Received::Some { bytes, ended: bytes == 0 },
            Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
            Err(_) => Received::Broken(None),
        }
    }

    /// Sends what the socket takes of `bytes`.
    ///
    /// # Errors
    /// [`Errno::AGAIN`]: nothing now.
    #[inline]
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Stream::Plain(socket) => rustix::net::send(socket, bytes, SendFlags::NOSIGNAL),
            Stream::Tls(stream) => stream.send(bytes),
        }
    }

    /// Sends what is left of what [`send`](Stream::send) has taken; whether the connection lives on.
    #[inline]
    pub(crate) fn flush(&mut self) -> bool {
        match self {
            Stream::Plain(_) => true,
            Stream::Tls(stream) => matches!(stream.flush(), Ok(()) | Err(Errno::AGAIN)),
        }
    }

    /// Whether something of that is left.
    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => stream.has_unsent(),
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn say_goodbye(&mut self) {
        if let Stream::Tls(stream) = self {
            stream.say_goodbye();
        }
    }
}
