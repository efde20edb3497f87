//! XPENDING.

use super::{bound, look, no_group, write_id};
use crate::command::{CommandError, Context, Outcome, Patience};
use crate::resp::{Args, Reply, strict_integer};
use crate::value::{Group, Stream, StreamId};

/// The longer form's arguments.
struct Asked<'a> {
    min_idle_ms: u64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    fn of(args: Args<'a>) -> Result<Option<Self>, CommandError> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(CommandError::Syntax);
        }
        let number = |at: usize| strict_integer(args.at(at)).ok_or(CommandError::NotAnInteger);
        let (mut min_idle_ms, mut at) = (0, 3);
        if args.is(3, "IDLE") {
            min_idle_ms = number(4)?.max(0) as u64;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
            at = 5;
        }
        let count = number(at + 2)?.max(0) as usize;
        let (start, end) = (bound(args.at(at), true)?, bound(args.at(at + 1), false)?);
        Ok(Some(Asked { min_idle_ms, start, end, count, consumer: args.get(at + 3) }))
    }
}

pub(crate) fn xpending(ctx: &mut Context<'_>) -> Outcome {
    let (args, now_ms) = (ctx.args, ctx.env.now_ms);
    let (asked, patience) = (Asked::of(args)?, ctx.patience());
    look(ctx, args.at(1), |stream, out| {
        let group = stream.and_then(|stream: &Stream| stream.groups.get(args.at(2)));
        let group = group.ok_or_else(|| no_group(args.at(1), args.at(2), ""))?;
        match asked {
            None => summary(group, patience, out),
            Some(asked) => list(group, &asked, now_ms, patience, out),
        }
    })
}

fn summary(group: &Group, patience: Patience, out: &mut Reply) -> Outcome {
    patience.bear(group.consumers.size())?;
    out.array(4);
    out.integer(group.pending.size() as i64);
    let (Some((first, _)), Some((last, _))) = (group.pending.first(), group.pending.last()) else {
        out.null();
        out.null();
        out.null_array();
        return Ok(());
    };
    write_id(out, *first);
    write_id(out, *last);
    let busy: Vec<_> =
        group.consumers.values().filter(|consumer| !consumer.pending.is_empty()).collect();
    out.array(busy.len());
    for consumer in busy {
        out.array(2);
        out.bulk(&consumer.name);
        out.bulk_integer(consumer.pending.size() as i64);
    }
    Ok(())
}

fn list(
    group: &Group,
    asked: &Asked<'_>,
    now_ms: u64,
    patience: Patience,
    out: &mut Reply,
) -> Outcome {
    let theirs = |name: &[u8]| asked.consumer.is_none_or(|wanted| *wanted == *name);
    // Those of others, or not idle for long enough, are looked at as well.
    let mut looked_at = 0;
    let found: Vec<_> = group
        .pending_in(asked.start, asked.end)
        .take(patience.enough())
        .inspect(|_| looked_at += 1)
        .filter(|(_, pending)| theirs(&pending.consumer))
        .filter(|(_, pending)| {
            asked.min_idle_ms == 0
                || now_ms.saturating_sub(pending.delivered_ms) >= asked.min_idle_ms
        })
        .take(asked.count)
        .collect();
    patience.bear(looked_at)?;
    out.array(found.len());
    for (id, pending) in found {
        out.array(4);
        write_id(out, id);
        out.bulk(&pending.consumer);
        out.integer(now_ms.saturating_sub(pending.delivered_ms) as i64);
        out.integer(pending.deliveries as i64);
    }
    Ok(())
}
