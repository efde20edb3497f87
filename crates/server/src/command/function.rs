//! FUNCTION, as far as a server without libraries can speak of it: there are none, and after a flush there are still none.

use super::row::{Command, Group, Keys, flag::*};
use super::script::kill_kind;
use super::{CommandError, Context, Outcome, busy_text, help};
use crate::script::Kind;

const fn row(name: &'static str, arity: i32, flags: u32, handler: super::row::Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Scripting, handler)
}

pub(crate) static ROWS: &[Command] = &[row("function", -2, NOSCRIPT, super::container)
    .doc("7.0.0", "Lists and removes function libraries.")
    .with(&[
        row("function|flush", -2, NOSCRIPT | WRITE, flush).doc("7.0.0", "Removes all libraries."),
        row("function|list", -2, NOSCRIPT, list).doc("7.0.0", "Lists the libraries."),
        row("function|kill", 2, NOSCRIPT | ALLOW_BUSY, |ctx| kill_kind(ctx, Kind::Function))
            .doc("7.0.0", "Terminates a function during execution."),
        row("function|stats", 2, NOSCRIPT | ALLOW_BUSY, stats)
            .doc("7.0.0", "Returns information about a function during execution."),
        row("function|help", 2, LOADING | STALE, show_help).doc("7.0.0", "Lists the subcommands."),
    ])];

fn flush(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let known = args.len() == 2 || args.len() == 3 && (args.is(2, "SYNC") || args.is(2, "ASYNC"));
    if !known {
        return Err(CommandError::other("FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    ctx.out.ok();
    Ok(())
}

fn list(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.array(0);
    Ok(())
}

fn stats(ctx: &mut Context<'_>) -> Outcome {
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
    ctx.out.bulk(b"engines");
    ctx.out.map(1);
    ctx.out.bulk(b"LUA");
    ctx.out.map(2);
    for figure in ["libraries_count", "functions_count"] {
        ctx.out.bulk(figure.as_bytes());
        ctx.out.integer(0);
    }
    Ok(())
}

fn show_help(ctx: &mut Context<'_>) -> Outcome {
    let lines =
        ["FLUSH [ASYNC|SYNC]", "    Delete all the libraries.", "LIST", "    List the libraries."];
    help(ctx, "FUNCTION", &lines)
}
