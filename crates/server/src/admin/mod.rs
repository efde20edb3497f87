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
//! One thread serves it, so whoever asks often holds up only those who ask too; connections, their requests and their time have bounds (see [`http`]). A name in `Host` that is not an address or `localhost` is refused
//! while the port is bound to this machine: a page from elsewhere cannot have a browser here read it.

mod figures;
mod http;
mod metrics;
mod recorder;

use crate::env::Server;
use crate::listener::RunError;
use figures::Figures;
use http::{Http, Request, Response};
use recorder::Recorder;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("page.html");
const SAMPLE: Duration = Duration::from_secs(1);
/// How long the thread waits for a request before it looks whether the server ends.
const PATIENCE_MS: u64 = 200;
const TEXT: &str = "text/plain; charset=utf-8";

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
    let http = Http::open(SocketAddr::new(address, port)).map_err(fail)?;
    server.log.notice(&format!("The admin page is on http://{address}:{port}/"));
    let admin = Admin {
        server: server.clone(),
        is_local: address.is_loopback(),
        recorder: Recorder::default(),
    };
    Ok(Some(std::thread::Builder::new().name("admin".into()).spawn(|| admin.run(http))?))
}

struct Admin {
    server: Arc<Server>,
    is_local: bool,
    recorder: Recorder,
}

impl Admin {
    fn run(mut self, mut http: Http) {
        let mut next = Instant::now();
        while !self.server.is_stopping() {
            if Instant::now() >= next {
                next = Instant::now() + SAMPLE;
                self.recorder.sample(&self.server);
            }
            if let Err(error) = http.turn(PATIENCE_MS, |request| self.reply_to(request)) {
                self.server.log.warning(&format!("The admin page ends: {error}"));
                return;
            }
        }
    }

    fn reply_to(&self, request: Request<'_>) -> Response {
        let told = |status, kind, body| Response { status, kind, body };
        if self.is_local && !request.host.is_none_or(is_local_host) {
            return told(403, TEXT, "this name is not one of the admin port's\n".into());
        }
        if !matches!(request.method, "GET" | "HEAD") {
            return told(405, TEXT, "only GET is allowed here\n".into());
        }
        match request.path {
            "/" => told(200, "text/html; charset=utf-8", PAGE.into()),
            "/health" => told(200, TEXT, "ok\n".into()),
            "/stats" => {
                let stats = Figures::of(&self.server).as_json(&self.server, &self.recorder);
                told(200, "application/json", stats.to_string())
            }
            "/metrics" => told(200, metrics::KIND, metrics::text(&self.server)),
            _ => told(404, TEXT, "there are /, /stats, /metrics and /health\n".into()),
        }
    }
}

/// Whether a request's `Host` is an address or `localhost`.
fn is_local_host(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
}
