//! FUNCTION, as far as a server without scripts can speak of it: there are none, and after a flush there are still none.

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome, help};

const fn row(name: &'static str, arity: i32, flags: u32, handler: super::row::Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler)
}

pub(crate) static ROWS: &[Command] = &[row("function", -2, NOSCRIPT, super::container)
    .doc("7.0.0", "Lists and removes function libraries.")
    .with(&[
        row("function|flush", -2, NOSCRIPT | WRITE, flush).doc("7.0.0", "Removes all libraries."),
        row("function|list", -2, NOSCRIPT, list).doc("7.0.0", "Lists the libraries."),
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

fn show_help(ctx: &mut Context<'_>) -> Outcome {
    let lines =
        ["FLUSH [ASYNC|SYNC]", "    Delete all the libraries.", "LIST", "    List the libraries."];
    help(ctx, "FUNCTION", &lines)
}
