//! [`Tls`]: what a handshake needs, made of the files that the directives `tls-…` name. [`TlsStream`]: one connection under TLS.
//!
//! ```text
//! socket ──read_tls──▶ rustls ──reader──▶ input buffer        socket ◀──write_tls── rustls ◀──writer── output buffer
//! ```
//! | directive | |
//! |---|---|
//! | `tls-port` | where connections are taken; 0: none |
//! | `tls-cert-file`, `tls-key-file` | the server's chain and key, in PEM |
//! | `tls-ca-cert-file`, `tls-ca-cert-dir` | who has to have signed a client's certificate |
//! | `tls-auth-clients` | `yes`: clients must show one, `optional`: they may, `no`: they are not asked |
//! | `tls-protocols` | `TLSv1.2`, `TLSv1.3`, or both (empty) |
//! | `tls-ciphers`, `tls-ciphersuites`, `tls-prefer-server-ciphers` | see [`ciphers`](super::ciphers) |
//! | `tls-session-caching`, `tls-session-cache-size` | whether, and how many, sessions may be resumed |
//!
//! CONFIG SET of any of them reads all the files again; connections that there are keep what they began with.
//!
//! Invariants:
//! 1. Plaintext does not stay in rustls: what has been decrypted is in the input buffer when [`TlsStream::receive`] returns. So the socket's readiness
//!    says all.
//! 2. At most one piece of output is encrypted and not yet sent; the rest waits in the connection's output buffer, which has a bound.

use super::ciphers::provider;
use super::stream::Received;
use crate::config::Settings;
use crate::session::ReadBuffer;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Most plaintext that is encrypted at a time: a record.
const PIECE_BYTES: usize = 16 * 1024;

/// Why there is no TLS as asked for.
#[non_exhaustive]
#[derive(Debug)]
pub(crate) enum TlsError {
    /// A directive is needed that is not set.
    Missing(&'static str),
    /// A file cannot be used.
    File { directive: &'static str, path: String, why: String },
    /// A word of `tls-protocols` that is not served.
    Protocol(String),
    /// A word that names no cipher that is served.
    Cipher { directive: &'static str, word: String },
    /// No cipher is left.
    NoCipher,
    /// Key and certificate, or what else was given, do not go together.
    Refused(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Missing(directive) => write!(f, "TLS needs {directive}"),
            TlsError::File { directive, path, why } => {
                write!(f, "cannot use {directive} '{path}': {why}")
            }
            TlsError::Protocol(word) => {
                write!(f, "tls-protocols: '{word}' is not served, only TLSv1.2 and TLSv1.3 are")
            }
            TlsError::Cipher { directive, word } => {
                write!(f, "{directive}: '{word}' is no cipher that is served here")
            }
            TlsError::NoCipher => {
                f.write_str("tls-ciphers and tls-ciphersuites leave no cipher for tls-protocols")
            }
            TlsError::Refused(why) => write!(f, "cannot serve TLS: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// The server's side of handshakes.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub(crate) fn load(settings: &Settings) -> Result<Tls, TlsError> {
        let provider = Arc::new(provider(settings)?);
        let refused = |error: rustls::Error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Refused(
                "the key in tls-key-file is not that of the certificate in tls-cert-file".into(),
            ),
            error => TlsError::Refused(error.to_string()),
        };
        let versions = protocols(settings.text("tls-protocols"))?;
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&versions).map_err(refused)?;
        let builder = match settings.text("tls-auth-clients") {
            "no" => builder.with_no_client_auth(),
            demand => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authorities(settings)?, provider);
                let verifier = match demand {
                    "optional" => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier =
                    verifier.build().map_err(|error| TlsError::Refused(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = certificates("tls-cert-file", named(settings, "tls-cert-file")?)?;
        let path = named(settings, "tls-key-file")?;
        let mut config = builder.with_single_cert(chain, key_in(path)?).map_err(refused)?;
        config.ignore_client_order = settings.text("tls-prefer-server-ciphers") == "yes";
        let sessions = settings.number("tls-session-cache-size").max(0) as usize;
        if settings.text("tls-session-caching") == "yes" && sessions > 0 {
            config.session_storage = ServerSessionMemoryCache::new(sessions);
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Tls(Arc::new(config)))
    }
}

/// The private key in a file.
fn key_in(path: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    let fail = |why: &dyn fmt::Display| unusable("tls-key-file", path, &why);
    let text = std::fs::read(path).map_err(|error| fail(&error))?;
    if text.windows(9).any(|word| word == b"ENCRYPTED") {
        return Err(fail(&"the key in it is encrypted, give one without a password"));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => fail(&"there is no private key in it"),
        error => fail(&error),
    })
}

fn named<'s>(settings: &'s Settings, directive: &'static str) -> Result<&'s str, TlsError> {
    match settings.text(directive) {
        "" => Err(TlsError::Missing(directive)),
        path => Ok(path),
    }
}

fn unusable(directive: &'static str, path: &str, why: &impl fmt::Display) -> TlsError {
    TlsError::File { directive, path: path.to_owned(), why: why.to_string() }
}

fn protocols(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let words = text.split_ascii_whitespace().map(|word| {
        let of = |name, version| word.eq_ignore_ascii_case(name).then_some(version);
        of("TLSv1.2", &version::TLS12)
            .or_else(|| of("TLSv1.3", &version::TLS13))
            .ok_or_else(|| TlsError::Protocol(word.to_owned()))
    });
    let versions: Vec<_> = words.collect::<Result<_, _>>()?;
    Ok(if versions.is_empty() { vec![&version::TLS13, &version::TLS12] } else { versions })
}

fn certificates(
    directive: &'static str,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(unusable(directive, path, &"there is no certificate in it"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(directive, path, &error)),
    }
}

/// Who may have signed clients' certificates.
fn authorities(settings: &Settings) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut trust = |directive, path: &str| {
        certificates(directive, path)?.into_iter().try_for_each(|certificate| {
            roots.add(certificate).map_err(|error| unusable(directive, path, &error))
        })
    };
    let (file, dir) = (settings.text("tls-ca-cert-file"), settings.text("tls-ca-cert-dir"));
    if file.is_empty() && dir.is_empty() {
        return Err(TlsError::Missing(
            "tls-ca-cert-file or tls-ca-cert-dir (or tls-auth-clients no)",
        ));
    }
    if !file.is_empty() {
        trust("tls-ca-cert-file", file)?;
    }
    if !dir.is_empty() {
        let paths =
            files_in(Path::new(dir)).map_err(|error| unusable("tls-ca-cert-dir", dir, &error))?;
        paths.iter().try_for_each(|path| trust("tls-ca-cert-dir", path))?;
    }
    Ok(Arc::new(roots))
}

fn files_in(dir: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// A socket as rustls wants it.
struct Wire<'s>(&'s OwnedFd);

impl io::Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0, buffer, RecvFlags::empty())?.0)
    }
}

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How far a handshake is.
#[derive(Debug)]
pub(super) enum Shaken {
    /// For the socket.
    Waits,
    /// Client and server agree.
    Done,
    /// They will not; why, if the client did not just go.
    Over(Option<String>),
}

