//! SET and its older relatives.

use crate::command::expiry::Unit;
use crate::command::rows::write_string;
use crate::command::{CommandError, Context, Outcome};
use crate::data::Data;
use crate::event::class;
use crate::resp::Args;
use crate::value::{kind, put_string, string_of};

/// When SET writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
    /// It holds [`Options::compared`].
    IfEqual,
}

struct Options<'a> {
    condition: Condition,
    compared: &'a [u8],
    /// Answers the previous value.
    get: bool,
    keep_ttl: bool,
    expire_at_ms: Option<u64>,
}

pub(crate) fn set(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if args.len() == 3 {
        let (mut data, out) = ctx.parts();
        data.set(args.at(1), kind::STRING, args.at(2), None)?;
        data.notify(class::STRING, "set", args.at(1));
        out.ok();
        return Ok(());
    }
    let options = options(args, ctx.data().now_ms())?;
    set_with(ctx, &options)
}

impl Options<'_> {
    fn new() -> Self {
        Options {
            condition: Condition::Always,
            compared: b"",
            get: false,
            keep_ttl: false,
            expire_at_ms: None,
        }
    }
}

fn options(args: Args<'_>, now_ms: u64) -> Result<Options<'_>, CommandError> {
    let mut options = Options::new();
    let mut at = 3;
    let mut when = None;
    while at < args.len() {
        let condition = options.condition;
        let free = |wanted| condition == Condition::Always || condition == wanted;
        if args.is(at, "NX") && free(Condition::IfAbsent) {
            options.condition = Condition::IfAbsent;
        } else if args.is(at, "XX") && free(Condition::IfPresent) {
            options.condition = Condition::IfPresent;
        } else if args.is(at, "IFEQ")
            && condition == Condition::Always
            && let Some(compared) = args.get(at + 1)
        {
            (options.condition, options.compared) = (Condition::IfEqual, compared);
            at += 1;
        } else if args.is(at, "GET") {
            options.get = true;
        } else if args.is(at, "KEEPTTL") && when.is_none() {
            options.keep_ttl = true;
        } else if let Some(unit) = Unit::of_option(args.at(at))
            && let Some(number) = args.get(at + 1)
            && when.is_none_or(|(before, _)| before == unit)
            && !options.keep_ttl
        {
            when = Some((unit, number));
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if let Some((unit, number)) = when {
        options.expire_at_ms = Some(unit.future(number, now_ms, "set")?);
    }
    Ok(options)
}

fn set_with(ctx: &mut Context<'_>, options: &Options<'_>) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    if options.condition == Condition::Always && !options.get && !options.keep_ttl {
        data.set(args.at(1), kind::STRING, args.at(2), options.expire_at_ms)?;
        tell_of_set(&mut data, args.at(1), options.expire_at_ms.is_some());
        out.ok();
        return Ok(());
    }
    let (mark, disposal) = (out.mark(), data.disposal());
    let wrote = data.update(args.at(1), |entry, draft| {
        out.rewind(mark);
        let writes = match options.condition {
            Condition::Always => true,
            Condition::IfAbsent => entry.is_none(),
            Condition::IfPresent => entry.is_some(),
            Condition::IfEqual => entry.map(string_of).transpose()? == Some(options.compared),
        };
        match (options.get, entry) {
            (true, Some(entry)) => write_string(entry, out, disposal)?,
            (true, None) => out.null(),
            (false, _) if writes => out.ok(),
            (false, _) => out.null(),
        }
        if writes {
            let kept = entry.filter(|_| options.keep_ttl).and_then(|entry| entry.expire_at_ms());
            let expire_at_ms = options.expire_at_ms.or(kept);
            put_string(draft, kind::STRING, &[args.at(2)], expire_at_ms);
        }
        Ok::<_, CommandError>(writes)
    })??;
    if wrote {
        tell_of_set(&mut data, args.at(1), options.expire_at_ms.is_some());
    }
    Ok(())
}

fn tell_of_set(data: &mut Data<'_>, key: &[u8], expires: bool) {
    data.notify(class::STRING, "set", key);
    if expires {
        data.notify(class::GENERIC, "expire", key);
    }
}

pub(crate) fn setnx(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    let absent = data.update(args.at(1), |entry, draft| {
        if entry.is_none() {
            put_string(draft, kind::STRING, &[args.at(2)], None);
        }
        entry.is_none()
    })?;
    if absent {
        data.notify(class::STRING, "set", args.at(1));
    }
    out.integer(i64::from(absent));
    Ok(())
}

pub(crate) fn setex(ctx: &mut Context<'_>) -> Outcome {
    set_until(ctx, Unit::EX, "setex")
}

pub(crate) fn psetex(ctx: &mut Context<'_>) -> Outcome {
    set_until(ctx, Unit::PX, "psetex")
}

fn set_until(ctx: &mut Context<'_>, unit: Unit, name: &str) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    let expire_at_ms = unit.future(args.at(2), data.now_ms(), name)?;
    data.set(args.at(1), kind::STRING, args.at(3), Some(expire_at_ms))?;
    tell_of_set(&mut data, args.at(1), true);
    out.ok();
    Ok(())
}

pub(crate) fn getset(ctx: &mut Context<'_>) -> Outcome {
    set_with(ctx, &Options { get: true, ..Options::new() })
}
