//! SNAPSHOT of a connection: one cut for everything it reads until it ends.

use super::{DataState, Mode};
use crate::value::Object;
use stillpoint_store::{MvccDisabled, Snapshot, Store};

/// An open SNAPSHOT.
pub(crate) struct OpenSnapshot {
    snapshot: Snapshot<Object>,
    pub(crate) begun_ms: u64,
    pub(crate) deadline_ms: Option<u64>,
}

impl OpenSnapshot {
    pub(crate) fn timestamp(&self) -> u64 {
        self.snapshot.timestamp()
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.snapshot.is_expired()
    }
}

impl DataState {
    /// Begins a snapshot that ends by itself `ttl_ms` from now, if that is given.
    pub(crate) fn begin_snapshot(
        &mut self,
        store: &Store<Object>,
        now_ms: u64,
        ttl_ms: Option<u64>,
    ) -> Result<(), MvccDisabled> {
        let snapshot = store.try_snapshot(now_ms)?;
        let deadline_ms = ttl_ms.map(|ttl| now_ms.saturating_add(ttl));
        if let Some(deadline_ms) = deadline_ms {
            snapshot.set_deadline(deadline_ms);
        }
        self.mode = Mode::Cut(snapshot.clone());
        self.snapshot = Some(OpenSnapshot { snapshot, begun_ms: now_ms, deadline_ms });
        Ok(())
    }

    /// Ends it. `None` if there is none.
    pub(crate) fn end_snapshot(&mut self) -> Option<OpenSnapshot> {
        let open = self.snapshot.take()?;
        self.mode = Mode::Direct;
        Some(open)
    }
}
