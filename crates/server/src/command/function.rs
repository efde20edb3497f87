//! FUNCTION and FCALL: libraries of functions in Lua, kept with the data.

mod call;
mod library;
mod transfer;

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::script::kill_kind;
use super::{Context, Outcome, container, help};
use crate::script::Kind;

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Scripting, handler)
}

/// A command that runs a function; argument 2 counts keys.
const fn run(name: &'static str, flags: u32, handler: Handler) -> Command {
    let flags = NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS | flags;
    Command::new(name, -3, flags, Keys::NONE.counted(2), Group::Scripting, handler)
}

pub(crate) static ROWS: &[Command] = &[
    run("fcall", MAY_REPLICATE, call::fcall).doc("7.0.0", "Invokes a function."),
    run("fcall_ro", READONLY, call::fcall_ro).doc("7.0.0", "Invokes a read-only function."),
    row("function", -2, 0, container)
        .doc("7.0.0", "A container for function commands.")
        .with(SUBCOMMANDS),
];

static SUBCOMMANDS: &[Command] = &[
    row("function|delete", 3, NOSCRIPT | WRITE, library::delete)
        .doc("7.0.0", "Deletes a library and its functions."),
    row("function|dump", 2, NOSCRIPT, transfer::dump)
        .doc("7.0.0", "Dumps all libraries into a serialized binary payload."),
    row("function|flush", -2, NOSCRIPT | WRITE, library::flush)
        .doc("7.0.0", "Deletes all libraries and functions."),
    row("function|help", 2, LOADING | STALE, show_help)
        .doc("7.0.0", "Returns helpful text about the different subcommands."),
    row("function|kill", 2, NOSCRIPT | ALLOW_BUSY, |ctx| kill_kind(ctx, Kind::Function))
        .doc("7.0.0", "Terminates a function during execution."),
    row("function|list", -2, NOSCRIPT, library::list)
        .doc("7.0.0", "Returns information about all libraries."),
    row("function|load", -3, NOSCRIPT | WRITE | DENYOOM, library::load)
        .doc("7.0.0", "Creates a library."),
    row("function|restore", -3, NOSCRIPT | WRITE | DENYOOM, transfer::restore)
        .doc("7.0.0", "Restores all libraries from a payload."),
    row("function|stats", 2, NOSCRIPT | ALLOW_BUSY, call::stats)
        .doc("7.0.0", "Returns information about a function during execution."),
];

fn show_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Create a new library with the given library name and code.",
        "DELETE <LIBRARY NAME>",
        "    Delete the given library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return general information on all the libraries:",
        "    * Library name",
        "    * The engine used to run the Library",
        "    * Library description",
        "    * Functions list",
        "    * Library code (if WITHCODE is given)",
        "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
        "STATS",
        "    Return information about the current function running:",
        "    * Function name",
        "    * Command used to run the function",
        "    * Duration in MS that the function is running",
        "    If no function is running, return nil",
        "    In addition, returns a list of available engines.",
        "KILL",
        "    Kill the current running function.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all the libraries.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the libraries.",
        "    * SYNC: Synchronously flush the libraries.",
        "DUMP",
        "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
        "    control how to handle existing libraries (default APPEND):",
        "    * FLUSH: delete all existing libraries.",
        "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
        "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
        "      libraries with the new libraries (notice that even on this option there is a chance of failure",
        "      in case of functions name conflict with another library).",
    ];
    help(ctx, "FUNCTION", &lines)
}

/// What a subcommand with too many arguments is told.
fn wrong_count(name: &str) -> super::CommandError {
    super::CommandError::other(format!(
        "unknown subcommand or wrong number of arguments for '{name}'. Try FUNCTION HELP."
    ))
}
