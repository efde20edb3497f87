//! What a reader sees of one key: [`Entry`], and the words it is made of.

use crate::engine::Version;
use std::sync::Arc;
use stillpoint_structures::ValueRef;

/// Identifies one committed version of one key: equal stamps of a key mean the very same write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VersionStamp(pub(crate) u64);

impl VersionStamp {
    /// The stamp as a number: larger is later, for one key.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A value as a reader borrows it.
pub enum Value<'g, O> {
    /// Plain bytes.
    Bytes(&'g [u8]),
    /// An object of the embedding program, shared by reference count.
    Object(&'g Arc<O>),
}

impl<O> Clone for Value<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<O> Copy for Value<'_, O> {}

/// One live key as a reader borrows it: key, value, kind, expiry and the stamp of its version.
pub struct Entry<'g, O> {
    pub(crate) key: &'g [u8],
    pub(crate) value: Value<'g, O>,
    pub(crate) kind: u8,
    pub(crate) expire_at_ms: Option<u64>,
    pub(crate) stamp: VersionStamp,
}

impl<O> Clone for Entry<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<O> Copy for Entry<'_, O> {}

impl<'g, O> Entry<'g, O> {
    /// The key's bytes.
    pub fn key(&self) -> &'g [u8] {
        self.key
    }
    /// The value.
    pub fn value(&self) -> Value<'g, O> {
        self.value
    }
    /// The value's bytes, or `None` when it is an object.
    pub fn bytes(&self) -> Option<&'g [u8]> {
        match self.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Object(_) => None,
        }
    }
    /// The kind that the writer gave; the store attaches no meaning to it.
    pub fn kind(&self) -> u8 {
        self.kind
    }
    /// When the value expires, in milliseconds of the caller's clock.
    pub fn expire_at_ms(&self) -> Option<u64> {
        self.expire_at_ms
    }
    /// The stamp of the version read (in a transaction's own pending write: `VersionStamp(0)`).
    pub fn stamp(&self) -> VersionStamp {
        self.stamp
    }
}

impl<'g, O: Send + Sync + 'static> Entry<'g, O> {
    /// What a reader sees of a committed version at `now_ms`: nothing of a tombstone or an expired value.
    #[inline]
    pub(crate) fn of(version: Version<'g, O>, stamp: VersionStamp, now_ms: u64) -> Option<Self> {
        let parts = (version.key(), version.value(), version.kind(), version.expire_at());
        Entry::of_parts(parts, stamp, now_ms)
    }

    /// The same of key, value, kind and expiry.
    #[inline(always)]
    pub(crate) fn of_parts(
        (key, value, kind, expire_at_ms): (&'g [u8], ValueRef<'g, O>, u8, Option<u64>),
        stamp: VersionStamp,
        now_ms: u64,
    ) -> Option<Self> {
        let value = match value {
            ValueRef::Bytes(bytes) => Value::Bytes(bytes),
            ValueRef::Object(object) => Value::Object(object),
            ValueRef::Tombstone => return None,
        };
        if expire_at_ms.is_some_and(|at| at <= now_ms) {
            return None;
        }
        Some(Entry { key, value, kind, expire_at_ms, stamp })
    }
}
