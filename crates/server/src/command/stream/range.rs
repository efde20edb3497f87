//! XLEN, XRANGE, XREVRANGE.

use super::{bound, count_between, look};
use crate::command::rows::Shown;
use crate::command::{CommandError, Context, Outcome};
use crate::value::Stream;

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
    let display = data.display(out);
    data.read(args.at(1), |entry| {
        let Some(entry) = entry else {
            out.array(0);
            return Ok(());
        };
        Stream::of(entry)?;
        if count == Some(0) {
            out.null_array();
            return Ok(());
        }
        let found = count_between(display, entry, (start, end), count.unwrap_or(usize::MAX))?;
        out.array(found);
        let shown = Shown::Entries { first: start, last: end, backward };
        display.show(entry, (shown, 0..found), out, |_| {});
        Ok(())
    })?
}
