//! CLIENT: what connections know and tell of themselves. Choosing connections (LIST, KILL) is in `client_filter`.

use super::client_filter::{kill, list};
use super::client_tracking::{caching, getredir, tracking, trackinginfo};
use super::connection::{is_printable_name, set_name};
use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};
use crate::env::Pause;
use crate::resp::strict_integer;
use crate::session::ReplyMode;

const OWN: u32 = NOSCRIPT | LOADING | STALE;
const ADMINS: u32 = ADMIN | NOSCRIPT | LOADING | STALE | UNPAUSED;

const fn sub(
    name: &'static str,
    arity: i32,
    flags: u32,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Connection, handler)
        .doc(since, summary)
        .acl(acl::CONNECTION)
}

pub(crate) static ROWS: &[Command] =
    &[Command::new("client", -2, UNPAUSED, Keys::NONE, Group::Connection, container)
        .doc("2.4.0", "A container for client connection commands.")
        .with(SUBCOMMANDS)];

static SUBCOMMANDS: &[Command] = &[
    sub(
        "client|caching",
        3,
        OWN,
        caching,
        "6.0.0",
        "Instructs the server whether to track the keys in the next request.",
    ),
    sub("client|capa", -3, OWN, capa, "8.0.0", "Says what the client is capable of."),
    sub("client|getname", 2, OWN, getname, "2.6.9", "Returns the name of the connection."),
    sub(
        "client|getredir",
        2,
        OWN,
        getredir,
        "6.0.0",
        "Returns the client ID to which the connection's tracking notifications are redirected.",
    ),
    sub(
        "client|help",
        2,
        LOADING | STALE,
        client_help,
        "5.0.0",
        "Returns helpful text about the different subcommands.",
    ),
    sub("client|id", 2, OWN, id, "5.0.0", "Returns the unique client ID of the connection."),
    sub("client|info", 2, OWN, info, "6.2.0", "Returns information about the connection."),
    sub("client|kill", -3, ADMINS, kill, "2.4.0", "Terminates open connections."),
    sub("client|list", -2, ADMINS, list, "2.4.0", "Lists open connections."),
    sub(
        "client|no-evict",
        3,
        ADMINS,
        no_evict,
        "7.0.0",
        "Sets the client eviction mode of the connection.",
    ),
    sub(
        "client|no-touch",
        3,
        OWN,
        no_touch,
        "7.2.0",
        "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    ),
    sub("client|pause", -3, ADMINS, pause, "3.0.0", "Suspends commands processing."),
    sub(
        "client|reply",
        3,
        OWN,
        reply,
        "3.2.0",
        "Instructs the server whether to reply to commands.",
    ),
    sub(
        "client|setinfo",
        4,
        OWN,
        setinfo,
        "7.2.0",
        "Sets information specific to the client or connection.",
    ),
    sub("client|setname", 3, OWN, setname, "2.6.9", "Sets the connection name."),
    sub(
        "client|tracking",
        -3,
        OWN,
        tracking,
        "6.0.0",
        "Controls whether the client is told when keys that it has read change.",
    ),
    sub(
        "client|trackinginfo",
        2,
        OWN,
        trackinginfo,
        "6.2.0",
        "Returns information about server-assisted client-side caching for the connection.",
    ),
    sub(
        "client|unblock",
        -3,
        ADMINS,
        unblock,
        "5.0.0",
        "Unblocks a client blocked by a blocking command from a different connection.",
    ),
    sub(
        "client|unpause",
        2,
        ADMINS,
        unpause,
        "6.2.0",
        "Resumes processing commands from paused clients.",
    ),
];

fn id(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.integer(ctx.session.id as i64);
    Ok(())
}

fn getname(ctx: &mut Context<'_>) -> Outcome {
    let names = ctx.session.card.names();
    match names.client.as_str() {
        "" => ctx.out.null(),
        name => ctx.out.bulk(name.as_bytes()),
    }
    Ok(())
}

fn setname(ctx: &mut Context<'_>) -> Outcome {
    set_name(ctx, ctx.args.at(2))?;
    ctx.out.ok();
    Ok(())
}

fn setinfo(ctx: &mut Context<'_>) -> Outcome {
    let (field, value) = (ctx.args.at(2), ctx.args.at(3));
    let text = String::from_utf8_lossy(value).into_owned();
    let known = field.to_ascii_lowercase();
    let mut names = ctx.session.card.names();
    let (name, place) = match known.as_slice() {
        b"lib-name" => ("lib-name", &mut names.library),
        b"lib-ver" => ("lib-ver", &mut names.library_version),
        _ => {
            let field = String::from_utf8_lossy(field);
            return Err(CommandError::other(format!("Unrecognized option '{field}'")));
        }
    };
    if !is_printable_name(value) {
        return Err(CommandError::other(format!(
            "{name} cannot contain spaces, newlines or special characters."
        )));
    }
    *place = text;
    ctx.out.ok();
    Ok(())
}

fn info(ctx: &mut Context<'_>) -> Outcome {
    ctx.refresh_card();
    let line = ctx.session.card.line(ctx.env.now_ms) + "\n";
    ctx.out.verbatim("txt", &line);
    Ok(())
}

/// Reads `ON` or `OFF`.
fn on_off(word: &[u8]) -> Result<bool, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn no_evict(ctx: &mut Context<'_>) -> Outcome {
    ctx.session.card.no_evict.set(u64::from(on_off(ctx.args.at(2))?));
    ctx.out.ok();
    Ok(())
}

/// `redirect` is remembered, and shown by CLIENT LIST: nothing here redirects. What else there may be is left alone, as in Valkey.
fn capa(ctx: &mut Context<'_>) -> Outcome {
    if ctx.args.iter_from(2).any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        ctx.session.card.redirects.set(1);
    }
    ctx.out.ok();
    Ok(())
}

