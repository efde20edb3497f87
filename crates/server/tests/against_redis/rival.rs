//! A real `redis-server` on a port of its own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends the server when dropped.
pub(crate) struct Rival {
    child: Child,
    port: u16,
}

impl Rival {
    /// Starts it; `None` if there is no such program.
    pub(crate) fn start() -> Option<Self> {
        let program = std::env::var("STILLPOINT_REDIS").unwrap_or("redis-server".to_owned());
        let port = TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let rival = Rival { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(rival)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
