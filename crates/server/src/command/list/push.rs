//! LPUSH, RPUSH and their kin.

use super::{End, limits};
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::ListEdit;

pub(crate) fn lpush(ctx: &mut Context<'_>) -> Outcome {
    push(ctx, End::Front, false)
}

pub(crate) fn rpush(ctx: &mut Context<'_>) -> Outcome {
    push(ctx, End::Back, false)
}

pub(crate) fn lpushx(ctx: &mut Context<'_>) -> Outcome {
    push(ctx, End::Front, true)
}

pub(crate) fn rpushx(ctx: &mut Context<'_>) -> Outcome {
    push(ctx, End::Back, true)
}

fn push(ctx: &mut Context<'_>, end: End, only_if_there: bool) -> Outcome {
    let (args, limits) = (ctx.args, limits(ctx));
    let (mut data, out) = ctx.parts();
    let len = data.update(args.at(1), |entry, draft| {
        if entry.is_none() && only_if_there {
            return Ok(0);
        }
        let mut edit = ListEdit::of(entry)?;
        edit.push(args.iter_from(2), end.is_front(), limits);
        let len = edit.view().len();
        edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        Ok::<_, CommandError>(len)
    })??;
    if len > 0 {
        let name = if end.is_front() { "lpush" } else { "rpush" };
        data.notify(class::LIST, name, args.at(1));
    }
    out.integer(len as i64);
    Ok(())
}
