//! [`Http`]: the admin port's connections. HTTP itself is hyper's; what is kept here is that they are few and short, all on one thread.
//!
//! ```text
//! accept ─▶ one request, one reply ─▶ the client's end, or its time is over
//! ```
//! | bound | |
//! |---|---|
//! | [`MAX_GUESTS`] | connections; one more closes the oldest |
//! | [`HEAD_BYTES`] | a request's line and headers |
//! | [`PATIENCE`] | from a connection's begin to its end, whatever it does |

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

const MAX_GUESTS: usize = 32;
/// The least that hyper takes.
const HEAD_BYTES: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody is accepted when the system has no descriptors left.
const WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(100);
/// What of a request is read after its reply, lest closing take the reply back.
const UNREAD_BYTES: u64 = 64 * 1024;

pub(super) type Reply = Response<Full<Bytes>>;

/// The port.
pub(super) struct Http {
    runtime: Runtime,
    door: TcpListener,
}

impl Http {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let door = runtime.block_on(TcpListener::bind(address))?;
        Ok(Http { runtime, door })
    }

    /// Serves on this thread, and calls `tick` so often, until that says that it is over.
    pub(super) fn serve(
        self,
        answer: impl Fn(&Request<Incoming>) -> Reply + 'static,
        every: Duration,
        mut tick: impl FnMut() -> bool,
    ) {
        let Http { runtime, door } = self;
        let answer = Rc::new(answer);
        let guests = LocalSet::new();
        guests.block_on(&runtime, async {
            let mut clock = interval(every);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
            loop {
                let accepted = tokio::select! {
                    accepted = door.accept() => accepted,
                    _ = clock.tick() => match tick() {
                        true => continue,
                        false => return,
                    },
                };
                let Ok((socket, _)) = accepted else {
                    sleep(WITHOUT_DESCRIPTORS).await;
                    continue;
                };
                oldest_first.retain(|guest| !guest.is_finished());
                if oldest_first.len() >= MAX_GUESTS
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                let visit = timeout(PATIENCE, visit(socket, answer.clone()));
                oldest_first.push_back(spawn_local(visit).abort_handle());
            }
        });
    }
}

/// One connection.
async fn visit(socket: TcpStream, answer: Rc<impl Fn(&Request<Incoming>) -> Reply>) {
    let reply = service_fn(|request| ready(Ok::<_, Infallible>(answer(&request))));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), reply);
    // What is no request was answered as such.
    let _answered = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut socket = connection.into_parts().io.into_inner();
    let _said = socket.shutdown().await;
    let _unread = tokio::io::copy(&mut socket.take(UNREAD_BYTES), &mut tokio::io::sink()).await;
}
