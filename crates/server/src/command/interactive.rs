//! BEGIN, COMMIT, ROLLBACK: a transaction that a client runs command by command, seeing each reply. Not of Redis.

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::data::{Stage, commit_interactive};
use stillpoint_store::Isolation;

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags | NOSCRIPT | NO_MULTI, Keys::NONE, Group::Transactions, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("begin", -1, FAST, begin)
        .doc("7.2.0", "Begins a transaction: BEGIN [SERIALIZABLE | SNAPSHOT] [TTL milliseconds]."),
    row("commit", 1, WRITE, commit)
        .doc("7.2.0", "Makes everything since BEGIN take effect at one moment, or nothing of it."),
    row("rollback", 1, FAST, rollback).doc("7.2.0", "Forgets everything since BEGIN."),
];

fn begin(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mut ttl_ms = ctx.env.settings.number("mvcc.transaction_timeout_ms").unsigned_abs();
    let (mut isolation, mut at) = (Isolation::Serializable, 1);
    while at < args.len() {
        if args.is(at, "TTL") && at + 1 < args.len() {
            let asked = u64::try_from(ctx.integer(at + 1)?).ok().filter(|ttl| *ttl > 0);
            let asked = asked
                .ok_or_else(|| CommandError::other("invalid expire time in 'begin' command"))?;
            // No client has more time than the server gives it.
            ttl_ms = if ttl_ms == 0 { asked } else { ttl_ms.min(asked) };
            at += 2;
        } else if args.is(at, "SERIALIZABLE") && at == 1 {
            at += 1;
        } else if args.is(at, "SNAPSHOT") && at == 1 {
            isolation = Isolation::Snapshot;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let session = &mut *ctx.session;
    if session.data.interactive.is_some() {
        return Err(CommandError::other("BEGIN calls can not be nested"));
    }
    if session.data.snapshot.is_some() {
        return Err(CommandError::other("BEGIN inside SNAPSHOT is not allowed"));
    }
    if !session.data.watched.is_empty() {
        return Err(CommandError::other("BEGIN after WATCH is not allowed, send UNWATCH first"));
    }
    let now_ms = ctx.env.now_ms;
    let deadline_ms = (ttl_ms > 0).then(|| now_ms.saturating_add(ttl_ms));
    session.data.begin_transaction(&ctx.env.server.store, now_ms, isolation, deadline_ms);
    ctx.out.ok();
    Ok(())
}

fn commit(ctx: &mut Context<'_>) -> Outcome {
    match ctx.session.data.interactive.map(|open| open.stage) {
        None => Err(CommandError::other("COMMIT without BEGIN")),
        Some(Stage::Overdue) => {
            ctx.session.data.roll_back();
            Err(overdue())
        }
        Some(Stage::Running) => {
            if !commit_interactive(ctx)? {
                return Err(CommandError::Coded(
                    "CONFLICT a key that the transaction read has changed since; nothing was written, begin again"
                        .into(),
                ));
            }
            ctx.out.ok();
            Ok(())
        }
    }
}

fn rollback(ctx: &mut Context<'_>) -> Outcome {
    let ended = ctx.session.data.roll_back();
    ended.ok_or_else(|| CommandError::other("ROLLBACK without BEGIN"))?;
    ctx.out.ok();
    Ok(())
}

/// What every command is told once the transaction's time is over, until COMMIT or ROLLBACK.
pub(crate) fn overdue() -> CommandError {
    CommandError::Coded(
        "TIMEOUT the transaction took too long and was rolled back; send ROLLBACK and begin again"
            .into(),
    )
}

/// Whether a command may run inside BEGIN although it is about transactions.
pub(crate) fn is_allowed_inside(command: &Command) -> bool {
    command.group != Group::Transactions
        || ["begin", "commit", "rollback", "snapshot|info", "snapshot|help", "snapshot"]
            .contains(&command.name)
}
