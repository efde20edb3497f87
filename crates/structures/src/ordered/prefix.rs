//! [`Prefix`]: the keys that begin with some bytes.
//!
//! Tags: none of its own.

use std::ops::{Bound, RangeBounds};

/// The keys that begin with some bytes, as a range.
///
/// # Examples
/// ```
/// use stillpoint_structures::OrderedMap;
/// use stillpoint_structures::ordered::Prefix;
///
/// let map: OrderedMap<Vec<u8>, u32> =
///     [("a", 1), ("user:1", 2), ("user:2", 3), ("v", 4)].map(|(k, v)| (k.into(), v)).into_iter().collect();
/// let pinned = map.pin();
/// let users: Vec<u32> = pinned.range(Prefix::new(b"user:")).map(|(_, value)| *value).collect();
/// assert_eq!(users, [2, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct Prefix<'p> {
    prefix: &'p [u8],
    /// The least key behind them, if there is one.
    end: Option<Vec<u8>>,
}

impl<'p> Prefix<'p> {
    /// The keys that begin with `prefix`.
    pub fn new(prefix: &'p [u8]) -> Self {
        let last = prefix.iter().rposition(|&byte| byte != u8::MAX);
        let end = last.map(|last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        });
        Prefix { prefix, end }
    }
}

impl RangeBounds<[u8]> for Prefix<'_> {
    fn start_bound(&self) -> Bound<&[u8]> {
        Bound::Included(self.prefix)
    }

    fn end_bound(&self) -> Bound<&[u8]> {
        self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded)
    }
}
