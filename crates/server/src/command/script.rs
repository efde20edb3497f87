//! EVAL and SCRIPT: scripts in Lua, each one transaction.

mod eval;
mod manage;

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{container, help};
pub(crate) use eval::{ranges, with_interpreter};
pub(crate) use manage::{busy_text, kill_kind};

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Scripting, handler)
}

/// A command that runs something; argument 2 counts keys.
const fn run(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE.counted(2), Group::Scripting, handler)
}

const RUN: u32 = NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS;

pub(crate) static ROWS: &[Command] = &[
    run("eval", -3, RUN | MAY_REPLICATE, eval::eval)
        .doc("2.6.0", "Executes a server-side Lua script."),
    run("evalsha", -3, RUN | MAY_REPLICATE, eval::evalsha)
        .doc("2.6.0", "Executes a server-side Lua script by SHA1 digest."),
    run("eval_ro", -3, RUN | READONLY, eval::eval_ro)
        .doc("7.0.0", "Executes a read-only server-side Lua script."),
    run("evalsha_ro", -3, RUN | READONLY, eval::evalsha_ro)
        .doc("7.0.0", "Executes a read-only server-side Lua script by SHA1 digest."),
    row("script", -2, 0, container)
        .doc("2.6.0", "A container for Lua scripts management commands.")
        .with(&[
            row("script|debug", 3, NOSCRIPT, manage::debug)
                .doc("3.2.0", "Sets the debug mode of server-side Lua scripts."),
            row("script|exists", -3, NOSCRIPT, manage::exists).doc(
                "2.6.0",
                "Determines whether server-side Lua scripts exist in the script cache.",
            ),
            row("script|flush", -2, NOSCRIPT, manage::flush)
                .doc("2.6.0", "Removes all server-side Lua scripts from the script cache."),
            row("script|help", 2, LOADING | STALE, show_help)
                .doc("5.0.0", "Returns helpful text about the different subcommands."),
            row("script|kill", 2, NOSCRIPT | ALLOW_BUSY, manage::kill)
                .doc("2.6.0", "Terminates a server-side Lua script during execution."),
            row("script|load", 3, NOSCRIPT | STALE, manage::load)
                .doc("2.6.0", "Loads a server-side Lua script to the script cache."),
            row("script|show", 3, NOSCRIPT, manage::show)
                .doc("8.0.0", "Show server-side Lua script in the script cache."),
        ]),
];

fn show_help(ctx: &mut super::Context<'_>) -> super::Outcome {
    let lines = [
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined",
        "    by the lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
        "SHOW <sha1>",
        "    Show a script in the scripts cache.",
    ];
    help(ctx, "SCRIPT", &lines)
}
