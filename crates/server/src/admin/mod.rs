//! The admin port: what the server does, over HTTP. Off unless `admin-port` is set; nothing can be changed through it.
//!
//! | path | what |
//! |---|---|
//! | `/` | a page for people |
//! | `/stats` | what the page shows, as JSON |
//! | `/metrics` | the same for Prometheus |
//! | `/health` | 200 while the server serves |
//!
//! ```text
//! event loops ── counters ──▶ Recorder: a sample a second, for two minutes ──▶ /stats
//! ```
//! One thread serves it, so whoever asks often holds up only those who ask too. A name in `Host` that is not an address or `localhost` is refused
//! while the port is bound to this machine: a page from elsewhere cannot have a browser here read it.

mod figures;
mod metrics;
mod recorder;

use crate::env::Server;
use crate::listener::RunError;
use figures::Figures;
use recorder::Recorder;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tiny_http::{Header, Method, Request, Response};

const PAGE: &str = include_str!("page.html");
const SAMPLE: Duration = Duration::from_secs(1);
/// How long the thread waits for a request before it looks whether the server ends.
const PATIENCE: Duration = Duration::from_millis(200);

/// Starts the thread, if there is a port.
///
/// # Errors
/// The port cannot be opened, or the system has no thread.
pub(crate) fn start(server: &Arc<Server>) -> Result<Option<JoinHandle<()>>, RunError> {
    let settings = server.settings();
    let port = settings.number("admin-port") as u16;
    if port == 0 {
        return Ok(None);
    }
    let bind = settings.text("admin-bind");
    let fail = |error: std::io::Error| RunError::Bind { address: format!("{bind}:{port}"), error };
    let address: IpAddr =
        bind.parse().map_err(|_| fail(std::io::ErrorKind::InvalidInput.into()))?;
    let http = tiny_http::Server::http(SocketAddr::new(address, port))
        .map_err(|error| fail(std::io::Error::other(error)))?;
    server.log.notice(&format!("The admin page is on http://{address}:{port}/"));
    let admin = Admin {
        server: server.clone(),
        http,
        is_local: address.is_loopback(),
        recorder: Recorder::default(),
    };
    Ok(Some(std::thread::Builder::new().name("admin".into()).spawn(|| admin.run())?))
}

struct Admin {
    server: Arc<Server>,
    http: tiny_http::Server,
    is_local: bool,
    recorder: Recorder,
}

impl Admin {
    fn run(mut self) {
        let mut next = Instant::now();
        while !self.server.is_stopping() {
            if Instant::now() >= next {
                next = Instant::now() + SAMPLE;
                self.recorder.sample(&self.server);
            }
            match self.http.recv_timeout(PATIENCE) {
                Ok(Some(request)) => self.answer(request),
                Ok(None) => {}
                Err(error) => {
                    self.server.log.warning(&format!("The admin page ends: {error}"));
                    return;
                }
            }
        }
    }

    fn answer(&self, request: Request) {
        let (status, kind, body) = self.reply_to(&request);
        let header = |name: &str, value: &str| {
            Header::from_bytes(name, value).expect("names and values are plain ASCII")
        };
        let response = Response::from_string(body)
            .with_status_code(status)
            .with_header(header("Content-Type", kind))
            .with_header(header("Cache-Control", "no-store"))
            .with_header(header("X-Content-Type-Options", "nosniff"))
            .with_header(header(
                "Content-Security-Policy",
                "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
            ));
        // Whoever asked may have gone.
        let _sent = request.respond(response);
    }

    fn reply_to(&self, request: &Request) -> (u16, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        if self.is_local && !is_local_host(request) {
            return (403, TEXT, "this name is not one of the admin port's\n".into());
        }
        if !matches!(request.method(), Method::Get | Method::Head) {
            return (405, TEXT, "only GET is allowed here\n".into());
        }
        match request.url().split('?').next().unwrap_or("") {
            "/" => (200, "text/html; charset=utf-8", PAGE.into()),
            "/health" => (200, TEXT, "ok\n".into()),
            "/stats" => {
                let stats = Figures::of(&self.server).as_json(&self.server, &self.recorder);
                (200, "application/json", stats.to_string())
            }
            "/metrics" => (200, metrics::KIND, metrics::text(&self.server)),
            _ => (404, TEXT, "there are /, /stats, /metrics and /health\n".into()),
        }
    }
}

/// Whether the request names an address or `localhost`.
fn is_local_host(request: &Request) -> bool {
    let host = request.headers().iter().find(|header| header.field.equiv("Host"));
    host.is_none_or(|header| {
        let host = header.value.as_str();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        name.eq_ignore_ascii_case("localhost")
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || host.parse::<IpAddr>().is_ok()
    })
}
