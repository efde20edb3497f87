//! CONFIG GET, SET, RESETSTAT, REWRITE.

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::config::{self, DIRECTIVES, SettingError, Source};
use crate::value::glob_matches;

const FLAGS: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

const fn sub(
    name: &'static str,
    arity: i32,
    flags: u32,
    handler: Handler,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler).doc("2.0.0", summary)
}

pub(crate) static ROWS: &[Command] =
    &[Command::new("config", -2, 0, Keys::NONE, Group::Server, container)
        .doc("2.0.0", "A container for server configuration commands.")
        .with(SUBCOMMANDS)];

static SUBCOMMANDS: &[Command] = &[
    sub("config|get", -3, FLAGS, get, "Returns the effective values of configuration parameters."),
    sub(
        "config|help",
        2,
        LOADING | STALE,
        config_help,
        "Returns helpful text about the different subcommands.",
    ),
    sub("config|resetstat", 2, FLAGS, resetstat, "Resets the server's statistics."),
    sub("config|rewrite", 2, FLAGS, rewrite, "Persists the effective configuration to file."),
    sub("config|set", -4, FLAGS, set, "Sets configuration parameters in-flight."),
];

fn get(ctx: &mut Context<'_>) -> Outcome {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let settings = ctx.env.settings.clone();
    let patterns: Vec<Vec<u8>> = ctx.args.iter_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    for directive in DIRECTIVES {
        for name in std::iter::once(directive.name).chain(directive.alias) {
            let asked = |pattern: &Vec<u8>| match directive.hidden {
                true => pattern == name.as_bytes(),
                false => glob_matches(pattern, name.as_bytes()),
            };
            if patterns.iter().any(asked) {
                found.push((name, settings.text(name)));
            }
        }
    }
    found.sort_unstable();
    ctx.out.map(found.len());
    for (name, value) in found {
        ctx.out.bulk(name.as_bytes());
        ctx.out.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("config|set"));
    }
    let text = |i| String::from_utf8_lossy(args.at(i)).into_owned();
    let pairs: Vec<(String, String)> =
        (2..args.len()).step_by(2).map(|i| (text(i), text(i + 1))).collect();
    let protected = allows(ctx, "enable-protected-configs");
    ctx.env.server.change_settings(&pairs, Source::Client { protected }).map_err(|e| match e {
        SettingError::Unknown(name) => CommandError::other(format!(
            "Unknown option or number of arguments for CONFIG SET - '{name}'"
        )),
        SettingError::Refused { name, why } => CommandError::other(format!(
            "CONFIG SET failed (possibly related to argument '{name}') - {why}"
        )),
    })?;
    ctx.env.refresh();
    // With a lower limit keys are forgotten before anybody's next command.
    ctx.env.server.tracking.tick(ctx.env);
    ctx.out.ok();
    Ok(())
}

/// Whether a directive of the kind `no`, `yes`, `local` lets this client through.
pub(crate) fn allows(ctx: &Context<'_>, directive: &str) -> bool {
    match ctx.env.settings.text(directive) {
        "yes" => true,
        "local" => {
            let address = &ctx.session.card.address;
            address.starts_with("127.") || address.starts_with("[::1]") || address.starts_with('/')
        }
        _ => false,
    }
}

fn resetstat(ctx: &mut Context<'_>) -> Outcome {
    let server = &ctx.env.server;
    server.reset_totals();
    server.clients.reset_counts();
    server.scripting.scripts.evicted.set(0);
    server.field_expiry.expired.set(0);
    server.peak_memory.set(crate::memory::used_bytes(server));
    ctx.out.ok();
    Ok(())
}

fn rewrite(ctx: &mut Context<'_>) -> Outcome {
    let Some(path) = &ctx.env.server.config_file else {
        return Err(CommandError::other("The server is running without a config file"));
    };
    // An ACL file has its own SAVE.
    let users = match ctx.env.settings.text("aclfile") {
        "" => ctx.env.server.acl.lines(),
        _ => Vec::new(),
    };
    config::rewrite(&ctx.env.settings, &users, path)
        .map_err(|e| CommandError::other(format!("Rewriting config file: {e}")))?;
    ctx.out.ok();
    Ok(())
}

fn config_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
    ];
    help(ctx, "CONFIG", &lines)
}
