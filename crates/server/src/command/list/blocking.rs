//! BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.

use super::End;
use super::move_between::Move;
use super::pop::{Wanted, first_of, take};
use crate::blocking::{Awaited, Nothing, Wish, answer_or_wait, deadline};
use crate::command::{CommandError, Context, Outcome};

/// Waits for a list at one of the keys until the time that argument `timeout` says is over.
fn wish<'a>(
    ctx: &Context<'a>,
    keys: Vec<&'a [u8]>,
    timeout: usize,
    nothing: Nothing,
) -> Result<Wish<'a>, CommandError> {
    Ok(Wish {
        keys,
        awaited: Awaited::Type("list"),
        nothing,
        deadline_ms: deadline(ctx.args.at(timeout), ctx.env.now_ms)?,
        request: None,
    })
}

pub(crate) fn blpop(ctx: &mut Context<'_>) -> Outcome {
    pop(ctx, End::Front)
}

pub(crate) fn brpop(ctx: &mut Context<'_>) -> Outcome {
    pop(ctx, End::Back)
}

fn pop(ctx: &mut Context<'_>, end: End) -> Outcome {
    let last = ctx.args.len() - 1;
    let keys: Vec<&[u8]> = ctx.args.iter_from(1).take(last - 1).collect();
    let wish = wish(ctx, keys.clone(), last, Nothing::NullArray)?;
    answer_or_wait(ctx, wish, |ctx| {
        first_of(ctx, &keys, |ctx, key| {
            take(ctx, key, end, 1, |out, _| {
                out.array(2);
                out.bulk(key);
            })
        })
    })
}

pub(crate) fn blmpop(ctx: &mut Context<'_>) -> Outcome {
    let deadline = wish(ctx, Vec::new(), 1, Nothing::NullArray)?;
    let wanted = Wanted::of(ctx, 2)?;
    let wish = Wish { keys: wanted.keys.clone(), ..deadline };
    answer_or_wait(ctx, wish, |ctx| wanted.take(ctx))
}

pub(crate) fn blmove(ctx: &mut Context<'_>) -> Outcome {
    let wanted = Move::of(ctx)?;
    carry(ctx, &wanted, 5)
}

pub(crate) fn brpoplpush(ctx: &mut Context<'_>) -> Outcome {
    let wanted = Move::last_to_front(ctx);
    carry(ctx, &wanted, 3)
}

fn carry(ctx: &mut Context<'_>, wanted: &Move<'_>, timeout: usize) -> Outcome {
    let wish = wish(ctx, vec![wanted.from], timeout, Nothing::Null)?;
    answer_or_wait(ctx, wish, |ctx| wanted.run(ctx))
}
