//! Running functions, and what is known of one that runs.

use crate::command::script::{ranges, with_interpreter};
use crate::command::{CommandError, Context, Outcome, busy_text};
use crate::script::{Flags, Job, Kind};

pub(crate) fn fcall(ctx: &mut Context<'_>) -> Outcome {
    call(ctx, false)
}

pub(crate) fn fcall_ro(ctx: &mut Context<'_>) -> Outcome {
    call(ctx, true)
}

fn call(ctx: &mut Context<'_>, read_only: bool) -> Outcome {
    let set = ctx.env.server.scripting.libraries.now();
    let found = set.find(ctx.args.at(1));
    let (library, info) = found.ok_or(CommandError::other("Function not found"))?;
    let (keys, args) = ranges(ctx, CommandError::other("Bad number of keys provided"))?;
    if read_only && !info.flags.has(Flags::NO_WRITES) {
        return Err(CommandError::other(
            "Can not execute a script with write flag using *_ro command.",
        ));
    }
    with_interpreter(ctx, |interpreter, ctx| {
        let function = interpreter.function(library, info).map_err(CommandError::other)?;
        let (name, flags) = (&*info.name, info.flags);
        interpreter.execute(ctx, &Job { name, function, kind: Kind::Function, flags, keys, args })
    })
}

pub(crate) fn stats(ctx: &mut Context<'_>) -> Outcome {
    let running = ctx.env.server.scripting.watches.running();
    if let Some(eval) = running.as_ref().filter(|running| running.kind == Kind::Eval) {
        return Err(CommandError::Coded(busy_text(eval.kind).into()));
    }
    ctx.out.map(2);
    ctx.out.bulk(b"running_script");
    match running {
        Some(running) => {
            ctx.out.map(3);
            ctx.out.bulk(b"name");
            ctx.out.bulk(running.name.as_bytes());
            ctx.out.bulk(b"command");
            ctx.out.array(running.command.len());
            running.command.iter().for_each(|word| ctx.out.bulk(word));
            ctx.out.bulk(b"duration_ms");
            ctx.out.integer(running.duration_ms as i64);
        }
        None => ctx.out.null(),
    }
    let set = ctx.env.server.scripting.libraries.now();
    ctx.out.bulk(b"engines");
    ctx.out.map(1);
    ctx.out.bulk(b"LUA");
    ctx.out.map(2);
    ctx.out.bulk(b"libraries_count");
    ctx.out.integer(set.all().len() as i64);
    ctx.out.bulk(b"functions_count");
    ctx.out.integer(set.functions_count() as i64);
    Ok(())
}
