//! [`AclLog`]: what has been denied, for ACL LOG and INFO.

use crate::counter::Gauge;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    TopLevel,
    Multi,
    Script,
}

impl Scene {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scene::TopLevel => "toplevel",
            Scene::Multi => "multi",
            Scene::Script => "lua",
        }
    }
}

/// One entry; what is alike and not long ago is one.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    pub(crate) scene: Scene,
    /// The command, the key or the channel.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// The client's line of CLIENT LIST, the last time.
    pub(crate) client: String,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

impl Entry {
    fn is_like(&self, other: &Entry) -> bool {
        self.reason == other.reason
            && self.scene == other.scene
            && self.updated_ms.abs_diff(other.updated_ms) <= ALIKE_MS
            && self.object == other.object
            && self.user == other.user
    }
}

/// Entries apart by no more than this are one, if they are alike: Redis's `ACL_LOG_GROUPING_MAX_TIME_DELTA`.
const ALIKE_MS: u64 = 60_000;
/// Of the newest entries so many are looked at for one that is alike.
const LOOKED_AT: usize = 10;
/// Bytes of a key or a name that are kept: nobody fills the memory with what is denied.
const MAX_OBJECT_BYTES: usize = 1024;

#[derive(Debug, Default)]
struct Entries {
    next_id: u64,
    newest_first: VecDeque<Entry>,
}

/// The log, and how often what was denied since CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub(crate) struct AclLog {
    entries: Mutex<Entries>,
    denied: [Gauge; 4],
}

impl AclLog {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Enters a denial (`id` is given here), keeping at most `max` entries.
    pub(crate) fn push(&self, mut entry: Entry, max: usize) {
        self.denied[entry.reason as usize].add(1);
        let mut entries = self.lock();
        if max > 0 {
            entry.object.truncate(MAX_OBJECT_BYTES);
            entry.user.truncate(MAX_OBJECT_BYTES);
            let known = entries.newest_first.iter().take(LOOKED_AT).position(|e| e.is_like(&entry));
            match known.and_then(|at| entries.newest_first.remove(at)) {
                Some(known) => {
                    entry.id = known.id;
                    entry.count = known.count + 1;
                    entry.created_ms = known.created_ms;
                }
                None => {
                    entry.id = entries.next_id;
                    entries.next_id += 1;
                }
            }
            entries.newest_first.push_front(entry);
        }
        entries.newest_first.truncate(max);
    }
    /// The newest `n` entries.
    pub(crate) fn newest(&self, n: usize) -> Vec<Entry> {
        self.lock().newest_first.iter().take(n).cloned().collect()
    }
    pub(crate) fn clear(&self) {
        self.lock().newest_first.clear();
    }
    /// How often something was denied for this reason.
    pub(crate) fn denied(&self, reason: Reason) -> u64 {
        self.denied[reason as usize].get()
    }
    /// Counts anew.
    pub(crate) fn reset_counts(&self) {
        self.denied.iter().for_each(|figure| figure.set(0));
    }
}
