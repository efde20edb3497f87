//! BITCOUNT, BITPOS: over ranges of bytes or bits.

use crate::command::{CommandError, Context, Outcome};
use crate::resp::strict_integer;
use crate::value::string_of;

/// A range as the request gives it; negative positions count from the end.
#[derive(Clone, Copy)]
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    const ALL: Range = Range { start: 0, end: -1, in_bits: false };

    /// The first and the last bit of it in a string of `len` bytes. `None` if it is empty.
    fn bits(self, len: usize) -> Option<(u64, u64)> {
        let total = len as i64 * if self.in_bits { 8 } else { 1 };
        let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
        let (start, end) = (from_end(self.start), from_end(self.end).min(total - 1));
        match (start <= end, self.in_bits) {
            (false, _) => None,
            (true, true) => Some((start as u64, end as u64)),
            (true, false) => Some((start as u64 * 8, end as u64 * 8 + 7)),
        }
    }
}

/// Whether the range is in bits; `at` is the argument that says so.
fn unit(ctx: &Context<'_>, at: usize) -> Result<bool, CommandError> {
    match () {
        () if ctx.args.len() <= at => Ok(false),
        () if ctx.args.is(at, "BIT") => Ok(true),
        () if ctx.args.is(at, "BYTE") => Ok(false),
        () => Err(CommandError::Syntax),
    }
}

pub(crate) fn bitcount(ctx: &mut Context<'_>) -> Outcome {
    let range = match ctx.args.len() {
        2 => Range::ALL,
        3 => Range { start: ctx.integer(2)?, ..Range::ALL },
        4 | 5 => Range { start: ctx.integer(2)?, end: ctx.integer(3)?, in_bits: unit(ctx, 4)? },
        _ => return Err(CommandError::Syntax),
    };
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let count = data.read_whole(key, |entry| {
        let bytes = entry.map_or(Ok(&[][..]), string_of)?;
        let backwards = range.start < 0 && range.end < 0 && range.start > range.end;
        let bits = range.bits(bytes.len()).filter(|_| !backwards);
        Ok::<_, CommandError>(bits.map_or(0, |(first, last)| count_ones(bytes, first, last)))
    })??;
    out.integer(count as i64);
    Ok(())
}

/// Counts set bits from `first` to `last`, both inside.
fn count_ones(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (from, to) = ((first >> 3) as usize, (last >> 3) as usize);
    let words = bytes[from..=to].chunks_exact(8);
    let rest = words.remainder();
    let whole: u64 = words
        .map(|word| word.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)).count_ones())
        .chain(rest.iter().map(|byte| byte.count_ones()))
        .map(u64::from)
        .sum();
    let outside_left = bytes[from] & !(0xff >> (first & 7));
    let outside_right = bytes[to] & (0x7f >> (last & 7));
    whole - u64::from(outside_left.count_ones()) - u64::from(outside_right.count_ones())
}

pub(crate) fn bitpos(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let bit = match ctx.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::other("The bit argument must be 1 or 0.")),
    };
    let ends = args.len() >= 5;
    let range = match args.len() {
        3 => Range::ALL,
        4..=6 => {
            let start = ctx.integer(3)?;
            let in_bits = unit(ctx, 5)?;
            let end = args.get(4).map_or(Some(-1), strict_integer);
            Range { start, end: end.ok_or(CommandError::NotAnInteger)?, in_bits }
        }
        _ => return Err(CommandError::Syntax),
    };
    let (mut data, out) = ctx.parts();
    let position = data.read_whole(args.at(1), |entry| {
        let Some(entry) = entry else {
            return Ok(if bit { -1 } else { 0 });
        };
        let bytes = string_of(entry)?;
        let Some((first, last)) = range.bits(bytes.len()) else { return Ok(-1) };
        Ok::<_, CommandError>(match find(bytes, bit, first, last) {
            Some(position) => position as i64,
            // Behind a string without an end there are zeros.
            None if !bit && !ends => last as i64 + 1,
            None => -1,
        })
    })??;
    out.integer(position);
    Ok(())
}

/// The first such bit from `first` to `last`, both inside.
fn find(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    let (from, to) = ((first >> 3) as usize, (last >> 3) as usize);
    let dull = if bit { 0x00 } else { 0xff };
    for (i, byte) in bytes.iter().enumerate().take(to + 1).skip(from) {
        // Now the bits that are looked for are set.
        let mut wanted = byte ^ dull;
        if i == from {
            wanted &= 0xff >> (first & 7);
        }
        if i == to {
            wanted &= !(0x7f >> (last & 7));
        }
        if wanted != 0 {
            return Some(i as u64 * 8 + u64::from(wanted.leading_zeros()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_and_find_as_bit_by_bit() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random.usize(1..30)).map(|_| random.u8(..)).collect();
            let total = bytes.len() as u64 * 8;
            let first = random.u64(..total);
            let last = random.u64(first..total);
            let at = |i: u64| bytes[(i >> 3) as usize] >> (7 - (i & 7)) & 1 == 1;
            let count = (first..=last).filter(|i| at(*i)).count() as u64;
            assert_eq!(count_ones(&bytes, first, last), count);
            for bit in [false, true] {
                let expected = (first..=last).find(|i| at(*i) == bit);
                assert_eq!(find(&bytes, bit, first, last), expected);
            }
        }
    }
}
