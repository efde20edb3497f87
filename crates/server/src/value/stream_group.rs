//! [`Group`]: who reads a stream together, and what each of them has not acknowledged yet.

use super::stream_id::StreamId;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::ops::Bound;
use std::sync::Arc;

/// What an entry that was delivered costs: a node of the group's tree and one of its consumer's.
const PENDING_BYTES: usize = 256;
/// What a consumer costs.
const CONSUMER_BYTES: usize = 224;

/// An entry that was delivered and is not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) consumer: Arc<[u8]>,
    pub(crate) delivered_ms: u64,
    pub(crate) deliveries: u64,
}

/// One reader of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Consumer {
    pub(crate) name: Arc<[u8]>,
    pub(crate) seen_ms: u64,
    /// When it last got anything; `None`: never.
    pub(crate) active_ms: Option<u64>,
    pub(crate) pending: RedBlackTreeSetSync<StreamId>,
}

/// Invariant: `pending[id].consumer == c` if and only if `consumers[c].pending` has `id`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) last_id: StreamId,
    /// Entries up to `last_id`, deleted ones included; `None`: not known.
    pub(crate) entries_read: Option<u64>,
    pub(crate) pending: RedBlackTreeMapSync<StreamId, Pending>,
    pub(crate) consumers: RedBlackTreeMapSync<Arc<[u8]>, Consumer>,
}

impl Group {
    pub(crate) fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group {
            last_id,
            entries_read,
            pending: RedBlackTreeMapSync::new_sync(),
            consumers: RedBlackTreeMapSync::new_sync(),
        }
    }

    /// About as many bytes as the group takes.
    pub(crate) fn bytes(&self) -> usize {
        let pending = self.pending.size() * PENDING_BYTES;
        size_of::<Group>() + pending + self.consumers.size() * CONSUMER_BYTES
    }

    /// Makes a consumer unless there is one. Whether it did.
    pub(crate) fn add_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        let name: Arc<[u8]> = name.into();
        let pending = RedBlackTreeSetSync::new_sync();
        let consumer = Consumer { name: name.clone(), seen_ms: now_ms, active_ms: None, pending };
        self.consumers.insert_mut(name, consumer);
        true
    }

    /// A consumer that is here now; it is made if there is none. Whether it was.
    pub(crate) fn see(&mut self, name: &[u8], now_ms: u64) -> bool {
        let is_new = self.add_consumer(name, now_ms);
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_ms = now_ms;
        }
        is_new
    }

    /// Notes that a consumer got something.
    pub(crate) fn note_active(&mut self, name: &[u8], now_ms: u64) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Removes a consumer with what it has not acknowledged; how much that was.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.get(name)?.clone();
        for id in consumer.pending.iter() {
            self.pending.remove_mut(id);
        }
        self.consumers.remove_mut(name);
        Some(consumer.pending.size())
    }

    /// Gives an entry to a consumer that exists, whoever had it before.
    pub(crate) fn deliver(&mut self, id: StreamId, name: &[u8], now_ms: u64, deliveries: u64) {
        if let Some(before) = self.pending.get(&id).map(|pending| pending.consumer.clone())
            && *before != *name
            && let Some(consumer) = self.consumers.get_mut(&before)
        {
            consumer.pending.remove_mut(&id);
        }
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.pending.insert_mut(id);
            let consumer = consumer.name.clone();
            self.pending.insert_mut(id, Pending { consumer, delivered_ms: now_ms, deliveries });
        }
    }

    /// Takes an entry off what is pending; whether it was.
    pub(crate) fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(name) = self.pending.get(&id).map(|pending| pending.consumer.clone()) else {
            return false;
        };
        if let Some(consumer) = self.consumers.get_mut(&name) {
            consumer.pending.remove_mut(&id);
        }
        self.pending.remove_mut(&id)
    }

    /// What is pending from `start` to `end`, both included.
    pub(crate) fn pending_in(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let end = if start > end { Bound::Excluded(start) } else { Bound::Included(end) };
        self.pending.range((Bound::Included(start), end)).map(|(id, pending)| (*id, pending))
    }
}
