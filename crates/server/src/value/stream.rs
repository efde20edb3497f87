//! A stream: entries in the order of their ids, and the groups that read them.
//!
//! ```text
//!  entries  id → fields and values, packed    a persistent tree: a version shares all but a path of it with the one before
//!  groups   name → Group                      persistent too
//! ```
//! Redis keeps entries in nodes of up to `stream-node-max-entries`, and `~` trims whole nodes only; so each entry knows the number of the node
//! that Redis would have it in.
//!
//! # Invariants
//! 1. `content_bytes` is the sum of the entries' bytes.
//! 2. `last_id` is not below any entry's id and never falls but by XSETID; `added` counts every entry that ever was.

use super::element::{Elements, Run, push_element};
use super::stream_group::Group;
use super::stream_id::StreamId;
use super::{Object, kind};
use crate::command::CommandError;
use crate::config::Settings;
use crate::data::Item;
use rpds::RedBlackTreeMapSync;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// What an entry costs beside its bytes: a node of the tree, its entry and their counts, id and lengths.
const ENTRY_BYTES: usize = 160;

/// One entry: its fields and values, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamEntry {
    node: u64,
    parts: u32,
    bytes: Arc<[u8]>,
}

impl StreamEntry {
    /// Fields and values, together.
    pub(crate) fn len(&self) -> usize {
        self.parts as usize
    }
    pub(crate) fn parts(&self) -> Elements<'_> {
        Run { count: self.parts as usize, bytes: &self.bytes }.elements()
    }
}

/// How large Redis's nodes are.
#[derive(Clone, Copy)]
pub(crate) struct NodeLimits {
    entries: u64,
    bytes: u64,
}

impl NodeLimits {
    /// Nodes of any size.
    pub(crate) const NONE: NodeLimits = NodeLimits { entries: 0, bytes: 0 };

    pub(crate) fn of(settings: &Settings) -> Self {
        NodeLimits {
            entries: settings.stream_node_max_entries,
            bytes: settings.stream_node_max_bytes,
        }
    }
}

/// What is to be trimmed off a stream's beginning.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    /// So many entries stay.
    Length(u64),
    /// What is not below this stays.
    From(StreamId),
}

/// A stream; a clone costs two reference counts, a change O(log n).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    entries: RedBlackTreeMapSync<StreamId, StreamEntry>,
    content_bytes: usize,
    pub(crate) groups: RedBlackTreeMapSync<Arc<[u8]>, Arc<Group>>,
    pub(crate) last_id: StreamId,
    pub(crate) max_deleted_id: StreamId,
    pub(crate) added: u64,
    /// The node that the next entry goes to, its entries and bytes.
    node: (u64, u64, u64),
}

impl Stream {
    pub(crate) fn new() -> Self {
        Stream {
            entries: RedBlackTreeMapSync::new_sync(),
            content_bytes: 0,
            groups: RedBlackTreeMapSync::new_sync(),
            last_id: StreamId::ZERO,
            max_deleted_id: StreamId::ZERO,
            added: 0,
            node: (0, 0, 0),
        }
    }

