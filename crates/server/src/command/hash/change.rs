//! Changing hashes.

use crate::command::{CommandError, Context, Outcome, shrink};
use crate::event::class;
use crate::resp::strict_integer;
use crate::value::{HashEdit, HashLimits, LongDouble};

pub(crate) fn hset(ctx: &mut Context<'_>) -> Outcome {
    let added = set_fields(ctx, "hset")?;
    ctx.out.integer(added);
    Ok(())
}

pub(crate) fn hmset(ctx: &mut Context<'_>) -> Outcome {
    set_fields(ctx, "hmset")?;
    ctx.out.ok();
    Ok(())
}

fn set_fields(ctx: &mut Context<'_>, name: &'static str) -> Result<i64, CommandError> {
    let args = ctx.args;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(name));
    }
    let added = change(ctx, |edit, limits| {
        let pairs = (2..args.len()).step_by(2);
        Ok(pairs.map(|at| i64::from(edit.set(args.at(at), args.at(at + 1), limits))).sum())
    })?;
    ctx.notify(class::HASH, "hset", args.at(1));
    Ok(added)
}

/// Changes the hash at argument 1 as `f` does; if `f` fails, nothing.
fn change<R>(
    ctx: &mut Context<'_>,
    mut f: impl FnMut(&mut HashEdit, HashLimits) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let key = ctx.args.at(1);
    let limits = HashLimits::of(&ctx.env.settings);
    let mut data = ctx.data();
    let now_ms = data.now_ms();
    data.update(key, |entry, draft| {
        let mut edit = HashEdit::of(entry, now_ms)?;
        let result = f(&mut edit, limits)?;
        edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        Ok(result)
    })?
}

pub(crate) fn hsetnx(ctx: &mut Context<'_>) -> Outcome {
    let (key, field, value) = (ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    let limits = HashLimits::of(&ctx.env.settings);
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    let is_new = data.update(key, |entry, draft| {
        let mut edit = HashEdit::of(entry, now_ms)?;
        let is_new = edit.view().get(field).is_none();
        if is_new {
            edit.set(field, value, limits);
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok::<_, CommandError>(is_new)
    })??;
    if is_new {
        data.notify(class::HASH, "hset", key);
    }
    out.integer(i64::from(is_new));
    Ok(())
}

pub(crate) fn hdel(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let now_ms = ctx.data().now_ms();
    shrink(ctx, (class::HASH, "hdel"), |entry, draft| {
        let mut edit = HashEdit::of(Some(entry), now_ms)?;
        let removed = args.iter_from(2).map(|field| i64::from(edit.remove(field))).sum();
        let is_gone = edit.view().len() == 0;
        if removed > 0 {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok((removed, is_gone))
    })
}

pub(crate) fn hincrby(ctx: &mut Context<'_>) -> Outcome {
    let field = ctx.args.at(2);
    let by = ctx.integer(3)?;
    let sum = change(ctx, |edit, limits| {
        let number = match edit.view().get(field) {
            None => 0,
            Some(text) => strict_integer(text)
                .ok_or_else(|| CommandError::other("hash value is not an integer"))?,
        };
        let sum: i64 = number
            .checked_add(by)
            .ok_or_else(|| CommandError::other("increment or decrement would overflow"))?;
        edit.replace(field, itoa::Buffer::new().format(sum).as_bytes(), limits);
        Ok(sum)
    })?;
    ctx.notify(class::HASH, "hincrby", ctx.args.at(1));
    ctx.out.integer(sum);
    Ok(())
}

pub(crate) fn hincrbyfloat(ctx: &mut Context<'_>) -> Outcome {
    let (field, by) = (ctx.args.at(2), ctx.args.at(3));
    let by = LongDouble::parse(by).map_err(|_| CommandError::NotAFloat)?;
    if !by.is_finite() {
        return Err(CommandError::other("value is NaN or Infinity"));
    }
    let sum = change(ctx, |edit, limits| {
        let number = edit.view().get(field).unwrap_or(b"0");
        let number = LongDouble::parse(number)
            .map_err(|_| CommandError::other("hash value is not a float"))?;
        let sum = number
            .checked_add(by)
            .ok_or_else(|| CommandError::other("increment would produce NaN or Infinity"))?
            .to_string();
        edit.replace(field, sum.as_bytes(), limits);
        Ok(sum)
    })?;
    ctx.notify(class::HASH, "hincrbyfloat", ctx.args.at(1));
    ctx.out.bulk(sum.as_bytes());
    Ok(())
}
