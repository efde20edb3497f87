//! Reading members and their scores.

use super::{begin_entries, write_entry};
use crate::command::keys::{ScanOptions, Scanned, cursor};
use crate::command::{CommandError, Context, Outcome, draw};
use crate::resp::{Args, Reply, format_double};
use crate::value::SortedSet;

/// Shows the sorted set at argument 1, `None` if there is no such key, to `f`, which answers.
fn answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<SortedSet<'_>>, &mut Reply, Args<'_>) -> Outcome,
) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| f(entry.map(SortedSet::of).transpose()?, out, args))?
}

pub(crate) fn zcard(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, _| {
        out.integer(set.map_or(0, SortedSet::len) as i64);
        Ok(())
    })
}

fn write_score(out: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

pub(crate) fn zscore(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        write_score(out, set.and_then(|set| set.score(args.at(2))));
        Ok(())
    })
}

pub(crate) fn zmscore(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        out.array(args.len() - 2);
        for member in args.iter_from(2) {
            write_score(out, set.and_then(|set| set.score(member)));
        }
        Ok(())
    })
}

pub(crate) fn zrank(ctx: &mut Context<'_>) -> Outcome {
    rank(ctx, "zrank", false)
}

pub(crate) fn zrevrank(ctx: &mut Context<'_>) -> Outcome {
    rank(ctx, "zrevrank", true)
}

fn rank(ctx: &mut Context<'_>, name: &'static str, reverse: bool) -> Outcome {
    let with_score = match ctx.args.len() {
        3 => false,
        4 if ctx.args.is(3, "WITHSCORE") => true,
        4 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::Arity(name)),
    };
    answer(ctx, |set, out, args| {
        let found = set.and_then(|set| {
            let (rank, score) = set.rank(args.at(2))?;
            Some((if reverse { set.len() - 1 - rank } else { rank }, score))
        });
        match (found, with_score) {
            (Some((rank, _)), false) => out.integer(rank as i64),
            (Some((rank, score)), true) => {
                out.array(2);
                out.integer(rank as i64);
                out.double(score);
            }
            (None, false) => out.null(),
            (None, true) => out.null_array(),
        }
        Ok(())
    })
}

pub(crate) fn zrandmember(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = match args.len() {
        2 => None,
        // As in Redis, the count is looked at before the words behind it.
        _ => Some(draw::count(ctx, 2, args.len() == 4)?),
    };
    let with_scores = match args.len() {
        2 | 3 => false,
        4 if args.is(3, "WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    let patience = ctx.patience();
    answer(ctx, |set, out, _| {
        match (set, count) {
            (None, None) => out.null(),
            (None, Some(_)) => out.array(0),
            (Some(set), None) => {
                match set.numbered(fastrand::usize(..set.len().max(1))) {
                    Some((member, _)) => out.bulk(member),
                    None => out.null(),
                };
            }
            (Some(set), Some(count)) => {
                patience.bear(count.unsigned_abs() as usize)?;
                let numbers = draw::numbers(set.len(), count);
                // A packed one is walked once, not once a number.
                let entries = match set {
                    SortedSet::Packed(_) => set.entries(0..set.len(), false),
                    SortedSet::Large(_) => Vec::new(),
                };
                begin_entries(out, numbers.len(), with_scores);
                for number in numbers {
                    let entry = entries.get(number).copied().or_else(|| set.numbered(number));
                    let (member, score) = entry.unwrap_or_default();
                    write_entry(out, member, score, with_scores);
                }
            }
        }
        Ok(())
    })
}

pub(crate) fn zscan(ctx: &mut Context<'_>) -> Outcome {
    let from = cursor(ctx.args.at(2))?;
    answer(ctx, |set, out, args| {
        let options = ScanOptions::of_key(args, set.is_some(), Scanned::SortedSet)?;
        let is_large = matches!(set, Some(SortedSet::Large(_)));
        let page = options.page(from, set.map_or(0, SortedSet::len), is_large);
        let mut entries = match set {
            None => Vec::new(),
            Some(set @ SortedSet::Packed(_)) => set.entries(page.rows.clone(), false),
            Some(set @ SortedSet::Large(_)) => {
                page.rows.clone().rev().filter_map(|number| set.numbered(number)).collect()
            }
        };
        entries.retain(|(member, _)| options.matches(member));
        page.answer(out, entries.len() * if options.no_scores { 1 } else { 2 });
        for (member, score) in entries {
            out.bulk(member);
            if !options.no_scores {
                out.bulk(format_double(score).as_bytes());
            }
        }
        Ok(())
    })
}
