//! [`Server`]: what all loops share; [`Env`]: one loop's view of it.

use crate::config::Settings;
use crate::value::Object;
use std::sync::{Arc, Mutex, PoisonError};
use stillpoint_store::{Config, Store};

/// The server: one per process, shared by its loops.
pub struct Server {
    pub(crate) store: Store<Object>,
    settings: Mutex<Arc<Settings>>,
}

impl Server {
    /// A server over a new, empty store.
    pub fn new() -> Self {
        Server {
            store: Store::new(Config::default()),
            settings: Mutex::new(Arc::new(Settings::defaults())),
        }
    }
    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

/// What one loop hands to its sessions: the clock is read once a pass.
pub(crate) struct Env {
    pub(crate) server: Arc<Server>,
    /// Settings as of this pass (CONFIG SET refreshes them at once on its own loop).
    pub(crate) settings: Arc<Settings>,
    /// Wall clock of this pass in milliseconds since 1970.
    pub(crate) now_ms: u64,
}

impl Env {
    /// The view of one loop.
    pub(crate) fn new(server: Arc<Server>, now_ms: u64) -> Self {
        let settings = server.settings();
        Env { server, settings, now_ms }
    }
    /// Turns the clock to a new pass.
    pub(crate) fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }
}
