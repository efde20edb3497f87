//! [`SharedKey`]: a key that ordered indexes, ranges and their readers share.
//!
//! ```text
//!  Inline   tag len b0 b1 … b29       compared and copied where it lies
//!  Counted  tag  ·  ─▶ counts bytes   one allocation, however many have it
//! ```
//! Most keys are short. One that lies in the node itself costs a search no wait for memory of its own, and a walk none for its count of owners; see the
//! figures in [`ordered`](crate::ordered).

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes of a key that lies in place: with them a `SharedKey` is four words, half a line of the cache.
const INLINE: usize = 30;

#[derive(Clone)]
pub(crate) enum SharedKey {
    Inline { len: u8, bytes: [u8; INLINE] },
    Counted(Arc<[u8]>),
}

const _: () = assert!(size_of::<SharedKey>() == 32);

impl SharedKey {
    /// What a shared key of so many bytes takes: itself, and what it points to with two counts.
    pub(crate) const fn footprint(len: usize) -> usize {
        size_of::<SharedKey>() + if len > INLINE { 16 + len } else { 0 }
    }
}

impl Deref for SharedKey {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            SharedKey::Inline { len, bytes } => &bytes[..usize::from(*len)],
            SharedKey::Counted(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for SharedKey {
    #[inline(always)]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for SharedKey {
    fn from(key: &[u8]) -> Self {
        if key.len() > INLINE {
            return SharedKey::Counted(key.into());
        }
        let mut bytes = [0; INLINE];
        bytes[..key.len()].copy_from_slice(key);
        SharedKey::Inline { len: key.len() as u8, bytes }
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedKey {}

impl PartialOrd for SharedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SharedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::{INLINE, SharedKey};

    #[test]
    fn is_its_bytes_whatever_their_number() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, 100] {
            let key = SharedKey::from(&bytes[..len]);
            assert_eq!(*key.clone(), bytes[..len]);
            assert_eq!(matches!(key, SharedKey::Counted(_)), len > INLINE);
        }
    }

    #[test]
    fn is_ordered_as_its_bytes_are() {
        let long = [7; INLINE + 1];
        let keys = [&b""[..], b"\0", b"\0\0", &long[..1], &long[..INLINE], &long, b"\x08", b"\xff"];
        for a in keys {
            for b in keys {
                let (shared_a, shared_b) = (SharedKey::from(a), SharedKey::from(b));
                assert_eq!(shared_a.cmp(&shared_b), a.cmp(b), "{a:?} {b:?}");
                assert_eq!(shared_a == shared_b, a == b);
            }
        }
    }
}
