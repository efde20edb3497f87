//! Expiry of keys.

use crate::command::expiry::Unit;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::Args;

/// When EXPIRE changes what there is.
#[derive(Clone, Copy, Default)]
struct Conditions {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Conditions {
    fn of(args: Args<'_>) -> Result<Self, CommandError> {
        let mut conditions = Conditions::default();
        for at in 3..args.len() {
            match () {
                () if args.is(at, "NX") => conditions.if_none = true,
                () if args.is(at, "XX") => conditions.if_some = true,
                () if args.is(at, "GT") => conditions.if_later = true,
                () if args.is(at, "LT") => conditions.if_earlier = true,
                () => {
                    let word = String::from_utf8_lossy(args.at(at));
                    return Err(CommandError::other(format!("Unsupported option {word}")));
                }
            }
        }
        if conditions.if_none
            && (conditions.if_some || conditions.if_later || conditions.if_earlier)
        {
            let text = "NX and XX, GT or LT options at the same time are not compatible";
            return Err(CommandError::other(text));
        }
        if conditions.if_later && conditions.if_earlier {
            return Err(CommandError::other(
                "GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// Whether `present` may become `next`. No expiry is later than any.
    fn allow(self, present: Option<u64>, next: i64) -> bool {
        let later = present.is_some_and(|present| next > present as i64);
        let earlier = present.is_none_or(|present| next < present as i64);
        !(self.if_none && present.is_some()
            || self.if_some && present.is_none()
            || self.if_later && !later
            || self.if_earlier && !earlier)
    }
}

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
    let conditions = Conditions::of(args)?;
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
