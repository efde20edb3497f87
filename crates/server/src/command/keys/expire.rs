//! Expiry of keys.

use crate::command::expiry::{Conditions, Unit};
use crate::command::{Context, Outcome};
use crate::event::class;

pub(crate) fn expire(ctx: &mut Context<'_>) -> Outcome {
    set_expiry(ctx, Unit::EX, "expire")
}

pub(crate) fn pexpire(ctx: &mut Context<'_>) -> Outcome {
    set_expiry(ctx, Unit::PX, "pexpire")
}

pub(crate) fn expireat(ctx: &mut Context<'_>) -> Outcome {
    set_expiry(ctx, Unit::EXAT, "expireat")
}

pub(crate) fn pexpireat(ctx: &mut Context<'_>) -> Outcome {
    set_expiry(ctx, Unit::PXAT, "pexpireat")
}

fn set_expiry(ctx: &mut Context<'_>, unit: Unit, name: &str) -> Outcome {
    let args = ctx.args;
    let conditions = Conditions::of(args, 3..args.len())?;
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    let moment = unit.moment(args.at(2), now_ms, name)?;
    let done = data.update(args.at(1), |entry, draft| {
        let entry = entry?;
        if !conditions.allow(entry.expire_at_ms(), moment) {
            return None;
        }
        match u64::try_from(moment) {
            Ok(at) if at > now_ms => {
                draft.set_expiry(Some(at));
                Some("expire")
            }
            _ => {
                draft.remove();
                Some("del")
            }
        }
    })?;
    if let Some(event) = done {
        data.notify(class::GENERIC, event, args.at(1));
    }
    out.integer(i64::from(done.is_some()));
    Ok(())
}

pub(crate) fn persist(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let done = data.update(key, |entry, draft| {
        let expires = entry.is_some_and(|entry| entry.expire_at_ms().is_some());
        if expires {
            draft.set_expiry(None);
        }
        expires
    })?;
    if done {
        data.notify(class::GENERIC, "persist", key);
    }
    out.integer(i64::from(done));
    Ok(())
}

/// Answers -2 for no key, -1 for no expiry, else `of(expiry, now)`.
fn tell(ctx: &mut Context<'_>, of: impl FnOnce(u64, u64) -> u64) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    data.untouched = true;
    let now_ms = data.now_ms();
    let told = data.read(key, |entry| match entry.map(|entry| entry.expire_at_ms()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => of(at, now_ms) as i64,
    })?;
    out.integer(told);
    Ok(())
}

pub(crate) fn ttl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |at, now_ms| (at - now_ms + 500) / 1000)
}

pub(crate) fn pttl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |at, now_ms| at - now_ms)
}

pub(crate) fn expiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |at, _| (at + 500) / 1000)
}

pub(crate) fn pexpiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |at, _| at)
}
