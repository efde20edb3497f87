//! [`Key`]: keys as bytes.
//!
//! | type | bytes |
//! |---|---|
//! | unsigned integers | big-endian |
//! | signed integers | big-endian, the sign bit turned over |
//! | `bool` | 0 or 1 |
//! | `str`, `String`, `[u8]`, `Vec<u8>`, `[u8; N]` | as they are |
//! | the same inside a tuple | each 0 as 0, 255; then 0, 0 |
//! | tuples | one part after the other |
//!
//! # Invariants
//! 1. Bytes compare as keys do, and different keys have different bytes.
//! 2. No part of a tuple is the beginning of another value's part, so the next part begins where it ends.

const INLINE: usize = 48;

/// Where a key's bytes are put together, without an allocation for short ones.
pub struct KeyBuffer {
    inline: [u8; INLINE],
    len: usize,
    /// All bytes, once there are too many.
    spilled: Vec<u8>,
}

impl KeyBuffer {
    fn new() -> Self {
        KeyBuffer { inline: [0; INLINE], len: 0, spilled: Vec::new() }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if end <= INLINE {
            self.inline[self.len..end].copy_from_slice(bytes);
        } else {
            if self.len <= INLINE {
                self.spilled.extend_from_slice(&self.inline[..self.len]);
            }
            self.spilled.extend_from_slice(bytes);
        }
        self.len = end;
    }

    fn bytes(&self) -> &[u8] {
        if self.len <= INLINE { &self.inline[..self.len] } else { &self.spilled }
    }
}

/// What can be looked up: something with the bytes of a key.
///
/// Whoever implements it for a type that a key type borrows as (`str` for `String`) gives it the same bytes.
pub trait EncodeKey {
    /// Adds the key's bytes.
    fn encode(&self, out: &mut KeyBuffer);

    /// Adds the key's bytes as a part of a tuple: such that none is the beginning of another's. By default those of [`encode`](EncodeKey::encode), which
    /// suits keys of one length.
    fn encode_part(&self, out: &mut KeyBuffer) {
        self.encode(out);
    }

    /// Shows `f` the key's bytes.
    fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        let mut out = KeyBuffer::new();
        self.encode(&mut out);
        f(out.bytes())
    }
}

/// A type of keys: bytes that compare as the keys do, and back.
pub trait Key: EncodeKey + Sized {
    /// The key at the beginning of `bytes`, as [`encode_part`](EncodeKey::encode_part) wrote it; `bytes` is what follows then. `None` if there is none.
    fn decode_part(bytes: &mut &[u8]) -> Option<Self>;

    /// The key of exactly these bytes, as [`encode`](EncodeKey::encode) wrote them.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        Self::decode_part(&mut bytes).filter(|_| bytes.is_empty())
    }
}

macro_rules! integers {
    ($($unsigned:ident $signed:ident),*) => {$(
        impl EncodeKey for $unsigned {
            fn encode(&self, out: &mut KeyBuffer) {
                out.push(&self.to_be_bytes());
            }
        }
        impl Key for $unsigned {
            fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some($unsigned::from_be_bytes(*first))
            }
        }
        impl EncodeKey for $signed {
            fn encode(&self, out: &mut KeyBuffer) {
                out.push(&(self ^ $signed::MIN).to_be_bytes());
            }
        }
        impl Key for $signed {
            fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some($signed::from_be_bytes(*first) ^ $signed::MIN)
            }
        }
    )*};
}

integers!(u8 i8, u16 i16, u32 i32, u64 i64, u128 i128);

impl EncodeKey for bool {
    fn encode(&self, out: &mut KeyBuffer) {
        out.push(&[u8::from(*self)]);
    }
}

impl Key for bool {
    fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode_part(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl EncodeKey for [u8] {
    fn encode(&self, out: &mut KeyBuffer) {
        out.push(self);
    }

    fn encode_part(&self, out: &mut KeyBuffer) {
        let mut parts = self.split(|&byte| byte == 0);
        out.push(parts.next().unwrap_or_default());
        for part in parts {
            out.push(&[0, 255]);
            out.push(part);
        }
        out.push(&[0, 0]);
    }

    fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(self)
    }
}

impl Key for Vec<u8> {
    fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
        let mut key = Vec::new();
        loop {
            let zero = bytes.iter().position(|&byte| byte == 0)?;
            key.extend_from_slice(&bytes[..zero]);
            let follows = *bytes.get(zero + 1)?;
            *bytes = &bytes[zero + 2..];
            match follows {
                0 => return Some(key),
                255 => key.push(0),
                _ => return None,
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl<const N: usize> Key for [u8; N] {
    fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
        Vec::decode_part(bytes)?.try_into().ok()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Key for String {
    fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Vec::decode_part(bytes)?).ok()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

/// Types with the bytes of another.
macro_rules! like {
    ($($type:ty [$($generics:tt)*] $as:ident),*) => {$(
        impl<$($generics)*> EncodeKey for $type {
            fn encode(&self, out: &mut KeyBuffer) {
                self.$as().encode(out);
            }
            fn encode_part(&self, out: &mut KeyBuffer) {
                self.$as().encode_part(out);
            }
            fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                self.$as().with_bytes(f)
            }
        }
    )*};
}

like!(Vec<u8> [] as_slice, [u8; N] [const N: usize] as_slice, str [] as_bytes, String [] as_bytes);

macro_rules! tuples {
    ($(($($type:ident $field:tt),*)),*) => {$(
        impl<$($type: EncodeKey),*> EncodeKey for ($($type,)*) {
            fn encode(&self, out: &mut KeyBuffer) {
                $(self.$field.encode_part(out);)*
            }
        }
        impl<$($type: Key),*> Key for ($($type,)*) {
            fn decode_part(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($type::decode_part(bytes)?,)*))
            }
        }
    )*};
}

tuples!((A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn bytes(key: &impl EncodeKey) -> Vec<u8> {
        key.with_bytes(<[u8]>::to_vec)
    }

    fn in_order<K: Key + Ord + Clone + Debug>(mut keys: Vec<K>) {
        keys.sort();
        for pair in keys.windows(2) {
            assert!(bytes(&pair[0]) < bytes(&pair[1]), "{pair:?}");
        }
        for key in keys {
            assert_eq!(K::decode(&bytes(&key)).as_ref(), Some(&key));
        }
    }

    #[test]
    fn bytes_compare_as_keys_do_and_lead_back_to_them() {
        in_order(vec![0, 1, u64::MAX, 1 << 40, 255, 256]);
        in_order(vec![0, -1, i32::MIN, i32::MAX, 7, -300]);
        in_order(vec![false, true]);
        let texts = ["", "a", "ab", "b", "a\0", "a\0b", "\0", "\0\0", "a\u{1}", "é"];
        in_order(texts.map(String::from).to_vec());
        let long = "x".repeat(100);
        let texts = texts.map(String::from).into_iter().chain([long.clone(), long + "y"]);
        in_order(texts.flat_map(|text| [-5i64, 0, 5].map(|n| (text.clone(), n))).collect());
        in_order(vec![(1u8, *b"ab", vec![0u8, 1]), (1, *b"ab", vec![0]), (0, *b"zz", vec![])]);
        assert_eq!(<(u8, u8)>::decode(&[1]), None);
        assert_eq!(u8::decode(&[1, 2]), None);
    }
}
