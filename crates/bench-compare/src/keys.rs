//! The keys of all suites: 16 bytes each, in no order of use to anybody.

/// How long a key is.
pub(crate) const KEY_BYTES: u64 = 16;

/// The key of a number.
#[inline(always)]
pub(crate) fn key(number: u64) -> [u8; KEY_BYTES as usize] {
    let mut key = [0; KEY_BYTES as usize];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    key[8..].copy_from_slice(&number.to_le_bytes());
    key
}
