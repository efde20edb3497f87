//! Bitmaps: strings as arrays of bits, the highest bit of a byte first.

mod field;
mod logic;
mod range;
mod single;

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context};
use crate::resp::strict_integer;

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys, handler: Handler) -> Command {
    Command::new(name, arity, flags, keys, Group::Bitmap, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("setbit", 4, WRITE | DENYOOM, Keys::ONE, single::setbit)
        .doc("2.2.0", "Sets or clears a bit, and returns what it was."),
    row("getbit", 3, READONLY | FAST | QUICK, Keys::ONE, single::getbit)
        .doc("2.2.0", "Returns a bit."),
    row("bitcount", -2, READONLY, Keys::ONE, range::bitcount)
        .doc("2.6.0", "Counts the bits that are set."),
    row("bitpos", -3, READONLY, Keys::ONE, range::bitpos)
        .doc("2.8.7", "Finds the first bit that is set or clear."),
    row("bitop", -4, WRITE | DENYOOM, Keys::at(2, -1, 1), logic::bitop)
        .doc("2.6.0", "Combines strings bit by bit, and stores the result."),
    row("bitfield", -2, WRITE | DENYOOM, Keys::ONE, field::bitfield)
        .doc("3.2.0", "Reads and changes integers of any width inside a string."),
    row("bitfield_ro", -2, READONLY | FAST, Keys::ONE, field::bitfield_ro)
        .doc("6.0.0", "Reads integers of any width inside a string."),
];

/// A bit's position: a number, or with `#` before it a number of fields of `width` bits.
fn offset_of(ctx: &Context<'_>, word: &[u8], width: Option<u64>) -> Result<u64, CommandError> {
    let invalid = || CommandError::other("bit offset is not an integer or out of range");
    let (digits, factor) = match (word.strip_prefix(b"#"), width) {
        (Some(digits), Some(width)) => (digits, width as i64),
        _ => (word, 1),
    };
    let number = strict_integer(digits).and_then(|n| n.checked_mul(factor)).ok_or_else(invalid)?;
    match u64::try_from(number) {
        Ok(offset) if number >> 3 < ctx.env.settings.proto_max_bulk_len => Ok(offset),
        _ => Err(invalid()),
    }
}
