//! TIME, ROLE, LOLWUT, ACL, MODULE: the server itself, as far as it is not INFO, CONFIG or DEBUG.

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};
use crate::clock;

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("time", 1, LOADING | STALE | FAST, time).doc("2.6.0", "Returns the server time."),
    row("role", 1, NOSCRIPT | LOADING | STALE | FAST, role)
        .doc("2.8.12", "Returns the replication role.")
        .acl(acl::DANGEROUS),
    row("lolwut", -1, READONLY | FAST, lolwut).doc("5.0.0", "Displays the server's version."),
    row("module", -2, 0, container).doc("4.0.0", "A container for module commands.").with(MODULE),
    row("acl", -2, 0, container)
        .doc("6.0.0", "A container for Access List Control commands.")
        .with(ACL),
];

static MODULE: &[Command] = &[
    row("module|list", 2, ADMIN | NOSCRIPT, module_list)
        .doc("4.0.0", "Returns all loaded modules."),
    row("module|help", 2, LOADING | STALE, module_help)
        .doc("5.0.0", "Returns helpful text about the different subcommands."),
];

const ACL_ADMIN: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

static ACL: &[Command] = &[
    row("acl|whoami", 2, NOSCRIPT | LOADING | STALE, acl_whoami)
        .doc("6.0.0", "Returns the authenticated username of the current connection."),
    row("acl|list", 2, ACL_ADMIN, acl_list)
        .doc("6.0.0", "Dumps the effective rules in ACL file format."),
    row("acl|users", 2, ACL_ADMIN, acl_users).doc("6.0.0", "Lists all ACL users."),
    row("acl|cat", -2, NOSCRIPT | LOADING | STALE, acl_cat)
        .doc("6.0.0", "Lists the ACL categories, or the commands inside a category."),
    row("acl|help", 2, LOADING | STALE, acl_help)
        .doc("6.0.0", "Returns helpful text about the different subcommands."),
];

fn time(ctx: &mut Context<'_>) -> Outcome {
    // While a script runs, time stands still.
    let now_us = match ctx.session.in_script {
        true => ctx.data().now_ms() * 1000,
        false => clock::now_us(),
    };
    ctx.out.array(2);
    ctx.out.bulk_integer((now_us / 1_000_000) as i64);
    ctx.out.bulk_integer((now_us % 1_000_000) as i64);
    Ok(())
}

fn role(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.array(3);
    ctx.out.bulk(b"master");
    ctx.out.integer(0);
    ctx.out.array(0);
    Ok(())
}

fn lolwut(ctx: &mut Context<'_>) -> Outcome {
    let text = format!(
        "versions pass, the reader's point stands still\n\nStillpoint ver. {}\n",
        env!("CARGO_PKG_VERSION")
    );
    ctx.out.verbatim("txt", &text);
    Ok(())
}

fn module_list(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.array(0);
    Ok(())
}

fn module_help(ctx: &mut Context<'_>) -> Outcome {
    help(ctx, "MODULE", &["LIST", "    Return a list of loaded modules; there never is one."])
}

fn acl_whoami(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.bulk(b"default");
    Ok(())
}

fn acl_list(ctx: &mut Context<'_>) -> Outcome {
    let secret = if ctx.env.settings.requirepass.is_empty() { "nopass" } else { "(requirepass)" };
    ctx.out.array(1);
    ctx.out.bulk(format!("user default on {secret} ~* &* +@all").as_bytes());
    Ok(())
}

fn acl_users(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.array(1);
    ctx.out.bulk(b"default");
    Ok(())
}

fn acl_cat(ctx: &mut Context<'_>) -> Outcome {
    let names: Vec<&str> = match ctx.args.len() {
        2 => super::category::NAMES.to_vec(),
        3 => {
            let wanted = String::from_utf8_lossy(ctx.args.at(2)).to_ascii_lowercase();
            if !super::category::NAMES.contains(&wanted.as_str()) {
                return Err(CommandError::other(format!("Unknown category '{wanted}'")));
            }
            let rows = super::rows().map(|(_, row)| row);
            rows.filter(|row| super::category::of(row).contains(&wanted.as_str()))
                .map(|row| row.name)
                .collect()
        }
        _ => return Err(CommandError::Arity("acl|cat")),
    };
    ctx.out.array(names.len());
    for name in names {
        ctx.out.bulk(name.as_bytes());
    }
    Ok(())
}

fn acl_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "LIST",
        "    Show users details in config file format.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
    ];
    help(ctx, "ACL", &lines)
}
