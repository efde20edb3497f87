//! TIME, ROLE, LOLWUT, MODULE: the server itself, as far as it is not INFO, CONFIG or DEBUG.

use super::help::{container, help};
use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{Context, Outcome, REDIS_VERSION};
use crate::clock;

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("time", 1, LOADING | STALE | FAST, time).doc("2.6.0", "Returns the server time."),
    row("role", 1, NOSCRIPT | LOADING | STALE | FAST, role)
        .doc("2.8.12", "Returns the replication role.")
        .acl(acl::ADMIN | acl::DANGEROUS),
    row("lolwut", -1, READONLY | FAST, lolwut).doc("5.0.0", "Displays the server's version."),
    row("module", -2, 0, container).doc("4.0.0", "A container for module commands.").with(MODULE),
];

static MODULE: &[Command] = &[
    row("module|list", 2, ADMIN | NOSCRIPT, module_list)
        .doc("4.0.0", "Returns all loaded modules."),
    row("module|help", 2, LOADING | STALE, module_help)
        .doc("5.0.0", "Returns helpful text about the different subcommands."),
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
        "versions pass, the reader's point stands still\n\nRedis ver. {REDIS_VERSION} (Stillpoint ver. {})\n",
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