fn no_touch(ctx: &mut Context<'_>) -> Outcome {
    ctx.session.card.no_touch.set(u64::from(on_off(ctx.args.at(2))?));
    ctx.out.ok();
    Ok(())
}

fn reply(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            ctx.session.reply_mode = ReplyMode::On;
            ctx.out.ok();
        }
        b"off" => ctx.session.reply_mode = ReplyMode::Off,
        b"skip" if ctx.session.reply_mode == ReplyMode::Off => {}
        b"skip" => ctx.session.reply_mode = ReplyMode::SkipNext,
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

fn pause(ctx: &mut Context<'_>) -> Outcome {
    let all = match ctx.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"all") if ctx.args.len() <= 4 => true,
        Some(b"write") if ctx.args.len() == 4 => false,
        _ => return Err(CommandError::Syntax),
    };
    let left_ms = strict_integer(ctx.args.at(2))
        .ok_or_else(|| CommandError::other("timeout is not an integer or out of range"))?;
    let left_ms = u64::try_from(left_ms).map_err(|_| CommandError::other("timeout is negative"))?;
    // What is in force is prolonged, never shortened; each of the two has its own end.
    let (old, until_ms) = (ctx.env.server.pause(), ctx.env.now_ms.saturating_add(left_ms));
    ctx.env.server.set_pause(Pause {
        until_ms: until_ms.max(old.until_ms),
        all_until_ms: if all { until_ms.max(old.all_until_ms) } else { old.all_until_ms },
    });
    ctx.env.refresh();
    ctx.out.ok();
    Ok(())
}

fn unpause(ctx: &mut Context<'_>) -> Outcome {
    ctx.env.server.set_pause(Pause::default());
    ctx.env.refresh();
    ctx.out.ok();
    Ok(())
}

fn unblock(ctx: &mut Context<'_>) -> Outcome {
    let with_error = match ctx.args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None => false,
        Some(b"timeout") if ctx.args.len() == 4 => false,
        Some(b"error") if ctx.args.len() == 4 => true,
        _ => {
            return Err(CommandError::other("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = strict_integer(ctx.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let blocking = &ctx.env.server.blocking;
    let ended = u64::try_from(id).ok().and_then(|id| blocking.unblock(id, with_error));
    if let Some(command) = ended.as_ref().and_then(|waiter| waiter.command()) {
        let stats = &ctx.env.stats;
        stats.command(command).calls.add(1);
        if with_error {
            stats.command(command).failed.add(1);
            stats.count_error(b"UNBLOCKED");
        }
    }
    ctx.out.integer(i64::from(ended.is_some()));
    Ok(())
}

fn client_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections by ID, ADDR, LADDR, TYPE, USER; SKIPME (yes|no) spares this one.",
        "LIST [TYPE <type>] [ID <id> [<id> ...]]",
        "    Return information about client connections.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        "NO-TOUCH (ON|OFF)",
        "    Will not touch LRU/LFU stats when this mode is on.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETINFO <option> <value>",
        "    Set client meta attr: lib-name, lib-ver.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Control server assisted client side caching.",
        "TRACKINGINFO",
        "    Report tracking status for the current connection.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
    ];
    help(ctx, "CLIENT", &lines)
}
