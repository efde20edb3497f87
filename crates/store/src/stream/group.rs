//! [`Group`]: the changes of one timestamp; and the buffers that they are collected in before.
//!
//! ```text
//!  buffer   records: stamp · space · kind · expiry · place in the bytes · lengths | object      bytes: key value key value …
//!  group    the same, of one timestamp, ordered by sequence; what one commit wrote is together
//! ```

use crate::engine::Version;
use crate::entry::{Value, VersionStamp};
use std::sync::Arc;
use stillpoint_structures::ValueRef;

enum Recorded<O> {
    Removed,
    /// So many bytes.
    Bytes(usize),
    Object(Arc<O>),
}

struct Record<O> {
    stamp: VersionStamp,
    expire_at_ms: Option<u64>,
    at: usize,
    key_len: usize,
    value: Recorded<O>,
    space: u8,
    kind: u8,
}

impl<O> Record<O> {
    fn len(&self) -> usize {
        let value_len = if let Recorded::Bytes(len) = self.value { len } else { 0 };
        self.key_len + value_len
    }

    /// The record with its bytes moved from one place to another.
    fn moved(&mut self, from: &[u8], to: &mut Vec<u8>) -> Record<O> {
        let at = to.len();
        to.extend_from_slice(&from[self.at..self.at + self.len()]);
        let value = std::mem::replace(&mut self.value, Recorded::Removed);
        Record { at, value, ..*self }
    }
}

/// Published changes in the order of publication.
pub(super) struct Buffer<O> {
    records: Vec<Record<O>>,
    bytes: Vec<u8>,
}

impl<O> Buffer<O> {
    pub(super) const fn new() -> Self {
        Buffer { records: Vec::new(), bytes: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes that the records take; an object counts as one pointer.
    pub(super) fn footprint(&self) -> usize {
        footprint(&self.records, &self.bytes)
    }

    /// The latest timestamp.
    pub(super) fn latest(&self) -> Option<u64> {
        self.records.iter().map(|record| record.stamp.timestamp()).max()
    }

    /// The earliest timestamp.
    fn earliest(&self) -> Option<u64> {
        self.records.iter().map(|record| record.stamp.timestamp()).min()
    }

    /// Forgets the records and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }
}

fn footprint<O>(records: &[Record<O>], bytes: &[u8]) -> usize {
    size_of_val(records) + bytes.len()
}

impl<O: Send + Sync + 'static> Buffer<O> {
    pub(super) fn push(&mut self, space: u8, version: Version<'_, O>, stamp: VersionStamp) {
        let (key, at) = (version.key(), self.bytes.len());
        self.bytes.extend_from_slice(key);
        let value = match version.value() {
            ValueRef::Tombstone => Recorded::Removed,
            ValueRef::Bytes(bytes) => {
                self.bytes.extend_from_slice(bytes);
                Recorded::Bytes(bytes.len())
            }
            ValueRef::Object(object) => Recorded::Object(Arc::clone(object)),
        };
        self.records.push(Record {
            stamp,
            expire_at_ms: version.expire_at(),
            at,
            key_len: key.len(),
            value,
            space,
            kind: version.kind(),
        });
    }
}

/// Cuts the groups before `low` out of the buffers; what is later stays there.
pub(super) fn cut<O>(buffers: &mut [Buffer<O>], low: u64) -> Vec<Group<O>> {
    let mut order = Vec::new();
    for (buffer, records) in buffers.iter().map(|buffer| &buffer.records).enumerate() {
        let ripe = records.iter().enumerate().filter(|(_, record)| record.stamp.timestamp() < low);
        order.extend(ripe.map(|(record, ripe)| (ripe.stamp, buffer, record)));
    }
    // What one commit wrote has one stamp and one place, so it stays together.
    order.sort_unstable();
    let groups = order.chunk_by(|one, next| one.0.timestamp() == next.0.timestamp());
    let groups = groups
        .map(|group| {
            let mut bytes = Vec::new();
            let records = group.iter().map(|&(_, buffer, record)| {
                let Buffer { records, bytes: from } = &mut buffers[buffer];
                records[record].moved(from, &mut bytes)
            });
            let records = records.collect();
            Group { timestamp: group[0].0.timestamp(), records, bytes: bytes.into() }
        })
        .collect();
    buffers.iter_mut().for_each(|buffer| keep_from(buffer, low));
    groups
}

/// Drops the records before `low`.
fn keep_from<O>(buffer: &mut Buffer<O>, low: u64) {
    if buffer.latest().is_none_or(|latest| latest < low) {
        buffer.clear();
    } else if buffer.earliest().is_some_and(|earliest| earliest < low) {
        let Buffer { records, bytes } = std::mem::replace(buffer, Buffer::new());
        let later = records.into_iter().filter(|record| record.stamp.timestamp() >= low);
        for mut record in later {
            buffer.records.push(record.moved(&bytes, &mut buffer.bytes));
        }
    }
}

/// All changes that were committed at one timestamp, in all spaces: transactions whole, and the changes of one key in their order.
/// Between different keys of a group there is no order but that of one transaction's own writes.
pub struct Group<O = ()> {
    timestamp: u64,
    records: Box<[Record<O>]>,
    bytes: Box<[u8]>,
}

impl<O> Group<O> {
    /// The commit timestamp.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The number of changes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a group without a change does not exist")]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The changes.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Change<'_, O>> {
        self.records.iter().map(|record| Change { record, bytes: &self.bytes })
    }

