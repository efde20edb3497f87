//! LCS: the longest common subsequence, by the classic table of lengths.

use crate::command::{CommandError, Context, Outcome};
use crate::data::at_one_cut;
use crate::resp::Reply;
use crate::value::string_of;

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    min_match_len: usize,
    with_match_len: bool,
}

/// Bytes `start` to `end`, both inclusive, of one string and of the other.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

impl Match {
    fn len(&self) -> usize {
        self.a.1 - self.a.0 + 1
    }
}

pub(crate) fn lcs(ctx: &mut Context<'_>) -> Outcome {
    at_one_cut(ctx, |ctx| {
        let (a, b) = (read(ctx, 1)?, read(ctx, 2)?);
        let options = options(ctx)?;
        let cells = (a.len() + 1).checked_mul(b.len() + 1).and_then(|cells| cells.checked_mul(4));
        if cells
            .is_none_or(|bytes| bytes as u64 > ctx.env.settings.proto_max_bulk_len.unsigned_abs())
        {
            return Err(CommandError::other(
                "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        ctx.patience().bear(a.len() * b.len() / 16)?;
        answer(ctx.out, &a, &b, &options);
        Ok(())
    })
}

fn options(ctx: &Context<'_>) -> Result<Options, CommandError> {
    let args = ctx.args;
    let mut options = Options::default();
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "IDX") {
            options.idx = true;
        } else if args.is(at, "LEN") {
            options.len = true;
        } else if args.is(at, "WITHMATCHLEN") {
            options.with_match_len = true;
        } else if args.is(at, "MINMATCHLEN") && at + 1 < args.len() {
            at += 1;
            options.min_match_len = usize::try_from(ctx.integer(at)?).unwrap_or(0);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if options.idx && options.len {
        return Err(CommandError::other(
            "If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(options)
}

fn read(ctx: &mut Context<'_>, at: usize) -> Result<Vec<u8>, CommandError> {
    let key = ctx.args.at(at);
    ctx.data()
        .read(key, |entry| {
            entry.map_or(Ok(Vec::new()), |entry| string_of(entry).map(<[u8]>::to_vec))
        })?
        .map_err(|_| CommandError::other("The specified keys must contain string values"))
}

fn answer(out: &mut Reply, a: &[u8], b: &[u8], options: &Options) {
    let width = b.len() + 1;
    let table = lengths(a, b);
    let total = table[a.len() * width + b.len()] as usize;
    if options.len {
        return out.integer(total as i64);
    }
    let (text, matches) = trace(a, b, &table);
    if !options.idx {
        return out.bulk(&text);
    }
    let shown: Vec<&Match> =
        matches.iter().filter(|found| found.len() >= options.min_match_len).collect();
    out.map(2);
    out.bulk(b"matches");
    out.array(shown.len());
    for found in shown {
        out.array(2 + usize::from(options.with_match_len));
        for (start, end) in [found.a, found.b] {
            out.array(2);
            out.integer(start as i64);
            out.integer(end as i64);
        }
        if options.with_match_len {
            out.integer(found.len() as i64);
        }
    }
    out.bulk(b"len");
    out.integer(total as i64);
}

/// Row by row: the length for the first i bytes of `a` and the first j of `b`.
fn lengths(a: &[u8], b: &[u8]) -> Vec<u32> {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            table[i * width + j] = if a[i - 1] == b[j - 1] {
                table[(i - 1) * width + j - 1] + 1
            } else {
                table[(i - 1) * width + j].max(table[i * width + j - 1])
            };
        }
    }
    table
}

/// The subsequence, and its contiguous matches from the end to the start.
fn trace(a: &[u8], b: &[u8], table: &[u32]) -> (Vec<u8>, Vec<Match>) {
    let width = b.len() + 1;
    let (mut i, mut j) = (a.len(), b.len());
    let mut text = Vec::new();
    let mut matches: Vec<Match> = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            text.push(a[i - 1]);
            match matches.last_mut() {
                Some(found) if found.a.0 == i && found.b.0 == j => {
                    found.a.0 = i - 1;
                    found.b.0 = j - 1;
                }
                _ => matches.push(Match { a: (i - 1, i - 1), b: (j - 1, j - 1) }),
            }
            i -= 1;
            j -= 1;
        } else if table[(i - 1) * width + j] > table[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    text.reverse();
    (text, matches)
}
