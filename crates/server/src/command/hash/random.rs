//! HRANDFIELD.

use crate::command::{CommandError, Context, Outcome};
use crate::resp::{Protocol, Reply};
use crate::value::Hash;

/// The longest answer with repetitions, so that one command cannot ask for all memory.
const MOST_REPEATED: i64 = 1 << 24;

pub(crate) fn hrandfield(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = if args.len() > 2 { Some(ctx.integer(2)?) } else { None };
    if count == Some(i64::MIN) {
        return Err(CommandError::other(format!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    let with_values = match args.len() {
        2 | 3 => false,
        4 if args.is(3, "WITHVALUES") => true,
        _ => return Err(CommandError::Syntax),
    };
    let most = if with_values { i64::MAX / 2 } else { i64::MAX };
    if count.is_some_and(|count| !(-MOST_REPEATED..=most).contains(&count)) {
        return Err(CommandError::other("value is out of range"));
    }
    let patience = ctx.patience();
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    data.read(args.at(1), |entry| {
        // Of a hash whose fields all are due there is nothing to draw.
        let hash = entry.map(|entry| Hash::of(entry, now_ms)).transpose()?;
        let hash = hash.filter(|hash| hash.len() > 0);
        patience.bear(count.unwrap_or(1).unsigned_abs() as usize)?;
        match (hash, count) {
            (None, None) => out.null(),
            (None, Some(_)) => out.array(0),
            (Some(hash), None) => {
                let row = match hash {
                    Hash::Timed(..) => fastrand::choice(rows(hash)),
                    _ => hash.row(fastrand::usize(..hash.len())),
                };
                match row {
                    Some((field, _)) => out.bulk(field),
                    None => out.null(),
                }
            }
            (Some(hash), Some(count)) if count < 0 => {
                repeated(hash, count.unsigned_abs() as usize, with_values, out)
            }
            (Some(hash), Some(count)) => distinct(hash, count as usize, with_values, out),
        }
        Ok::<(), CommandError>(())
    })?
}

fn header(out: &mut Reply, rows: usize, with_values: bool) {
    let flat = with_values && out.protocol() == Protocol::Resp2;
    out.array(if flat { rows * 2 } else { rows });
}

fn write_row(out: &mut Reply, (field, value): (&[u8], &[u8]), with_values: bool) {
    if with_values && out.protocol() == Protocol::Resp3 {
        out.array(2);
    }
    out.bulk(field);
    if with_values {
        out.bulk(value);
    }
}

/// So many rows, each drawn from all. No hash is empty.
fn repeated(hash: Hash<'_>, count: usize, with_values: bool, out: &mut Reply) {
    header(out, count, with_values);
    if let Hash::Large(large) = hash {
        let drawn = (0..count).filter_map(|_| large.row(fastrand::usize(..large.len())));
        return drawn.for_each(|row| write_row(out, row, with_values));
    }
    let rows = rows(hash);
    for _ in 0..count {
        write_row(out, rows[fastrand::usize(..rows.len())], with_values);
    }
}

/// So many rows, no two the same.
fn distinct(hash: Hash<'_>, count: usize, with_values: bool, out: &mut Reply) {
    let len = hash.len();
    if count >= len {
        header(out, len, with_values);
        return hash.for_each(|field, value| write_row(out, (field, value), with_values));
    }
    header(out, count, with_values);
    // Few of many are drawn until they are distinct; else a shuffle's beginning.
    if count * 3 < len && !matches!(hash, Hash::Timed(..)) {
        let mut drawn = std::collections::HashSet::new();
        while drawn.len() < count {
            let number = fastrand::usize(..len);
            if drawn.insert(number)
                && let Some(row) = hash.row(number)
            {
                write_row(out, row, with_values);
            }
        }
        return;
    }
    for row in fastrand::choose_multiple(rows(hash), count) {
        write_row(out, row, with_values);
    }
}

fn rows(hash: Hash<'_>) -> Vec<(&[u8], &[u8])> {
    let mut rows = Vec::with_capacity(hash.len());
    hash.for_each(|field, value| rows.push((field, value)));
    rows
}
