//! [`CacheSubject`]: what the suite asks of a cache.

/// A map from bytes to bytes, shared by threads.
pub(crate) trait CacheSubject: Send + Sync {
    fn new() -> Self;
    /// Copies the key's value to the beginning of `out`; tells whether there was one that fits.
    fn get(&self, key: &[u8], out: &mut [u8]) -> bool;
    fn set(&self, key: &[u8], value: &[u8]);
}

/// Copies `value` to the beginning of `out` if it fits.
#[inline(always)]
pub(crate) fn copy(value: &[u8], out: &mut [u8]) -> bool {
    out.get_mut(..value.len()).map(|out| out.copy_from_slice(value)).is_some()
}
