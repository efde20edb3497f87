//! SCAN, KEYS, RANDOMKEY.

use crate::command::{CommandError, Context, Outcome};
use crate::data::{Item, at_one_cut};
use crate::resp::{Args, Reply};
use crate::value::{glob_matches, type_name};
use std::ops::Range;

/// SCAN's, HSCAN's options.
#[derive(Default)]
pub(crate) struct ScanOptions<'a> {
    pub(crate) count: Option<usize>,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
    /// HSCAN: fields only.
    pub(crate) no_values: bool,
    /// ZSCAN: members only.
    pub(crate) no_scores: bool,
}

/// Of which collection there is a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    Keys,
    Hash,
    Set,
    SortedSet,
}

impl<'a> ScanOptions<'a> {
    /// Of the arguments from `first` on.
    pub(crate) fn of(args: Args<'a>, first: usize, what: Scanned) -> Result<Self, CommandError> {
        let of_keys = what == Scanned::Keys;
        let mut options = ScanOptions::default();
        let mut at = first;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "COUNT") && has_value {
                let count = crate::resp::strict_integer(args.at(at + 1))
                    .ok_or(CommandError::NotAnInteger)?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
                options.count = Some(count as usize);
                at += 2;
            } else if args.is(at, "MATCH") && has_value {
                options.pattern = Some(args.at(at + 1)).filter(|pattern| *pattern != b"*");
                at += 2;
            } else if args.is(at, "TYPE") && has_value && of_keys {
                options.type_name = Some(known_type(args.at(at + 1))?);
                at += 2;
            } else if args.is(at, "NOVALUES") && !of_keys {
                options.no_values = true;
                at += 1;
            } else if args.is(at, "NOSCORES") && !of_keys {
                options.no_scores = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.no_values && what != Scanned::Hash {
            return Err(CommandError::other("NOVALUES option can only be used in HSCAN"));
        }
        if options.no_scores && what != Scanned::SortedSet {
            return Err(CommandError::other("NOSCORES option can only be used in ZSCAN"));
        }
        Ok(options)
    }

    /// As [`of`](ScanOptions::of) of arguments from 3 on; as in Redis, a key that is not there has no options to be wrong.
    pub(crate) fn of_key(
        args: Args<'a>,
        is_there: bool,
        what: Scanned,
    ) -> Result<Self, CommandError> {
        if is_there { Self::of(args, 3, what) } else { Ok(ScanOptions::default()) }
    }

    /// Which rows of a collection a scan shows that has come to `cursor`.
    ///
    /// The cursor of a large one is the number of rows that are still to be visited, from the last to the first; a small one comes at once.
    pub(crate) fn page(&self, cursor: u64, len: usize, is_large: bool) -> Page {
        if !is_large {
            return Page { rows: 0..len, next: 0 };
        }
        let end = if cursor == 0 { len } else { len.min(cursor as usize) };
        let start = end.saturating_sub(self.count.unwrap_or(10));
        Page { rows: start..end, next: start }
    }

    fn is_of_type(&self, entry: Item<'_>) -> bool {
        self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(type_name(entry).as_bytes()))
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_matches(pattern, text))
    }
}

/// A step of a scan.
pub(crate) struct Page {
    pub(crate) rows: Range<usize>,
    next: usize,
}

impl Page {
    /// Begins the answer, which has so many parts.
    pub(crate) fn answer(&self, out: &mut Reply, parts: usize) {
        out.array(2);
        out.bulk(itoa::Buffer::new().format(self.next).as_bytes());
        out.array(parts);
    }
}

/// A name of a type that there is somewhere, if not here.
fn known_type(name: &[u8]) -> Result<&[u8], CommandError> {
    const TYPES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];
    if TYPES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
        return Ok(name);
    }
    let name = String::from_utf8_lossy(name);
    Err(CommandError::other(format!("unknown type name '{name}'")))
}

/// A cursor that a client gives back.
pub(crate) fn cursor(text: &[u8]) -> Result<u64, CommandError> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.iter().all(u8::is_ascii_digit);
    let parsed =
        std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| CommandError::other("invalid cursor"))
}

pub(crate) fn scan(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let from = cursor(args.at(1))?;
    let options = ScanOptions::of(args, 2, Scanned::Keys)?;
    let (mut data, out) = ctx.parts();
    data.patience.bear(options.count.unwrap_or(10))?;
    let mut keys: Vec<u8> = Vec::new();
    let mut lens: Vec<usize> = Vec::new();
    let wanted = |entry: Item<'_>| options.is_of_type(entry) && options.matches(entry.key());
    let next = data.scan(from, options.count.unwrap_or(10), wanted, |entry| {
        keys.extend_from_slice(entry.key());
        lens.push(entry.key().len());
    })?;
    out.array(2);
    out.bulk(itoa::Buffer::new().format(next).as_bytes());
    out.array(lens.len());
    let mut rest = &keys[..];
    for len in lens {
        let (key, behind) = rest.split_at(len);
        out.bulk(key);
        rest = behind;
    }
    Ok(())
}

pub(crate) fn keys(ctx: &mut Context<'_>) -> Outcome {
    at_one_cut(ctx, |ctx| {
        let pattern = ctx.args.at(1);
        let (mut data, out) = ctx.parts();
        // A cut shows each key once. The keys are written out while it is there, so that no slow reader holds back what others overwrite.
        let (start, mut count) = (out.mark(), 0);
        data.for_each(|entry| {
            if pattern == b"*" || glob_matches(pattern, entry.key()) {
                out.bulk(entry.key());
                count += 1;
            }
        })?;
        out.array_since(start, count);
        Ok(())
    })
}

pub(crate) fn randomkey(ctx: &mut Context<'_>) -> Outcome {
    let (mut data, out) = ctx.parts();
    data.random(|key| match key {
        Some(key) => out.bulk(key),
        None => out.null(),
    })
}