/// A connection under TLS, from its handshake on.
pub(crate) struct TlsStream {
    pub(super) socket: OwnedFd,
    tls: ServerConnection,
}

impl TlsStream {
    /// `None` if rustls does not want to begin.
    pub(crate) fn new(socket: OwnedFd, tls: &Tls) -> Option<TlsStream> {
        let mut tls = ServerConnection::new(tls.0.clone()).ok()?;
        tls.set_buffer_limit(Some(2 * PIECE_BYTES));
        Some(TlsStream { socket, tls })
    }

    /// Goes on with the handshake by what the socket has; what is decrypted already stays for [`receive`](TlsStream::receive).
    pub(super) fn shake(&mut self) -> Shaken {
        match self.tls.read_tls(&mut Wire(&self.socket)) {
            Ok(0) => return Shaken::Over(None),
            Ok(_) => {}
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Shaken::Over(Some(error.to_string())),
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert that says why, if the socket takes it.
            let _told = self.flush();
            return Shaken::Over(Some(error.to_string()));
        }
        match self.flush() {
            Ok(()) | Err(Errno::AGAIN) if self.tls.is_handshaking() => Shaken::Waits,
            Ok(()) | Err(Errno::AGAIN) => Shaken::Done,
            Err(error) => Shaken::Over(Some(error.to_string())),
        }
    }

    /// Whether something is encrypted and not sent yet.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    /// Takes what the socket has, about `most` bytes.
    pub(crate) fn receive(&mut self, input: &mut ReadBuffer, most: usize) -> Received {
        let (mut bytes, mut ended, mut moved) = (0, false, false);
        loop {
            // What came with the handshake, and then what comes now.
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The alert that says why, if the socket takes it.
                    let _told = self.flush();
                    return Received::Broken(Some(error.to_string()));
                }
            };
            ended |= state.peer_has_closed();
            let there = state.plaintext_bytes_to_read();
            if there > 0 {
                let plain = self.tls.reader().take(there as u64).read_to_end(input.receive(there));
                bytes += plain.unwrap_or(0);
            }
            if bytes >= most || ended {
                break;
            }
            match self.tls.read_tls(&mut Wire(&self.socket)) {
                Ok(0) => ended = true,
                Ok(_) => moved = true,
                Err(error) if is_temporary(&error) => break,
                Err(error) => return Received::Broken(Some(error.to_string())),
            }
        }
        if moved || ended || bytes > 0 {
            Received::Some { bytes, ended }
        } else {
            Received::Nothing
        }
    }

    /// Encrypts and sends; how much of `bytes` has been taken over, to be sent now or by the next [`flush`](TlsStream::flush).
    ///
    /// # Errors
    /// [`Errno::AGAIN`]: the socket has to take what there is, or the handshake to end, before.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.flush()?;
        if self.tls.is_handshaking() {
            return Err(Errno::AGAIN);
        }
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let taken = self.tls.writer().write(piece).map_err(|_| Errno::IO)?;
        match self.flush() {
            Ok(()) | Err(Errno::AGAIN) => Ok(taken),
            Err(error) => Err(error),
        }
    }

    /// Sends what is encrypted.
    ///
    /// # Errors
    /// [`Errno::AGAIN`]: the socket does not take all of it now.
    pub(crate) fn flush(&mut self) -> Result<(), Errno> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_temporary(&error) => return Err(Errno::AGAIN),
                Err(_) => return Err(Errno::PIPE),
            }
        }
        Ok(())
    }

    /// Says that nothing more comes; as far as the socket takes it.
    pub(crate) fn say_goodbye(&mut self) {
        self.tls.send_close_notify();
        let _told = self.flush();
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
