//! SNAPSHOT: one cut for everything that a connection reads until it ends.

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::env::new_run_id;

const FLAGS: u32 = NOSCRIPT | FAST | NO_MULTI;

const fn row(name: &'static str, arity: i32, handler: super::row::Handler) -> Command {
    Command::new(name, arity, FLAGS, Keys::NONE, Group::Transactions, handler)
}

pub(crate) static ROWS: &[Command] =
    &[row("snapshot", -2, help).doc("7.2.0", "Reads everything as of one moment.").with(&[
        row("snapshot|begin", -2, begin).doc("7.2.0", "Begins: SNAPSHOT BEGIN [TTL milliseconds]."),
        row("snapshot|end", 2, end).doc("7.2.0", "Ends; reads are of the newest values again."),
        row("snapshot|export", 2, export)
            .doc("7.2.0", "Names the open snapshot, for other connections to share."),
        row("snapshot|import", 3, import).doc("7.2.0", "Begins with the moment of another's."),
        row("snapshot|info", 2, info).doc("7.2.0", "Tells of the open snapshot."),
        row("snapshot|help", 2, help).doc("7.2.0", "Lists the subcommands."),
    ])];

/// Answers the commit timestamp of the cut.
fn begin(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let ttl_ms = match args.len() {
        2 => None,
        4 if args.is(2, "TTL") => match u64::try_from(ctx.integer(3)?) {
            Ok(ttl) if ttl > 0 => Some(ttl),
            _ => {
                return Err(CommandError::other("invalid expire time in 'snapshot|begin' command"));
            }
        },
        _ => return Err(CommandError::Syntax),
    };
    refuse_nested(ctx)?;
    let now_ms = ctx.env.now_ms;
    ctx.session.data.begin_snapshot(&ctx.env.server.store, now_ms, ttl_ms).map_err(|_| {
        CommandError::other("snapshots are switched off, CONFIG SET mvcc.enabled yes")
    })?;
    let timestamp = ctx.session.data.snapshot.as_ref().map_or(0, |open| open.timestamp());
    ctx.out.integer(timestamp as i64);
    Ok(())
}

fn refuse_nested(ctx: &Context<'_>) -> Outcome {
    match ctx.session.data.snapshot {
        Some(_) => Err(CommandError::other("SNAPSHOT BEGIN calls can not be nested")),
        None => Ok(()),
    }
}

/// Answers the name.
fn export(ctx: &mut Context<'_>) -> Outcome {
    let exports = &ctx.env.server.exports;
    let Some(open) = &mut ctx.session.data.snapshot else {
        return Err(CommandError::other("SNAPSHOT EXPORT without SNAPSHOT BEGIN"));
    };
    ctx.out.bulk(open.export(exports, new_run_id).as_bytes());
    Ok(())
}

/// Answers the commit timestamp of the cut.
fn import(ctx: &mut Context<'_>) -> Outcome {
    refuse_nested(ctx)?;
    let (name, now_ms) = (ctx.args.at(2), ctx.env.now_ms);
    if !ctx.session.data.import_snapshot(&ctx.env.server.exports, name, now_ms) {
        return Err(CommandError::other("no such snapshot, it may have been ended"));
    }
    let timestamp = ctx.session.data.snapshot.as_ref().map_or(0, |open| open.timestamp());
    ctx.out.integer(timestamp as i64);
    Ok(())
}

fn end(ctx: &mut Context<'_>) -> Outcome {
    match ctx.session.data.end_snapshot() {
        Some(_) => {
            ctx.out.ok();
            Ok(())
        }
        None => Err(CommandError::other("SNAPSHOT END without SNAPSHOT BEGIN")),
    }
}

fn info(ctx: &mut Context<'_>) -> Outcome {
    let now_ms = ctx.env.now_ms;
    let Some(open) = &ctx.session.data.snapshot else {
        ctx.out.null();
        return Ok(());
    };
    let left = open.deadline_ms.map_or(-1, |deadline| deadline.saturating_sub(now_ms) as i64);
    let state = if open.is_expired() { "expired" } else { "open" };
    ctx.out.map(4);
    ctx.out.bulk(b"timestamp");
    ctx.out.integer(open.timestamp() as i64);
    ctx.out.bulk(b"age-ms");
    ctx.out.integer(now_ms.saturating_sub(open.begun_ms) as i64);
    ctx.out.bulk(b"ttl-ms");
    ctx.out.integer(left);
    ctx.out.bulk(b"state");
    ctx.out.bulk(state.as_bytes());
    Ok(())
}

fn help(ctx: &mut Context<'_>) -> Outcome {
    const LINES: [&str; 13] = [
        "SNAPSHOT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "BEGIN [TTL <milliseconds>]",
        "    From here on this connection reads everything as of this moment. Answers the commit timestamp of the cut.",
        "END",
        "    Reads are of the newest values again.",
        "EXPORT",
        "    Names the open snapshot; others may share it as long as it is open here.",
        "IMPORT <name>",
        "    As BEGIN, with the moment of the snapshot of that name.",
        "INFO",
        "    Timestamp, age, time to live and state of the open snapshot; null if there is none.",
        "HELP",
        "    Print this help.",
    ];
    ctx.out.array(LINES.len());
    LINES.iter().for_each(|line| ctx.out.simple(line));
    Ok(())
}
