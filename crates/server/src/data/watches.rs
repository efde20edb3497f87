//! [`Watches`]: the keys that a connection watches, each with the version that it had.

use std::collections::{BTreeMap, HashMap};
use stillpoint_store::VersionStamp;

/// What a watched key takes beside its name: its place in the map, and that of the block.
const WATCH_BYTES: usize = 64;

/// Watched keys by database; asking for one costs the same however many there are.
#[derive(Default)]
pub(crate) struct Watches {
    databases: BTreeMap<u8, HashMap<Box<[u8]>, Option<VersionStamp>>>,
    count: usize,
    bytes: usize,
}

impl Watches {
    pub(crate) fn len(&self) -> usize {
        self.count
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
    pub(crate) fn has(&self, db: u8, key: &[u8]) -> bool {
        self.databases.get(&db).is_some_and(|keys| keys.contains_key(key))
    }
    /// Adds a key, unless it is watched: its first version counts.
    pub(crate) fn add(&mut self, db: u8, key: &[u8], stamp: Option<VersionStamp>) {
        if !self.has(db, key) {
            self.databases.entry(db).or_default().insert(key.into(), stamp);
            self.count += 1;
            self.bytes += WATCH_BYTES + key.len();
        }
    }
    pub(crate) fn clear(&mut self) {
        *self = Watches::default();
    }
    /// Database, key and version of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &[u8], Option<VersionStamp>)> {
        self.databases
            .iter()
            .flat_map(|(db, keys)| keys.iter().map(|(key, stamp)| (*db, &**key, *stamp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_watched_once_in_each_database_and_counted() {
        let mut watches = Watches::default();
        for _ in 0..2 {
            watches.add(0, b"key", None);
            watches.add(1, b"key", None);
        }
        assert!(watches.has(0, b"key") && watches.has(1, b"key") && !watches.has(2, b"key"));
        assert_eq!((watches.len(), watches.bytes()), (2, 2 * (WATCH_BYTES + 3)));
        assert_eq!(
            watches.iter().map(|(db, key, _)| (db, key.len())).collect::<Vec<_>>(),
            [(0, 3), (1, 3)]
        );
        watches.clear();
        assert!(watches.is_empty() && watches.bytes() == 0);
    }
}
