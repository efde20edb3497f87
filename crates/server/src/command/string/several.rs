//! MSET, MSETNX, MSETEX: several strings at once.

use crate::command::expiry::Unit;
use crate::command::{CommandError, Context, Outcome};
use crate::data::atomically;
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{kind, put_string};

pub(crate) fn mset(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("mset"));
    }
    if args.len() == 3 {
        let mut data = ctx.data();
        data.set(args.at(1), kind::STRING, args.at(2), None)?;
        data.notify(class::STRING, "set", args.at(1));
    } else {
        atomically(ctx, set_pairs)?;
    }
    ctx.out.ok();
    Ok(())
}

fn set_pairs(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mut data = ctx.data();
    for at in (1..args.len()).step_by(2) {
        data.set(args.at(at), kind::STRING, args.at(at + 1), None)?;
        data.notify(class::STRING, "set", args.at(at));
    }
    Ok(())
}

pub(crate) fn msetnx(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("msetnx"));
    }
    atomically(ctx, |ctx| {
        for at in (1..args.len()).step_by(2) {
            if ctx.data().read(args.at(at), |entry| entry.is_some())? {
                ctx.out.integer(0);
                return Ok(());
            }
        }
        set_pairs(ctx)?;
        ctx.out.integer(1);
        Ok(())
    })
}

/// What MSETEX asks for behind its pairs.
#[derive(Default)]
struct Options {
    /// All keys have to be there, or none.
    wanted: Option<bool>,
    keeps_time: bool,
    expire_at_ms: Option<u64>,
}

impl Options {
    fn of(args: Args<'_>, first: usize, now_ms: u64) -> Result<Self, CommandError> {
        let (mut options, mut until, mut at) = (Options::default(), None, first);
        while let Some(word) = args.get(at) {
            let timeless = until.is_none() && !options.keeps_time;
            match word.to_ascii_lowercase().as_slice() {
                b"nx" if options.wanted != Some(true) => options.wanted = Some(false),
                b"xx" if options.wanted != Some(false) => options.wanted = Some(true),
                b"keepttl" if until.is_none() => options.keeps_time = true,
                word => {
                    let unit = Unit::of_option(word).filter(|_| timeless);
                    let number = args.get(at + 1).ok_or(CommandError::Syntax)?;
                    until = Some((unit.ok_or(CommandError::Syntax)?, number));
                    at += 1;
                }
            }
            at += 1;
        }
        if let Some((unit, number)) = until {
            options.expire_at_ms = Some(unit.future(number, now_ms, "msetex")?);
        }
        Ok(options)
    }
}

/// MSETEX count key value … [NX | XX] [EX | PX | EXAT | PXAT time | KEEPTTL], as Valkey 9 has it: 1 if all were set, else 0.
pub(crate) fn msetex(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = strict_integer(args.at(1)).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| (1..=i32::MAX as usize).contains(count));
    let count =
        count.ok_or_else(|| CommandError::other("invalid numkeys value or out of range"))?;
    let first = count.checked_mul(2).map_or(usize::MAX, |words| words.saturating_add(2));
    if first > args.len() {
        return Err(CommandError::Syntax);
    }
    let options = Options::of(args, first, ctx.data().now_ms())?;
    atomically(ctx, |ctx| {
        for at in (2..first).step_by(2) {
            let wanted = options.wanted;
            if wanted.is_some() && Some(ctx.data().read(args.at(at), |e| e.is_some())?) != wanted {
                ctx.out.integer(0);
                return Ok(());
            }
        }
        let mut data = ctx.data();
        for at in (2..first).step_by(2) {
            let (key, value) = (args.at(at), args.at(at + 1));
            data.update(key, |entry, draft| {
                let kept = entry.filter(|_| options.keeps_time).and_then(|e| e.expire_at_ms());
                put_string(draft, kind::STRING, &[value], options.expire_at_ms.or(kept));
            })?;
            data.notify(class::STRING, "set", key);
            if options.expire_at_ms.is_some() {
                data.notify(class::GENERIC, "expire", key);
            }
        }
        ctx.out.integer(1);
        Ok(())
    })
}
