//! [`Workshop`]: threads for commands and scripts that take long, so that they hold up nobody else.
//!
//! ```text
//! loop ── a request exceeds its patience: nothing of it is kept ──▶ the connection, its request unread ──▶ a thread runs it from the beginning
//!   ▲                                                                                                         │
//!   └──────────────────────────── mailbox of the emptiest loop: the connection, replied to ◀──────────────────┘
//! ```
//!
//! Invariant: a connection is either in a loop or here.

use super::balance::Balance;
use super::connection::Connection;
use super::poller::Arrival;
use super::start::STACK_BYTES;
use crate::clock;
use crate::env::{Env, Server};
use crate::session::Mobility;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use stillpoint_primitive::scheduling;

/// Requests that run at the same time here; more of them wait.
const MAX_THREADS: usize = 64;

/// An idle thread looks so often whether it keeps large collections from being freed.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<Connection>>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

/// The threads, made as they are needed.
pub(super) struct Workshop {
    server: Arc<Server>,
    balance: Arc<Balance>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Workshop {
    pub(super) fn new(server: Arc<Server>, balance: Arc<Balance>) -> Self {
        Workshop { server, balance, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection whose next request is to run here.
    pub(super) fn take(self: &Arc<Self>, connection: Box<Connection>) {
        let mut state = self.lock();
        state.waiting.push_back(connection);
        if state.idle < state.waiting.len() && state.threads.len() < MAX_THREADS {
            let this = self.clone();
            let name = format!("long-{}", state.threads.len());
            let thread = std::thread::Builder::new().name(name).stack_size(STACK_BYTES);
            match thread.spawn(move || this.work()) {
                Ok(thread) => state.threads.push(thread),
                // Those that are there do it, or it is tried again with the next one.
                Err(error) => {
                    self.server.log.warning(&format!("No thread for a long command: {error}"))
                }
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn work(&self) {
        // A loop has started this thread, and wakes as one that others wait for.
        scheduling::give_way();
        let mut env = Env::new(self.server.clone(), clock::now_ms());
        while let Some(mut connection) = self.next() {
            env.begin_pass(clock::now_ms());
            connection.session.state.mobility = Mobility::Stays;
            connection.execute_one(&mut env);
            connection.session.state.mobility = Mobility::MayMove;
            let home = &self.balance.homes[self.balance.emptiest()];
            home.connections.add(1);
            home.mailbox.give(Arrival::Moved(connection));
            // What is long is often large.
            self.server.store.reclaim();
        }
    }

    fn next(&self) -> Option<Box<Connection>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(connection) = state.waiting.pop_front() {
                return Some(connection);
            }
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, IDLE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
            if state.waiting.is_empty() && !state.closed {
                drop(state);
                self.server.store.reclaim();
                state = self.lock();
            }
        }
    }

    /// Ends the threads, whose scripts have been told that the server stops.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        self.changed.notify_all();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
