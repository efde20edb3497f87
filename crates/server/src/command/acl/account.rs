//! ACL SETUSER, GETUSER, DELUSER, LIST, USERS, WHOAMI.

use crate::acl::{Definition, Selector, end_connections, end_listeners, is_name};
use crate::command::{CommandError, Context, Outcome};
use crate::resp::Reply;

pub(super) fn setuser(ctx: &mut Context<'_>) -> Outcome {
    let (args, name) = (ctx.args, ctx.args.at(2));
    if !is_name(name) {
        return Err(CommandError::other("Usernames can't contain spaces or null characters"));
    }
    let definition = Definition::of(args.iter_from(3)).map_err(|word| {
        let word = String::from_utf8_lossy(&word).into_owned();
        CommandError::other(format!("Unmatched parenthesis in acl selector starting at '{word}'."))
    })?;
    let all_channels = ctx.env.settings.acl_all_channels;
    let changed = ctx.env.server.acl.change(name, &definition, all_channels);
    let account = changed.map_err(|(rule, error)| {
        let rule = String::from_utf8_lossy(&rule).into_owned();
        CommandError::other(format!("Error in ACL SETUSER modifier '{rule}': {error}"))
    })?;
    end_listeners(|of| std::ptr::eq(of, &*account), ctx.session, ctx.env);
    ctx.out.ok();
    Ok(())
}

pub(super) fn deluser(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if args.iter_from(2).any(|name| name == b"default") {
        return Err(CommandError::other("The 'default' user cannot be removed"));
    }
    let mut removed = 0;
    for name in args.iter_from(2) {
        if let Some(account) = ctx.env.server.acl.remove(name) {
            end_connections(&account, ctx.session, ctx.env);
            removed += 1;
        }
    }
    ctx.out.integer(removed);
    Ok(())
}

pub(super) fn getuser(ctx: &mut Context<'_>) -> Outcome {
    let Some(account) = ctx.env.server.acl.find(ctx.args.at(2)) else {
        ctx.out.null();
        return Ok(());
    };
    let (user, out) = (account.now(), &mut *ctx.out);
    out.map(6);
    out.bulk(b"flags");
    let flags = user.flags();
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"passwords");
    let hashes = user.hashes();
    out.array(hashes.len());
    hashes.for_each(|hash| out.bulk(hash.as_bytes()));
    let Some((own, others)) = user.selectors().split_first() else { return Ok(()) };
    write_selector(own, out);
    out.bulk(b"selectors");
    out.array(others.len());
    for selector in others {
        out.map(3);
        write_selector(selector, out);
    }
    Ok(())
}

/// Three fields.
fn write_selector(selector: &Selector, out: &mut Reply) {
    let commands = selector.commands_text().into_bytes();
    for (field, text) in [
        ("commands", commands),
        ("keys", selector.keys_text()),
        ("channels", selector.channels_text()),
    ] {
        out.bulk(field.as_bytes());
        out.bulk(&text);
    }
}

pub(super) fn list(ctx: &mut Context<'_>) -> Outcome {
    let lines = ctx.env.server.acl.lines();
    ctx.out.array(lines.len());
    lines.iter().for_each(|line| ctx.out.bulk(line));
    Ok(())
}

pub(super) fn users(ctx: &mut Context<'_>) -> Outcome {
    let accounts = ctx.env.server.acl.all();
    ctx.out.array(accounts.len());
    accounts.iter().for_each(|account| ctx.out.bulk(account.name()));
    Ok(())
}

pub(super) fn whoami(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.bulk(ctx.session.login.name());
    Ok(())
}
