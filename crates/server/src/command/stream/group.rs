//! XGROUP, XACK.

use super::{DELIVERY_STEPS, change, notify_consumer};
use crate::command::{CommandError, Context, Outcome, help};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Group, Stream, StreamId};
use std::sync::Arc;

const NO_KEY: &str = "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
MKSTREAM option to create an empty stream automatically.";

/// CREATE's and SETID's options.
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn of(args: Args<'_>, creates: bool) -> Result<Self, CommandError> {
        let mut options = Options { makes_stream: false, entries_read: None };
        let mut at = 5;
        while at < args.len() {
            if creates && args.is(at, "MKSTREAM") {
                options.makes_stream = true;
                at += 1;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                let number = strict_integer(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                if number < -1 {
                    return Err(CommandError::other(
                        "value for ENTRIESREAD must be positive or -1",
                    ));
                }
                options.entries_read = u64::try_from(number).ok();
                at += 2;
            } else {
                let word = String::from_utf8_lossy(args.at(1));
                return Err(CommandError::other(format!(
                    "unknown subcommand or wrong number of arguments for '{word}'. Try XGROUP HELP."
                )));
            }
        }
        Ok(options)
    }
}

/// The id that an argument means: `$` the stream's last.
fn start(text: &[u8], last: StreamId) -> Result<StreamId, CommandError> {
    if text == b"$" { Ok(last) } else { StreamId::parse(text, 0) }
}

pub(crate) fn create(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let options = Options::of(args, true)?;
    ctx.data().update(args.at(2), |entry, draft| {
        let mut stream = match entry {
            Some(entry) => Stream::of(entry)?.clone(),
            None if options.makes_stream => Stream::new(),
            None => return Err(CommandError::other(NO_KEY)),
        };
        let id = start(args.at(4), stream.last_id)?;
        if stream.groups.contains_key(args.at(3)) {
            return Err(CommandError::Coded("BUSYGROUP Consumer Group name already exists".into()));
        }
        let group = Arc::new(Group::new(id, options.entries_read));
        stream.groups.insert_mut(args.at(3).into(), group);
        stream.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        Ok(())
    })??;
    ctx.notify(class::STREAM, "xgroup-create", args.at(2));
    ctx.out.ok();
    Ok(())
}

/// Changes a group that has to exist as `f` does.
fn change_group<R>(
    ctx: &mut Context<'_>,
    mut f: impl FnMut(&mut Group, StreamId) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let (key, name) = (ctx.args.at(2), ctx.args.at(3));
    let result = change(ctx, key, |stream| {
        let last_id = stream.last_id;
        let group = stream.group_mut(name).ok_or_else(|| no_such_group(key, name))?;
        f(group, last_id).map(Some)
    })?;
    result.ok_or_else(|| CommandError::other(NO_KEY))
}

pub(super) fn no_such_group(key: &[u8], name: &[u8]) -> CommandError {
    let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
    let text = format!("NOGROUP No such consumer group '{name}' for key name '{key}'");
    CommandError::Coded(text.into())
}

pub(crate) fn set_id(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let options = Options::of(args, false)?;
    change_group(ctx, |group, last_id| {
        let bound = matches!(args.at(4), b"-" | b"+");
        group.last_id =
            if bound { StreamId::parse_bound(args.at(4), 0)? } else { start(args.at(4), last_id)? };
        group.entries_read = options.entries_read;
        Ok(())
    })?;
    ctx.notify(class::STREAM, "xgroup-setid", args.at(2));
    ctx.out.ok();
    Ok(())
}

pub(crate) fn destroy(ctx: &mut Context<'_>) -> Outcome {
    let (key, name) = (ctx.args.at(2), ctx.args.at(3));
    let mut is_there = false;
    let destroyed = change(ctx, key, |stream| {
        is_there = true;
        Ok(stream.groups.remove_mut(name).then_some(()))
    })?;
    if !is_there {
        return Err(CommandError::other(NO_KEY));
    }
    if destroyed.is_some() {
        ctx.notify(class::STREAM, "xgroup-destroy", key);
    }
    ctx.out.integer(i64::from(destroyed.is_some()));
    Ok(())
}

pub(crate) fn create_consumer(ctx: &mut Context<'_>) -> Outcome {
    let (name, now_ms) = (ctx.args.at(4), ctx.env.now_ms);
    let is_new = change_group(ctx, |group, _| Ok(group.add_consumer(name, now_ms)))?;
    if is_new {
        notify_consumer(ctx, ctx.args.at(2));
    }
    ctx.out.integer(i64::from(is_new));
    Ok(())
}

pub(crate) fn delete_consumer(ctx: &mut Context<'_>) -> Outcome {
    let (name, patience) = (ctx.args.at(4), ctx.patience());
    let pending = change_group(ctx, |group, _| {
        let pending = group.consumers.get(name).map_or(0, |consumer| consumer.pending.size());
        patience.bear(pending * DELIVERY_STEPS)?;
        Ok(group.remove_consumer(name))
    })?;
    if pending.is_some() {
        ctx.notify(class::STREAM, "xgroup-delconsumer", ctx.args.at(2));
    }
    ctx.out.integer(pending.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn xack(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let acknowledged = change(ctx, args.at(1), |stream| {
        let Some(group) = stream.group_mut(args.at(2)) else { return Ok(None) };
        let ids: Result<Vec<_>, _> =
            args.iter_from(3).map(|text| StreamId::parse(text, 0)).collect();
        let count = ids?.into_iter().filter(|id| group.acknowledge(*id)).count();
        Ok((count > 0).then_some(count))
    })?;
    ctx.out.integer(acknowledged.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn group_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
    ];
    help(ctx, "XGROUP", &lines)
}
