//! Opening the sockets that clients connect to, from `port`, `bind`, `unixsocket`.

use super::RunError;
use crate::config::Settings;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Which ports are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// 0: the system chooses one.
    pub(crate) plain: Option<u16>,
    pub(crate) tls: Option<u16>,
}

impl Ports {
    /// Those of a server that starts.
    pub(crate) fn at_start(settings: &Settings) -> Ports {
        let (plain, tls) = (settings.number("port") as u16, settings.number("tls-port") as u16);
        // With a Unix socket, or TLS, port 0 means none.
        let is_asked_for = plain != 0 || settings.text("unixsocket").is_empty() && tls == 0;
        Ports { plain: is_asked_for.then_some(plain), tls: Some(tls).filter(|port| *port != 0) }
    }
}

/// A socket that accepts connections.
pub(crate) struct Listening {
    pub(crate) socket: OwnedFd,
    /// For the log and for people: `127.0.0.1:6379`.
    pub(crate) name: String,
    /// The port, if it is TCP.
    pub(crate) port: Option<u16>,
    /// Whether its connections begin with a handshake.
    pub(crate) is_tls: bool,
}

impl Listening {
    /// Lets connections come.
    ///
    /// # Errors
    /// Another process has been faster.
    pub(crate) fn listen(&self, backlog: i32) -> Result<(), RunError> {
        rustix::net::listen(&self.socket, backlog)
            .map_err(|e| RunError::Bind { address: self.name.clone(), error: e.into() })
    }
}

/// Takes all addresses that the settings ask for, of which some may be `known`; nobody can connect to the others yet.
///
/// # Errors
/// An address is taken, wrong, or not ours; an address with a leading `-` may be missing.
pub(crate) fn open_all(
    settings: &Settings,
    ports: Ports,
    known: &[Arc<Listening>],
) -> Result<Vec<Arc<Listening>>, RunError> {
    let mut open = Vec::new();
    for (port, is_tls) in [(ports.plain, false), (ports.tls, true)] {
        if let Some(port) = port {
            open.extend(open_tcp(settings, port, is_tls, known)?);
        }
    }
    let path = settings.text("unixsocket");
    if !path.is_empty() {
        let fail = |error: std::io::Error| RunError::Bind { address: path.to_owned(), error };
        let door = match known.iter().find(|door| door.port.is_none()) {
            Some(door) => door.clone(),
            None => Arc::new(open_unix(path, settings.text("unixsocketperm")).map_err(fail)?),
        };
        open.push(door);
    }
    Ok(open)
}

fn open_tcp(
    settings: &Settings,
    mut port: u16,
    is_tls: bool,
    known: &[Arc<Listening>],
) -> Result<Vec<Arc<Listening>>, RunError> {
    let mut open: Vec<Arc<Listening>> = Vec::new();
    let open_at = |address: SocketAddr| {
        let name = address.to_string();
        match known.iter().find(|door| door.name == name && door.is_tls == is_tls) {
            Some(door) => Ok(door.clone()),
            None => bind_at(address, is_tls).map(Arc::new),
        }
    };
    for word in settings.text("bind").split_ascii_whitespace() {
        let (optional, host) = match word.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, word),
        };
        let opened = addresses(host, port).and_then(|all| all.into_iter().map(open_at).collect());
        let opened: Vec<Arc<Listening>> = match opened {
            Ok(opened) => opened,
            Err(error) if optional && error.kind() != std::io::ErrorKind::AddrInUse => continue,
            Err(error) => {
                return Err(RunError::Bind { address: format!("{host}:{port}"), error });
            }
        };
        // Port 0: the system chose one for the first address; the others take the same.
        port = opened.first().and_then(|l| l.port).unwrap_or(port);
        // An address may be named twice.
        for door in opened {
            if !open.iter().any(|known| Arc::ptr_eq(known, &door)) {
                open.push(door);
            }
        }
    }
    if open.is_empty() {
        return Err(RunError::NoAddress);
    }
    Ok(open)
}

fn addresses(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(match host {
        "*" => vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))],
        "::*" => vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))],
        host => match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::from((ip, port))],
            Err(_) => (host, port).to_socket_addrs()?.take(1).collect(),
        },
    })
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

fn bind_at(address: SocketAddr, is_tls: bool) -> std::io::Result<Listening> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, FLAGS, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    let bound: SocketAddr = rustix::net::getsockname(&socket)?.try_into()?;
    Ok(Listening { socket, name: bound.to_string(), port: Some(bound.port()), is_tls })
}

fn open_unix(path: &str, permissions: &str) -> std::io::Result<Listening> {
    // A socket that a former server left behind is in the way; anything else is not ours to remove.
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(known) if known.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(std::io::Error::other("there is a file of that name")),
        Err(_) => {}
    }
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    rustix::net::bind(&socket, &address)?;
    let mode = u32::from_str_radix(permissions, 8).map_err(|_| Errno::INVAL)?;
    if mode != 0 {
        rustix::fs::chmod(Path::new(path), Mode::from_raw_mode(mode))?;
    }
    Ok(Listening { socket, name: path.to_owned(), port: None, is_tls: false })
}
