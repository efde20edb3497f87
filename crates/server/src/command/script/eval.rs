//! Running scripts: EVAL by their text, EVALSHA by their digest.

use crate::command::{CommandError, Context, Outcome};
use crate::resp::strict_integer;
use crate::script::{Digest, Flags, Interpreter, Job, Kind, Script};
use crate::session::Mobility;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) fn eval(ctx: &mut Context<'_>) -> Outcome {
    by_text(ctx, Flags::default())
}

pub(crate) fn eval_ro(ctx: &mut Context<'_>) -> Outcome {
    by_text(ctx, Flags::NO_WRITES)
}

pub(crate) fn evalsha(ctx: &mut Context<'_>) -> Outcome {
    by_digest(ctx, Flags::default())
}

pub(crate) fn evalsha_ro(ctx: &mut Context<'_>) -> Outcome {
    by_digest(ctx, Flags::NO_WRITES)
}

/// Which arguments are keys and which are others, `numkeys` being argument 2.
pub(crate) fn ranges(
    ctx: &Context<'_>,
    no_number: CommandError,
) -> Result<(Range<usize>, Range<usize>), CommandError> {
    let given = ctx.args.len() - 3;
    match strict_integer(ctx.args.at(2)).ok_or(no_number)? {
        ..0 => Err(CommandError::other("Number of keys can't be negative")),
        n if n as u64 > given as u64 => {
            Err(CommandError::other("Number of keys can't be greater than number of args"))
        }
        n => Ok((3..3 + n as usize, 3 + n as usize..ctx.args.len())),
    }
}

fn by_text(ctx: &mut Context<'_>, added: Flags) -> Outcome {
    let ranges = ranges(ctx, CommandError::NotAnInteger)?;
    let body = ctx.args.at(1);
    let digest = Digest::of(body);
    let known = ctx.env.server.scripting.scripts.find(digest);
    with_interpreter(ctx, |interpreter, ctx| {
        let (script, is_new) = match known {
            Some(script) => (script, false),
            None => (Arc::new(Script::read(digest, body).map_err(CommandError::other)?), true),
        };
        run(interpreter, ctx, &script, is_new, added, ranges)
    })
}

fn by_digest(ctx: &mut Context<'_>, added: Flags) -> Outcome {
    let unknown = || CommandError::Coded("NOSCRIPT No matching script. Please use EVAL.".into());
    let digest = Digest::parse(ctx.args.at(1));
    let found = digest.and_then(|digest| ctx.env.server.scripting.scripts.find(digest));
    let ranges = ranges(ctx, CommandError::NotAnInteger)?;
    let script = found.ok_or_else(unknown)?;
    with_interpreter(ctx, |interpreter, ctx| run(interpreter, ctx, &script, false, added, ranges))
}

/// What a script may take and still begin on an event loop the next time.
const SHORT: Duration = Duration::from_millis(1);

fn run(
    interpreter: &mut Interpreter,
    ctx: &mut Context<'_>,
    script: &Arc<Script>,
    is_new: bool,
    added: Flags,
    (keys, args): (Range<usize>, Range<usize>),
) -> Outcome {
    let function = interpreter.compile(script).map_err(CommandError::other)?;
    if is_new {
        ctx.env.server.scripting.scripts.enter(script.clone(), false);
    }
    let flags = script.flags;
    if added == Flags::NO_WRITES && !flags.has(Flags::SAYS_NOTHING) && !flags.has(Flags::NO_WRITES)
    {
        return Err(CommandError::other(
            "Can not execute a script with write flag using *_ro command.",
        ));
    }
    if script.takes_long.get() > 0 {
        ctx.patience().bear(usize::MAX)?;
    }
    let name = script.digest.to_hex();
    let flags = flags.with(added);
    let begun = Instant::now();
    let job = Job { name: &name, function, kind: Kind::Eval, flags, keys, args };
    let outcome = interpreter.execute(ctx, &job);
    let takes_long = ctx.session.mobility == Mobility::Moving || begun.elapsed() > SHORT;
    if takes_long != (script.takes_long.get() > 0) {
        script.takes_long.set(u64::from(takes_long));
    }
    outcome
}

/// Runs `f` with this loop's interpreter, which is made if there is none yet.
pub(crate) fn with_interpreter(
    ctx: &mut Context<'_>,
    f: impl FnOnce(&mut Interpreter, &mut Context<'_>) -> Outcome,
) -> Outcome {
    if ctx.session.in_script {
        return Err(CommandError::other("a script cannot run another one"));
    }
    let mut interpreter = match ctx.env.interpreter.take() {
        Some(interpreter) => interpreter,
        None => {
            let made = Interpreter::new(&ctx.env.server);
            Box::new(made.map_err(|error| CommandError::other(error.to_string()))?)
        }
    };
    let outcome = f(&mut interpreter, ctx);
    ctx.env.interpreter = Some(interpreter);
    outcome
}
