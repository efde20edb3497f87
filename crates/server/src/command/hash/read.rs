//! Reading hashes.

use crate::command::keys::{ScanOptions, Scanned, cursor};
use crate::command::rows::Shown;
use crate::command::{Context, Outcome};
use crate::resp::{Args, Reply};
use crate::value::{Hash, steps_through};

/// Shows the hash at argument 1, `None` if there is no such key, to `f`, which answers.
fn answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<Hash<'_>>, &mut Reply, Args<'_>),
) -> Outcome {
    try_answer(ctx, |hash, out, args| {
        f(hash, out, args);
        Ok(())
    })
}

fn try_answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<Hash<'_>>, &mut Reply, Args<'_>) -> Outcome,
) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    data.read(args.at(1), |entry| {
        f(entry.map(|entry| Hash::of(entry, now_ms)).transpose()?, out, args)
    })?
}

fn bulk_or_null(out: &mut Reply, value: Option<&[u8]>) {
    match value {
        Some(value) => out.bulk(value),
        None => out.null(),
    }
}

pub(crate) fn hget(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |hash, out, args| bulk_or_null(out, hash.and_then(|hash| hash.get(args.at(2)))))
}

pub(crate) fn hmget(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |hash, out, args| {
        out.array(args.len() - 2);
        args.iter_from(2)
            .for_each(|field| bulk_or_null(out, hash.and_then(|hash| hash.get(field))));
    })
}

fn begin_rows(out: &mut Reply, len: usize, is_map: bool) {
    match is_map {
        true => out.map(len),
        false => out.array(len),
    }
}

/// Answers with all rows, and of them the fields, the values, or both.
fn answer_rows(ctx: &mut Context<'_>, keys: bool, values: bool) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let (now_ms, display) = (data.now_ms(), data.display(out));
    data.read(key, |entry| {
        let hash = entry.map(|entry| Hash::of(entry, now_ms)).transpose()?;
        let (Some(entry), Some(hash)) = (entry, hash) else {
            begin_rows(out, 0, keys && values);
            return Ok(());
        };
        match hash {
            // To know their number, those that are due have to be looked at.
            Hash::Timed(timed, _) if timed.is_any_due(now_ms) => {
                display.patience.bear(hash.slots())?;
            }
            _ => display.bear(entry, steps_through(entry))?,
        }
        begin_rows(out, hash.len(), keys && values);
        let shown = Shown::Fields { keys, values, now_ms };
        display.show(entry, (shown, 0..hash.slots()), out, |out| {
            hash.for_each(|field, value| {
                if keys {
                    out.bulk(field);
                }
                if values {
                    out.bulk(value);
                }
            });
        });
        Ok(())
    })?
}

pub(crate) fn hgetall(ctx: &mut Context<'_>) -> Outcome {
    answer_rows(ctx, true, true)
}

pub(crate) fn hkeys(ctx: &mut Context<'_>) -> Outcome {
    answer_rows(ctx, true, false)
}

pub(crate) fn hvals(ctx: &mut Context<'_>) -> Outcome {
    answer_rows(ctx, false, true)
}

pub(crate) fn hexists(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |hash, out, args| {
        out.integer(i64::from(hash.is_some_and(|hash| hash.get(args.at(2)).is_some())));
    })
}

pub(crate) fn hlen(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |hash, out, _| out.integer(hash.map_or(0, Hash::len) as i64))
}

pub(crate) fn hstrlen(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |hash, out, args| {
        out.integer(hash.and_then(|hash| hash.get(args.at(2))).map_or(0, <[u8]>::len) as i64);
    })
}

pub(crate) fn hscan(ctx: &mut Context<'_>) -> Outcome {
    let (from, patience) = (cursor(ctx.args.at(2))?, ctx.patience());
    try_answer(ctx, |hash, out, args| {
        let options = ScanOptions::of_key(args, hash.is_some(), Scanned::Hash)?;
        let is_large = matches!(hash, Some(Hash::Large(_) | Hash::Timed(..)));
        let page = options.page(from, hash.map_or(0, Hash::slots), is_large);
        let mut rows = Vec::new();
        match hash {
            None => {}
            Some(hash @ Hash::Packed(_)) => hash.for_each(|field, value| rows.push((field, value))),
            Some(hash @ (Hash::Large(_) | Hash::Timed(..))) => {
                patience.bear(page.rows.len())?;
                rows.extend(page.rows.clone().rev().filter_map(|number| hash.row(number)));
            }
        }
        rows.retain(|(field, _)| options.matches(field));
        page.answer(out, rows.len() * if options.no_values { 1 } else { 2 });
        for (field, value) in rows {
            out.bulk(field);
            if !options.no_values {
                out.bulk(value);
            }
        }
        Ok(())
    })
}
