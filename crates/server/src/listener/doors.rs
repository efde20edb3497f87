//! [`Doors`]: the sockets that the server listens on, and how CONFIG SET of `port`, `bind` and `tls-port` changes them.
//!
//! ```text
//! prepare: wanted and there ─▶ kept    wanted and not there ─▶ opened    ─▶ commit: the others are shut, loop 0 watches the new ones
//!                                                                        └▶ dropped: nothing has changed
//! ```
//! An address may be in the way of another one (`127.0.0.1` of `*`, on one port): then the old ones stop listening while the new ones
//! are opened, and listen again if that fails. Connections that there are notice nothing.
//!
//! Invariant: a door is in the list before it listens for longer than [`prepare`](Doors::prepare) takes, and out of it before it is shut.

use super::RunError;
use super::socket::{Listening, Ports, open_all};
use crate::config::Settings;
use crate::counter::Gauge;
use rustix::net::Shutdown;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the server listens on.
#[derive(Default)]
pub(crate) struct Doors {
    /// None before it serves, and where nobody connects.
    open: Mutex<Option<Vec<Arc<Listening>>>>,
    changes: Gauge,
}

impl Doors {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<Listening>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// From now on these are open.
    pub(super) fn set(&self, open: Vec<Arc<Listening>>) {
        *self.lock() = Some(open);
        self.changes.add(1);
    }
    pub(super) fn now(&self) -> Vec<Arc<Listening>> {
        self.lock().clone().unwrap_or_default()
    }
    /// How often they have changed.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Opens what `next` asks for and is not open yet; `None` if nobody can connect anyway.
    ///
    /// # Errors
    /// An address is taken or not ours; everything is as it was.
    pub(crate) fn prepare(
        &self,
        settings: &Settings,
        next: &Settings,
    ) -> Result<Option<Change<'_>>, RunError> {
        let Some(old) = self.lock().clone() else { return Ok(None) };
        let chosen = old.iter().find(|door| !door.is_tls).and_then(|door| door.port);
        let port = |settings: &Settings, name| settings.number(name) as u16;
        let plain = match (port(settings, "port"), port(next, "port")) {
            // The system has chosen it.
            (0, 0) => chosen,
            (_, wanted) => Some(wanted).filter(|port| *port != 0),
        };
        let tls = Some(port(next, "tls-port")).filter(|port| *port != 0);
        let backlog = settings.number("tcp-backlog") as i32;
        let mut change =
            Change { doors: self, old, next: Vec::new(), backlog, shut: false, kept: false };
        match change.open(next, Ports { plain, tls }) {
            Err(RunError::Bind { error, .. }) if error.kind() == ErrorKind::AddrInUse => {
                change.shut = true;
                change.old.iter().filter(|door| door.port.is_some()).for_each(|door| door.shut());
                change.open(next, Ports { plain, tls })?;
            }
            outcome => outcome?,
        }
        Ok(Some(change))
    }
}

/// Doors that are about to change.
pub(crate) struct Change<'d> {
    doors: &'d Doors,
    old: Vec<Arc<Listening>>,
    next: Vec<Arc<Listening>>,
    backlog: i32,
    /// The old ones do not listen at the moment.
    shut: bool,
    kept: bool,
}

impl Change<'_> {
    fn open(&mut self, settings: &Settings, ports: Ports) -> Result<(), RunError> {
        let next = open_all(settings, ports, &self.old)?;
        next.iter()
            .filter(|door| self.shut || !is_among(door, &self.old))
            .try_for_each(|door| door.listen(self.backlog))?;
        self.next = next;
        Ok(())
    }

    /// Makes the change.
    pub(crate) fn commit(mut self) {
        self.kept = true;
        let next = std::mem::take(&mut self.next);
        let gone = self.old.iter().filter(|door| !is_among(door, &next)).cloned();
        let gone: Vec<_> = gone.collect();
        self.doors.set(next);
        gone.iter().for_each(|door| door.shut());
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.kept || !self.shut {
            return;
        }
        // Nobody else can have taken the addresses: they are bound all the time.
        self.next.clear();
        for door in self.old.iter().filter(|door| door.port.is_some()) {
            let _listens = door.listen(self.backlog);
        }
    }
}

fn is_among(door: &Arc<Listening>, doors: &[Arc<Listening>]) -> bool {
    doors.iter().any(|other| Arc::ptr_eq(other, door))
}

impl Listening {
    /// Lets no more connections come, until it listens again.
    fn shut(&self) {
        // One that does not listen is shut already.
        let _shut = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }
}
