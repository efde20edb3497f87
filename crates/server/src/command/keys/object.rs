//! OBJECT: how a value is kept.

use crate::command::row::{Command, Group, Keys, acl, flag::*};
use crate::command::{CommandError, Context, Outcome};
use crate::data::Item;
use crate::value::{bytes_of, encoding_name};
use stillpoint_store::{At, EvictionPolicy, Usage};

const fn row(
    name: &'static str,
    arity: i32,
    keys: Keys,
    handler: crate::command::row::Handler,
) -> Command {
    Command::new(name, arity, READONLY, keys, Group::Generic, handler).acl(acl::KEYSPACE)
}

const KEY: Keys = Keys::at(2, 2, 1);

pub(crate) static ROWS: &[Command] = &[
    row("object|encoding", 3, KEY, encoding).doc("2.2.3", "Returns the encoding of a value."),
    row("object|freq", 3, KEY, freq).doc("4.0.0", "Returns how often a key was used."),
    row("object|idletime", 3, KEY, idletime)
        .doc("2.2.3", "Returns the seconds since a key was used."),
    row("object|refcount", 3, KEY, refcount)
        .doc("2.2.3", "Returns the reference count of a value."),
    row("object|help", 2, Keys::NONE, help).doc("6.2.0", "Lists the subcommands."),
];

/// What Redis answers for an integer that all keys share.
const SHARED: i64 = i32::MAX as i64;

/// Answers about the key's value, or null if there is none.
fn about(
    ctx: &mut Context<'_>,
    tell: impl FnOnce(Item<'_>) -> Result<Told, CommandError>,
) -> Outcome {
    let key = ctx.args.at(2);
    let (mut data, out) = ctx.parts();
    data.untouched = true;
    data.read(key, |entry| {
        match entry.map(tell).transpose()? {
            Some(Told::Text(text)) => out.bulk(text.as_bytes()),
            Some(Told::Number(number)) => out.integer(number),
            None => out.null(),
        }
        Ok(())
    })?
}

enum Told {
    Text(&'static str),
    Number(i64),
}

fn encoding(ctx: &mut Context<'_>) -> Outcome {
    about(ctx, |entry| Ok(Told::Text(encoding_name(entry))))
}

fn refcount(ctx: &mut Context<'_>) -> Outcome {
    // As in Redis, which keeps how a key is used in its value, and then cannot share it.
    let is_exact = ctx.env.settings.maxmemory > 0
        && matches!(ctx.env.settings.eviction.policy, EvictionPolicy::Lru | EvictionPolicy::Lfu);
    about(ctx, |entry| {
        let number = bytes_of(entry.value())
            .filter(|_| encoding_name(entry) == "int")
            .and_then(crate::resp::strict_integer);
        let shared = !is_exact && number.is_some_and(|number| (0..10_000).contains(&number));
        Ok(Told::Number(if shared { SHARED } else { 1 }))
    })
}

/// How the key is used, as the store noted it.
fn usage(ctx: &Context<'_>) -> Usage {
    let at = At { space: ctx.session.db, now_ms: ctx.env.now_ms };
    ctx.env.server.store.usage(at, ctx.args.at(2)).unwrap_or_default()
}

fn idletime(ctx: &mut Context<'_>) -> Outcome {
    let by_frequency = ctx.env.settings.lfu_policy;
    let seconds = usage(ctx).idle_seconds.unwrap_or(0);
    about(ctx, |_| match by_frequency {
        false => Ok(Told::Number(seconds.into())),
        true => Err(CommandError::other(
            "An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    })
}

fn freq(ctx: &mut Context<'_>) -> Outcome {
    let by_frequency = ctx.env.settings.lfu_policy;
    let frequency = usage(ctx).frequency.unwrap_or(0);
    about(ctx, |_| match by_frequency {
        true => Ok(Told::Number(frequency.into())),
        false => Err(CommandError::other(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    })
}

pub(crate) fn help(ctx: &mut Context<'_>) -> Outcome {
    const LINES: [&str; 11] = [
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified <key>.",
        "HELP",
        "    Print this help.",
    ];
    ctx.out.array(LINES.len());
    LINES.iter().for_each(|line| ctx.out.simple(line));
    Ok(())
}
