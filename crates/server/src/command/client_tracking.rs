//! CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR.

use super::{CommandError, Context, Outcome};
use crate::resp::strict_integer;
use crate::tracking::Mode;

const SWITCHED: &str =
    "before disabling tracking for this client, and then re-enabling it with a different mode.";

pub(crate) fn tracking(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mode = options(ctx)?;
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => start(ctx, mode)?,
        b"off" => {
            ctx.session.tracking = None;
            ctx.session.caching = false;
            ctx.env.server.tracking.stop(&ctx.session.card);
        }
        _ => return Err(CommandError::Syntax),
    }
    ctx.out.ok();
    Ok(())
}

fn options(ctx: &Context<'_>) -> Result<Mode, CommandError> {
    let args = ctx.args;
    let (mut mode, mut at) = (Mode::default(), 3);
    while at < args.len() {
        let value = args.get(at + 1);
        if let Some(value) = value.filter(|_| args.is(at, "REDIRECT")) {
            if mode.redirect != 0 {
                let text = "A client can only redirect to a single other client";
                return Err(CommandError::other(text));
            }
            let id = strict_integer(value).ok_or(CommandError::NotAnInteger)?;
            mode.redirect = u64::try_from(id).unwrap_or(0);
            if ctx.env.server.clients.find(mode.redirect).is_none() {
                let text = "The client ID you want redirect to does not exist";
                return Err(CommandError::other(text));
            }
            at += 1;
        } else if let Some(prefix) = value.filter(|_| args.is(at, "PREFIX")) {
            let text = |prefix: &[u8]| String::from_utf8_lossy(prefix).into_owned();
            if let Some(other) = overlapping(&mode, prefix) {
                return Err(CommandError::other(format!(
                    "Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client must not overlap.",
                    text(other),
                    text(prefix)
                )));
            }
            mode.prefixes.insert(prefix.into());
            at += 1;
        } else if args.is(at, "BCAST") {
            mode.broadcasts = true;
        } else if args.is(at, "OPTIN") {
            mode.opts_in = true;
        } else if args.is(at, "OPTOUT") {
            mode.opts_out = true;
        } else if args.is(at, "NOLOOP") {
            mode.no_loop = true;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    Ok(mode)
}

/// A prefix of the mode that begins with this one, or this one with it.
fn overlapping<'m>(mode: &'m Mode, prefix: &[u8]) -> Option<&'m [u8]> {
    let mut prefixes = mode.prefixes.iter().map(|known| &**known);
    prefixes.find(|known| known.starts_with(prefix) || prefix.starts_with(known))
}

fn start(ctx: &mut Context<'_>, mut mode: Mode) -> Outcome {
    let refuse = |text: String| Err(CommandError::other(text));
    if !mode.broadcasts && !mode.prefixes.is_empty() {
        return refuse("PREFIX option requires BCAST mode to be enabled".into());
    }
    let before = ctx.session.tracking.as_ref();
    if before.is_some_and(|before| before.broadcasts != mode.broadcasts) {
        return refuse(format!("You can't switch BCAST mode on/off {SWITCHED}"));
    }
    if mode.broadcasts && (mode.opts_in || mode.opts_out) {
        return refuse("OPTIN and OPTOUT are not compatible with BCAST".into());
    }
    if mode.opts_in && mode.opts_out {
        return refuse("You can't specify both OPTIN mode and OPTOUT mode".into());
    }
    let switches =
        |before: &Mode| mode.opts_in && before.opts_out || mode.opts_out && before.opts_in;
    if before.is_some_and(switches) {
        return refuse(format!("You can't switch OPTIN/OPTOUT mode {SWITCHED}"));
    }
    if let Some(before) = before {
        for prefix in &mode.prefixes {
            if let Some(other) = overlapping(before, prefix) {
                let text = |prefix: &[u8]| String::from_utf8_lossy(prefix).into_owned();
                return refuse(format!(
                    "Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap.",
                    text(prefix),
                    text(other)
                ));
            }
        }
        mode.prefixes.extend(before.prefixes.iter().cloned());
    }
    if mode.broadcasts && mode.prefixes.is_empty() {
        mode.prefixes.insert(Box::default());
    }
    ctx.session.card.redirect_is_broken.set(0);
    ctx.env.server.removed.want();
    ctx.env.server.tracking.start(&ctx.session.card, mode.clone());
    ctx.session.tracking = Some(mode);
    ctx.refresh_card();
    Ok(())
}

pub(crate) fn caching(ctx: &mut Context<'_>) -> Outcome {
    let off = "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
    let mode = ctx.session.tracking.as_ref().ok_or_else(|| CommandError::other(off))?;
    let (allowed, text) = match ctx.args.at(2).to_ascii_lowercase().as_slice() {
        b"yes" => (
            mode.opts_in,
            "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        ),
        b"no" => (
            mode.opts_out,
            "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        ),
        _ => return Err(CommandError::Syntax),
    };
    if !allowed {
        return Err(CommandError::other(text));
    }
    ctx.session.caching = true;
    ctx.out.ok();
    Ok(())
}

pub(crate) fn getredir(ctx: &mut Context<'_>) -> Outcome {
    let redirect = ctx.session.tracking.as_ref().map_or(-1, |mode| mode.redirect as i64);
    ctx.out.integer(redirect);
    Ok(())
}

pub(crate) fn trackinginfo(ctx: &mut Context<'_>) -> Outcome {
    let mode = ctx.session.tracking.clone();
    let (is_on, mode) = (mode.is_some(), mode.unwrap_or_default());
    let caching = ctx.session.caching;
    let flags: Vec<&str> = [
        (!is_on, "off"),
        (is_on, "on"),
        (mode.broadcasts, "bcast"),
        (mode.opts_in, "optin"),
        (mode.opts_in && caching, "caching-yes"),
        (mode.opts_out, "optout"),
        (mode.opts_out && caching, "caching-no"),
        (mode.no_loop, "noloop"),
        (is_on && ctx.session.card.redirect_is_broken.get() > 0, "broken_redirect"),
    ]
    .iter()
    .filter(|(raised, _)| *raised)
    .map(|(_, name)| *name)
    .collect();
    ctx.out.map(3);
    ctx.out.bulk(b"flags");
    ctx.out.set(flags.len());
    flags.iter().for_each(|name| ctx.out.bulk(name.as_bytes()));
    ctx.out.bulk(b"redirect");
    ctx.out.integer(if is_on { mode.redirect as i64 } else { -1 });
    ctx.out.bulk(b"prefixes");
    ctx.out.array(mode.prefixes.len());
    mode.prefixes.iter().for_each(|prefix| ctx.out.bulk(prefix));
    Ok(())
}