    /// The stream of an entry of the store.
    pub(crate) fn of<'g>(entry: Item<'g>) -> Result<&'g Stream, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::STREAM, Value::Object(object)) => match &**object {
                Object::Stream(stream) => Ok(stream),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    /// Makes it the key's value. A stream without entries is a value, too.
    pub(crate) fn put(self, draft: &mut Draft<'_, Object>, expire_at_ms: Option<u64>) {
        draft.put_object(kind::STREAM, Arc::new(Object::Stream(self)), expire_at_ms);
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.size() as u64
    }

    /// About as many bytes as the stream takes, its groups included.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().map(|(name, group)| name.len() + group.bytes());
        self.content_bytes + self.entries.size() * ENTRY_BYTES + groups.sum::<usize>()
    }

    /// Bytes of fields and values, lengths included.
    pub(crate) fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// Takes an entry out; whether it was there.
    fn take_out(&mut self, id: StreamId) -> bool {
        self.content_bytes -= self.entries.get(&id).map_or(0, |entry| entry.bytes.len());
        self.entries.remove_mut(&id)
    }

    /// Feeds what the stream holds to a hasher.
    pub(crate) fn hash_content(&self, hasher: &mut impl Hasher) {
        for (id, entry) in self.entries.iter() {
            (id.ms, id.seq, &entry.bytes).hash(hasher);
        }
        for (name, group) in self.groups.iter() {
            (name, group.last_id.ms, group.last_id.seq, group.pending.size()).hash(hasher);
        }
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&StreamEntry> {
        self.entries.get(&id)
    }

    /// The first entry's id; zero if there is none.
    pub(crate) fn first_id(&self) -> StreamId {
        self.entries.first().map_or(StreamId::ZERO, |(id, _)| *id)
    }

    /// The last entry's id, which may have been deleted from above; zero if there is none.
    pub(crate) fn top_id(&self) -> StreamId {
        self.entries.last().map_or(StreamId::ZERO, |(id, _)| *id)
    }

    /// The entries from `start` to `end`, both included.
    pub(crate) fn range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &StreamEntry)> {
        // A range that ends before it begins is empty here, and a mistake to the tree.
        let end = if start > end { Bound::Excluded(start) } else { Bound::Included(end) };
        self.entries.range((Bound::Included(start), end)).map(|(id, entry)| (*id, entry))
    }

    /// Adds an entry at the end; its id is above `last_id`.
    pub(crate) fn append<'a>(
        &mut self,
        id: StreamId,
        parts: impl Iterator<Item = &'a [u8]>,
        limits: NodeLimits,
    ) {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for part in parts {
            push_element(&mut bytes, part);
            count += 1;
        }
        let (number, entries, node_bytes) = self.node;
        let more = bytes.len() as u64;
        let is_full = entries > 0
            && ((limits.entries > 0 && entries >= limits.entries)
                || (limits.bytes > 0 && node_bytes + more >= limits.bytes));
        self.node = match is_full {
            true => (number + 1, 1, more),
            false => (number, entries + 1, node_bytes + more),
        };
        let entry = StreamEntry { node: self.node.0, parts: count, bytes: bytes.into() };
        self.content_bytes += entry.bytes.len();
        self.entries.insert_mut(id, entry);
        self.last_id = id;
        self.added += 1;
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn delete(&mut self, id: StreamId) -> bool {
        let removed = self.take_out(id);
        if removed {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        removed
    }

    /// Removes entries from the beginning; how many. `whole_nodes`: only as Redis would remove its nodes, at most `limit` entries (0: any number).
    pub(crate) fn trim(&mut self, keep: Keep, whole_nodes: bool, limit: u64) -> u64 {
        if !whole_nodes {
            return self.trim_exactly(keep);
        }
        let mut removed = 0;
        while let Some((_, first)) = self.entries.first() {
            let node = first.node;
            let mut ids: Vec<StreamId> = Vec::new();
            for (id, entry) in self.entries.iter() {
                if entry.node != node {
                    break;
                }
                ids.push(*id);
            }
            let (count, last) = (ids.len() as u64, ids.last().copied().unwrap_or_default());
            let goes = match keep {
                Keep::Length(length) => self.len() > length && self.len() - count >= length,
                Keep::From(id) => last < id,
            };
            if !goes || (limit > 0 && removed + count > limit) {
                break;
            }
            for id in &ids {
                self.take_out(*id);
            }
            removed += count;
        }
        removed
    }

    fn trim_exactly(&mut self, keep: Keep) -> u64 {
        let mut removed = 0;
        while let Some((&first, _)) = self.entries.first() {
            let stays = match keep {
                Keep::Length(length) => self.len() <= length,
                Keep::From(id) => first >= id,
            };
            if stays {
                break;
            }
            self.take_out(first);
            removed += 1;
        }
        removed
    }

    /// Whether an entry from `start` on may have been deleted.
    pub(crate) fn may_have_gaps_from(&self, start: StreamId) -> bool {
        self.len() > 0 && self.max_deleted_id != StreamId::ZERO && start <= self.max_deleted_id
    }

    /// How many entries there ever were up to this id; `None` if that cannot be told.
    pub(crate) fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len() == 0 && id <= self.last_id {
            return Some(self.added);
        }
        if id != StreamId::ZERO && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.added);
        }
        let first = self.first_id();
        if self.max_deleted_id == StreamId::ZERO || self.max_deleted_id < first {
            if id < first {
                return Some(self.added - self.len());
            }
            if id == first {
                return Some(self.added - self.len() + 1);
            }
        }
        None
    }

    /// A group, to be changed: what others share of it is copied.
    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name).map(Arc::make_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NodeLimits = NodeLimits { entries: 100, bytes: 4096 };

    fn stream(len: u64) -> Stream {
        let mut stream = Stream::new();
        for ms in 1..=len {
            stream.append(StreamId { ms, seq: 0 }, [&b"f"[..], b"v"].into_iter(), LIMITS);
        }
        stream
    }

    #[test]
    fn trimming_goes_by_nodes_if_it_may_and_is_exact_else() {
        let mut s = stream(1000);
        assert_eq!(s.trim(Keep::Length(555), true, 0), 400);
        assert_eq!(s.trim(Keep::Length(555), false, 0), 45);
        assert_eq!(s.trim(Keep::From(StreamId { ms: 600, seq: 0 }), true, 0), 55);
        assert_eq!(s.first_id().ms, 501);
        assert_eq!(s.trim(Keep::From(StreamId { ms: 600, seq: 0 }), false, 0), 99);
        assert_eq!(s.trim(Keep::Length(0), true, 150), 101);
        assert_eq!((s.len(), s.added, s.last_id.ms), (300, 1000, 1000));
        assert_eq!(s.bytes(), stream(300).bytes(), "the sum is kept up to date");
    }

    #[test]
    fn a_version_keeps_what_the_next_one_deletes() {
        let before = stream(500);
        let mut after = before.clone();
        assert!(after.delete(StreamId { ms: 250, seq: 0 }));
        assert!(!after.delete(StreamId { ms: 250, seq: 0 }));
        assert_eq!((before.len(), after.len()), (500, 499));
        let ids = |s: &Stream| s.range(StreamId { ms: 249, seq: 0 }, StreamId::MAX).count();
        assert_eq!((ids(&before), ids(&after)), (252, 251));
        assert_eq!(after.entries_up_to(StreamId { ms: 1, seq: 0 }), None);
        assert_eq!(before.entries_up_to(StreamId { ms: 1, seq: 0 }), Some(1));
    }
}
