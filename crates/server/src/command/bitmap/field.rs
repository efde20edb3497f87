//! BITFIELD, BITFIELD_RO: integers of 1 to 64 bits at any bit.

use super::offset_of;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::{Reply, strict_integer};
use crate::value::{kind, put_string, string_of};

/// What a field's bits mean.
#[derive(Clone, Copy)]
struct Field {
    signed: bool,
    width: u32,
    offset: u64,
}

/// What to do with a value that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

type Operations = Vec<(Field, Action)>;

pub(crate) fn bitfield(ctx: &mut Context<'_>) -> Outcome {
    let operations = operations(ctx)?;
    if operations.iter().all(|(_, action)| matches!(action, Action::Get)) {
        return read(ctx, &operations);
    }
    write(ctx, &operations)
}

pub(crate) fn bitfield_ro(ctx: &mut Context<'_>) -> Outcome {
    let operations = operations(ctx)?;
    if !operations.iter().all(|(_, action)| matches!(action, Action::Get)) {
        return Err(CommandError::other("BITFIELD_RO only supports the GET subcommand"));
    }
    read(ctx, &operations)
}

fn operations(ctx: &Context<'_>) -> Result<Operations, CommandError> {
    let args = ctx.args;
    let (mut operations, mut overflow, mut at) = (Vec::new(), Overflow::Wrap, 2);
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "OVERFLOW") && left >= 1 {
            overflow = match args.at(at + 1).to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Saturate,
                b"fail" => Overflow::Fail,
                _ => return Err(CommandError::other("Invalid OVERFLOW type specified")),
            };
            at += 2;
            continue;
        }
        let writes = args.is(at, "SET") || args.is(at, "INCRBY");
        if !(args.is(at, "GET") && left >= 2 || writes && left >= 3) {
            return Err(CommandError::Syntax);
        }
        let (signed, width) = type_of(args.at(at + 1))?;
        let offset = offset_of(ctx, args.at(at + 2), Some(u64::from(width)))?;
        let action = if writes {
            let number = strict_integer(args.at(at + 3)).ok_or(CommandError::NotAnInteger)?;
            match args.is(at, "SET") {
                true => Action::Set(number, overflow),
                false => Action::Add(number, overflow),
            }
        } else {
            Action::Get
        };
        operations.push((Field { signed, width, offset }, action));
        at += if writes { 4 } else { 3 };
    }
    Ok(operations)
}

/// Reads `u8`, `i16`.
fn type_of(word: &[u8]) -> Result<(bool, u32), CommandError> {
    const INVALID: &str = "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    let signed = word.first() == Some(&b'i');
    let widest = if signed { 64 } else { 63 };
    let width = match word.first() {
        Some(b'i' | b'u') => strict_integer(&word[1..]),
        _ => None,
    };
    match width {
        Some(width) if (1..=widest).contains(&width) => Ok((signed, width as u32)),
        _ => Err(CommandError::other(INVALID)),
    }
}

impl Field {
    /// The bits behind the end of the string are zeros.
    fn get(self, bytes: &[u8]) -> i64 {
        let mut bits = 0u64;
        for i in self.offset..self.offset + u64::from(self.width) {
            let byte = bytes.get((i >> 3) as usize).copied().unwrap_or(0);
            bits = bits << 1 | u64::from(byte >> (7 - (i & 7)) & 1);
        }
        let spare = 64 - self.width;
        if self.signed { (bits << spare) as i64 >> spare } else { bits as i64 }
    }

    fn put(self, bytes: &mut [u8], value: i64) {
        for i in 0..self.width {
            let bit = value >> (self.width - 1 - i) & 1;
            let at = self.offset + u64::from(i);
            let mask = 0x80 >> (at & 7);
            let byte = &mut bytes[(at >> 3) as usize];
            *byte = if bit == 1 { *byte | mask } else { *byte & !mask };
        }
    }

    /// The value as it is kept; `None` if it does not fit and that is to fail.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = match self.signed {
            true => (-(1i128 << (self.width - 1)), (1i128 << (self.width - 1)) - 1),
            false => (0, (1i128 << self.width) - 1),
        };
        if (least..=most).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(value.clamp(least, most) as i64),
            Overflow::Wrap => {
                let spare = 64 - self.width;
                let bits = (value as u64) << spare;
                Some(if self.signed { bits as i64 >> spare } else { (bits >> spare) as i64 })
            }
        }
    }

    fn end_byte(self) -> usize {
        ((self.offset + u64::from(self.width) - 1) >> 3) as usize + 1
    }
}

fn read(ctx: &mut Context<'_>, operations: &Operations) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    data.read(key, |entry| {
        let bytes = entry.map_or(Ok(&[][..]), string_of)?;
        out.array(operations.len());
        operations.iter().for_each(|(field, _)| out.integer(field.get(bytes)));
        Ok(())
    })?
}

fn write(ctx: &mut Context<'_>, operations: &Operations) -> Outcome {
    let key = ctx.args.at(1);
    let written = operations.iter().filter(|(_, action)| !matches!(action, Action::Get));
    let least_len = written.map(|(field, _)| field.end_byte()).max().unwrap_or(0);
    let (mut data, out) = ctx.parts();
    let mark = out.mark();
    let changed = data.update_whole(key, |entry, draft| {
        out.rewind(mark);
        let mut bytes = entry.map_or(Ok(&[][..]), string_of)?.to_vec();
        let grown = bytes.len() < least_len;
        if grown {
            bytes.resize(least_len, 0);
        }
        out.array(operations.len());
        let mut changed = false;
        for (field, action) in operations {
            changed |= apply(*field, *action, &mut bytes, out);
        }
        // What was asked for as bits counts as changed in place, even where no bit did.
        let raw = entry.is_some_and(|entry| entry.kind() == kind::RAW_STRING);
        if changed || grown || !raw {
            let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
            put_string(draft, kind::RAW_STRING, &[&bytes], expire_at_ms);
        }
        Ok::<_, CommandError>(changed || grown)
    })??;
    if changed {
        data.notify(class::STRING, "setbit", key);
    }
    Ok(())
}

/// Does one operation and answers it; whether it wrote.
fn apply(field: Field, action: Action, bytes: &mut [u8], out: &mut Reply) -> bool {
    let old = field.get(bytes);
    let (new, answers_new) = match action {
        Action::Get => {
            out.integer(old);
            return false;
        }
        // What is set in an unsigned field is taken for unsigned.
        Action::Set(value, overflow) if !field.signed => {
            (field.fit(i128::from(value as u64), overflow), false)
        }
        Action::Set(value, overflow) => (field.fit(i128::from(value), overflow), false),
        Action::Add(by, overflow) => (field.fit(i128::from(old) + i128::from(by), overflow), true),
    };
    match new {
        Some(new) => {
            field.put(bytes, new);
            out.integer(if answers_new { new } else { old });
            new != old
        }
        None => {
            out.null();
            false
        }
    }
}
