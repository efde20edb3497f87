//! HELP of commands that have subcommands.

use super::{Context, Outcome};

/// Writes the help of a container command: `lines` are usages and, indented, what they do.
pub(crate) fn help(ctx: &mut Context<'_>, name: &str, lines: &[&str]) -> Outcome {
    ctx.out.array(lines.len() + 3);
    ctx.out.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines {
        ctx.out.simple(line);
    }
    ctx.out.simple("HELP");
    ctx.out.simple("    Print this help.");
    Ok(())
}

/// The handler of a container itself: it has no meaning without a subcommand, and the arity check says so.
pub(crate) fn container(_ctx: &mut Context<'_>) -> Outcome {
    Err(super::CommandError::Syntax)
}
