//! Numbers in strings.

use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::strict_integer;
use crate::value::{LongDouble, kind, string_of};

pub(crate) fn incr(ctx: &mut Context<'_>) -> Outcome {
    add(ctx, 1)
}

pub(crate) fn decr(ctx: &mut Context<'_>) -> Outcome {
    add(ctx, -1)
}

pub(crate) fn incrby(ctx: &mut Context<'_>) -> Outcome {
    let by = ctx.integer(2)?;
    add(ctx, by)
}

pub(crate) fn decrby(ctx: &mut Context<'_>) -> Outcome {
    let by = ctx
        .integer(2)?
        .checked_neg()
        .ok_or_else(|| CommandError::other("decrement would overflow"))?;
    add(ctx, by)
}

fn add(ctx: &mut Context<'_>, by: i64) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let sum = data.update(key, |entry, draft| {
        let number = match entry {
            None => 0,
            Some(entry) => strict_integer(string_of(entry)?).ok_or(CommandError::NotAnInteger)?,
        };
        let sum = number
            .checked_add(by)
            .ok_or_else(|| CommandError::other("increment or decrement would overflow"))?;
        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
        draft.put(kind::STRING, &[itoa::Buffer::new().format(sum).as_bytes()], expire_at_ms);
        Ok(sum)
    })??;
    data.notify(class::STRING, "incrby", key);
    out.integer(sum);
    Ok(())
}

pub(crate) fn incrbyfloat(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    let sum = data.update(args.at(1), |entry, draft| {
        let number = entry.map_or(Ok(&b"0"[..]), string_of)?;
        let number = LongDouble::parse(number).map_err(|_| CommandError::NotAFloat)?;
        let by = LongDouble::parse(args.at(2)).map_err(|_| CommandError::NotAFloat)?;
        let sum = number
            .checked_add(by)
            .ok_or_else(|| CommandError::other("increment would produce NaN or Infinity"))?
            .to_string();
        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
        draft.put(kind::TEXT_STRING, &[sum.as_bytes()], expire_at_ms);
        Ok(sum)
    })??;
    data.notify(class::STRING, "incrbyfloat", args.at(1));
    out.bulk(sum.as_bytes());
    Ok(())
}
