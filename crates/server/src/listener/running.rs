//! [`Running`]: a server inside another program, or a test.

use super::start::{RunError, Serving, open, serve};
use crate::config::{Settings, apply_words};
use crate::env::Server;
use crate::log::Log;
use std::sync::Arc;

/// A server that runs on threads of its own until it is stopped or dropped. It writes no log, loads no file, and saves only what it is told to:
/// by a directive `save`, or by a client.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// let server = stillpoint_server::Running::start(&[("port", "0"), ("bind", "127.0.0.1")])?;
/// let mut client = std::net::TcpStream::connect(("127.0.0.1", server.port()))?;
/// client.write_all(b"PING\r\n")?;
/// let mut reply = [0; 7];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"+PONG\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Running {
    server: Arc<Server>,
    serving: Option<Serving>,
    port: u16,
}

impl Running {
    /// Starts a server with these directives; `port` 0 lets the system choose one.
    ///
    /// # Errors
    /// A directive is unknown or refused, or a socket cannot be opened.
    pub fn start(directives: &[(&str, &str)]) -> Result<Self, RunError> {
        let mut settings = apply_words(&Settings::defaults(), "save", &[String::new()])
            .map_err(|e| RunError::Config(e.to_string()))?;
        for (name, value) in directives {
            settings = apply_words(&settings, name, &[(*value).to_owned()])
                .map_err(|e| RunError::Config(e.to_string()))?;
        }
        let server = Arc::new(Server::with(settings, None, Log::silent()));
        crate::acl::load_at_start(&server.acl, &server.settings()).map_err(RunError::Config)?;
        let serving = serve(&server, open(&server)?)?;
        Ok(Running { port: serving.port.unwrap_or(0), serving: Some(serving), server })
    }
    /// The TCP port that it listens on; 0 if there is none.
    pub fn port(&self) -> u16 {
        self.port
    }
    /// Stops: sends what is written, closes every connection, waits for the threads.
    ///
    /// # Errors
    /// The system refused something that serving needed.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.end()
    }
    /// Waits until a client shuts it down.
    ///
    /// # Errors
    /// As [`stop`](Running::stop).
    pub fn join(mut self) -> Result<(), RunError> {
        self.serving.take().map_or(Ok(()), Serving::join)
    }
    fn end(&mut self) -> Result<(), RunError> {
        self.server.stop();
        let outcome = self.serving.take().map_or(Ok(()), Serving::join);
        crate::saving::cancel(&self.server);
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is there to be told.
        let _ended = self.end();
    }
}
