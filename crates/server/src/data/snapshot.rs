//! SNAPSHOT of a connection: one cut for everything it reads until it ends; and those that other connections may share.

use super::{DataState, Mode};
use crate::value::Object;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use stillpoint_store::{MvccDisabled, Snapshot, Store};

/// An open SNAPSHOT.
pub(crate) struct OpenSnapshot {
    snapshot: Snapshot<Object>,
    pub(crate) begun_ms: u64,
    pub(crate) deadline_ms: Option<u64>,
    /// The name under which others may share it, as long as it is open.
    exported: Option<Arc<Exported>>,
}

/// A cut with a name.
struct Exported {
    name: String,
    snapshot: Snapshot<Object>,
}

/// The cuts that have names.
#[derive(Default)]
pub(crate) struct Exports(Mutex<BTreeMap<String, Weak<Exported>>>);

impl Exports {
    fn add(&self, exported: &Arc<Exported>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, known| known.strong_count() > 0);
        all.insert(exported.name.clone(), Arc::downgrade(exported));
    }

    fn find(&self, name: &[u8]) -> Option<Snapshot<Object>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(std::str::from_utf8(name).ok()?)?.upgrade()?;
        Some(known.snapshot.clone())
    }
}

impl OpenSnapshot {
    pub(crate) fn timestamp(&self) -> u64 {
        self.snapshot.timestamp()
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.snapshot.is_expired()
    }

    /// Gives it a name that cannot be guessed, if it has none.
    pub(crate) fn export(&mut self, exports: &Exports, new_name: impl FnOnce() -> String) -> &str {
        let exported = self.exported.get_or_insert_with(|| {
            let exported = Exported { name: new_name(), snapshot: self.snapshot.clone() };
            let exported = Arc::new(exported);
            exports.add(&exported);
            exported
        });
        &exported.name
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
        self.open(snapshot, now_ms, deadline_ms);
        Ok(())
    }

    /// Shares the cut of this name. Whether there is one.
    pub(crate) fn import_snapshot(&mut self, exports: &Exports, name: &[u8], now_ms: u64) -> bool {
        let found = exports.find(name);
        let is_there = found.is_some();
        if let Some(snapshot) = found {
            self.open(snapshot, now_ms, None);
        }
        is_there
    }

    fn open(&mut self, snapshot: Snapshot<Object>, begun_ms: u64, deadline_ms: Option<u64>) {
        self.mode = Mode::Cut(snapshot.clone());
        self.snapshot = Some(OpenSnapshot { snapshot, begun_ms, deadline_ms, exported: None });
    }

    /// Ends it. `None` if there is none.
    pub(crate) fn end_snapshot(&mut self) -> Option<OpenSnapshot> {
        let open = self.snapshot.take()?;
        self.mode = Mode::Direct;
        Some(open)
    }
}
