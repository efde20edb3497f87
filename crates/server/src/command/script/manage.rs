//! SCRIPT: the cache, and ending a script.

use super::eval::with_interpreter;
use crate::command::{CommandError, Context, Outcome};
use crate::script::{Digest, Kind, NotKilled, Script};
use std::sync::Arc;

pub(crate) fn load(ctx: &mut Context<'_>) -> Outcome {
    let body = ctx.args.at(2);
    let digest = Digest::of(body);
    with_interpreter(ctx, |interpreter, ctx| {
        let script = Arc::new(Script::read(digest, body).map_err(CommandError::other)?);
        interpreter.compile(&script).map_err(CommandError::other)?;
        ctx.env.server.scripting.scripts.enter(script, true);
        Ok(())
    })?;
    ctx.out.bulk(digest.to_hex().as_bytes());
    Ok(())
}

pub(crate) fn exists(ctx: &mut Context<'_>) -> Outcome {
    let scripts = &ctx.env.server.scripting.scripts;
    ctx.out.array(ctx.args.len() - 2);
    for word in ctx.args.iter_from(2) {
        let known = Digest::parse(word).is_some_and(|digest| scripts.contains(digest));
        ctx.out.integer(i64::from(known));
    }
    Ok(())
}

pub(crate) fn show(ctx: &mut Context<'_>) -> Outcome {
    let digest = Digest::parse(ctx.args.at(2));
    let found = digest.and_then(|digest| ctx.env.server.scripting.scripts.find(digest));
    let script = found.ok_or(CommandError::Coded("NOSCRIPT No matching script.".into()))?;
    ctx.out.bulk(&script.body);
    Ok(())
}

pub(crate) fn flush(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let known = args.len() == 2 || args.len() == 3 && (args.is(2, "SYNC") || args.is(2, "ASYNC"));
    if !known {
        return Err(CommandError::other("SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    ctx.env.server.scripting.scripts.flush();
    ctx.out.ok();
    Ok(())
}

/// There is no debugger; a client may say that it wants none.
pub(crate) fn debug(ctx: &mut Context<'_>) -> Outcome {
    if ctx.args.is(2, "no") {
        ctx.out.ok();
        return Ok(());
    }
    match ctx.args.is(2, "yes") || ctx.args.is(2, "sync") {
        true => Err(CommandError::other("this server has no script debugger")),
        false => Err(CommandError::other("Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

pub(crate) fn kill(ctx: &mut Context<'_>) -> Outcome {
    kill_kind(ctx, Kind::Eval)
}

/// Ends scripts of this kind that have written nothing.
pub(crate) fn kill_kind(ctx: &mut Context<'_>, kind: Kind) -> Outcome {
    let coded = |text: &'static str| Err(CommandError::Coded(text.into()));
    match ctx.env.server.scripting.watches.kill(kind) {
        Ok(()) => {
            ctx.out.ok();
            Ok(())
        }
        Err(NotKilled::Idle) => coded("NOTBUSY No scripts in execution right now."),
        Err(NotKilled::OtherKind(running)) => coded(busy_text(running)),
        Err(NotKilled::HasWritten) => coded(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait \
             the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ),
    }
}

/// What others are told while a script takes too long.
pub(crate) fn busy_text(running: Kind) -> &'static str {
    match running {
        Kind::Function => {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        }
        _ => {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        }
    }
}
