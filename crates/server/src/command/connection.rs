//! PING, ECHO, SELECT, HELLO, AUTH, QUIT, RESET: the connection itself.

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::acl::Login;
use crate::resp::{Protocol, strict_integer};
use crate::session::ReplyMode;
use crate::session::rights::note_failed_login;

const BASE: u32 = NOSCRIPT | LOADING | STALE | FAST | QUICK;

const fn row(name: &'static str, arity: i32, flags: u32, handler: super::row::Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Connection, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("ping", -1, FAST | QUICK | WHILE_LISTENING, ping)
        .doc("1.0.0", "Returns the server's liveliness response."),
    row("echo", 2, LOADING | STALE | FAST | QUICK, echo).doc("1.0.0", "Returns the given string."),
    row("select", 2, LOADING | STALE | FAST | QUICK, select)
        .doc("1.0.0", "Changes the selected database."),
    row("hello", -1, BASE | ALLOW_BUSY | NO_AUTH, hello)
        .doc("6.0.0", "Handshakes with the server."),
    row("auth", -2, BASE | ALLOW_BUSY | NO_AUTH, auth)
        .doc("1.0.0", "Authenticates the connection."),
    row("quit", -1, BASE | ALLOW_BUSY | NO_AUTH | NOT_QUEUED | UNPAUSED | WHILE_LISTENING, quit)
        .doc("1.0.0", "Closes the connection."),
    row("reset", 1, BASE | ALLOW_BUSY | NO_AUTH | NOT_QUEUED | UNPAUSED | WHILE_LISTENING, reset)
        .doc("6.2.0", "Resets the connection."),
];

fn ping(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.len() {
        1 | 2 if ctx.session.is_listening(ctx.out) => {
            ctx.out.array(2);
            ctx.out.bulk(b"pong");
            ctx.out.bulk(ctx.args.get(1).unwrap_or_default());
        }
        1 => ctx.out.simple("PONG"),
        2 => ctx.out.bulk(ctx.args.at(1)),
        _ => return Err(CommandError::Arity("ping")),
    }
    Ok(())
}

fn echo(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.bulk(ctx.args.at(1));
    Ok(())
}

fn select(ctx: &mut Context<'_>) -> Outcome {
    let index = strict_integer(ctx.args.at(1)).ok_or(CommandError::NotAnInteger)?;
    match u8::try_from(index) {
        Ok(db) if db < ctx.env.settings.databases => ctx.session.db = db,
        _ => return Err(CommandError::other("DB index is out of range")),
    }
    ctx.out.ok();
    Ok(())
}

/// Lets the client in if user and password are right.
fn authenticate(ctx: &mut Context<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let acl = &ctx.env.server.acl;
    if let Some(account) = acl.find(user)
        && account.now().accepts(password)
    {
        ctx.session.login = Login::of(acl, account.clone());
        ctx.session.card.set_account(Some(account));
        return Ok(());
    }
    ctx.session.last_command = ctx.id.index() + 1;
    ctx.refresh_card();
    note_failed_login(ctx.args, user, ctx.session, ctx.env);
    Err(CommandError::Coded("WRONGPASS invalid username-password pair or user is disabled.".into()))
}

fn auth(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.len() {
        2 if ctx.env.server.acl.default_account().now().takes_any_password() => {
            return Err(CommandError::other(
                "AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => authenticate(ctx, b"default", ctx.args.at(1))?,
        3 => authenticate(ctx, ctx.args.at(1), ctx.args.at(2))?,
        _ => return Err(CommandError::Syntax),
    }
    ctx.out.ok();
    Ok(())
}

/// A name that CLIENT LIST can show on its line.
pub(crate) fn is_printable_name(name: &[u8]) -> bool {
    name.iter().all(|b| (b'!'..=b'~').contains(b))
}

/// What a client calls itself.
///
/// # Errors
/// The name would spoil CLIENT LIST.
pub(crate) fn set_name(ctx: &mut Context<'_>, name: &[u8]) -> Outcome {
    if !is_printable_name(name) {
        return Err(CommandError::other(
            "Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    ctx.session.card.names().client = String::from_utf8_lossy(name).into_owned();
    Ok(())
}

const MUST_AUTHENTICATE: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time";

fn hello(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let protocol = match args.get(1).map(strict_integer) {
        None => None,
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => {
            return Err(CommandError::Coded("NOPROTO unsupported protocol version".into()));
        }
        Some(None) => {
            return Err(CommandError::other("Protocol version is not an integer or out of range"));
        }
    };
    let (mut i, mut credentials, mut name) = (2, None, None);
    while i < args.len() {
        let more = args.len() - i - 1;
        if args.is(i, "auth") && more >= 2 {
            credentials = Some((args.at(i + 1), args.at(i + 2)));
            i += 3;
        } else if args.is(i, "setname") && more >= 1 {
            name = Some(args.at(i + 1));
            i += 2;
        } else {
            let option = String::from_utf8_lossy(args.at(i)).into_owned();
            return Err(CommandError::other(format!("Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(ctx, user, password)?;
    }
    ctx.session.login.refresh(&ctx.env.server.acl);
    if ctx.session.login.is_stranger() {
        return Err(CommandError::Coded(MUST_AUTHENTICATE.into()));
    }
    if let Some(name) = name {
        set_name(ctx, name)?;
    }
    if let Some(protocol) = protocol {
        ctx.out.set_protocol(protocol);
        ctx.refresh_card();
    }
    welcome(ctx);
    Ok(())
}

/// The version of Redis that clients may take this server for.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

fn welcome(ctx: &mut Context<'_>) {
    let out = &mut *ctx.out;
    let zone = ctx.env.settings.text("availability-zone");
    out.map(7 + usize::from(!zone.is_empty()));
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"proto");
    out.integer(if out.protocol() == Protocol::Resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.integer(ctx.session.id as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
    if !zone.is_empty() {
        out.bulk(b"availability_zone");
        out.bulk(zone.as_bytes());
    }
}

fn quit(ctx: &mut Context<'_>) -> Outcome {
    ctx.session.close_after_reply = true;
    ctx.out.ok();
    Ok(())
}

fn reset(ctx: &mut Context<'_>) -> Outcome {
    let session = &mut *ctx.session;
    session.queue = None;
    session.queue_failed = false;
    session.data.reset();
    session.subscriptions.clear(&ctx.env.server.pubsub, session.id);
    ctx.env.server.monitors.leave(&session.card);
    ctx.env.server.tracking.stop(&session.card);
    session.tracking = None;
    session.caching = false;
    session.card.inbox.drain(ctx.out, usize::MAX);
    session.db = 0;
    session.reply_mode = ReplyMode::On;
    session.login = Login::new(&ctx.env.server.acl);
    session.card.set_account(None);
    session.card.names().client.clear();
    session.card.no_evict.set(0);
    session.card.no_touch.set(0);
    session.card.redirects.set(0);
    ctx.out.set_protocol(Protocol::Resp2);
    ctx.out.simple("RESET");
    Ok(())
}
