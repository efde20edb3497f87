//! XLEN, XRANGE, XREVRANGE.

use super::{bound, look};
use crate::command::rows::{Rows, Shown};
use crate::command::{CommandError, Context, Outcome};
use crate::value::{Stream, object_of};

pub(crate) fn xlen(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    look(ctx, key, |stream, out| {
        out.integer(stream.map_or(0, Stream::len) as i64);
        Ok(())
    })
}

pub(crate) fn xrange(ctx: &mut Context<'_>) -> Outcome {
    range(ctx, false)
}

pub(crate) fn xrevrange(ctx: &mut Context<'_>) -> Outcome {
    range(ctx, true)
}

fn range(ctx: &mut Context<'_>, backward: bool) -> Outcome {
    let args = ctx.args;
    let (start_at, end_at) = if backward { (3, 2) } else { (2, 3) };
    let (start, end) = (bound(args.at(start_at), true)?, bound(args.at(end_at), false)?);
    let mut count = None;
    for at in (4..args.len()).step_by(2) {
        if !args.is(at, "COUNT") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        count = Some(ctx.integer(at + 1)?.max(0) as usize);
    }
    let (mut data, out) = ctx.parts();
    let (patience, row_patience) = (data.patience, data.patience_with_rows(out));
    let disposal = data.disposal();
    data.read(args.at(1), |entry| {
        let stream = entry.map(Stream::of).transpose()?;
        let (Some(stream), Some(object)) = (stream, entry.and_then(object_of)) else {
            out.array(0);
            return Ok(());
        };
        if count == Some(0) {
            out.null_array();
            return Ok(());
        }
        // How many there are has to be known first; of all of them, or of few, it is.
        let most = count.unwrap_or(usize::MAX);
        let is_whole = start <= stream.first_id() && stream.top_id() <= end;
        let found = match is_whole {
            true => most.min(stream.len() as usize),
            false => stream.range(start, end).take(most.min(patience.enough())).count(),
        };
        if is_whole {
            row_patience.bear(found)?
        } else {
            patience.bear(found)?
        }
        out.array(found);
        let shown = Shown::Entries { first: start, last: end, backward };
        Rows { shown, left: 0..found }.answer(object, out, disposal);
        Ok(())
    })?
}
