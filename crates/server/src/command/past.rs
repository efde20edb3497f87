//! AT, HISTORY: what keys were at a past moment, and which versions they had. Not of Redis.
//!
//! ```text
//! HISTORY key [FROM timestamp] [TO timestamp] [COUNT n]      versions, from new to old
//! AT timestamp | TIME milliseconds   command …               any command that reads keys it names
//! ```
//! Of which keys past versions are kept the directives `mvcc.retention_*` say.

use super::row::{Command, Group, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome, by_id};
use crate::data::{Moment, as_of};
use crate::resp::{Args, Reply, strict_integer};
use crate::session::admit;
use crate::value::{Object, bytes_of, type_of_kind};
use stillpoint_store::{HistoryError, PastVersion};

pub(crate) static ROWS: &[Command] = &[
    Command::new(
        "at",
        -3,
        READONLY | NOSCRIPT | NO_MULTI | MOVABLEKEYS,
        Keys::NONE,
        Group::Transactions,
        at,
    )
    .doc("7.2.0", "Runs a command that reads as of a past moment: AT timestamp command …, AT TIME milliseconds command …."),
    Command::new("history", -2, READONLY, Keys::ONE, Group::Generic, history)
        .acl(acl::KEYSPACE)
        .doc("7.2.0", "Returns past versions of a key: HISTORY key [FROM timestamp] [TO timestamp] [COUNT n]."),
];

fn at(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let by_time = args.is(1, "TIME");
    let first = if by_time { 3 } else { 2 };
    if args.len() <= first {
        return Err(CommandError::Arity("at"));
    }
    let number = u64::try_from(ctx.integer(first - 1)?)
        .map_err(|_| CommandError::other("a moment is not negative"))?;
    let inner = args.without(first);
    let named = ctx.env.settings.renames.lookup(inner.at(0));
    let (id, command) = match admit(inner, named, ctx.session, ctx.out, ctx.env) {
        Ok(found) => found,
        Err(refusal) => {
            ctx.out.error_bytes(&refusal);
            return Ok(());
        }
    };
    if !can_look_back(command) {
        let name = command.name.to_ascii_uppercase();
        return Err(CommandError::other(format!(
            "AT takes only commands that read keys which they name, not {name}"
        )));
    }
    let moment = if by_time { moment_of_time(ctx, number) } else { moment_of(ctx, number) }?;
    let mut keys = command.keys.of(inner);
    keys.sort_unstable();
    keys.dedup();
    let refused = |key: &[u8], error| no_history(Some(key), error);
    as_of(ctx, moment, keys.into_iter(), refused, |ctx| {
        let Context { session, out, env, .. } = ctx;
        (by_id(id).handler)(&mut Context { args: inner, session, out, env, id })
    })
}

/// Whether a command reads nothing but keys among its arguments, and does not wait.
fn can_look_back(command: &Command) -> bool {
    command.has(READONLY)
        && command.keys.any()
        && !command.has(BLOCKING)
        && command.group != Group::Scripting
        && !["sort_ro", "history", "getv"].contains(&command.name)
}

fn moment_of(ctx: &Context<'_>, timestamp: u64) -> Result<Moment, CommandError> {
    let server = &ctx.env.server;
    let noted = server.store.time_at(timestamp).map_err(|error| no_history(None, error))?;
    Ok(Moment { timestamp, now_ms: noted.unwrap_or(server.started_ms) })
}

fn moment_of_time(ctx: &Context<'_>, now_ms: u64) -> Result<Moment, CommandError> {
    if now_ms > ctx.env.now_ms {
        return Err(no_history(None, HistoryError::NotYet));
    }
    let store = &ctx.env.server.store;
    let found = store.timestamp_at(now_ms).map_err(|error| no_history(None, error))?;
    let timestamp = found.ok_or_else(|| no_history(None, HistoryError::Gone))?;
    Ok(Moment { timestamp, now_ms })
}

/// What a client is told that asks for what history does not have.
fn no_history(key: Option<&[u8]>, error: HistoryError) -> CommandError {
    let key = key.map_or(String::new(), |key| format!(" of '{}'", String::from_utf8_lossy(key)));
    let text = match error {
        HistoryError::Gone => {
            format!("TOOOLD the versions{key} of that time are not kept any more")
        }
        HistoryError::NotYet => "NOTYET that moment is not over yet".to_owned(),
        _ => format!("NOHISTORY past versions{key} are not kept, see mvcc.retention_prefixes"),
    };
    CommandError::Coded(text.into())
}

/// FROM, TO, COUNT.
struct Asked {
    from: u64,
    to: u64,
    count: usize,
}

impl Asked {
    fn of(args: Args<'_>) -> Result<Self, CommandError> {
        let mut asked = Asked { from: 0, to: u64::MAX, count: usize::MAX };
        let mut at = 2;
        while at + 1 < args.len() {
            let number = strict_integer(args.at(at + 1)).and_then(|n| u64::try_from(n).ok());
            let number = number.ok_or(CommandError::NotAnInteger)?;
            match () {
                () if args.is(at, "FROM") => asked.from = number,
                () if args.is(at, "TO") => asked.to = number,
                () if args.is(at, "COUNT") => asked.count = number as usize,
                () => return Err(CommandError::Syntax),
            }
            at += 2;
        }
        if at == args.len() { Ok(asked) } else { Err(CommandError::Syntax) }
    }
}

/// Answers versions from new to old, each as timestamp, Unix time in milliseconds, type, value (null of a collection: AT shows it; and of a removal).
fn history(ctx: &mut Context<'_>) -> Outcome {
    let asked = Asked::of(ctx.args)?;
    let (key, db) = (ctx.args.at(1), ctx.session.db);
    let versions = ctx.env.server.store.history(db, key);
    let mut versions = versions.map_err(|error| no_history(Some(key), error))?;
    versions.retain(|version| (asked.from..=asked.to).contains(&version.timestamp()));
    versions.truncate(asked.count);
    ctx.patience().bear(versions.len())?;
    ctx.out.array(versions.len());
    versions.iter().for_each(|version| write(version, ctx.out));
    Ok(())
}

fn write(version: &PastVersion<Object>, out: &mut Reply) {
    out.array(4);
    out.integer(version.timestamp() as i64);
    match version.committed_ms() {
        Some(ms) => out.integer(ms as i64),
        None => out.null(),
    }
    let name = match version.value() {
        Some(_) => type_of_kind(version.kind()),
        None => "none",
    };
    out.bulk(name.as_bytes());
    match version.value().and_then(bytes_of) {
        Some(bytes) if name == "string" => out.bulk(bytes),
        _ => out.null(),
    }
}
