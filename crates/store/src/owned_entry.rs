//! [`OwnedEntry`]: an entry that outlives the step which read it.

use crate::draft::OwnedValue;
use crate::entry::{Entry, Value, VersionStamp};
use std::fmt;
use std::sync::Arc;

/// One live key with what it was when it was read, copied: iterators give it, and loads (with the stamp `VersionStamp(0)` if it was loaded just now). What is borrowed instead is an [`Entry`].
pub struct OwnedEntry<O = ()> {
    key: Box<[u8]>,
    value: OwnedValue<O>,
    kind: u8,
    expire_at_ms: Option<u64>,
    stamp: VersionStamp,
}

impl<O> Clone for OwnedEntry<O> {
    fn clone(&self) -> Self {
        let OwnedEntry { key, value, kind, expire_at_ms, stamp } = self;
        OwnedEntry::new(key.clone(), value.clone(), *kind, *expire_at_ms, *stamp)
    }
}

impl<O> OwnedEntry<O> {
    pub(crate) fn new(
        key: Box<[u8]>,
        value: OwnedValue<O>,
        kind: u8,
        expire_at_ms: Option<u64>,
        stamp: VersionStamp,
    ) -> Self {
        OwnedEntry { key, value, kind, expire_at_ms, stamp }
    }

    pub(crate) fn value(&self) -> &OwnedValue<O> {
        &self.value
    }

    pub(crate) fn of(entry: Entry<'_, O>) -> Self {
        let value = match entry.value() {
            Value::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
            Value::Object(object) => OwnedValue::Object(Arc::clone(object)),
        };
        OwnedEntry {
            key: entry.key().into(),
            value,
            kind: entry.kind(),
            expire_at_ms: entry.expire_at_ms(),
            stamp: entry.stamp(),
        }
    }

    /// The entry, borrowed.
    pub fn entry(&self) -> Entry<'_, O> {
        let value = match &self.value {
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Object(object) => Value::Object(object),
        };
        let OwnedEntry { key, kind, expire_at_ms, stamp, .. } = self;
        Entry { key, value, kind: *kind, expire_at_ms: *expire_at_ms, stamp: *stamp }
    }

    /// The key's bytes.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value's bytes, or `None` when it is an object.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            OwnedValue::Bytes(bytes) => Some(bytes),
            OwnedValue::Object(_) => None,
        }
    }

    /// The object, or `None` when the value is bytes.
    pub fn object(&self) -> Option<&Arc<O>> {
        match &self.value {
            OwnedValue::Bytes(_) => None,
            OwnedValue::Object(object) => Some(object),
        }
    }
}

impl<O> fmt::Debug for OwnedEntry<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedEntry")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("stamp", &self.stamp)
            .finish_non_exhaustive()
    }
}
