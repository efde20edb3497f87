//! [`Draft`]: what an update closure says shall become of its key.
//!
//! A draft builds the new version at once, so a value is copied once, from the closure's parts into its place in the store.

use crate::engine::Index;
use crate::entry::Value;
use crate::error::WriteError;
use std::sync::Arc;
use stillpoint_structures::{AllocError, NewValue, NewVersion};

/// An owned value on its way into the store.
pub(crate) enum OwnedValue<O> {
    Bytes(Vec<u8>),
    Object(Arc<O>),
}

/// A value with what belongs to it, as merging makes it.
pub(crate) struct Buffered<O> {
    pub(crate) value: OwnedValue<O>,
    pub(crate) kind: u8,
    pub(crate) expire_at_ms: Option<u64>,
}

pub(crate) enum Decision<O: Send + Sync + 'static> {
    Keep,
    Remove,
    Install(NewVersion<O>),
    /// Same value and kind, other expiry.
    Expire(Option<u64>),
    Refuse(WriteError),
}

/// Collects the decision of one run of an update closure; saying nothing keeps the key as it is.
/// A later call replaces an earlier one.
pub struct Draft<'d, O: Send + Sync + 'static> {
    index: &'d Index<O>,
    key: &'d [u8],
    pub(crate) decision: Decision<O>,
}

impl<'d, O: Send + Sync + 'static> Draft<'d, O> {
    pub(crate) fn of_version(index: &'d Index<O>, key: &'d [u8]) -> Self {
        Draft { index, key, decision: Decision::Keep }
    }

    /// Sets the value to the concatenation of `parts`.
    ///
    /// # Cost
    /// Copies the parts once.
    #[inline]
    pub fn put(&mut self, kind: u8, parts: &[&[u8]], expire_at_ms: Option<u64>) {
        let new = match parts {
            [value] => self.index.new_version_of_bytes(self.key, value, kind, expire_at_ms),
            _ => self.index.new_version(self.key, NewValue::Parts(parts), kind, expire_at_ms),
        };
        self.install(new);
    }

    /// Sets the value to an object.
    pub fn put_object(&mut self, kind: u8, object: Arc<O>, expire_at_ms: Option<u64>) {
        let value = NewValue::Object(object);
        self.install(self.index.new_version(self.key, value, kind, expire_at_ms));
    }

    #[inline]
    fn install(&mut self, new: Result<NewVersion<O>, AllocError>) {
        self.decision = match new {
            Ok(new) => Decision::Install(new),
            Err(error) => Decision::Refuse(error.into()),
        };
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

impl<'g, O> Value<'g, O> {
    pub(crate) fn as_new(self) -> NewValue<'g, O> {
        match self {
            Value::Bytes(bytes) => NewValue::Bytes(bytes),
            Value::Object(object) => NewValue::Object(Arc::clone(object)),
        }
    }
}

impl<O> Clone for OwnedValue<O> {
    fn clone(&self) -> Self {
        match self {
            OwnedValue::Bytes(bytes) => OwnedValue::Bytes(bytes.clone()),
            OwnedValue::Object(object) => OwnedValue::Object(Arc::clone(object)),
        }
    }
}

impl<O> OwnedValue<O> {
    pub(crate) fn as_new(&self) -> NewValue<'_, O> {
        match self {
            OwnedValue::Bytes(bytes) => NewValue::Bytes(bytes),
            OwnedValue::Object(object) => NewValue::Object(Arc::clone(object)),
        }
    }
}
