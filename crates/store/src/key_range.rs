//! [`KeyRange`]: an interval of keys, in the order of their bytes.

use crate::shared_key::SharedKey;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// An interval of keys, in the order of their bytes: made of any of Rust's ranges over bytes, or of a prefix.
///
/// # Examples
/// ```
/// use stillpoint_store::KeyRange;
/// use std::ops::Bound;
///
/// assert!(KeyRange::from(b"a"..b"c").contains(b"b"));
/// assert!(KeyRange::from("user:".."user;").contains(b"user:7"));
/// assert!(KeyRange::prefix(b"user:").contains(b"user:7"));
/// assert!(!KeyRange::from((Bound::Excluded("b"), Bound::Unbounded)).contains(b"b"));
/// assert!(KeyRange::from(..).contains(b""));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub(crate) start: Bound<SharedKey>,
    pub(crate) end: Bound<SharedKey>,
}

impl KeyRange {
    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let last = prefix.iter().rposition(|&byte| byte != u8::MAX);
        let end = last.map(|last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bound::Excluded(SharedKey::from(&*end))
        });
        KeyRange { start: Bound::Included(prefix.into()), end: end.unwrap_or(Bound::Unbounded) }
    }

    /// Whether `key` lies in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Included(start) => key >= &**start,
            Bound::Excluded(start) => key > &**start,
            Bound::Unbounded => true,
        };
        after_start
            && match &self.end {
                Bound::Included(end) => key <= &**end,
                Bound::Excluded(end) => key < &**end,
                Bound::Unbounded => true,
            }
    }

    /// Its ends, borrowed.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (borrowed(&self.start), borrowed(&self.end))
    }

    pub(crate) fn between(start: Bound<&[u8]>, end: Bound<&[u8]>) -> Self {
        KeyRange { start: start.map(SharedKey::from), end: end.map(SharedKey::from) }
    }
}

pub(crate) fn borrowed(bound: &Bound<SharedKey>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> Self {
        KeyRange { start: Bound::Unbounded, end: Bound::Unbounded }
    }
}

impl<K: AsRef<[u8]>> From<(Bound<K>, Bound<K>)> for KeyRange {
    fn from((start, end): (Bound<K>, Bound<K>)) -> Self {
        let bytes = |key: K| SharedKey::from(key.as_ref());
        KeyRange { start: start.map(bytes), end: end.map(bytes) }
    }
}

macro_rules! ranges {
    ($($range:ident: $given:ident => $start:expr, $end:expr;)*) => {$(
        impl<K: AsRef<[u8]>> From<$range<K>> for KeyRange {
            fn from($given: $range<K>) -> Self {
                KeyRange::between($start, $end)
            }
        }
    )*};
}

ranges! {
    Range: given => Bound::Included(given.start.as_ref()), Bound::Excluded(given.end.as_ref());
    RangeInclusive: given => Bound::Included(given.start().as_ref()), Bound::Included(given.end().as_ref());
    RangeFrom: given => Bound::Included(given.start.as_ref()), Bound::Unbounded;
    RangeTo: given => Bound::Unbounded, Bound::Excluded(given.end.as_ref());
    RangeToInclusive: given => Bound::Unbounded, Bound::Included(given.end.as_ref());
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::KeyRange;

    #[test]
    fn a_prefix_holds_the_keys_that_begin_with_it() {
        for prefix in [&b""[..], b"a", b"a\xff", b"\xff", b"\xff\xff"] {
            let range = KeyRange::prefix(prefix);
            for key in
                [&b""[..], b"a", b"a\xfe", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff\xff"]
            {
                assert_eq!(range.contains(key), key.starts_with(prefix), "{prefix:?} {key:?}");
            }
        }
    }

    #[test]
    fn ranges_hold_what_rusts_do() {
        let keys = ["a", "b", "c", "d"];
        let held =
            |range: KeyRange| keys.iter().filter(|key| range.contains(key.as_bytes())).count();
        assert_eq!(held(("b".."d").into()), 2);
        assert_eq!(held(("b"..="d").into()), 3);
        assert_eq!(held(("b"..).into()), 3);
        assert_eq!(held((.."b").into()), 1);
        assert_eq!(held((..="b").into()), 2);
        assert_eq!(held((..).into()), 4);
    }
}
