//! What the suite asks of a map.

/// A value; its first word is looked at.
pub(crate) type Value = [u64; 8];

/// A map shared by threads.
pub(crate) trait MapSubject: Send + Sync {
    fn new() -> Self;
    /// The first word of the key's value.
    fn get(&self, key: u64) -> Option<u64>;
    /// Inserts, or replaces.
    fn put(&self, key: u64, value: Value);
    /// Whether there was one.
    fn remove(&self, key: u64) -> bool;
}

/// A map that knows its keys' order.
pub(crate) trait OrderedSubject: MapSubject {
    /// The sum of the first words of up to `count` values, from `first` on.
    fn sum_from(&self, first: u64, count: usize) -> u64;
}
