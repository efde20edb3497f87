//! Starting the loops over opened sockets, and why a server may not start.

use super::accept::Acceptor;
use super::anteroom::Anteroom;
use super::balance::Balance;
use super::event_loop::EventLoop;
use super::poller::Mailbox;
use super::socket::{Listening, Ports, open_all};
use super::workshop::Workshop;
use crate::clock;
use crate::env::{Env, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::sync::Arc;
use stillpoint_primitive::scheduling;

/// Why the server did not start or had to end.
#[non_exhaustive]
#[derive(Debug)]
pub enum RunError {
    /// An option or the configuration file cannot be used.
    Config(String),
    /// A socket cannot be opened.
    Bind {
        /// Where.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// `bind` names no address that this machine has.
    NoAddress,
    /// A file or directory of the configuration cannot be used.
    File {
        /// Which directive names it.
        directive: &'static str,
        /// The path.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The data's file cannot be loaded.
    Load(String),
    /// The system refused something that serving needs.
    System(std::io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Config(text) | RunError::Load(text) => f.write_str(text),
            RunError::Bind { address, error } if error.kind() == std::io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: the address is in use (is another server running there?)"
                )
            }
            RunError::Bind { address, error } => write!(f, "cannot listen on {address}: {error}"),
            RunError::NoAddress => f.write_str("'bind' names no address that this machine has"),
            RunError::File { directive, path, error } => {
                write!(f, "cannot use {directive} '{path}': {error}")
            }
            RunError::System(error) => write!(f, "the system refused to go on: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<std::io::Error> for RunError {
    fn from(error: std::io::Error) -> Self {
        RunError::System(error)
    }
}

/// Descriptors that are not client connections: Redis's `CONFIG_MIN_RESERVED_FDS`.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Of a loop's stack: what scripts nest is written and read by recursion.
pub(super) const STACK_BYTES: usize = 16 << 20;

/// A server that runs; [`join`](Serving::join) waits for its end.
pub(crate) struct Serving {
    threads: Vec<std::thread::JoinHandle<std::io::Result<()>>>,
    admin: Option<std::thread::JoinHandle<()>>,
    workshop: Arc<Workshop>,
    anteroom: Arc<Anteroom>,
    /// What it listens on.
    pub(crate) names: Vec<String>,
    /// The TCP port, if there is one.
    pub(crate) port: Option<u16>,
}

impl Serving {
    /// Waits until every loop has ended.
    pub(crate) fn join(self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => outcome = Err(RunError::System(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        self.anteroom.close();
        self.workshop.close();
        if let Some(Err(panic)) = self.admin.map(std::thread::JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        outcome
    }
}

/// Takes the addresses and reads what TLS needs, so that what cannot be is told before the data are loaded. Nobody can connect yet.
///
/// # Errors
/// A socket cannot be opened, or a file of TLS is missing or none.
pub(crate) fn open(server: &Server) -> Result<Vec<Arc<Listening>>, RunError> {
    server.load_tls().map_err(|error| RunError::Config(error.to_string()))?;
    let settings = server.settings();
    open_all(&settings, Ports::at_start(&settings), &[])
}

/// Lets clients connect and starts the loops.
///
/// # Errors
/// Somebody else listens there since, or the system refuses a thread or a descriptor.
pub(crate) fn serve(
    server: &Arc<Server>,
    listening: Vec<Arc<Listening>>,
) -> Result<Serving, RunError> {
    let settings = server.settings();
    let backlog = settings.number("tcp-backlog") as i32;
    listening.iter().try_for_each(|address| address.listen(backlog))?;
    raise_descriptor_limit(server);
    let weak = Arc::downgrade(server);
    server.store.start_maintenance(move || {
        let now_ms = clock::now_ms();
        weak.upgrade().map_or(0, |server| server.maintenance_ms(now_ms))
    });
    let names = listening.iter().map(|l| l.name.clone()).collect();
    let port = listening.iter().find(|l| !l.is_tls).and_then(|l| l.port);
    let loops = settings.number("io-threads").max(1) as usize;
    let admin = crate::admin::start(server)?;
    server.doors.set(listening);
    let started = start_loops(server, loops).inspect_err(|_| server.stop())?;
    let (threads, workshop, anteroom) = started;
    Ok(Serving { admin, threads, workshop, anteroom, names, port })
}

/// The threads of the loops.
type Loops = Vec<std::thread::JoinHandle<std::io::Result<()>>>;

fn start_loops(
    server: &Arc<Server>,
    loops: usize,
) -> Result<(Loops, Arc<Workshop>, Arc<Anteroom>), RunError> {
    let mut mailboxes = Vec::new();
    for _ in 0..loops {
        let mailbox = Arc::new(Mailbox::new()?);
        server.add_mailbox(mailbox.clone());
        mailboxes.push(mailbox);
    }
    let balance = Arc::new(Balance::new(mailboxes));
    let workshop = Arc::new(Workshop::new(server.clone(), balance.clone()));
    let anteroom = Arc::new(Anteroom::new(server, &balance)?);
    let acceptor = Acceptor::new(server.doors.now(), balance.clone(), anteroom.clone());
    let mut acceptor = Some(acceptor);
    let mut threads = Vec::new();
    for i in 0..loops {
        let env = Env::new(server.clone(), clock::now_ms());
        let event_loop =
            EventLoop::new(env, i, balance.clone(), acceptor.take(), workshop.clone())?;
        let server = server.clone();
        let body = move || {
            // Savers, scripts that moved and whoever else uses the machine have long ones.
            scheduling::take_short_turns();
            let outcome = event_loop.run();
            // One loop that fails ends all: a server that serves half its clients helps nobody.
            server.stop();
            outcome
        };
        threads.push(
            std::thread::Builder::new()
                .name(format!("loop-{i}"))
                .stack_size(STACK_BYTES)
                .spawn(body)?,
        );
    }
    Ok((threads, workshop, anteroom))
}

/// Makes room for `maxclients` connections, or lowers `maxclients` to the room there is.
fn raise_descriptor_limit(server: &Server) {
    let maxclients = server.settings().maxclients as u64;
    let wanted = maxclients + RESERVED_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|n| *n < wanted) else { return };
    let reachable = limit.maximum.map_or(wanted, |max| max.min(wanted));
    let raised = Rlimit { current: Some(reachable), maximum: limit.maximum };
    let got = if setrlimit(Resource::Nofile, raised).is_ok() { reachable } else { current };
    if got < wanted {
        let room = got.saturating_sub(RESERVED_DESCRIPTORS).max(1);
        server.log.warning(&format!(
            "You requested maxclients of {maxclients}, but only {got} open files are allowed: maxclients has been \
             reduced to {room}. To have more, raise 'ulimit -n'."
        ));
        let pair = ("maxclients".to_owned(), room.to_string());
        let changed = server.change_settings(&[pair], crate::config::Source::Start);
        debug_assert!(changed.is_ok());
    }
}
