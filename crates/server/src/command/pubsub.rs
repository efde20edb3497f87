//! SUBSCRIBE and its relatives, PUBLISH, PUBSUB.
//!
//! Subscribing takes effect at once, also inside MULTI; a message published inside MULTI is sent at the commit.

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{Context, Outcome, by_id};
use crate::event::Effect;
use crate::pubsub::Kind;
use crate::session::rights;

const HERE: u32 = PUBSUB | NOSCRIPT | LOADING | STALE | WHILE_LISTENING;
const SEND: u32 = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;
const LOOK: u32 = PUBSUB | LOADING | STALE;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, keys, Group::PubSub, handler).doc(since, summary)
}

pub(crate) static ROWS: &[Command] = &[
    row("subscribe", -2, HERE, Keys::NONE, subscribe, "2.0.0", "Listens to channels."),
    row("unsubscribe", -1, HERE, Keys::NONE, unsubscribe, "2.0.0", "Stops listening to channels."),
    row("psubscribe", -2, HERE, Keys::NONE, psubscribe, "2.0.0", "Listens to channels by pattern."),
    row(
        "punsubscribe",
        -1,
        HERE,
        Keys::NONE,
        punsubscribe,
        "2.0.0",
        "Stops listening to channels by pattern.",
    ),
    row("ssubscribe", -2, HERE, Keys::ALL, ssubscribe, "7.0.0", "Listens to shard channels."),
    row(
        "sunsubscribe",
        -1,
        HERE,
        Keys::ALL,
        sunsubscribe,
        "7.0.0",
        "Stops listening to shard channels.",
    ),
    row("publish", 3, SEND, Keys::NONE, publish, "2.0.0", "Sends a message to a channel."),
    row("spublish", 3, SEND, Keys::ONE, spublish, "7.0.0", "Sends a message to a shard channel."),
    row("pubsub", -2, 0, Keys::NONE, container, "2.8.0", "A container for Pub/Sub commands.")
        .with(SUBCOMMANDS),
];

static SUBCOMMANDS: &[Command] = &[
    row(
        "pubsub|channels",
        -2,
        LOOK,
        Keys::NONE,
        channels,
        "2.8.0",
        "Lists channels with subscribers.",
    ),
    row(
        "pubsub|help",
        2,
        LOADING | STALE,
        Keys::NONE,
        pubsub_help,
        "6.2.0",
        "Tells the subcommands.",
    ),
    row("pubsub|numpat", 2, LOOK, Keys::NONE, numpat, "2.8.0", "Counts patterns with subscribers."),
    row("pubsub|numsub", -2, LOOK, Keys::NONE, numsub, "2.8.0", "Counts subscribers of channels."),
    row(
        "pubsub|shardchannels",
        -2,
        LOOK,
        Keys::NONE,
        shardchannels,
        "7.0.0",
        "Lists shard channels with subscribers.",
    ),
    row(
        "pubsub|shardnumsub",
        -2,
        LOOK,
        Keys::NONE,
        shardnumsub,
        "7.0.0",
        "Counts subscribers of shard channels.",
    ),
];

/// What a reply to (un)subscribing begins with.
fn confirmation(kind: Kind, subscribes: bool) -> &'static [u8] {
    match (kind, subscribes) {
        (Kind::Channel, true) => b"subscribe",
        (Kind::Channel, false) => b"unsubscribe",
        (Kind::Pattern, true) => b"psubscribe",
        (Kind::Pattern, false) => b"punsubscribe",
        (Kind::Shard, true) => b"ssubscribe",
        (Kind::Shard, false) => b"sunsubscribe",
    }
}

fn confirm(ctx: &mut Context<'_>, kind: Kind, subscribes: bool, name: Option<&[u8]>) {
    let count = ctx.session.subscriptions.count(kind);
    ctx.session.pushes = true;
    ctx.out.push(3);
    ctx.out.bulk(confirmation(kind, subscribes));
    match name {
        Some(name) => ctx.out.bulk(name),
        None => ctx.out.null(),
    }
    ctx.out.integer(count as i64);
}

fn add(ctx: &mut Context<'_>, kind: Kind) -> Outcome {
    let args = ctx.args;
    for name in args.iter_from(1) {
        let session = &mut *ctx.session;
        session.subscriptions.add(kind, name, &ctx.env.server.pubsub, &session.card);
        confirm(ctx, kind, true, Some(name));
    }
    end_if_not_allowed(ctx);
    ctx.refresh_card();
    Ok(())
}

/// Ends the connection if its user has lost the channels while it subscribed: who changed the user may have looked before.
fn end_if_not_allowed(ctx: &mut Context<'_>) {
    let (session, env) = (&mut *ctx.session, &*ctx.env);
    if session.login.is_stale(&env.server.acl)
        && rights::examine(ctx.args, (ctx.id, by_id(ctx.id)), session, env).is_err()
    {
        session.close_after_reply = true;
    }
}

