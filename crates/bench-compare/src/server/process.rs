//! [`Server`]: a server process on a port of its own, and what it has used.

use crate::Outcome;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux of these days.
const TICKS_PER_SECOND: f64 = 100.0;
/// Loading a file may take its time.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Which cores a server may use.
#[derive(Clone, Copy)]
pub(crate) enum Cores {
    First,
    All,
}

/// A running server; ends with this value.
pub(crate) struct Server {
    name: &'static str,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts `program --port N` with `arguments`, and waits until it accepts connections.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        cores: Cores,
    ) -> Outcome<Self> {
        let cores = match cores {
            Cores::First => "0".to_owned(),
            Cores::All => {
                format!("0-{}", thread::available_parallelism().map_or(1, usize::from) - 1)
            }
        };
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let child = Command::new("taskset")
            .args(["-c", &cores])
            .arg(program)
            .args(["--port", &port.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("starting {}: {error}", program.display()))?;
        let mut server = Server { name, port, child };
        let until = Instant::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{} ended with {status}", program.display()));
            }
            if Instant::now() > until {
                return Err(format!("{} accepts nothing on port {port}", program.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// User and system time of the process.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = self.proc("stat")?;
        // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15, the name is field 2.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: Option<Vec<u64>> = ticks.map(|field| field.parse().ok()).collect();
        match ticks.as_deref() {
            Some([user, system]) => {
                Ok(Duration::from_secs_f64((user + system) as f64 / TICKS_PER_SECOND))
            }
            _ => Err(format!("{}'s stat reads {stat:?}", self.name)),
        }
    }

    /// Its resident memory.
    pub(crate) fn rss_bytes(&self) -> Outcome<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("{} has no VmRSS", self.name))
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine's anonymous memory: pages that processes share count once. Costs next to nothing to ask for; what tells of one process (`smaps_rollup`) takes some
/// 20 ms of a core for 3 GB, which whoever is being measured then waits for.
pub(super) fn anonymous_bytes() -> Outcome<u64> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("AnonPages:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path} has no AnonPages"))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
