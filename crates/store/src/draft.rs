//! [`Draft`]: what an update closure says shall become of its key.

use std::sync::Arc;

/// An owned value on its way into the store.
pub(crate) enum DraftValue<O> {
    Bytes(Vec<u8>),
    Object(Arc<O>),
}

pub(crate) enum Decision<O> {
    Keep,
    Remove,
    Put {
        value: DraftValue<O>,
        kind: u8,
        expire_at_ms: Option<u64>,
    },
    /// Same value and kind, other expiry.
    Expire(Option<u64>),
}

/// Collects the decision of one run of an update closure; saying nothing keeps the key as it is.
/// A later call replaces an earlier one.
pub struct Draft<O> {
    pub(crate) decision: Decision<O>,
}

impl<O> Draft<O> {
    pub(crate) fn new() -> Self {
        Draft { decision: Decision::Keep }
    }
    /// Sets the value to the concatenation of `parts`.
    pub fn put(&mut self, kind: u8, parts: &[&[u8]], expire_at_ms: Option<u64>) {
        self.decision =
            Decision::Put { value: DraftValue::Bytes(parts.concat()), kind, expire_at_ms };
    }
    /// Sets the value to an object.
    pub fn put_object(&mut self, kind: u8, object: Arc<O>, expire_at_ms: Option<u64>) {
        self.decision = Decision::Put { value: DraftValue::Object(object), kind, expire_at_ms };
    }
    /// Keeps value and kind, changes the expiry (`None` = never). Of an absent key: nothing.
    pub fn set_expiry(&mut self, expire_at_ms: Option<u64>) {
        self.decision = Decision::Expire(expire_at_ms);
    }
    /// Removes the key.
    pub fn remove(&mut self) {
        self.decision = Decision::Remove;
    }
}
