//! SLOWLOG and COMMANDLOG: the commands that took long, and those whose request or reply was large.

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::resp::strict_integer;
use crate::slowlog::{CommandLog, LogEntry};

const FLAGS: u32 = ADMIN | LOADING | STALE;
/// Entries that SLOWLOG GET gives without a count.
const FEW: usize = 10;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler).doc(since, summary)
}

pub(crate) static ROWS: &[Command] = &[
    row("slowlog", -2, 0, container, "2.2.12", "A container for slow log commands.").with(SLOWLOG),
    row("commandlog", -2, 0, container, "8.1.0", "A container for command log commands.")
        .with(COMMANDLOG),
];

static SLOWLOG: &[Command] = &[
    row("slowlog|get", -2, FLAGS, slowlog_get, "2.2.12", "Returns the slow log's entries."),
    row(
        "slowlog|help",
        2,
        LOADING | STALE,
        slowlog_help,
        "6.2.0",
        "Returns helpful text about the different subcommands.",
    ),
    row(
        "slowlog|len",
        2,
        FLAGS,
        slowlog_len,
        "2.2.12",
        "Returns the number of entries in the slow log.",
    ),
    row(
        "slowlog|reset",
        2,
        FLAGS,
        slowlog_reset,
        "2.2.12",
        "Clears all entries from the slow log.",
    ),
];

static COMMANDLOG: &[Command] = &[
    row("commandlog|get", 4, FLAGS, get, "8.1.0", "Returns the specified command log's entries."),
    row(
        "commandlog|help",
        2,
        LOADING | STALE,
        commandlog_help,
        "8.1.0",
        "Returns helpful text about the different subcommands.",
    ),
    row(
        "commandlog|len",
        3,
        FLAGS,
        len,
        "8.1.0",
        "Returns the number of entries in the specified type of command log.",
    ),
    row(
        "commandlog|reset",
        3,
        FLAGS,
        reset,
        "8.1.0",
        "Clears all entries from the specified type of command log.",
    ),
];

fn slowlog_get(ctx: &mut Context<'_>) -> Outcome {
    let n = match ctx.args.len() {
        2 => FEW,
        3 => count(ctx)?,
        _ => return Err(CommandError::Syntax),
    };
    let entries = ctx.env.server.command_logs.slow.newest(n);
    write(ctx, &entries)
}

fn slowlog_len(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.integer(ctx.env.server.command_logs.slow.len() as i64);
    Ok(())
}

fn slowlog_reset(ctx: &mut Context<'_>) -> Outcome {
    ctx.env.server.command_logs.slow.clear();
    ctx.out.ok();
    Ok(())
}

fn get(ctx: &mut Context<'_>) -> Outcome {
    let n = count(ctx)?;
    let entries = log_named(ctx, 3)?.newest(n);
    write(ctx, &entries)
}

fn len(ctx: &mut Context<'_>) -> Outcome {
    let len = log_named(ctx, 2)?.len();
    ctx.out.integer(len as i64);
    Ok(())
}

fn reset(ctx: &mut Context<'_>) -> Outcome {
    log_named(ctx, 2)?.clear();
    ctx.out.ok();
    Ok(())
}

fn count(ctx: &Context<'_>) -> Result<usize, CommandError> {
    match strict_integer(ctx.args.at(2)) {
        Some(-1) => Ok(usize::MAX),
        Some(n @ 0..) => Ok(n as usize),
        _ => Err(CommandError::other("count should be greater than or equal to -1")),
    }
}

fn log_named<'c>(ctx: &'c Context<'_>, at: usize) -> Result<&'c CommandLog, CommandError> {
    let logs = &ctx.env.server.command_logs;
    match ctx.args.at(at).to_ascii_lowercase().as_slice() {
        b"slow" => Ok(&logs.slow),
        b"large-request" => Ok(&logs.large_request),
        b"large-reply" => Ok(&logs.large_reply),
        _ => Err(CommandError::other(
            "type should be one of the following: slow, large-request, large-reply",
        )),
    }
}

fn write(ctx: &mut Context<'_>, entries: &[LogEntry]) -> Outcome {
    ctx.out.array(entries.len());
    for entry in entries {
        ctx.out.array(6);
        ctx.out.integer(entry.id as i64);
        ctx.out.integer(entry.unix_s as i64);
        ctx.out.integer(entry.figure as i64);
        ctx.out.array(entry.args.len());
        entry.args.iter().for_each(|arg| ctx.out.bulk(arg));
        ctx.out.bulk(entry.address.as_bytes());
        ctx.out.bulk(entry.name.as_bytes());
    }
    Ok(())
}

fn slowlog_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
    ];
    help(ctx, "SLOWLOG", &lines)
}

fn commandlog_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "GET <count> <type>",
        "    Return top <count> entries of the specified <type> from the commandlog (-1 mean all).",
        "    Entries are made of:",
        "    id, timestamp,",
        "    time in microseconds for type of slow,",
        "    or size in bytes for type of large-request,",
        "    or size in bytes for type of large-reply",
        "    arguments array, client IP and port,",
        "    client name",
        "LEN <type>",
        "    Return the length of the specified type of commandlog.",
        "RESET <type>",
        "    Reset the specified type of commandlog.",
    ];
    help(ctx, "COMMANDLOG", &lines)
}
