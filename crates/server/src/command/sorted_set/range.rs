//! Ranges: counted, returned, stored, removed.

use super::bounds::{Bounds, By};
use super::{begin_entries, write_entry};
use crate::command::rows::Shown;
use crate::command::{CommandError, Context, Outcome};
use crate::data::atomically;
use crate::event::class;
use crate::resp::Args;
use crate::value::{SortedSet, SortedSetEdit, SortedSetLimits};
use std::ops::Range;

/// What ZRANGE and its kin are asked for.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
}

/// What a command's name says already.
#[derive(Clone, Copy, Default)]
struct Fixed {
    by: Option<By>,
    reverse: Option<bool>,
    /// For ZRANGESTORE.
    stores: bool,
}

impl<'a> Query<'a> {
    /// Reads the arguments behind the key at `key_at`.
    fn parse(args: Args<'a>, key_at: usize, fixed: Fixed) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (fixed.by, fixed.reverse);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let integer =
            |at| crate::resp::strict_integer(args.at(at)).ok_or(CommandError::NotAnInteger);
        let mut at = key_at + 3;
        while at < args.len() {
            if !fixed.stores && args.is(at, "WITHSCORES") {
                with_scores = true;
            } else if args.is(at, "LIMIT") && at + 2 < args.len() {
                (offset, limit) = (integer(at + 1)?, integer(at + 2)?);
                at += 2;
            } else if reverse.is_none() && args.is(at, "REV") {
                reverse = Some(true);
            } else if by.is_none() && args.is(at, "BYLEX") {
                by = Some(By::Member);
            } else if by.is_none() && args.is(at, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(CommandError::other(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        // A limit of -1 is as good as none, for Redis also beside ranks: its offset is none then.
        let offset = if by == By::Rank { 0 } else { offset };
        if with_scores && by == By::Member {
            return Err(CommandError::other(
                "syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (first, second) = (args.at(key_at + 1), args.at(key_at + 2));
        let swapped = reverse && by != By::Rank;
        let (min, max) = if swapped { (second, first) } else { (first, second) };
        let bounds = Bounds::parse(by, min, max)?;
        Ok(Query { bounds, reverse, with_scores, offset, limit })
    }

    /// The ranks that it asks for.
    fn ranks(&self, set: SortedSet<'_>) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.reverse);
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let skipped = offset.min(ranks.len());
        let left = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - skipped);
        match self.reverse {
            false => ranks.start + skipped..ranks.start + skipped + left,
            true => ranks.end - skipped - left..ranks.end - skipped,
        }
    }
}

fn answer(ctx: &mut Context<'_>, fixed: Fixed) -> Outcome {
    let args = ctx.args;
    let query = Query::parse(args, 1, fixed)?;
    let (mut data, out) = ctx.parts();
    let display = data.display(out);
    data.read(args.at(1), |entry| {
        let Some(entry) = entry else {
            out.array(0);
            return Ok(());
        };
        let set = SortedSet::of(entry)?;
        let (ranks, with_scores, reverse) = (query.ranks(set), query.with_scores, query.reverse);
        display.bear(entry, ranks.len())?;
        begin_entries(out, ranks.len(), with_scores);
        let shown = Shown::Ranks { reverse, with_scores };
        display.show(entry, (shown, ranks.clone()), out, |out| {
            set.for_each_in(ranks, reverse, |member, score| {
                write_entry(out, member, score, with_scores);
            });
        });
        Ok(())
    })?
}

pub(crate) fn zrange(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Fixed::default())
}

const fn fixed(by: By, reverse: bool) -> Fixed {
    Fixed { by: Some(by), reverse: Some(reverse), stores: false }
}

pub(crate) fn zrangebyscore(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, fixed(By::Score, false))
}

pub(crate) fn zrangebylex(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, fixed(By::Member, false))
}

pub(crate) fn zrevrange(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, fixed(By::Rank, true))
}

pub(crate) fn zrevrangebyscore(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, fixed(By::Score, true))
}

pub(crate) fn zrevrangebylex(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, fixed(By::Member, true))
}

pub(crate) fn zrangestore(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let limits = SortedSetLimits::of(&ctx.env.settings);
    let query = Query::parse(args, 2, Fixed { stores: true, ..Fixed::default() })?;
    atomically(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        let patience = data.patience;
        let result = data.read(args.at(2), |entry| {
            let mut result = SortedSetEdit::new();
            if let Some(set) = entry.map(SortedSet::of).transpose()? {
                let ranks = query.ranks(set);
                patience.bear(ranks.len())?;
                set.for_each_in(ranks, false, |member, score| {
                    result.set(score, member, limits);
                });
            }
            Ok::<_, CommandError>(result)
        })??;
        let count = result.view().len();
        let was_there = data.update(args.at(1), |entry, draft| {
            if entry.is_some() || count > 0 {
                result.put(draft, None);
            }
            entry.is_some()
        })?;
        data.notify_stored(class::ZSET, "zrangestore", args.at(1), was_there, count == 0);
        out.integer(count as i64);
        Ok(())
    })
}

fn count(ctx: &mut Context<'_>, by: By) -> Outcome {
    let args = ctx.args;
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| {
        let set = entry.map(SortedSet::of).transpose()?;
        out.integer(set.map_or(0, |set| bounds.ranks(set, false).len()) as i64);
        Ok(())
    })?
}

pub(crate) fn zcount(ctx: &mut Context<'_>) -> Outcome {
    count(ctx, By::Score)
}

pub(crate) fn zlexcount(ctx: &mut Context<'_>) -> Outcome {
    count(ctx, By::Member)
}

fn remove(ctx: &mut Context<'_>, by: By, name: &'static str) -> Outcome {
    let args = ctx.args;
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    let (mut data, out) = ctx.parts();
    let patience = data.patience;
    let (removed, is_gone) = data.update(args.at(1), |entry, draft| {
        let Some(set) = entry.map(SortedSet::of).transpose()? else { return Ok((0, false)) };
        let ranks = bounds.ranks(set, false);
        patience.bear(ranks.len())?;
        if !ranks.is_empty() {
            let mut edit = SortedSetEdit::of(entry)?;
            edit.take(ranks.clone(), false);
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok::<_, CommandError>((ranks.len(), ranks.len() == set.len()))
    })??;
    if removed > 0 {
        data.notify_shrunk(class::ZSET, name, args.at(1), is_gone);
    }
    out.integer(removed as i64);
    Ok(())
}

pub(crate) fn zremrangebyrank(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, By::Rank, "zremrangebyrank")
}

pub(crate) fn zremrangebyscore(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, By::Score, "zremrangebyscore")
}

pub(crate) fn zremrangebylex(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, By::Member, "zremrangebylex")
}
