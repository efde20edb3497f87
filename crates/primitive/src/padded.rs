//! [`CachePadded`]: keeps a value on cache lines of its own.

use core::ops::{Deref, DerefMut};

/// A value aligned to 128 bytes, so that neither it nor its adjacent-line prefetch partner is shared.
///
/// # Cost
/// The size is rounded up to a multiple of 128 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    /// Pads `value`.
    pub const fn new(value: T) -> Self {
        CachePadded(value)
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
