//! [`HyperLogLog`]: an estimate of how many different elements there were, in a string that Redis reads and writes alike.
//!
//! ```text
//!  "HYLL" │ encoding 0 dense, 1 sparse │ 000 │ cached count, 8 bytes, little endian; highest bit: out of date │ registers
//!  dense   16384 × 6 bits, lowest bits first                                                       12304 bytes in all
//!  sparse  00xxxxxx            x + 1 registers are 0
//!          01xxxxxx yyyyyyyy   xy + 1 registers are 0
//!          1vvvvvxx            x + 1 registers are v + 1 (32 at most)
//! ```
//! An element's hash has 14 bits for the register and 50 for the value: the place of the lowest bit that is set.
//!
//! Invariants:
//! 1. The bytes after any sequence of operations are those that Redis would have (it compares them, and dumps move).
//! 2. Corrupt bytes are an error, never a panic.
//!
//! Flajolet et al., "HyperLogLog" (2007); Heule et al., "HyperLogLog in Practice" (2013), for the sparse form; Ertl, "New cardinality estimation
//! algorithms for HyperLogLog sketches" (2017), for the estimate.

mod estimate;
mod hash;
mod sparse;

use estimate::estimate;
use hash::place_of;

const HEADER_BYTES: usize = 16;
pub(crate) const REGISTERS: usize = 16_384;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// Why a string is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HllError {
    /// It does not begin like one.
    NotOne,
    /// Its registers make no sense.
    Corrupt,
}

/// Every register as a byte.
pub(crate) type Registers = Box<[u8; REGISTERS]>;

pub(crate) fn no_registers() -> Registers {
    Box::new([0; REGISTERS])
}

/// The bytes of one.
#[derive(Clone, Debug)]
pub(crate) struct HyperLogLog {
    bytes: Vec<u8>,
}

impl HyperLogLog {
    /// Of no elements.
    pub(crate) fn new() -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(b"HYLL");
        bytes[4] = SPARSE;
        bytes.extend_from_slice(&sparse::zeros(REGISTERS));
        HyperLogLog { bytes }
    }

    /// Takes a string for one.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, HllError> {
        let is_one = bytes.len() >= HEADER_BYTES
            && bytes.starts_with(b"HYLL")
            && (bytes[4] == SPARSE || bytes[4] == DENSE && bytes.len() == DENSE_BYTES);
        match is_one {
            true => Ok(HyperLogLog { bytes: bytes.to_vec() }),
            false => Err(HllError::NotOne),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    pub(crate) fn is_dense(&self) -> bool {
        self.bytes[4] == DENSE
    }
    /// The sparse form's codes.
    pub(crate) fn codes(&self) -> Option<&[u8]> {
        (!self.is_dense()).then(|| &self.bytes[HEADER_BYTES..])
    }

    /// Counts one more element; whether a register has changed. `most`: bytes beyond which it becomes dense.
    pub(crate) fn add(&mut self, element: &[u8], most: usize) -> Result<bool, HllError> {
        let (register, value) = place_of(element);
        self.raise(register, value, most)
    }

    /// Raises a register to `value`; whether it was lower.
    pub(crate) fn raise(
        &mut self,
        register: usize,
        value: u8,
        most: usize,
    ) -> Result<bool, HllError> {
        if !self.is_dense() {
            match sparse::raise(&mut self.bytes, register, value, most)? {
                sparse::Raised::Done(changed) => return Ok(changed),
                sparse::Raised::NoRoom => self.make_dense()?,
            }
        }
        let lower = self.dense_register(register) < value;
        if lower {
            self.set_dense_register(register, value);
        }
        Ok(lower)
    }

    /// Goes over to the dense form.
    pub(crate) fn make_dense(&mut self) -> Result<(), HllError> {
        if self.is_dense() {
            return Ok(());
        }
        let registers = self.registers()?;
        self.bytes.truncate(HEADER_BYTES);
        self.bytes.resize(DENSE_BYTES, 0);
        self.bytes[4] = DENSE;
        for (register, value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
            self.set_dense_register(register, *value);
        }
        Ok(())
    }

    /// All registers.
    pub(crate) fn registers(&self) -> Result<Registers, HllError> {
        let mut registers = no_registers();
        self.merge_into(&mut registers)?;
        Ok(registers)
    }

    /// Raises each of `registers` to this one's.
    pub(crate) fn merge_into(&self, registers: &mut Registers) -> Result<(), HllError> {
        match self.codes() {
            None => {
                for (i, register) in registers.iter_mut().enumerate() {
                    *register = (*register).max(self.dense_register(i));
                }
            }
            Some(codes) => sparse::merge_into(codes, registers)?,
        }
        Ok(())
    }

    fn dense_register(&self, register: usize) -> u8 {
        let (at, shift) = (HEADER_BYTES + register * 6 / 8, register * 6 % 8);
        let high = self.bytes.get(at + 1).copied().unwrap_or(0);
        let both = u16::from(self.bytes[at]) | u16::from(high) << 8;
        (both >> shift & 63) as u8
    }

    fn set_dense_register(&mut self, register: usize, value: u8) {
        let (at, shift) = (HEADER_BYTES + register * 6 / 8, register * 6 % 8);
        let (mask, bits) = (63u16 << shift, u16::from(value) << shift);
        self.bytes[at] = self.bytes[at] & !(mask as u8) | bits as u8;
        if let Some(high) = self.bytes.get_mut(at + 1) {
            *high = *high & !((mask >> 8) as u8) | (bits >> 8) as u8;
        }
    }

    /// The count as it was when it was last computed, if nothing has changed since.
    pub(crate) fn cached(&self) -> Option<u64> {
        let mut count = [0; 8];
        count.copy_from_slice(&self.bytes[8..16]);
        Some(u64::from_le_bytes(count)).filter(|count| count >> 63 == 0)
    }
    pub(crate) fn set_cached(&mut self, count: u64) {
        self.bytes[8..16].copy_from_slice(&count.to_le_bytes());
    }
    /// Says that the cached count is out of date.
    pub(crate) fn invalidate(&mut self) {
        self.bytes[15] |= 0x80;
    }
    /// Computes the count.
    pub(crate) fn count(&self) -> Result<u64, HllError> {
        Ok(estimate(&self.registers()?))
    }
}

/// The count of a union.
pub(crate) fn count_of(registers: &Registers) -> u64 {
    estimate(registers)
}

/// The sparse form in words: `z:5 v:1,2 Z:16000`.
pub(crate) fn describe(codes: &[u8]) -> String {
    sparse::describe(codes)
}

#[cfg(test)]
mod tests;