    /// The change of that number.
    pub(super) fn change(&self, number: usize) -> Change<'_, O> {
        Change { record: &self.records[number], bytes: &self.bytes }
    }

    pub(super) fn footprint(&self) -> usize {
        footprint(&self.records, &self.bytes) + size_of::<Self>()
    }
}

/// One committed change of one key.
pub struct Change<'g, O = ()> {
    record: &'g Record<O>,
    bytes: &'g [u8],
}

impl<O> Clone for Change<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<O> Copy for Change<'_, O> {}

impl<'g, O> Change<'g, O> {
    /// The stamp of the version: it grows with each change of the key, and two changes of a key never share one.
    pub fn stamp(&self) -> VersionStamp {
        self.record.stamp
    }

    /// The commit timestamp, which the whole group shares.
    pub fn timestamp(&self) -> u64 {
        self.record.stamp.timestamp()
    }

    /// The key space.
    pub fn space(&self) -> u8 {
        self.record.space
    }

    /// The key.
    pub fn key(&self) -> &'g [u8] {
        &self.bytes[self.record.at..self.record.at + self.record.key_len]
    }

    /// The new value; `None`: the key was removed, or its value had expired and was removed for that.
    pub fn value(&self) -> Option<Value<'g, O>> {
        let at = self.record.at + self.record.key_len;
        match &self.record.value {
            Recorded::Removed => None,
            Recorded::Bytes(len) => Some(Value::Bytes(&self.bytes[at..at + len])),
            Recorded::Object(object) => Some(Value::Object(object)),
        }
    }

    /// The new value's bytes, if it has any.
    pub fn value_bytes(&self) -> Option<&'g [u8]> {
        match self.value() {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The kind that the writer gave.
    pub fn kind(&self) -> u8 {
        self.record.kind
    }

    /// When the value expires, in milliseconds of the caller's clock.
    pub fn expire_at_ms(&self) -> Option<u64> {
        self.record.expire_at_ms
    }
}

/// Some groups in the order of their timestamps.
pub struct Groups<O = ()> {
    /// The groups; empty if there was nothing.
    pub groups: Vec<Arc<Group<O>>>,
    /// Every change with a timestamp up to this one has been handed out, in these groups or before.
    pub through: u64,
    /// The store has ended, and these are the last groups.
    pub ended: bool,
}