fn remove(ctx: &mut Context<'_>, kind: Kind) -> Outcome {
    let args = ctx.args;
    let names: Vec<Box<[u8]>> = match args.len() {
        1 => ctx.session.subscriptions.of(kind).iter().cloned().collect(),
        _ => args.iter_from(1).map(Box::from).collect(),
    };
    for name in &names {
        let session = &mut *ctx.session;
        session.subscriptions.remove(kind, name, &ctx.env.server.pubsub, session.id);
        if !ctx.session.data.is_in_transaction() {
            // What came until then goes before the confirmation.
            ctx.session.card.inbox.drain(ctx.out, usize::MAX);
        }
        confirm(ctx, kind, false, Some(name));
    }
    if names.is_empty() {
        confirm(ctx, kind, false, None);
    }
    Ok(())
}

fn subscribe(ctx: &mut Context<'_>) -> Outcome {
    add(ctx, Kind::Channel)
}
fn psubscribe(ctx: &mut Context<'_>) -> Outcome {
    add(ctx, Kind::Pattern)
}
fn ssubscribe(ctx: &mut Context<'_>) -> Outcome {
    add(ctx, Kind::Shard)
}
fn unsubscribe(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, Kind::Channel)
}
fn punsubscribe(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, Kind::Pattern)
}
fn sunsubscribe(ctx: &mut Context<'_>) -> Outcome {
    remove(ctx, Kind::Shard)
}

fn publish(ctx: &mut Context<'_>) -> Outcome {
    let (channel, payload) = (ctx.args.at(1), ctx.args.at(2));
    let registry = &ctx.env.server.pubsub;
    let receivers = if ctx.session.data.is_in_transaction() {
        let effect = Effect::Publish { channel: channel.into(), payload: payload.into() };
        ctx.session.data.effects.push(effect);
        registry.receivers(Kind::Channel, channel)
    } else {
        registry.publish(ctx.env, channel, payload)
    };
    ctx.out.integer(receivers as i64);
    Ok(())
}

fn spublish(ctx: &mut Context<'_>) -> Outcome {
    let (channel, payload) = (ctx.args.at(1), ctx.args.at(2));
    let registry = &ctx.env.server.pubsub;
    let receivers = if ctx.session.data.is_in_transaction() {
        let effect = Effect::PublishToShard { channel: channel.into(), payload: payload.into() };
        ctx.session.data.effects.push(effect);
        registry.receivers(Kind::Shard, channel)
    } else {
        registry.publish_to_shard(ctx.env, channel, payload)
    };
    ctx.out.integer(receivers as i64);
    Ok(())
}

fn list_names(ctx: &mut Context<'_>, kind: Kind) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(unknown_form(ctx));
    }
    ctx.patience().bear(ctx.env.server.pubsub.count(kind) as usize)?;
    let names = ctx.env.server.pubsub.names(kind, ctx.args.get(2));
    ctx.out.array(names.len());
    names.iter().for_each(|name| ctx.out.bulk(name));
    Ok(())
}

fn unknown_form(ctx: &Context<'_>) -> super::CommandError {
    let word = String::from_utf8_lossy(ctx.args.at(1)).into_owned();
    super::CommandError::other(format!(
        "unknown subcommand or wrong number of arguments for '{word}'. Try PUBSUB HELP."
    ))
}

fn count_listeners(ctx: &mut Context<'_>, kind: Kind) -> Outcome {
    let args = ctx.args;
    ctx.out.array(2 * (args.len() - 2));
    for name in args.iter_from(2) {
        ctx.out.bulk(name);
        ctx.out.integer(ctx.env.server.pubsub.listeners(kind, name) as i64);
    }
    Ok(())
}

fn channels(ctx: &mut Context<'_>) -> Outcome {
    list_names(ctx, Kind::Channel)
}
fn shardchannels(ctx: &mut Context<'_>) -> Outcome {
    list_names(ctx, Kind::Shard)
}
fn numsub(ctx: &mut Context<'_>) -> Outcome {
    count_listeners(ctx, Kind::Channel)
}
fn shardnumsub(ctx: &mut Context<'_>) -> Outcome {
    count_listeners(ctx, Kind::Shard)
}

fn numpat(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.integer(ctx.env.server.pubsub.count(Kind::Pattern) as i64);
    Ok(())
}

fn pubsub_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "CHANNELS [<pattern>]",
        "    Return the currently active channels matching a <pattern> (default: '*').",
        "NUMPAT",
        "    Return number of subscriptions to patterns.",
        "NUMSUB [<channel> ...]",
        "    Return the number of subscribers for the specified channels, excluding",
        "    pattern subscriptions(default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the currently active shard level channels matching a <pattern> (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return the number of subscribers for the specified shard level channel(s)",
    ];
    help(ctx, "PUBSUB", &lines)
}
