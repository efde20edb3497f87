//! The sparse form: runs of registers, changed in place.

use super::{HEADER_BYTES, HllError, REGISTERS, Registers};

/// The highest value and the longest run that a value's code holds.
const MAX_VALUE: u8 = 32;
const MAX_VALUE_RUN: usize = 4;
const MAX_SHORT_ZEROS: usize = 64;

/// A code: so many registers have this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    value: u8,
    registers: usize,
    bytes: usize,
}

impl Run {
    /// The code at the start of `codes`.
    fn at(codes: &[u8]) -> Option<Run> {
        let first = *codes.first()?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Run { value: 0, registers: low + 1, bytes: 1 },
            1 => {
                let second = usize::from(*codes.get(1)?);
                Run { value: 0, registers: (low << 8 | second) + 1, bytes: 2 }
            }
            _ => Run {
                value: (first >> 2 & 0x1f) + 1,
                registers: usize::from(first & 3) + 1,
                bytes: 1,
            },
        })
    }
}

/// The code of `n` registers that are 0.
pub(super) fn zeros(n: usize) -> Vec<u8> {
    match n {
        0 => Vec::new(),
        1..=MAX_SHORT_ZEROS => vec![n as u8 - 1],
        _ => vec![0x40 | ((n - 1) >> 8) as u8, (n - 1) as u8],
    }
}

fn value_code(value: u8, registers: usize) -> u8 {
    0x80 | (value - 1) << 2 | (registers as u8 - 1)
}

fn values(value: u8, n: usize) -> Vec<u8> {
    if n == 0 { Vec::new() } else { vec![value_code(value, n)] }
}

pub(super) enum Raised {
    /// Whether the register was lower.
    Done(bool),
    /// Only the dense form can hold it.
    NoRoom,
}

/// Raises a register. `bytes` is the whole string, `most` its bound in bytes.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    register: usize,
    value: u8,
    most: usize,
) -> Result<Raised, HllError> {
    if value > MAX_VALUE {
        return Ok(Raised::NoRoom);
    }
    // The code that covers the register, and the one before it.
    let (mut at, mut before, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
    let run = loop {
        let run = Run::at(&bytes[at..]).ok_or(HllError::Corrupt)?;
        if register < first + run.registers {
            break run;
        }
        before = at;
        at += run.bytes;
        first += run.registers;
    };
    if run.value >= value {
        return Ok(Raised::Done(false));
    }
    if run.registers == 1 && run.bytes == 1 {
        bytes[at] = value_code(value, 1);
    } else {
        let (left, right) = (register - first, first + run.registers - 1 - register);
        let side = |n| if run.value == 0 { zeros(n) } else { values(run.value, n) };
        let codes = [side(left), values(value, 1), side(right)].concat();
        if codes.len() > run.bytes && bytes.len() + codes.len() - run.bytes > most {
            return Ok(Raised::NoRoom);
        }
        bytes.splice(at..at + run.bytes, codes);
    }
    join(bytes, before);
    Ok(Raised::Done(true))
}

/// Joins neighbours of one value, looking at a few codes from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = Run::at(bytes.get(at..).unwrap_or_default()) else { return };
        if run.value > 0
            && let Some(next) = Run::at(&bytes[at + 1..])
            && next.value == run.value
            && run.registers + next.registers <= MAX_VALUE_RUN
        {
            bytes[at + 1] = value_code(run.value, run.registers + next.registers);
            bytes.remove(at);
        } else {
            at += run.bytes;
        }
    }
}

/// Raises each of `registers` to what the codes say.
pub(super) fn merge_into(mut codes: &[u8], registers: &mut Registers) -> Result<(), HllError> {
    let mut at = 0;
    while !codes.is_empty() {
        let run = Run::at(codes).ok_or(HllError::Corrupt)?;
        let covered = registers.get_mut(at..at + run.registers).ok_or(HllError::Corrupt)?;
        covered.iter_mut().for_each(|register| *register = (*register).max(run.value));
        at += run.registers;
        codes = &codes[run.bytes..];
    }
    if at == REGISTERS { Ok(()) } else { Err(HllError::Corrupt) }
}

pub(super) fn describe(mut codes: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some(run) = Run::at(codes) {
        words.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{}", run.registers),
            (0, _) => format!("Z:{}", run.registers),
            (value, _) => format!("v:{value},{}", run.registers),
        });
        codes = &codes[run.bytes..];
    }
    words.join(" ")
}
