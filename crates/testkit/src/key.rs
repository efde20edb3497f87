//! [`key()`]: the keys of tests and benches, 16 bytes each, in no order of use to anybody.

/// How long such a key is.
pub const KEY_BYTES: usize = 16;

/// The key of a number.
#[inline(always)]
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    key[8..].copy_from_slice(&number.to_le_bytes());
    key
}
