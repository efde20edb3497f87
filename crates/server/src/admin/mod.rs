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
use http::{Http, Reply};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode};
use recorder::Recorder;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("page.html");
const SAMPLE: Duration = Duration::from_secs(1);
/// How often the thread looks whether the server ends.
const LOOK: Duration = Duration::from_millis(200);
const TEXT: &str = "text/plain; charset=utf-8";
const POLICY: &str =
    "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

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
        recorder: RefCell::default(),
    };
    Ok(Some(std::thread::Builder::new().name("admin".into()).spawn(|| admin.run(http))?))
}

struct Admin {
    server: Arc<Server>,
    is_local: bool,
    recorder: RefCell<Recorder>,
}

impl Admin {
    fn run(self, http: Http) {
        let admin = Rc::new(self);
        let mut next = Instant::now();
        let tick = {
            let admin = admin.clone();
            move || {
                if Instant::now() >= next {
                    next = Instant::now() + SAMPLE;
                    admin.recorder.borrow_mut().sample(&admin.server);
                }
                !admin.server.is_stopping()
            }
        };
        http.serve(move |request| admin.reply_to(request), LOOK, tick);
    }

    fn reply_to(&self, request: &Request<Incoming>) -> Reply {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = hosts.next().map(|host| host.to_str().unwrap_or(""));
        if hosts.next().is_some() {
            // One would be to check and one to go by.
            return told(StatusCode::BAD_REQUEST, TEXT, "two names of a host\n");
        }
        if self.is_local && !host.is_none_or(is_local_host) {
            let text = "this name is not one of the admin port's\n";
            return told(StatusCode::FORBIDDEN, TEXT, text);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return told(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is allowed here\n");
        }
        match request.uri().path() {
            "/" => told(StatusCode::OK, "text/html; charset=utf-8", PAGE),
            "/health" => told(StatusCode::OK, TEXT, "ok\n"),
            "/stats" => {
                let stats =
                    Figures::of(&self.server).as_json(&self.server, &self.recorder.borrow());
                told(StatusCode::OK, "application/json", stats.to_string())
            }
            "/metrics" => told(StatusCode::OK, metrics::KIND, metrics::text(&self.server)),
            _ => {
                let text = "there are /, /stats, /metrics and /health\n";
                told(StatusCode::NOT_FOUND, TEXT, text)
            }
        }
    }
}

fn told(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Reply::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    reply.headers_mut().extend(headers);
    reply
}

/// Whether a request's `Host` is an address or `localhost`.
fn is_local_host(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
}
