//! An element's register and value: MurmurHash2, 64 bits (Appleby, public domain), with the seed that Redis uses.

use super::REGISTERS;

const SEED: u64 = 0xadc8_3b19;
const REGISTER_BITS: u32 = REGISTERS.trailing_zeros();
const M: u64 = 0xc6a4_a793_5bd1_e995;
const R: u32 = 47;

fn murmur(bytes: &[u8]) -> u64 {
    let mut h = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = (h ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u64::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> R;
    h = h.wrapping_mul(M);
    h ^ h >> R
}

/// The register of an element, and the value that it raises it to, from 1.
pub(super) fn place_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let register = hash as usize & (REGISTERS - 1);
    // The bit above the value's bits ends the count in any case.
    let value = hash >> REGISTER_BITS | 1 << (64 - REGISTER_BITS);
    (register, value.trailing_zeros() as u8 + 1)
}
